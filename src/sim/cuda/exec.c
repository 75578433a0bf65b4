/* SPDX-License-Identifier: Apache-2.0 */
/* Executable graphs. */
#include <string.h>

#include "sim/cuda/graph.h"
#include "sim/cuda/memory.h"

static bool is_exec(const struct dv_cu_exec *exec)
{
	return dv_cu_is(exec, DV_CU_EXEC);
}

static enum dv_cu_result instantiate(struct dv_cu_exec **ret, const struct dv_cu_graph *graph,
				     unsigned long long flags)
{
	struct dv_cu_exec *exec;
	enum dv_cu_result result;

	DV_NEED(ret && dv_cu_is(graph, DV_CU_GRAPH) && flags <= 15);
	exec = dv_cu_new(DV_CU_EXEC, sizeof(*exec));
	if (!exec)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	result = dv_cu_graph_copy(graph, true, &exec->graph);
	if (result != DV_CUDA_SUCCESS) {
		dv_cu_free(exec);
		return result;
	}
	exec->graph->is_part = true;
	exec->flags = flags;
	*ret = exec;
	return DV_CUDA_SUCCESS;
}

static enum dv_cu_result instantiate_old(struct dv_cu_exec **ret, const struct dv_cu_graph *graph,
					 struct dv_cu_node **error_node, char *log, size_t size)
{
	if (error_node)
		*error_node = NULL;
	if (log && size)
		*log = '\0';
	return instantiate(ret, graph, 0);
}

enum dv_cu_result cuGraphInstantiate(struct dv_cu_exec **graph_exec, struct dv_cu_graph *graph,
				     struct dv_cu_node **error_node, char *log_buffer,
				     size_t buffer_size)
{
	DV_CALL_IN_CONTEXT(context);
	return instantiate_old(graph_exec, graph, error_node, log_buffer, buffer_size);
}

enum dv_cu_result cuGraphInstantiate_v2(struct dv_cu_exec **graph_exec, struct dv_cu_graph *graph,
					struct dv_cu_node **error_node, char *log_buffer,
					size_t buffer_size)
{
	DV_CALL_IN_CONTEXT(context);
	return instantiate_old(graph_exec, graph, error_node, log_buffer, buffer_size);
}

enum dv_cu_result cuGraphInstantiateWithFlags(struct dv_cu_exec **graph_exec,
					      struct dv_cu_graph *graph, unsigned long long flags)
{
	DV_CALL_IN_CONTEXT(context);
	return instantiate(graph_exec, graph, flags);
}

static enum dv_cu_result instantiate_with(struct dv_cu_exec **ret, const struct dv_cu_graph *graph,
					  struct dv_cu_instantiate *params)
{
	enum dv_cu_result result;

	DV_NEED(params);
	result = instantiate(ret, graph, params->flags);
	params->error_node = NULL;
	params->result = result == DV_CUDA_SUCCESS ? DV_CUDA_GRAPH_INSTANTIATE_SUCCESS
						   : DV_CUDA_GRAPH_INSTANTIATE_ERROR;
	return result;
}

enum dv_cu_result cuGraphInstantiateWithParams(struct dv_cu_exec **graph_exec,
					       struct dv_cu_graph *graph,
					       struct dv_cu_instantiate *instantiate_params)
{
	DV_CALL_IN_CONTEXT(context);
	return instantiate_with(graph_exec, graph, instantiate_params);
}

enum dv_cu_result cuGraphInstantiateWithParams_ptsz(struct dv_cu_exec **graph_exec,
						    struct dv_cu_graph *graph,
						    struct dv_cu_instantiate *instantiate_params)
{
	DV_CALL_IN_CONTEXT(context);
	return instantiate_with(graph_exec, graph, instantiate_params);
}

enum dv_cu_result cuGraphExecGetFlags(struct dv_cu_exec *graph_exec, uint64_t *flags)
{
	DV_CALL();
	DV_NEED(is_exec(graph_exec) && flags);
	*flags = graph_exec->flags;
	return DV_CUDA_SUCCESS;
}

/* What was launched still runs. */
enum dv_cu_result cuGraphExecDestroy(struct dv_cu_exec *graph_exec)
{
	DV_CALL();
	DV_NEED(is_exec(graph_exec));
	dv_cu_graph_free(graph_exec->graph);
	dv_cu_op_unref(graph_exec->last);
	dv_cu_free(graph_exec);
	return DV_CUDA_SUCCESS;
}

/* --- changing one --- */

static struct dv_cu_node *copy_in(const struct dv_cu_exec *exec, const struct dv_cu_node *node)
{
	for (size_t i = 0; i < exec->graph->nodes.len; i++)
		if (exec->graph->nodes.items[i]->of == node)
			return exec->graph->nodes.items[i];
	return NULL;
}

static enum dv_cu_result set(const struct dv_cu_exec *exec, const struct dv_cu_node *node,
			     const struct dv_cu_node_params *params)
{
	struct dv_cu_node *copy;

	DV_NEED(is_exec(exec));
	copy = copy_in(exec, node);
	DV_NEED(copy && copy->params.type == params->type &&
		params->type != DV_CU_GRAPH_NODE_TYPE_MEM_ALLOC &&
		params->type != DV_CU_GRAPH_NODE_TYPE_MEM_FREE);
	return dv_cu_node_set(copy, params);
}

#define SET(call, kind, declaration, statement)                                                    \
	enum dv_cu_result call(struct dv_cu_exec *graph_exec, struct dv_cu_node *node,             \
			       declaration)                                                        \
	{                                                                                          \
		struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_##kind};          \
                                                                                                   \
		DV_CALL();                                                                         \
		DV_NEED(new);                                                                      \
		statement;                                                                         \
		return set(graph_exec, node, &params);                                             \
	}

SET(cuGraphExecKernelNodeSetParams, KERNEL, const struct dv_cu_kernel_node_v1 *new,
    params = dv_cu_kernel_params_v1(new))
SET(cuGraphExecHostNodeSetParams, HOST, const struct dv_cu_host_node *new, params.host = *new)
SET(cuGraphExecEventRecordNodeSetEvent, EVENT_RECORD, struct dv_cu_event *new,
    params.event.event = new)
SET(cuGraphExecEventWaitNodeSetEvent, WAIT_EVENT, struct dv_cu_event *new, params.event.event = new)

enum dv_cu_result cuGraphExecKernelNodeSetParams_v2(struct dv_cu_exec *graph_exec,
						    struct dv_cu_node *node,
						    const struct dv_cu_kernel_node *node_params)
{
	struct dv_cu_node_params params;

	DV_CALL();
	DV_NEED(node_params);
	params = dv_cu_kernel_params(node_params);
	return set(graph_exec, node, &params);
}

enum dv_cu_result cuGraphExecMemcpyNodeSetParams(struct dv_cu_exec *graph_exec,
						 struct dv_cu_node *node,
						 const struct dv_cu_copy_3d *copy_params,
						 struct dv_cu_context *ctx)
{
	struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_MEMCPY};

	DV_CALL();
	DV_NEED(copy_params);
	params.copy.copy = *copy_params;
	return set(graph_exec, node, &params);
}

enum dv_cu_result cuGraphExecMemsetNodeSetParams(struct dv_cu_exec *graph_exec,
						 struct dv_cu_node *node,
						 const struct dv_cu_memset_node *memset_params,
						 struct dv_cu_context *ctx)
{
	struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_MEMSET};

	DV_CALL();
	DV_NEED(memset_params);
	params.fill.fill = *memset_params;
	return set(graph_exec, node, &params);
}

enum dv_cu_result cuGraphExecNodeSetParams(struct dv_cu_exec *graph_exec, struct dv_cu_node *node,
					   struct dv_cu_node_params *node_params)
{
	struct dv_cu_node_params params;

	DV_CALL();
	DV_NEED(node_params);
	params = node_params->type == DV_CU_GRAPH_NODE_TYPE_KERNEL
			 ? dv_cu_kernel_params(&node_params->kernel)
			 : *node_params;
	return set(graph_exec, node, &params);
}

enum dv_cu_result cuGraphNodeSetEnabled(struct dv_cu_exec *graph_exec, struct dv_cu_node *node,
					uint32_t is_enabled)
{
	struct dv_cu_node *copy;

	DV_CALL();
	DV_NEED(is_exec(graph_exec));
	copy = copy_in(graph_exec, node);
	DV_NEED(copy && copy->params.type <= DV_CU_GRAPH_NODE_TYPE_MEMSET);
	copy->disabled = !is_enabled;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuGraphNodeGetEnabled(struct dv_cu_exec *graph_exec, struct dv_cu_node *node,
					uint32_t *is_enabled)
{
	const struct dv_cu_node *copy;

	DV_CALL();
	DV_NEED(is_exec(graph_exec) && is_enabled);
	copy = copy_in(graph_exec, node);
	DV_NEED(copy && copy->params.type <= DV_CU_GRAPH_NODE_TYPE_MEMSET);
	*is_enabled = !copy->disabled;
	return DV_CUDA_SUCCESS;
}

/* --- the same graph with other parameters --- */

static uint32_t compare(const struct dv_cu_node *old, const struct dv_cu_node *new)
{
	if (old->params.type != new->params.type)
		return DV_CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
	if (old->before.len != new->before.len)
		return DV_CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
	if (old->params.type == DV_CU_GRAPH_NODE_TYPE_MEM_ALLOC ||
	    old->params.type == DV_CU_GRAPH_NODE_TYPE_MEM_FREE)
		return old->params.alloc.ret == new->params.alloc.ret
			       ? DV_CU_GRAPH_EXEC_UPDATE_SUCCESS
			       : DV_CU_GRAPH_EXEC_UPDATE_ERROR_NOT_SUPPORTED;
	return DV_CU_GRAPH_EXEC_UPDATE_SUCCESS;
}

/* Nodes belong together by their order, as the driver pairs them. */
static struct dv_cu_exec_update look(const struct dv_cu_exec *exec, const struct dv_cu_graph *graph)
{
	struct dv_cu_exec_update is = {.result = DV_CU_GRAPH_EXEC_UPDATE_SUCCESS};

	if (exec->graph->nodes.len != graph->nodes.len) {
		is.result = DV_CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
		return is;
	}
	for (size_t i = 0; !is.result && i < graph->nodes.len; i++) {
		is.result = compare(exec->graph->nodes.items[i], graph->nodes.items[i]);
		if (is.result)
			is.error_node = graph->nodes.items[i]->of;
	}
	return is;
}

static enum dv_cu_result update(struct dv_cu_exec *exec, const struct dv_cu_graph *graph,
				struct dv_cu_exec_update *ret)
{
	struct dv_cu_graph *sorted = NULL;
	enum dv_cu_result result;

	DV_NEED(is_exec(exec) && dv_cu_is(graph, DV_CU_GRAPH) && ret);
	DV_TRY(dv_cu_graph_copy(graph, true, &sorted));
	*ret = look(exec, sorted);
	result = ret->result ? DV_CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE : DV_CUDA_SUCCESS;
	if (result != DV_CUDA_SUCCESS) {
		dv_cu_graph_free(sorted);
		return result;
	}
	/* Handles of the old nodes stay those by which it is changed. */
	for (size_t i = 0; i < sorted->nodes.len; i++)
		sorted->nodes.items[i]->of = exec->graph->nodes.items[i]->of;
	dv_cu_graph_free(exec->graph);
	exec->graph = sorted;
	sorted->is_part = true;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuGraphExecUpdate(struct dv_cu_exec *graph_exec, struct dv_cu_graph *graph,
				    struct dv_cu_node **error_node_out, uint32_t *update_result_out)
{
	struct dv_cu_exec_update info = {.result = DV_CU_GRAPH_EXEC_UPDATE_ERROR};
	enum dv_cu_result result;

	DV_CALL();
	result = update(graph_exec, graph, &info);
	if (error_node_out)
		*error_node_out = info.error_node;
	if (update_result_out)
		*update_result_out = info.result;
	return result;
}

enum dv_cu_result cuGraphExecUpdate_v2(struct dv_cu_exec *graph_exec, struct dv_cu_graph *graph,
				       struct dv_cu_exec_update *result_info)
{
	DV_CALL();
	return update(graph_exec, graph, result_info);
}

/* --- the memory of graphs --- */

static enum dv_cu_result trim(struct dv_cu_device *device)
{
	uint64_t keep = dv_cu_round(device->graph_used, DV_CU_PAGE);

	if (device->graph_reserved > keep) {
		dv_cu_refund(device, device->graph_reserved - keep);
		device->graph_reserved = keep;
	}
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuDeviceGraphMemTrim(int device)
{
	DV_CALL();
	return dv_cu_device_at(device) ? trim(dv_cu_device_at(device))
				       : DV_CUDA_ERROR_INVALID_DEVICE;
}

enum dv_cu_result cuDeviceGetGraphMemAttribute(int device, uint32_t attr, void *value)
{
	const struct dv_cu_device *is;

	DV_CALL();
	is = dv_cu_device_at(device);
	if (!is)
		return DV_CUDA_ERROR_INVALID_DEVICE;
	DV_NEED(value && attr <= DV_CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH);
	*(uint64_t *)value = (const uint64_t[]){is->graph_used, is->graph_used_most,
						is->graph_reserved, is->graph_reserved_most}[attr];
	return DV_CUDA_SUCCESS;
}

/* Only the watermarks, and only to 0. */
enum dv_cu_result cuDeviceSetGraphMemAttribute(int device, uint32_t attr, void *value)
{
	struct dv_cu_device *is;

	DV_CALL();
	is = dv_cu_device_at(device);
	if (!is)
		return DV_CUDA_ERROR_INVALID_DEVICE;
	DV_NEED(value && !*(const uint64_t *)value);
	DV_NEED(attr == DV_CU_GRAPH_MEM_ATTR_USED_MEM_HIGH ||
		attr == DV_CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH);
	if (attr == DV_CU_GRAPH_MEM_ATTR_USED_MEM_HIGH)
		is->graph_used_most = is->graph_used;
	else
		is->graph_reserved_most = is->graph_reserved;
	return DV_CUDA_SUCCESS;
}
