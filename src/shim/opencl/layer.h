/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenCL layer's inside: the table below us and the functions we put above it. Each file takes
 * its own entries of the table. Handles belong to the program. */
#pragma once

#include <stdbool.h>

#include "abi/opencl-layer.h"
#include "shim/core/client.h"
#include "shim/core/keep.h"

/* What the loader hands us to call; constant once the layer is initialised. */
extern cl_icd_dispatch dv_ocl_target;

/* Put this file's functions into the table. */
void dv_ocl_take_memory(cl_icd_dispatch *table);
void dv_ocl_take_images(cl_icd_dispatch *table);
void dv_ocl_take_svm(cl_icd_dispatch *table);
void dv_ocl_take_info(cl_icd_dispatch *table);
void dv_ocl_take_imports(cl_icd_dispatch *table);
void dv_ocl_take_extensions(cl_icd_dispatch *table);
void dv_ocl_take_launches(cl_icd_dispatch *table);
void dv_ocl_take_transfers(cl_icd_dispatch *table);
void dv_ocl_take_queues(cl_icd_dispatch *table);
void dv_ocl_take_events(cl_icd_dispatch *table);

/* The entry that a program may have for one of the table's own names; NULL: not such a name. */
void *dv_ocl_table_entry(const char *name);

/* Refuse a call that cannot be limited: count it, set the error, return NULL. */
void *dv_ocl_refuse(cl_int error, cl_int *ret_error);

/* After the object was made: it carries `bytes` until it is truly gone. On failure (mem is NULL or
 * cannot carry it) the charge is given back. Returns mem or NULL. */
cl_mem dv_ocl_settle(cl_mem mem, uint64_t bytes, cl_int *ret_error);
/* Reserve for a memory object. False: over the limit; the error is set. */
bool dv_ocl_reserve(uint64_t bytes, cl_int *ret_error);
/* Charged already, as a part of a shared allocation? */
bool dv_ocl_svm_holds(const void *address);
/* What a file keeps, afresh: at the start, and in the child of a fork. */
void dv_ocl_svm_init(void);
void dv_ocl_queues_init(void);
void dv_ocl_events_init(void);

/* What the gate asks for: see struct dv_shim_gate_ops. */
void dv_ocl_queues_mark(void);
void dv_ocl_queues_flush(void);
void dv_ocl_event_open(void *token);

/* Is this extension's name kept from programs? `size` characters. */
bool dv_ocl_hidden_extension(const char *name, size_t size);
/* Drop the hidden names from a list separated by spaces, in place. */
void dv_ocl_filter_extensions(char *list);
