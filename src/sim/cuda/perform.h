/* SPDX-License-Identifier: Apache-2.0 */
/* Small parts of operations that other files have. */
#pragma once

#include "sim/cuda/graph.h"

/* The memory of an array, and how far its rows are apart and how many a layer has. */
dv_cu_ptr dv_cu_array_memory(const struct dv_cu_array *array, size_t *ret_pitch,
			     size_t *ret_height);

/* Pack a launch's arguments as the function takes them; `size` is dv_cu_arguments_size. */
void dv_cu_pack_arguments(const struct dv_cu_kernel_node *kernel, char *to, size_t size);
size_t dv_cu_arguments_size(const struct dv_cu_function *function);

/* The operation is what the event waits for from now on. */
int dv_cu_event_recorded_by(struct dv_cu_event *event, struct dv_cu_op *op);
/* The operation begins after the event, as it is recorded now. */
int dv_cu_op_waits_for(struct dv_cu_op *op, struct dv_cu_event *event);
