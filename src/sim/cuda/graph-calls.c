/* SPDX-License-Identifier: Apache-2.0 */
/* Making graphs, node by node. */
#include <string.h>

#include "sim/cuda/capture.h"
#include "sim/cuda/graph.h"
#include "sim/cuda/memory.h"

static bool is_graph(const struct dv_cu_graph *graph)
{
	return dv_cu_is(graph, DV_CU_GRAPH);
}

static bool is_node(const struct dv_cu_node *node, uint32_t type)
{
	return dv_cu_is(node, DV_CU_NODE) && node->params.type == type;
}

enum dv_cu_result cuGraphCreate(struct dv_cu_graph **graph, uint32_t flags)
{
	DV_CALL();
	DV_NEED(graph && !flags);
	*graph = dv_cu_graph_new();
	return *graph ? DV_CUDA_SUCCESS : DV_CUDA_ERROR_OUT_OF_MEMORY;
}

enum dv_cu_result cuGraphDestroy(struct dv_cu_graph *graph)
{
	DV_CALL();
	DV_NEED(is_graph(graph) && !graph->is_part && !dv_cu_capture_adds_to(graph));
	dv_cu_graph_free(graph);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuGraphClone(struct dv_cu_graph **graph_clone, struct dv_cu_graph *original_graph)
{
	DV_CALL();
	DV_NEED(graph_clone && is_graph(original_graph));
	return dv_cu_graph_copy(original_graph, false, graph_clone);
}

enum dv_cu_result cuGraphNodeFindInClone(struct dv_cu_node **node, struct dv_cu_node *original_node,
					 struct dv_cu_graph *cloned_graph)
{
	DV_CALL();
	DV_NEED(node && is_graph(cloned_graph));
	for (size_t i = 0; i < cloned_graph->nodes.len; i++)
		if (cloned_graph->nodes.items[i]->of == original_node) {
			*node = cloned_graph->nodes.items[i];
			return DV_CUDA_SUCCESS;
		}
	return DV_CUDA_ERROR_INVALID_VALUE;
}

/* --- adding --- */

struct place {
	struct dv_cu_node **ret;
	struct dv_cu_graph *graph;
	struct dv_cu_node *const *before;
	size_t count;
};

static enum dv_cu_result add(const struct place *where, const struct dv_cu_node_params *params)
{
	DV_NEED(where->ret && is_graph(where->graph) && (!where->count || where->before));
	return dv_cu_node_new(where->graph, where->before, where->count, params, where->ret);
}

#define WHERE                                                                                      \
	{                                                                                          \
		graph_node, graph, dependencies, num_dependencies                                  \
	}
#define PLACE                                                                                      \
	struct dv_cu_node **graph_node, struct dv_cu_graph *graph,                                 \
		struct dv_cu_node *const *dependencies, size_t num_dependencies

enum dv_cu_result cuGraphAddKernelNode(PLACE, const struct dv_cu_kernel_node_v1 *node_params)
{
	struct place where = WHERE;
	struct dv_cu_node_params params;

	DV_CALL();
	DV_NEED(node_params);
	params = dv_cu_kernel_params_v1(node_params);
	return add(&where, &params);
}

enum dv_cu_result cuGraphAddKernelNode_v2(PLACE, const struct dv_cu_kernel_node *node_params)
{
	struct place where = WHERE;
	struct dv_cu_node_params params;

	DV_CALL();
	DV_NEED(node_params);
	params = dv_cu_kernel_params(node_params);
	return add(&where, &params);
}

enum dv_cu_result cuGraphAddMemcpyNode(PLACE, const struct dv_cu_copy_3d *copy_params,
				       struct dv_cu_context *ctx)
{
	struct place where = WHERE;
	struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_MEMCPY};

	DV_CALL();
	DV_NEED(copy_params);
	params.copy.context = ctx;
	params.copy.copy = *copy_params;
	return add(&where, &params);
}

enum dv_cu_result cuGraphAddMemsetNode(PLACE, const struct dv_cu_memset_node *memset_params,
				       struct dv_cu_context *ctx)
{
	struct place where = WHERE;
	struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_MEMSET};

	DV_CALL();
	DV_NEED(memset_params);
	params.fill.context = ctx;
	params.fill.fill = *memset_params;
	return add(&where, &params);
}

enum dv_cu_result cuGraphAddHostNode(PLACE, const struct dv_cu_host_node *node_params)
{
	struct place where = WHERE;
	struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_HOST};

	DV_CALL();
	DV_NEED(node_params);
	params.host = *node_params;
	return add(&where, &params);
}

enum dv_cu_result cuGraphAddChildGraphNode(PLACE, struct dv_cu_graph *child_graph)
{
	struct place where = WHERE;
	struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_GRAPH};

	DV_CALL();
	params.child.graph = child_graph;
	return add(&where, &params);
}

enum dv_cu_result cuGraphAddEmptyNode(PLACE)
{
	struct place where = WHERE;
	struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_EMPTY};

	DV_CALL();
	return add(&where, &params);
}

enum dv_cu_result cuGraphAddEventRecordNode(PLACE, struct dv_cu_event *event)
{
	struct place where = WHERE;
	struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_EVENT_RECORD};

	DV_CALL();
	params.event.event = event;
	return add(&where, &params);
}

enum dv_cu_result cuGraphAddEventWaitNode(PLACE, struct dv_cu_event *event)
{
	struct place where = WHERE;
	struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_WAIT_EVENT};

	DV_CALL();
	params.event.event = event;
	return add(&where, &params);
}

static enum dv_cu_result add_alloc(const struct place *where, struct dv_cu_alloc_node *alloc)
{
	struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_MEM_ALLOC};

	DV_NEED(alloc && alloc->pool.type == DV_CU_MEM_ALLOCATION_TYPE_PINNED &&
		alloc->pool.location.type == DV_CU_MEM_LOCATION_TYPE_DEVICE);
	params.alloc = *alloc;
	params.alloc.ret = 0;
	DV_TRY(add(where, &params));
	alloc->ret = (*where->ret)->address;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuGraphAddMemAllocNode(PLACE, struct dv_cu_alloc_node *node_params)
{
	struct place where = WHERE;

	DV_CALL_IN_CONTEXT(context);
	return add_alloc(&where, node_params);
}

static enum dv_cu_result add_free(const struct place *where, dv_cu_ptr ptr)
{
	struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_MEM_FREE};
	const struct dv_cu_block *block = dv_cu_block_at(ptr, 0);

	DV_NEED(block && block->base == ptr && block->use == DV_CU_USE_GRAPH);
	params.free.ptr = ptr;
	return add(where, &params);
}

enum dv_cu_result cuGraphAddMemFreeNode(PLACE, dv_cu_ptr dptr)
{
	struct place where = WHERE;

	DV_CALL();
	return add_free(&where, dptr);
}

static enum dv_cu_result add_any(const struct place *where, struct dv_cu_node_params *params)
{
	struct dv_cu_node_params kernel;

	DV_NEED(params);
	switch (params->type) {
	case DV_CU_GRAPH_NODE_TYPE_MEM_ALLOC:
		return add_alloc(where, &params->alloc);
	case DV_CU_GRAPH_NODE_TYPE_MEM_FREE:
		return add_free(where, params->free.ptr);
	case DV_CU_GRAPH_NODE_TYPE_KERNEL:
		kernel = dv_cu_kernel_params(&params->kernel);
		return add(where, &kernel);
	default:
		return add(where, params);
	}
}

enum dv_cu_result cuGraphAddNode(PLACE, struct dv_cu_node_params *node_params)
{
	struct place where = WHERE;

	DV_CALL_IN_CONTEXT(context);
	return add_any(&where, node_params);
}

enum dv_cu_result cuGraphAddNode_v2(struct dv_cu_node **graph_node, struct dv_cu_graph *graph,
				    struct dv_cu_node *const *dependencies,
				    const struct dv_cu_edge *dependency_data,
				    size_t num_dependencies, struct dv_cu_node_params *node_params)
{
	struct place where = WHERE;

	DV_CALL_IN_CONTEXT(context);
	return add_any(&where, node_params);
}

static void forget_in(struct dv_cu_graph *graph, const struct dv_cu_node *node)
{
	for (size_t i = 0; i < graph->nodes.len; i++) {
		struct dv_cu_node *other = graph->nodes.items[i];

		for (size_t j = other->before.len; j-- > 0;)
			if (other->before.items[j] == node)
				dv_vec_remove(&other->before, j);
	}
	for (size_t i = graph->nodes.len; i-- > 0;)
		if (graph->nodes.items[i] == node)
			dv_vec_remove(&graph->nodes, i);
}

enum dv_cu_result cuGraphDestroyNode(struct dv_cu_node *node)
{
	static const struct dv_cu_node_params empty = {.type = DV_CU_GRAPH_NODE_TYPE_EMPTY};

	DV_CALL();
	DV_NEED(dv_cu_is(node, DV_CU_NODE) && !dv_cu_capture_adds_to(node->graph));
	forget_in(node->graph, node);
	(void)dv_cu_node_set(node, &empty);
	dv_vec_fini(&node->before);
	dv_cu_free(node);
	return DV_CUDA_SUCCESS;
}

/* --- what a node is --- */

enum dv_cu_result cuGraphNodeGetType(struct dv_cu_node *node, uint32_t *type)
{
	DV_CALL();
	DV_NEED(type && dv_cu_is(node, DV_CU_NODE));
	*type = node->params.type;
	return DV_CUDA_SUCCESS;
}

#define GET(call, kind, declaration, statement)                                                    \
	enum dv_cu_result call(struct dv_cu_node *node, declaration)                               \
	{                                                                                          \
		DV_CALL();                                                                         \
		DV_NEED(ret &&is_node(node, DV_CU_GRAPH_NODE_TYPE_##kind));                        \
		statement;                                                                         \
		return DV_CUDA_SUCCESS;                                                            \
	}

GET(cuGraphKernelNodeGetParams, KERNEL, struct dv_cu_kernel_node_v1 *ret,
    memcpy(ret, &node->params.kernel, sizeof(*ret)))
GET(cuGraphKernelNodeGetParams_v2, KERNEL, struct dv_cu_kernel_node *ret,
    *ret = node->params.kernel)
GET(cuGraphMemcpyNodeGetParams, MEMCPY, struct dv_cu_copy_3d *ret, *ret = node->params.copy.copy)
GET(cuGraphMemsetNodeGetParams, MEMSET, struct dv_cu_memset_node *ret,
    *ret = node->params.fill.fill)
GET(cuGraphHostNodeGetParams, HOST, struct dv_cu_host_node *ret, *ret = node->params.host)
GET(cuGraphChildGraphNodeGetGraph, GRAPH, struct dv_cu_graph **ret, *ret = node->params.child.graph)
GET(cuGraphEventRecordNodeGetEvent, EVENT_RECORD, struct dv_cu_event **ret,
    *ret = node->params.event.event)
GET(cuGraphEventWaitNodeGetEvent, WAIT_EVENT, struct dv_cu_event **ret,
    *ret = node->params.event.event)
GET(cuGraphMemAllocNodeGetParams, MEM_ALLOC, struct dv_cu_alloc_node *ret,
    *ret = node->params.alloc)
GET(cuGraphMemFreeNodeGetParams, MEM_FREE, dv_cu_ptr *ret, *ret = node->params.free.ptr)

#define SET(call, kind, declaration, statement)                                                    \
	enum dv_cu_result call(struct dv_cu_node *node, declaration)                               \
	{                                                                                          \
		struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_##kind};          \
                                                                                                   \
		DV_CALL();                                                                         \
		DV_NEED(new &&is_node(node, DV_CU_GRAPH_NODE_TYPE_##kind));                        \
		statement;                                                                         \
		return dv_cu_node_set(node, &params);                                              \
	}

SET(cuGraphKernelNodeSetParams, KERNEL, const struct dv_cu_kernel_node_v1 *new,
    params = dv_cu_kernel_params_v1(new))
SET(cuGraphKernelNodeSetParams_v2, KERNEL, const struct dv_cu_kernel_node *new,
    params = dv_cu_kernel_params(new))
SET(cuGraphMemcpyNodeSetParams, MEMCPY, const struct dv_cu_copy_3d *new, params.copy.copy = *new)
SET(cuGraphMemsetNodeSetParams, MEMSET, const struct dv_cu_memset_node *new,
    params.fill.fill = *new)
SET(cuGraphHostNodeSetParams, HOST, const struct dv_cu_host_node *new, params.host = *new)
SET(cuGraphEventRecordNodeSetEvent, EVENT_RECORD, struct dv_cu_event *new, params.event.event = new)
SET(cuGraphEventWaitNodeSetEvent, WAIT_EVENT, struct dv_cu_event *new, params.event.event = new)

enum dv_cu_result cuGraphNodeSetParams(struct dv_cu_node *node,
				       struct dv_cu_node_params *node_params)
{
	struct dv_cu_node_params params;

	DV_CALL();
	DV_NEED(node_params && is_node(node, node_params->type) &&
		node_params->type != DV_CU_GRAPH_NODE_TYPE_MEM_ALLOC &&
		node_params->type != DV_CU_GRAPH_NODE_TYPE_MEM_FREE);
	params = node_params->type == DV_CU_GRAPH_NODE_TYPE_KERNEL
			 ? dv_cu_kernel_params(&node_params->kernel)
			 : *node_params;
	return dv_cu_node_set(node, &params);
}

/* --- objects of the program that a graph keeps --- */

static bool is_object(const struct dv_cu_user_object *object)
{
	return dv_cu_is(object, DV_CU_USER_OBJECT);
}

enum dv_cu_result cuUserObjectCreate(struct dv_cu_user_object **object_out, void *ptr,
				     dv_cu_host_fn *destroy, uint32_t initial_refcount,
				     uint32_t flags)
{
	struct dv_cu_user_object *object;

	DV_CALL();
	DV_NEED(object_out && destroy && initial_refcount && initial_refcount <= INT32_MAX &&
		flags == DV_CU_USER_OBJECT_NO_DESTRUCTOR_SYNC);
	object = dv_cu_new(DV_CU_USER_OBJECT, sizeof(*object));
	if (!object)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	object->object = ptr;
	object->destroy = destroy;
	object->refs = initial_refcount;
	*object_out = object;
	return DV_CUDA_SUCCESS;
}

static void drop(struct dv_cu_user_object *object, uint32_t count)
{
	object->refs -= count;
	if (object->refs)
		return;
	object->destroy(object->object);
	dv_cu_free(object);
}

enum dv_cu_result cuUserObjectRetain(struct dv_cu_user_object *object, uint32_t count)
{
	DV_CALL();
	DV_NEED(is_object(object) && count && count <= INT32_MAX);
	object->refs += count;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuUserObjectRelease(struct dv_cu_user_object *object, uint32_t count)
{
	DV_CALL();
	DV_NEED(is_object(object) && count && count <= object->refs);
	drop(object, count);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuGraphRetainUserObject(struct dv_cu_graph *graph,
					  struct dv_cu_user_object *object, uint32_t count,
					  uint32_t flags)
{
	DV_CALL();
	DV_NEED(is_graph(graph) && is_object(object) && count && count <= 4096 &&
		flags <= DV_CU_GRAPH_USER_OBJECT_MOVE);
	for (uint32_t i = 0; i < count; i++) {
		if (dv_vec_push(&graph->objects, object) < 0)
			return DV_CUDA_ERROR_OUT_OF_MEMORY;
		object->refs++;
	}
	if (flags & DV_CU_GRAPH_USER_OBJECT_MOVE)
		drop(object, count);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuGraphReleaseUserObject(struct dv_cu_graph *graph,
					   struct dv_cu_user_object *object, uint32_t count)
{
	DV_CALL();
	DV_NEED(is_graph(graph) && is_object(object) && count);
	for (size_t i = graph->objects.len; count && i-- > 0;)
		if (graph->objects.items[i] == object) {
			dv_vec_remove(&graph->objects, i);
			count--;
			drop(object, 1);
		}
	return count ? DV_CUDA_ERROR_INVALID_VALUE : DV_CUDA_SUCCESS;
}
