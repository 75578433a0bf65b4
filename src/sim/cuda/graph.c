/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs: nodes with what they depend on, copies of them, and what launching one submits. */
#include "sim/cuda/graph.h"

#include <string.h>
#include <sys/mman.h>

#include "sim/cuda/memory.h"
#include "sim/cuda/perform.h"

struct dv_cu_graph *dv_cu_graph_new(void)
{
	return dv_cu_new(DV_CU_GRAPH, sizeof(struct dv_cu_graph));
}

static void clear(struct dv_cu_node *node)
{
	if (node->params.type == DV_CU_GRAPH_NODE_TYPE_GRAPH && node->params.child.graph)
		dv_cu_graph_free(node->params.child.graph);
	free(node->blob);
	node->blob = NULL;
	memset(&node->params, 0, sizeof(node->params));
}

static void free_node(struct dv_cu_node *node)
{
	clear(node);
	dv_vec_fini(&node->before);
	dv_cu_free(node);
}

static void release_object(struct dv_cu_user_object *object)
{
	if (--object->refs)
		return;
	object->destroy(object->object);
	dv_cu_free(object);
}

void dv_cu_graph_free(struct dv_cu_graph *graph)
{
	for (size_t i = 0; i < graph->nodes.len; i++)
		free_node(graph->nodes.items[i]);
	for (size_t i = 0; i < graph->objects.len; i++)
		release_object(graph->objects.items[i]);
	dv_vec_fini(&graph->nodes);
	dv_vec_fini(&graph->objects);
	dv_cu_free(graph);
}

/* --- nodes --- */

/* The arguments, and pointers to them: so that they can be asked for again. */
static enum dv_cu_result keep_arguments(struct dv_cu_node *node)
{
	struct dv_cu_kernel_node *kernel = &node->params.kernel;
	const struct dv_cu_function *function = kernel->function;
	size_t size = dv_cu_arguments_size(function),
	       head = function->argument_count * sizeof(void *);
	char *blob = calloc(1, head + size + 1);

	if (!blob)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	dv_cu_pack_arguments(kernel, blob + head, size);
	for (unsigned i = 0; i < function->argument_count; i++)
		((void **)(void *)blob)[i] = blob + head + function->offsets[i];
	kernel->params = function->argument_count ? (void **)(void *)blob : NULL;
	kernel->extra = NULL;
	node->blob = blob;
	return DV_CUDA_SUCCESS;
}

static enum dv_cu_result keep_child(struct dv_cu_node *node)
{
	struct dv_cu_graph *copy = NULL;
	enum dv_cu_result result = dv_cu_graph_copy(node->params.child.graph, true, &copy);

	node->params.child.graph = copy;
	if (copy)
		copy->is_part = true;
	return result;
}

/* An address for good: each launch allocates the memory there. */
static enum dv_cu_result reserve(struct dv_cu_node *node)
{
	struct dv_cu_device *device = dv_cu_device_at(node->params.alloc.pool.location.id);
	struct dv_cu_block block = {.use = DV_CU_USE_GRAPH,
				    .size = dv_cu_round(node->params.alloc.bytes, DV_CU_GRAIN),
				    .device = device,
				    .context = dv_cu_current(),
				    .fd = -1,
				    .readable = true,
				    .writable = true};

	if (!device)
		return DV_CUDA_ERROR_INVALID_VALUE;
	block.base = dv_cu_map(block.size);
	if (!block.base)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	if (!dv_cu_block_add(&block)) {
		dv_cu_unmap(block.base, block.size);
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	}
	node->address = node->params.alloc.ret = block.base;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result dv_cu_node_set(struct dv_cu_node *node, const struct dv_cu_node_params *params)
{
	struct dv_cu_node new = {.params = *params, .address = node->address};
	enum dv_cu_result result = dv_cu_check(params);

	if (result == DV_CUDA_SUCCESS && params->type == DV_CU_GRAPH_NODE_TYPE_KERNEL)
		result = keep_arguments(&new);
	else if (result == DV_CUDA_SUCCESS && params->type == DV_CU_GRAPH_NODE_TYPE_GRAPH)
		result = keep_child(&new);
	else if (result == DV_CUDA_SUCCESS && params->type == DV_CU_GRAPH_NODE_TYPE_MEM_ALLOC &&
		 !params->alloc.ret)
		result = reserve(&new);
	if (result != DV_CUDA_SUCCESS)
		return result;
	clear(node);
	node->params = new.params;
	node->blob = new.blob;
	node->address = params->type == DV_CU_GRAPH_NODE_TYPE_MEM_ALLOC ? new.params.alloc.ret : 0;
	return DV_CUDA_SUCCESS;
}

int dv_cu_node_after(struct dv_cu_node *node, struct dv_cu_node *before)
{
	for (size_t i = 0; i < node->before.len; i++)
		if (node->before.items[i] == before)
			return 0;
	return dv_vec_push(&node->before, before);
}

enum dv_cu_result dv_cu_node_new(struct dv_cu_graph *graph, struct dv_cu_node *const *before,
				 size_t count, const struct dv_cu_node_params *params,
				 struct dv_cu_node **ret)
{
	struct dv_cu_node *node = dv_cu_new(DV_CU_NODE, sizeof(*node));
	enum dv_cu_result result;

	if (!node)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	node->graph = graph;
	result = dv_cu_node_set(node, params);
	for (size_t i = 0; result == DV_CUDA_SUCCESS && i < count; i++)
		if (!dv_cu_is(before[i], DV_CU_NODE) || before[i]->graph != graph)
			result = DV_CUDA_ERROR_INVALID_VALUE;
		else if (dv_cu_node_after(node, before[i]) < 0)
			result = DV_CUDA_ERROR_OUT_OF_MEMORY;
	if (result == DV_CUDA_SUCCESS && dv_vec_push(&graph->nodes, node) < 0)
		result = DV_CUDA_ERROR_OUT_OF_MEMORY;
	if (result == DV_CUDA_SUCCESS) {
		*ret = node;
		return result;
	}
	/* An address that was taken for this node alone. */
	if (node->address && !params->alloc.ret)
		dv_cu_release(dv_cu_block_at(node->address, 0));
	free_node(node);
	return result;
}

/* --- copies --- */

static struct dv_cu_node *copy_of(const struct dv_cu_graph *copy, const struct dv_cu_node *node)
{
	for (size_t i = 0; i < copy->nodes.len; i++)
		if (copy->nodes.items[i]->of == node)
			return copy->nodes.items[i];
	return NULL;
}

static enum dv_cu_result copy_node(struct dv_cu_graph *copy, struct dv_cu_node *node)
{
	struct dv_cu_node *new = NULL;

	DV_TRY(dv_cu_node_new(copy, NULL, 0, &node->params, &new));
	new->of = node;
	new->disabled = node->disabled;
	node->marked = true;
	return DV_CUDA_SUCCESS;
}

static bool may_follow(const struct dv_cu_node *node)
{
	for (size_t i = 0; i < node->before.len; i++)
		if (!node->before.items[i]->marked)
			return false;
	return true;
}

static enum dv_cu_result copy_nodes(const struct dv_cu_graph *graph, bool sort,
				    struct dv_cu_graph *copy)
{
	size_t before;

	for (size_t i = 0; i < graph->nodes.len; i++)
		graph->nodes.items[i]->marked = false;
	do {
		before = copy->nodes.len;
		for (size_t i = 0; i < graph->nodes.len; i++) {
			struct dv_cu_node *node = graph->nodes.items[i];

			if (!node->marked && (!sort || may_follow(node)))
				DV_TRY(copy_node(copy, node));
		}
	} while (copy->nodes.len > before && copy->nodes.len < graph->nodes.len);
	/* What is left depends on itself. */
	return copy->nodes.len == graph->nodes.len ? DV_CUDA_SUCCESS : DV_CUDA_ERROR_INVALID_VALUE;
}

static enum dv_cu_result copy_edges(struct dv_cu_graph *copy)
{
	for (size_t i = 0; i < copy->nodes.len; i++) {
		struct dv_cu_node *node = copy->nodes.items[i];

		for (size_t j = 0; j < node->of->before.len; j++)
			if (dv_cu_node_after(node, copy_of(copy, node->of->before.items[j])) < 0)
				return DV_CUDA_ERROR_OUT_OF_MEMORY;
	}
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result dv_cu_graph_copy(const struct dv_cu_graph *graph, bool sort,
				   struct dv_cu_graph **ret)
{
	struct dv_cu_graph *copy = dv_cu_graph_new();
	enum dv_cu_result result;

	if (!copy)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	result = copy_nodes(graph, sort, copy);
	if (result == DV_CUDA_SUCCESS)
		result = copy_edges(copy);
	for (size_t i = 0; result == DV_CUDA_SUCCESS && i < graph->objects.len; i++) {
		if (dv_vec_push(&copy->objects, graph->objects.items[i]) < 0)
			result = DV_CUDA_ERROR_OUT_OF_MEMORY;
		else
			graph->objects.items[i]->refs++;
	}
	if (result == DV_CUDA_SUCCESS)
		*ret = copy;
	else
		dv_cu_graph_free(copy);
	return result;
}

/* --- memory --- */

void dv_cu_graph_memory_free(struct dv_cu_block *block)
{
	if (!block->live || --block->live)
		return;
	block->device->graph_used -= DV_MIN(block->device->graph_used, block->size);
	(void)madvise((void *)(uintptr_t)block->base, block->size, MADV_DONTNEED);
}

static enum dv_cu_result reserve_memory(struct dv_cu_device *device, uint64_t used)
{
	uint64_t wanted = dv_cu_round(used, DV_CU_PAGE);

	if (wanted > device->graph_reserved) {
		DV_TRY(dv_cu_charge(device, wanted - device->graph_reserved));
		device->graph_reserved = wanted;
	}
	device->graph_reserved_most = DV_MAX(device->graph_reserved_most, device->graph_reserved);
	return DV_CUDA_SUCCESS;
}

static bool frees(const struct dv_cu_graph *graph, dv_cu_ptr ptr)
{
	for (size_t i = 0; i < graph->nodes.len; i++)
		if (graph->nodes.items[i]->params.type == DV_CU_GRAPH_NODE_TYPE_MEM_FREE &&
		    graph->nodes.items[i]->params.free.ptr == ptr)
			return true;
	return false;
}

static enum dv_cu_result allocate_one(const struct dv_cu_exec *exec, struct dv_cu_block *block)
{
	struct dv_cu_device *device = block->device;
	enum dv_cu_result result;

	if (block->live && exec->flags & DV_CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH)
		dv_cu_graph_memory_free(block);
	/* A launch that frees it itself may be behind another one. */
	DV_NEED(!block->live || frees(exec->graph, block->base));
	if (block->live++)
		return DV_CUDA_SUCCESS;
	result = reserve_memory(device, device->graph_used + block->size);
	if (result != DV_CUDA_SUCCESS) {
		block->live = 0;
		return result;
	}
	device->graph_used += block->size;
	device->graph_used_most = DV_MAX(device->graph_used_most, device->graph_used);
	return DV_CUDA_SUCCESS;
}

/* What the n-th node allocates; NULL: nothing. */
static struct dv_cu_block *allocates(const struct dv_cu_exec *exec, size_t n)
{
	const struct dv_cu_node *node = exec->graph->nodes.items[n];

	return node->params.type == DV_CU_GRAPH_NODE_TYPE_MEM_ALLOC
		       ? dv_cu_block_at(node->params.alloc.ret, 0)
		       : NULL;
}

/* Of the first `count` nodes: the launch came to nothing. */
static void free_all(const struct dv_cu_exec *exec, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct dv_cu_block *block = allocates(exec, i);

		if (block)
			dv_cu_graph_memory_free(block);
	}
}

/* All that a launch allocates is there before it begins. */
static enum dv_cu_result allocate_all(const struct dv_cu_exec *exec)
{
	for (size_t i = 0; i < exec->graph->nodes.len; i++) {
		struct dv_cu_block *block = allocates(exec, i);
		enum dv_cu_result result = block ? allocate_one(exec, block) : DV_CUDA_SUCCESS;

		if (result != DV_CUDA_SUCCESS) {
			free_all(exec, i);
			return result;
		}
	}
	return DV_CUDA_SUCCESS;
}

static void act_free(struct dv_cu_op *op)
{
	struct dv_cu_block *block;
	dv_cu_ptr ptr;

	memcpy(&ptr, op->data, sizeof(ptr));
	(void)pthread_mutex_lock(&dv_cu_lock);
	block = dv_cu_block_at(ptr, 0);
	if (block && block->use == DV_CU_USE_GRAPH)
		dv_cu_graph_memory_free(block);
	(void)pthread_mutex_unlock(&dv_cu_lock);
}

/* --- launching --- */

static struct dv_cu_op *node_op(struct dv_cu_stream *stream, const struct dv_cu_node *node)
{
	static const struct dv_cu_node_params nothing = {.type = DV_CU_GRAPH_NODE_TYPE_EMPTY};
	struct dv_cu_op *op;

	if (node->params.type != DV_CU_GRAPH_NODE_TYPE_MEM_FREE)
		return dv_cu_op_of(stream, node->disabled ? &nothing : &node->params);
	op = dv_cu_op_new(stream, sizeof(dv_cu_ptr));
	if (op) {
		memcpy(op->data, &node->params.free.ptr, sizeof(dv_cu_ptr));
		op->act = act_free;
	}
	return op;
}

/* All that a launch submits, in order; nothing of it is submitted yet. */
struct ops {
	DV_VEC(struct dv_cu_op *) all;
};

static void drop(struct ops *ops)
{
	for (size_t i = 0; i < ops->all.len; i++)
		dv_cu_op_abandon(ops->all.items[i]);
	dv_vec_fini(&ops->all);
}

static struct dv_cu_op *keep(struct ops *ops, struct dv_cu_op *op)
{
	if (op && dv_vec_push(&ops->all, op) < 0) {
		dv_cu_op_abandon(op);
		op = NULL;
	}
	return op;
}

static int make_nodes(const struct dv_cu_graph *graph, struct dv_cu_stream *stream,
		      struct dv_cu_op *start, struct dv_cu_op *end, struct ops *ops);

/* The node's operation, or for a graph in it the end of all of that. */
static int make_node(struct dv_cu_node *node, struct dv_cu_stream *stream, struct dv_cu_op *start,
		     struct ops *ops)
{
	struct dv_cu_op *op = keep(ops, node_op(stream, node)), *end;
	int r = op ? 0 : -ENOMEM;

	if (r == 0 && !node->before.len)
		r = dv_cu_op_after(op, start);
	for (size_t i = 0; r == 0 && i < node->before.len; i++)
		r = dv_cu_op_after(op, node->before.items[i]->op);
	node->op = op;
	if (r < 0 || node->params.type != DV_CU_GRAPH_NODE_TYPE_GRAPH)
		return r;
	end = dv_cu_op_new(stream, 0);
	if (!end)
		return -ENOMEM;
	r = dv_cu_op_after(end, op);
	if (r == 0)
		r = make_nodes(node->params.child.graph, stream, op, end, ops);
	if (r < 0) {
		dv_cu_op_unref(end);
		return r;
	}
	node->op = keep(ops, end);
	return node->op ? 0 : -ENOMEM;
}

static int make_nodes(const struct dv_cu_graph *graph, struct dv_cu_stream *stream,
		      struct dv_cu_op *start, struct dv_cu_op *end, struct ops *ops)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < graph->nodes.len; i++) {
		r = make_node(graph->nodes.items[i], stream, start, ops);
		if (r == 0)
			r = dv_cu_op_after(end, graph->nodes.items[i]->op);
	}
	for (size_t i = 0; i < graph->nodes.len; i++)
		graph->nodes.items[i]->op = NULL;
	return r;
}

/* The last first: it waits for the others, and these can't fail any more. Takes both. */
static enum dv_cu_result submit(struct dv_cu_op *start, struct dv_cu_op *end, struct ops *ops)
{
	enum dv_cu_result result = dv_cu_submit(start);

	if (result != DV_CUDA_SUCCESS) {
		dv_cu_op_unref(end);
		return result;
	}
	DV_TRY(dv_cu_submit(end));
	for (size_t i = 0; i < ops->all.len; i++)
		(void)dv_cu_submit_free(ops->all.items[i]);
	ops->all.len = 0;
	return DV_CUDA_SUCCESS;
}

/* In the stream it is one operation: it begins with `start`, and ends with `end`. */
enum dv_cu_result dv_cu_graph_launch(struct dv_cu_exec *exec, struct dv_cu_stream *stream)
{
	enum dv_cu_result result = DV_CUDA_ERROR_OUT_OF_MEMORY;
	struct dv_cu_op *start, *end;
	struct ops ops = {0};

	DV_TRY(allocate_all(exec));
	start = dv_cu_op_new(stream, 0);
	end = start ? dv_cu_op_new(stream, 0) : NULL;
	if (end && dv_cu_op_after(start, exec->last) == 0 &&
	    make_nodes(exec->graph, stream, start, end, &ops) == 0) {
		end->refs++;
		result = submit(start, end, &ops);
	} else {
		dv_cu_op_unref(start);
	}
	if (result == DV_CUDA_SUCCESS) {
		dv_cu_op_unref(exec->last);
		exec->last = end;
	} else {
		dv_cu_op_unref(end);
		free_all(exec, exec->graph->nodes.len);
	}
	drop(&ops);
	return result;
}
