/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that graphs allocate: it comes into being when a graph is made ready or launched, in a
 * pool of the device's, and how much that is only the driver knows. It is charged as soon as it can
 * be read; while it is over the limit no graph of the process is launched. */
#include "shim/cuda/inside.h"

enum { DEVICES_MOST = 64 };

static pthread_mutex_t lock;
static uint64_t charged[DEVICES_MOST];
static uint32_t any; /* atomic: some graph allocates */

void dv_cuda_graphs_init(void)
{
	pthread_mutex_init(&lock, NULL);
	for (int i = 0; i < DEVICES_MOST; i++)
		charged[i] = 0;
	any = 0;
}

void dv_cuda_graphs_allocate(void)
{
	__atomic_store_n(&any, 1, __ATOMIC_RELEASE);
}

/* With the lock. */
static enum dv_cu_result look_at(int device)
{
	enum dv_cu_result r = DV_CUDA_SUCCESS;
	uint64_t now;

	if (dv_cuda.cuDeviceGetGraphMemAttribute(device, DV_CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT,
						 &now) != DV_CUDA_SUCCESS)
		return r;
	if (now > charged[device])
		r = dv_cuda_reserve(now - charged[device]);
	else
		dv_shim_release(charged[device] - now);
	if (r == DV_CUDA_SUCCESS)
		charged[device] = now;
	return r;
}

static enum dv_cu_result look(int device, bool trim)
{
	enum dv_cu_result r;
	DV_SHIM_KEEP;

	if (device < 0 || device >= DEVICES_MOST)
		return DV_CUDA_SUCCESS;
	pthread_mutex_lock(&lock);
	r = look_at(device);
	if (r != DV_CUDA_SUCCESS && trim && dv_cuda.cuDeviceGraphMemTrim(device) == DV_CUDA_SUCCESS)
		r = look_at(device);
	pthread_mutex_unlock(&lock);
	return r;
}

enum dv_cu_result dv_cuda_graphs_may_run(struct dv_cu_stream *stream)
{
	int device;

	if (!__atomic_load_n(&any, __ATOMIC_ACQUIRE) || !dv_cuda_device_of(stream, &device))
		return DV_CUDA_SUCCESS;
	return look(device, true);
}

void dv_cuda_graphs_look(struct dv_cu_stream *stream)
{
	int device;

	if (__atomic_load_n(&any, __ATOMIC_ACQUIRE) && dv_cuda_device_of(stream, &device))
		(void)look(device, false);
}

static enum dv_cu_result made(enum dv_cu_result result)
{
	dv_cuda_graphs_look(NULL);
	return result;
}

/* More than the whole slice will never fit. */
static enum dv_cu_result may_add(const struct dv_cu_alloc_node *alloc)
{
	struct dv_grant grant;
	DV_SHIM_KEEP;

	dv_cuda_init();
	(void)dv_shim_attach();
	dv_shim_grant_read(dv_shim_pages.grant, &grant);
	if (alloc && grant.memory_limit_bytes && alloc->bytes > grant.memory_limit_bytes) {
		dv_shim_count(&dv_shim_pages.counters->denied, 1);
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	}
	dv_cuda_graphs_allocate();
	return DV_CUDA_SUCCESS;
}

DV_CUDA_API cuGraphAddMemAllocNode(struct dv_cu_node **ret, struct dv_cu_graph *graph,
				   struct dv_cu_node *const *dependencies, size_t count,
				   struct dv_cu_alloc_node *params)
{
	enum dv_cu_result r = may_add(params);

	return r == DV_CUDA_SUCCESS
		       ? dv_cuda.cuGraphAddMemAllocNode(ret, graph, dependencies, count, params)
		       : r;
}

static enum dv_cu_result may_add_any(const struct dv_cu_node_params *params)
{
	dv_cuda_init();
	return params && params->type == DV_CU_GRAPH_NODE_TYPE_MEM_ALLOC ? may_add(&params->alloc)
									 : DV_CUDA_SUCCESS;
}

DV_CUDA_API cuGraphAddNode(struct dv_cu_node **ret, struct dv_cu_graph *graph,
			   struct dv_cu_node *const *dependencies, size_t count,
			   struct dv_cu_node_params *params)
{
	enum dv_cu_result r = may_add_any(params);

	return r == DV_CUDA_SUCCESS
		       ? dv_cuda.cuGraphAddNode(ret, graph, dependencies, count, params)
		       : r;
}

DV_CUDA_API cuGraphAddNode_v2(struct dv_cu_node **ret, struct dv_cu_graph *graph,
			      struct dv_cu_node *const *dependencies,
			      const struct dv_cu_edge *edges, size_t count,
			      struct dv_cu_node_params *params)
{
	enum dv_cu_result r = may_add_any(params);

	return r == DV_CUDA_SUCCESS
		       ? dv_cuda.cuGraphAddNode_v2(ret, graph, dependencies, edges, count, params)
		       : r;
}

DV_CUDA_API cuGraphInstantiate(struct dv_cu_exec **ret, struct dv_cu_graph *graph,
			       struct dv_cu_node **ret_node, char *log, size_t size)
{
	dv_cuda_init();
	return made(dv_cuda.cuGraphInstantiate(ret, graph, ret_node, log, size));
}

DV_CUDA_API cuGraphInstantiate_v2(struct dv_cu_exec **ret, struct dv_cu_graph *graph,
				  struct dv_cu_node **ret_node, char *log, size_t size)
{
	dv_cuda_init();
	return made(dv_cuda.cuGraphInstantiate_v2(ret, graph, ret_node, log, size));
}

DV_CUDA_API cuGraphInstantiateWithFlags(struct dv_cu_exec **ret, struct dv_cu_graph *graph,
					unsigned long long flags)
{
	dv_cuda_init();
	return made(dv_cuda.cuGraphInstantiateWithFlags(ret, graph, flags));
}

DV_CUDA_API cuGraphInstantiateWithParams(struct dv_cu_exec **ret, struct dv_cu_graph *graph,
					 struct dv_cu_instantiate *params)
{
	dv_cuda_init();
	return made(dv_cuda.cuGraphInstantiateWithParams(ret, graph, params));
}

DV_CUDA_API cuGraphInstantiateWithParams_ptsz(struct dv_cu_exec **ret, struct dv_cu_graph *graph,
					      struct dv_cu_instantiate *params)
{
	dv_cuda_init();
	return made(dv_cuda.cuGraphInstantiateWithParams_ptsz(ret, graph, params));
}

DV_CUDA_API cuGraphExecDestroy(struct dv_cu_exec *graph)
{
	dv_cuda_init();
	return made(dv_cuda.cuGraphExecDestroy(graph));
}

DV_CUDA_API cuDeviceGraphMemTrim(int device)
{
	enum dv_cu_result r;

	dv_cuda_init();
	r = dv_cuda.cuDeviceGraphMemTrim(device);
	if (__atomic_load_n(&any, __ATOMIC_ACQUIRE))
		(void)look(device, false);
	return r;
}
