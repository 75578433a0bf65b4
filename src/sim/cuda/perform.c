/* SPDX-License-Identifier: Apache-2.0 */
/* What operations do: kernels, copies, fills, host functions, events. */
#include <string.h>

#include "sim/cuda/capture.h"
#include "sim/cuda/kernels.h"
#include "sim/cuda/memory.h"
#include "sim/cuda/perform.h"

/* --- checks --- */

static bool is_host_type(uint32_t type)
{
	return type == DV_CU_MEMORYTYPE_HOST;
}

/* One side of a copy: where it begins, and how far rows and layers are apart. */
struct side {
	uint32_t type;
	dv_cu_ptr base;
	const struct dv_cu_array *array;
	size_t x, y, z, pitch, height;
};

static struct side source(const struct dv_cu_copy_3d *copy)
{
	return (struct side){
		copy->src_type,
		is_host_type(copy->src_type) ? (uintptr_t)copy->src_host : copy->src_device,
		copy->src_array,
		copy->src_x,
		copy->src_y,
		copy->src_z,
		copy->src_pitch,
		copy->src_height};
}

static struct side target(const struct dv_cu_copy_3d *copy)
{
	return (struct side){
		copy->dst_type,
		is_host_type(copy->dst_type) ? (uintptr_t)copy->dst_host : copy->dst_device,
		copy->dst_array,
		copy->dst_x,
		copy->dst_y,
		copy->dst_z,
		copy->dst_pitch,
		copy->dst_height};
}

/* An array is memory with rows and layers of its own. */
static enum dv_cu_result resolve(struct side *side, const struct dv_cu_copy_3d *copy)
{
	if (side->type == DV_CU_MEMORYTYPE_ARRAY) {
		if (!dv_cu_is(side->array, DV_CU_ARRAY))
			return DV_CUDA_ERROR_INVALID_HANDLE;
		side->base = dv_cu_array_memory(side->array, &side->pitch, &side->height);
	}
	DV_NEED(side->type >= DV_CU_MEMORYTYPE_HOST && side->type <= DV_CU_MEMORYTYPE_UNIFIED);
	if (!side->pitch)
		side->pitch = copy->width;
	if (!side->height)
		side->height = copy->height;
	DV_NEED(copy->depth <= 1 || side->height >= copy->height + side->y);
	DV_NEED(copy->height <= 1 || side->pitch >= copy->width + side->x);
	return DV_CUDA_SUCCESS;
}

static dv_cu_ptr begin_of(const struct side *side)
{
	return side->base + (side->z * side->height + side->y) * side->pitch + side->x;
}

static size_t extent(const struct side *side, const struct dv_cu_copy_3d *copy)
{
	return ((copy->depth - 1) * side->height + copy->height - 1) * side->pitch + copy->width;
}

/* Memory of the device must be there; of the host's nothing can be said, as by the driver. */
static bool is_whole(const struct side *side, const struct dv_cu_copy_3d *copy)
{
	const struct dv_cu_block *block = dv_cu_block_at(begin_of(side), 0);

	if (side->type == DV_CU_MEMORYTYPE_HOST ||
	    (side->type == DV_CU_MEMORYTYPE_UNIFIED && !block))
		return begin_of(side) != 0;
	return dv_cu_block_at(begin_of(side), extent(side, copy));
}

static enum dv_cu_result check_copy(const struct dv_cu_copy_3d *copy)
{
	struct side from = source(copy), to = target(copy);

	if (!copy->width || !copy->height || !copy->depth)
		return DV_CUDA_SUCCESS;
	DV_TRY(resolve(&from, copy));
	DV_TRY(resolve(&to, copy));
	DV_NEED(is_whole(&from, copy) && is_whole(&to, copy));
	return DV_CUDA_SUCCESS;
}

static enum dv_cu_result check_kernel(const struct dv_cu_kernel_node *kernel)
{
	uint64_t threads = (uint64_t)kernel->block_x * kernel->block_y * kernel->block_z;

	if (!dv_cu_is(kernel->function, DV_CU_FUNCTION))
		return DV_CUDA_ERROR_INVALID_HANDLE;
	DV_NEED(kernel->grid_x && kernel->grid_y && kernel->grid_z && threads);
	DV_NEED(kernel->grid_x <= INT32_MAX && kernel->grid_y <= 65535 && kernel->grid_z <= 65535);
	DV_NEED(threads <= 1024 && kernel->block_z <= 64);
	DV_NEED(kernel->shared_bytes <= 49152 ||
		(int)kernel->shared_bytes <= kernel->function->dynamic_shared);
	DV_NEED(!kernel->params || !kernel->extra);
	DV_NEED(!kernel->function->arguments_known || !kernel->function->argument_count ||
		kernel->params || kernel->extra);
	return DV_CUDA_SUCCESS;
}

static enum dv_cu_result check_fill(const struct dv_cu_memset_node *fill)
{
	size_t rows = fill->height, width = fill->width * fill->element_size;

	DV_NEED(fill->element_size == 1 || fill->element_size == 2 || fill->element_size == 4);
	if (!rows || !width)
		return DV_CUDA_SUCCESS;
	DV_NEED(rows == 1 || fill->pitch >= width);
	DV_NEED(fill->dst % fill->element_size == 0);
	DV_NEED(dv_cu_block_at(fill->dst, (rows - 1) * fill->pitch + width));
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result dv_cu_check(const struct dv_cu_node_params *params)
{
	switch (params->type) {
	case DV_CU_GRAPH_NODE_TYPE_KERNEL:
		return check_kernel(&params->kernel);
	case DV_CU_GRAPH_NODE_TYPE_MEMCPY:
		return check_copy(&params->copy.copy);
	case DV_CU_GRAPH_NODE_TYPE_MEMSET:
		return check_fill(&params->fill.fill);
	case DV_CU_GRAPH_NODE_TYPE_HOST:
		return params->host.fn ? DV_CUDA_SUCCESS : DV_CUDA_ERROR_INVALID_VALUE;
	case DV_CU_GRAPH_NODE_TYPE_EVENT_RECORD:
	case DV_CU_GRAPH_NODE_TYPE_WAIT_EVENT:
		return dv_cu_is(params->event.event, DV_CU_EVENT) ? DV_CUDA_SUCCESS
								  : DV_CUDA_ERROR_INVALID_HANDLE;
	case DV_CU_GRAPH_NODE_TYPE_GRAPH:
		return dv_cu_is(params->child.graph, DV_CU_GRAPH) ? DV_CUDA_SUCCESS
								  : DV_CUDA_ERROR_INVALID_HANDLE;
	case DV_CU_GRAPH_NODE_TYPE_EMPTY:
	case DV_CU_GRAPH_NODE_TYPE_MEM_FREE:
		return DV_CUDA_SUCCESS;
	case DV_CU_GRAPH_NODE_TYPE_MEM_ALLOC:
		return params->alloc.bytes ? DV_CUDA_SUCCESS : DV_CUDA_ERROR_INVALID_VALUE;
	default:
		return DV_CUDA_ERROR_NOT_SUPPORTED;
	}
}

/* --- what they do, without the lock --- */

static void act_copy(struct dv_cu_op *op)
{
	struct dv_cu_copy_3d copy;
	struct side from, to;

	memcpy(&copy, op->data, sizeof(copy));
	from = source(&copy);
	to = target(&copy);
	for (size_t layer = 0; layer < copy.depth; layer++)
		for (size_t row = 0; row < copy.height; row++)
			memmove((char *)(uintptr_t)begin_of(&to) +
					(layer * to.height + row) * to.pitch,
				(const char *)(uintptr_t)begin_of(&from) +
					(layer * from.height + row) * from.pitch,
				copy.width);
}

static void fill_row(char *at, const struct dv_cu_memset_node *fill)
{
	if (fill->element_size == 1) {
		memset(at, (int)(fill->value & 0xff), fill->width);
		return;
	}
	for (size_t i = 0; i < fill->width; i++)
		memcpy(at + i * fill->element_size, &fill->value, fill->element_size);
}

static void act_fill(struct dv_cu_op *op)
{
	struct dv_cu_memset_node fill;

	memcpy(&fill, op->data, sizeof(fill));
	for (size_t row = 0; row < fill.height; row++)
		fill_row((char *)(uintptr_t)fill.dst + row * fill.pitch, &fill);
}

static void act_kernel(struct dv_cu_op *op)
{
	struct dv_cu_function function;

	memcpy(&function, op->data, sizeof(function));
	op->result = dv_cu_kernel_act(&function, op->data + sizeof(function));
	if (op->result != DV_CUDA_SUCCESS)
		dv_cu_fail_later(op->result);
}

static void act_host(struct dv_cu_op *op)
{
	struct dv_cu_host_node host;

	memcpy(&host, op->data, sizeof(host));
	host.fn(host.user);
}

/* --- operations --- */

static size_t arguments_size(const struct dv_cu_function *function)
{
	unsigned last = function->argument_count;

	return last ? (size_t)function->offsets[last - 1] + function->sizes[last - 1] : 0;
}

/* `extra` is a list of keys and values; of a buffer, at most what the function takes is read. */
static void copy_extra(void **extra, char *to, size_t most)
{
	const void *buffer = NULL;
	size_t size = 0;

	for (; *extra != (void *)DV_CU_LAUNCH_PARAM_END; extra += 2) {
		if (*extra == (void *)DV_CU_LAUNCH_PARAM_BUFFER_POINTER)
			buffer = extra[1];
		else if (*extra == (void *)DV_CU_LAUNCH_PARAM_BUFFER_SIZE)
			memcpy(&size, extra[1], sizeof(size));
		else
			return;
	}
	if (buffer)
		memcpy(to, buffer, DV_MIN(size, most));
}

void dv_cu_pack_arguments(const struct dv_cu_kernel_node *kernel, char *to, size_t size)
{
	const struct dv_cu_function *function = kernel->function;

	memset(to, 0, size);
	if (kernel->extra) {
		copy_extra(kernel->extra, to, size);
		return;
	}
	for (unsigned i = 0; kernel->params && i < function->argument_count; i++)
		memcpy(to + function->offsets[i], kernel->params[i], function->sizes[i]);
}

size_t dv_cu_arguments_size(const struct dv_cu_function *function)
{
	return arguments_size(function);
}

static struct dv_cu_op *kernel_op(struct dv_cu_stream *stream,
				  const struct dv_cu_kernel_node *kernel)
{
	size_t size = arguments_size(kernel->function);
	struct dv_cu_op *op = dv_cu_op_new(stream, sizeof(*kernel->function) + size);

	if (!op)
		return NULL;
	/* The function may be unloaded before its time comes. */
	memcpy(op->data, kernel->function, sizeof(*kernel->function));
	dv_cu_pack_arguments(kernel, op->data + sizeof(*kernel->function), size);
	op->computes = true;
	op->duration_ns = dv_cu_kernel_time(kernel->function, op->data + sizeof(*kernel->function));
	op->act = act_kernel;
	return op;
}

static struct dv_cu_op *simple_op(struct dv_cu_stream *stream, const void *data, size_t size,
				  void (*act)(struct dv_cu_op *op))
{
	struct dv_cu_op *op = dv_cu_op_new(stream, size);

	if (!op)
		return NULL;
	if (size)
		memcpy(op->data, data, size);
	op->act = act;
	return op;
}

/* Arrays and distances that were left out are looked up while the lock is held. */
static struct dv_cu_op *copy_op(struct dv_cu_stream *stream, struct dv_cu_copy_3d copy)
{
	struct side from = source(&copy), to = target(&copy);

	if (!copy.width || !copy.height || !copy.depth ||
	    resolve(&from, &copy) != DV_CUDA_SUCCESS || resolve(&to, &copy) != DV_CUDA_SUCCESS)
		return simple_op(stream, NULL, 0, NULL);
	copy.src_type = copy.dst_type = DV_CU_MEMORYTYPE_UNIFIED;
	copy.src_device = from.base;
	copy.src_pitch = from.pitch;
	copy.src_height = from.height;
	copy.dst_device = to.base;
	copy.dst_pitch = to.pitch;
	copy.dst_height = to.height;
	return simple_op(stream, &copy, sizeof(copy), act_copy);
}

struct dv_cu_op *dv_cu_op_of(struct dv_cu_stream *stream, const struct dv_cu_node_params *params)
{
	struct dv_cu_op *op;

	switch (params->type) {
	case DV_CU_GRAPH_NODE_TYPE_KERNEL:
		return kernel_op(stream, &params->kernel);
	case DV_CU_GRAPH_NODE_TYPE_MEMCPY:
		return copy_op(stream, params->copy.copy);
	case DV_CU_GRAPH_NODE_TYPE_MEMSET:
		return simple_op(stream, &params->fill.fill, sizeof(params->fill.fill), act_fill);
	case DV_CU_GRAPH_NODE_TYPE_HOST:
		op = simple_op(stream, &params->host, sizeof(params->host), act_host);
		if (op)
			op->on_host = true;
		return op;
	case DV_CU_GRAPH_NODE_TYPE_EVENT_RECORD:
		op = dv_cu_op_new(stream, sizeof(uint64_t[2]));
		if (op && dv_cu_event_recorded_by(params->event.event, op) < 0)
			dv_cu_op_unref(take_ptr(op));
		return op;
	case DV_CU_GRAPH_NODE_TYPE_WAIT_EVENT:
		op = dv_cu_op_new(stream, sizeof(uint64_t[2]));
		if (op && dv_cu_op_waits_for(op, params->event.event) < 0)
			dv_cu_op_unref(take_ptr(op));
		return op;
	default:
		return simple_op(stream, NULL, 0, NULL);
	}
}

enum dv_cu_result dv_cu_do(struct dv_cu_stream *stream, const struct dv_cu_node_params *params,
			   bool wait)
{
	struct dv_cu_node *node = NULL;
	struct dv_cu_op *op;

	DV_TRY(dv_cu_failed());
	DV_TRY(dv_cu_check(params));
	DV_TRY(dv_cu_capture_node(stream, params, &node));
	if (node)
		return DV_CUDA_SUCCESS;
	op = dv_cu_op_of(stream, params);
	if (!op)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	return wait ? dv_cu_submit_and_wait(op) : dv_cu_submit(op);
}

struct dv_cu_node_params dv_cu_kernel_params(const struct dv_cu_kernel_node *kernel)
{
	struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_KERNEL, .kernel = *kernel};

	if (!params.kernel.function)
		params.kernel.function = (struct dv_cu_function *)kernel->kernel;
	return params;
}

/* It begins like the second. */
struct dv_cu_node_params dv_cu_kernel_params_v1(const struct dv_cu_kernel_node_v1 *kernel)
{
	struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_KERNEL};

	memcpy(&params.kernel, kernel, sizeof(*kernel));
	return params;
}
