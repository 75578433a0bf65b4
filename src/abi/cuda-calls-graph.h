/* SPDX-License-Identifier: Apache-2.0 */
/* Entry points of the CUDA driver: graphs. See abi/cuda-calls.h. */
#pragma once

#include "abi/cuda-graph.h"

/* clang-format off */
#define DV_CUDA_GRAPH_CALLS(X) \
	X(cuDeviceGetGraphMemAttribute, cuDeviceGetGraphMemAttribute, 11040, (int device, uint32_t attr, void *value)) \
	X(cuDeviceGraphMemTrim, cuDeviceGraphMemTrim, 11040, (int device)) \
	X(cuDeviceSetGraphMemAttribute, cuDeviceSetGraphMemAttribute, 11040, (int device, uint32_t attr, void *value)) \
	X(cuGraphAddChildGraphNode, cuGraphAddChildGraphNode, 10000, (struct dv_cu_node **graph_node, struct dv_cu_graph *graph, struct dv_cu_node *const *dependencies, size_t num_dependencies, struct dv_cu_graph *child_graph)) \
	X(cuGraphAddDependencies, cuGraphAddDependencies, 10000, (struct dv_cu_graph *graph, struct dv_cu_node *const *from, struct dv_cu_node *const *to, size_t num_dependencies)) \
	X(cuGraphAddDependencies_v2, cuGraphAddDependencies, 12030, (struct dv_cu_graph *graph, struct dv_cu_node *const *from, struct dv_cu_node *const *to, const struct dv_cu_edge *edge_data, size_t num_dependencies)) \
	X(cuGraphAddEmptyNode, cuGraphAddEmptyNode, 10000, (struct dv_cu_node **graph_node, struct dv_cu_graph *graph, struct dv_cu_node *const *dependencies, size_t num_dependencies)) \
	X(cuGraphAddEventRecordNode, cuGraphAddEventRecordNode, 11010, (struct dv_cu_node **graph_node, struct dv_cu_graph *graph, struct dv_cu_node *const *dependencies, size_t num_dependencies, struct dv_cu_event *event)) \
	X(cuGraphAddEventWaitNode, cuGraphAddEventWaitNode, 11010, (struct dv_cu_node **graph_node, struct dv_cu_graph *graph, struct dv_cu_node *const *dependencies, size_t num_dependencies, struct dv_cu_event *event)) \
	X(cuGraphAddHostNode, cuGraphAddHostNode, 10000, (struct dv_cu_node **graph_node, struct dv_cu_graph *graph, struct dv_cu_node *const *dependencies, size_t num_dependencies, const struct dv_cu_host_node *node_params)) \
	X(cuGraphAddKernelNode, cuGraphAddKernelNode, 10000, (struct dv_cu_node **graph_node, struct dv_cu_graph *graph, struct dv_cu_node *const *dependencies, size_t num_dependencies, const struct dv_cu_kernel_node_v1 *node_params)) \
	X(cuGraphAddKernelNode_v2, cuGraphAddKernelNode, 12000, (struct dv_cu_node **graph_node, struct dv_cu_graph *graph, struct dv_cu_node *const *dependencies, size_t num_dependencies, const struct dv_cu_kernel_node *node_params)) \
	X(cuGraphAddMemAllocNode, cuGraphAddMemAllocNode, 11040, (struct dv_cu_node **graph_node, struct dv_cu_graph *graph, struct dv_cu_node *const *dependencies, size_t num_dependencies, struct dv_cu_alloc_node *node_params)) \
	X(cuGraphAddMemFreeNode, cuGraphAddMemFreeNode, 11040, (struct dv_cu_node **graph_node, struct dv_cu_graph *graph, struct dv_cu_node *const *dependencies, size_t num_dependencies, dv_cu_ptr dptr)) \
	X(cuGraphAddMemcpyNode, cuGraphAddMemcpyNode, 10000, (struct dv_cu_node **graph_node, struct dv_cu_graph *graph, struct dv_cu_node *const *dependencies, size_t num_dependencies, const struct dv_cu_copy_3d *copy_params, struct dv_cu_context *ctx)) \
	X(cuGraphAddMemsetNode, cuGraphAddMemsetNode, 10000, (struct dv_cu_node **graph_node, struct dv_cu_graph *graph, struct dv_cu_node *const *dependencies, size_t num_dependencies, const struct dv_cu_memset_node *memset_params, struct dv_cu_context *ctx)) \
	X(cuGraphAddNode, cuGraphAddNode, 12020, (struct dv_cu_node **graph_node, struct dv_cu_graph *graph, struct dv_cu_node *const *dependencies, size_t num_dependencies, struct dv_cu_node_params *node_params)) \
	X(cuGraphAddNode_v2, cuGraphAddNode, 12030, (struct dv_cu_node **graph_node, struct dv_cu_graph *graph, struct dv_cu_node *const *dependencies, const struct dv_cu_edge *dependency_data, size_t num_dependencies, struct dv_cu_node_params *node_params)) \
	X(cuGraphChildGraphNodeGetGraph, cuGraphChildGraphNodeGetGraph, 10000, (struct dv_cu_node *node, struct dv_cu_graph **graph)) \
	X(cuGraphClone, cuGraphClone, 10000, (struct dv_cu_graph **graph_clone, struct dv_cu_graph *original_graph)) \
	X(cuGraphCreate, cuGraphCreate, 10000, (struct dv_cu_graph **graph, uint32_t flags)) \
	X(cuGraphDestroy, cuGraphDestroy, 10000, (struct dv_cu_graph *graph)) \
	X(cuGraphDestroyNode, cuGraphDestroyNode, 10000, (struct dv_cu_node *node)) \
	X(cuGraphEventRecordNodeGetEvent, cuGraphEventRecordNodeGetEvent, 11010, (struct dv_cu_node *node, struct dv_cu_event **event_out)) \
	X(cuGraphEventRecordNodeSetEvent, cuGraphEventRecordNodeSetEvent, 11010, (struct dv_cu_node *node, struct dv_cu_event *event)) \
	X(cuGraphEventWaitNodeGetEvent, cuGraphEventWaitNodeGetEvent, 11010, (struct dv_cu_node *node, struct dv_cu_event **event_out)) \
	X(cuGraphEventWaitNodeSetEvent, cuGraphEventWaitNodeSetEvent, 11010, (struct dv_cu_node *node, struct dv_cu_event *event)) \
	X(cuGraphExecDestroy, cuGraphExecDestroy, 10000, (struct dv_cu_exec *graph_exec)) \
	X(cuGraphExecEventRecordNodeSetEvent, cuGraphExecEventRecordNodeSetEvent, 11010, (struct dv_cu_exec *graph_exec, struct dv_cu_node *node, struct dv_cu_event *event)) \
	X(cuGraphExecEventWaitNodeSetEvent, cuGraphExecEventWaitNodeSetEvent, 11010, (struct dv_cu_exec *graph_exec, struct dv_cu_node *node, struct dv_cu_event *event)) \
	X(cuGraphExecGetFlags, cuGraphExecGetFlags, 12000, (struct dv_cu_exec *graph_exec, uint64_t *flags)) \
	X(cuGraphExecHostNodeSetParams, cuGraphExecHostNodeSetParams, 10020, (struct dv_cu_exec *graph_exec, struct dv_cu_node *node, const struct dv_cu_host_node *node_params)) \
	X(cuGraphExecKernelNodeSetParams, cuGraphExecKernelNodeSetParams, 10010, (struct dv_cu_exec *graph_exec, struct dv_cu_node *node, const struct dv_cu_kernel_node_v1 *node_params)) \
	X(cuGraphExecKernelNodeSetParams_v2, cuGraphExecKernelNodeSetParams, 12000, (struct dv_cu_exec *graph_exec, struct dv_cu_node *node, const struct dv_cu_kernel_node *node_params)) \
	X(cuGraphExecMemcpyNodeSetParams, cuGraphExecMemcpyNodeSetParams, 10020, (struct dv_cu_exec *graph_exec, struct dv_cu_node *node, const struct dv_cu_copy_3d *copy_params, struct dv_cu_context *ctx)) \
	X(cuGraphExecMemsetNodeSetParams, cuGraphExecMemsetNodeSetParams, 10020, (struct dv_cu_exec *graph_exec, struct dv_cu_node *node, const struct dv_cu_memset_node *memset_params, struct dv_cu_context *ctx)) \
	X(cuGraphExecNodeSetParams, cuGraphExecNodeSetParams, 12020, (struct dv_cu_exec *graph_exec, struct dv_cu_node *node, struct dv_cu_node_params *node_params)) \
	X(cuGraphExecUpdate, cuGraphExecUpdate, 10020, (struct dv_cu_exec *graph_exec, struct dv_cu_graph *graph, struct dv_cu_node **error_node_out, uint32_t *update_result_out)) \
	X(cuGraphExecUpdate_v2, cuGraphExecUpdate, 12000, (struct dv_cu_exec *graph_exec, struct dv_cu_graph *graph, struct dv_cu_exec_update *result_info)) \
	X(cuGraphGetEdges, cuGraphGetEdges, 10000, (struct dv_cu_graph *graph, struct dv_cu_node **from, struct dv_cu_node **to, size_t *num_edges)) \
	X(cuGraphGetEdges_v2, cuGraphGetEdges, 12030, (struct dv_cu_graph *graph, struct dv_cu_node **from, struct dv_cu_node **to, struct dv_cu_edge *edge_data, size_t *num_edges)) \
	X(cuGraphGetNodes, cuGraphGetNodes, 10000, (struct dv_cu_graph *graph, struct dv_cu_node **nodes, size_t *num_nodes)) \
	X(cuGraphGetRootNodes, cuGraphGetRootNodes, 10000, (struct dv_cu_graph *graph, struct dv_cu_node **root_nodes, size_t *num_root_nodes)) \
	X(cuGraphHostNodeGetParams, cuGraphHostNodeGetParams, 10000, (struct dv_cu_node *node, struct dv_cu_host_node *node_params)) \
	X(cuGraphHostNodeSetParams, cuGraphHostNodeSetParams, 10000, (struct dv_cu_node *node, const struct dv_cu_host_node *node_params)) \
	X(cuGraphInstantiate, cuGraphInstantiate, 10000, (struct dv_cu_exec **graph_exec, struct dv_cu_graph *graph, struct dv_cu_node **error_node, char *log_buffer, size_t buffer_size)) \
	X(cuGraphInstantiateWithFlags, cuGraphInstantiateWithFlags, 11040, (struct dv_cu_exec **graph_exec, struct dv_cu_graph *graph, unsigned long long flags)) \
	X(cuGraphInstantiate_v2, cuGraphInstantiate, 11000, (struct dv_cu_exec **graph_exec, struct dv_cu_graph *graph, struct dv_cu_node **error_node, char *log_buffer, size_t buffer_size)) \
	X(cuGraphKernelNodeGetParams, cuGraphKernelNodeGetParams, 10000, (struct dv_cu_node *node, struct dv_cu_kernel_node_v1 *node_params)) \
	X(cuGraphKernelNodeGetParams_v2, cuGraphKernelNodeGetParams, 12000, (struct dv_cu_node *node, struct dv_cu_kernel_node *node_params)) \
	X(cuGraphKernelNodeSetParams, cuGraphKernelNodeSetParams, 10000, (struct dv_cu_node *node, const struct dv_cu_kernel_node_v1 *node_params)) \
	X(cuGraphKernelNodeSetParams_v2, cuGraphKernelNodeSetParams, 12000, (struct dv_cu_node *node, const struct dv_cu_kernel_node *node_params)) \
	X(cuGraphMemAllocNodeGetParams, cuGraphMemAllocNodeGetParams, 11040, (struct dv_cu_node *node, struct dv_cu_alloc_node *params_out)) \
	X(cuGraphMemFreeNodeGetParams, cuGraphMemFreeNodeGetParams, 11040, (struct dv_cu_node *node, dv_cu_ptr *dptr_out)) \
	X(cuGraphMemcpyNodeGetParams, cuGraphMemcpyNodeGetParams, 10000, (struct dv_cu_node *node, struct dv_cu_copy_3d *node_params)) \
	X(cuGraphMemcpyNodeSetParams, cuGraphMemcpyNodeSetParams, 10000, (struct dv_cu_node *node, const struct dv_cu_copy_3d *node_params)) \
	X(cuGraphMemsetNodeGetParams, cuGraphMemsetNodeGetParams, 10000, (struct dv_cu_node *node, struct dv_cu_memset_node *node_params)) \
	X(cuGraphMemsetNodeSetParams, cuGraphMemsetNodeSetParams, 10000, (struct dv_cu_node *node, const struct dv_cu_memset_node *node_params)) \
	X(cuGraphNodeFindInClone, cuGraphNodeFindInClone, 10000, (struct dv_cu_node **node, struct dv_cu_node *original_node, struct dv_cu_graph *cloned_graph)) \
	X(cuGraphNodeGetDependencies, cuGraphNodeGetDependencies, 10000, (struct dv_cu_node *node, struct dv_cu_node **dependencies, size_t *num_dependencies)) \
	X(cuGraphNodeGetDependencies_v2, cuGraphNodeGetDependencies, 12030, (struct dv_cu_node *node, struct dv_cu_node **dependencies, struct dv_cu_edge *edge_data, size_t *num_dependencies)) \
	X(cuGraphNodeGetDependentNodes, cuGraphNodeGetDependentNodes, 10000, (struct dv_cu_node *node, struct dv_cu_node **dependent_nodes, size_t *num_dependent_nodes)) \
	X(cuGraphNodeGetDependentNodes_v2, cuGraphNodeGetDependentNodes, 12030, (struct dv_cu_node *node, struct dv_cu_node **dependent_nodes, struct dv_cu_edge *edge_data, size_t *num_dependent_nodes)) \
	X(cuGraphNodeGetEnabled, cuGraphNodeGetEnabled, 11060, (struct dv_cu_exec *graph_exec, struct dv_cu_node *node, uint32_t *is_enabled)) \
	X(cuGraphNodeGetType, cuGraphNodeGetType, 10000, (struct dv_cu_node *node, uint32_t *type)) \
	X(cuGraphNodeSetEnabled, cuGraphNodeSetEnabled, 11060, (struct dv_cu_exec *graph_exec, struct dv_cu_node *node, uint32_t is_enabled)) \
	X(cuGraphNodeSetParams, cuGraphNodeSetParams, 12020, (struct dv_cu_node *node, struct dv_cu_node_params *node_params)) \
	X(cuGraphReleaseUserObject, cuGraphReleaseUserObject, 11030, (struct dv_cu_graph *graph, struct dv_cu_user_object *object, uint32_t count)) \
	X(cuGraphRemoveDependencies, cuGraphRemoveDependencies, 10000, (struct dv_cu_graph *graph, struct dv_cu_node *const *from, struct dv_cu_node *const *to, size_t num_dependencies)) \
	X(cuGraphRemoveDependencies_v2, cuGraphRemoveDependencies, 12030, (struct dv_cu_graph *graph, struct dv_cu_node *const *from, struct dv_cu_node *const *to, const struct dv_cu_edge *edge_data, size_t num_dependencies)) \
	X(cuGraphRetainUserObject, cuGraphRetainUserObject, 11030, (struct dv_cu_graph *graph, struct dv_cu_user_object *object, uint32_t count, uint32_t flags)) \
	X(cuUserObjectCreate, cuUserObjectCreate, 11030, (struct dv_cu_user_object **object_out, void *ptr, dv_cu_host_fn *destroy, uint32_t initial_refcount, uint32_t flags)) \
	X(cuUserObjectRelease, cuUserObjectRelease, 11030, (struct dv_cu_user_object *object, uint32_t count)) \
	X(cuUserObjectRetain, cuUserObjectRetain, 11030, (struct dv_cu_user_object *object, uint32_t count))

#define DV_CUDA_GRAPH_PTSZ_CALLS(X) \
	X(cuGraphInstantiateWithParams, cuGraphInstantiateWithParams, 12000, (struct dv_cu_exec **graph_exec, struct dv_cu_graph *graph, struct dv_cu_instantiate *instantiate_params)) \
	X(cuGraphLaunch, cuGraphLaunch, 10000, (struct dv_cu_exec *graph, struct dv_cu_stream *stream)) \
	X(cuGraphUpload, cuGraphUpload, 11010, (struct dv_cu_exec *graph, struct dv_cu_stream *stream))

#define DV_CUDA_GRAPH_PTDS_CALLS(X)

/* clang-format on */
