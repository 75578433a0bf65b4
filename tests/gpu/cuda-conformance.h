/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the conformance test: what its parts share. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/macro.h"
#include "cuda-load.h"

extern struct cuda cu;
extern unsigned checks, surprises;
extern struct dv_cu_context *context;
extern struct dv_cu_function *spin, *fill, *add;

void check_at(const char *file, int line, bool holds, const char *what, long got);

#define CHECK(what) check_at(__FILE__, __LINE__, (what), #what, 0)
/* The call answers so. */
#define IS(call, expected)                                                                         \
	do {                                                                                       \
		enum dv_cu_result got_ = (call);                                                   \
		check_at(__FILE__, __LINE__, got_ == DV_CUDA_##expected, #call " is " #expected,   \
			 (long)got_);                                                              \
	} while (0)
#define OK(call) IS(call, SUCCESS)

/* What was seen, for the record: one member of the report's object each. */
void saw_number(const char *name, double value);
void saw_text(const char *name, const char *value);

double now_ms(void);
void spin_for(struct dv_cu_stream *stream, unsigned long long ns);
void launch_on(struct dv_cu_stream *stream, struct dv_cu_function *function, dv_cu_ptr to,
	       uint32_t value, uint32_t count);
/* Are `count` words there of that value? */
bool holds(dv_cu_ptr at, uint32_t value, uint32_t count);

void part_names(void);	 /* cuGetProcAddress */
void part_devices(void); /* before there is a context */
void part_context(void);
void part_memory(void);
void part_physical(void);
void part_pools(void);
void part_copies(void);
void part_streams(void);
void part_events(void);
void part_capture(void);
void part_graphs(void);
void part_wrong(void); /* errors of wrong use */
