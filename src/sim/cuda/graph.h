/* SPDX-License-Identifier: Apache-2.0 */
/* Work, as nodes of graphs and as operations of streams: both are described by the same struct
 * dv_cu_node_params, so that what a stream does and what a graph does cannot differ. */
#pragma once

#include "sim/cuda/inside.h"

struct dv_cu_node {
	struct dv_cu_graph *graph;
	struct dv_cu_node_params params; /* what it points to is in `blob`, or the node's own */
	void *blob;
	DV_VEC(struct dv_cu_node *) before;
	bool disabled;
	struct dv_cu_node *of; /* of a copy: what it was copied from */
	struct dv_cu_op *op;   /* while its graph is launched */
	bool marked;	       /* while a graph is searched */
	dv_cu_ptr address;     /* of an allocation */
};

struct dv_cu_graph {
	DV_VEC(struct dv_cu_node *) nodes;
	DV_VEC(struct dv_cu_user_object *) objects; /* once for each reference */
	bool is_part;				    /* of another graph, or of an executable one */
};

struct dv_cu_exec {
	struct dv_cu_graph *graph; /* in an order in which it can run */
	uint64_t flags;
	struct dv_cu_op *last; /* of its last launch: one at a time */
};

struct dv_cu_user_object {
	void *object;
	dv_cu_host_fn *destroy;
	unsigned refs;
};

/* --- operations (perform.c) --- */

/* Is it possible? INVALID_VALUE, INVALID_HANDLE and so on. */
enum dv_cu_result dv_cu_check(const struct dv_cu_node_params *params);

/* The operation that it is; NULL: no memory. */
struct dv_cu_op *dv_cu_op_of(struct dv_cu_stream *stream, const struct dv_cu_node_params *params);

/* What a stream is told to do: an operation, or a node while it is captured. `wait`: for its end.
 */
enum dv_cu_result dv_cu_do(struct dv_cu_stream *stream, const struct dv_cu_node_params *params,
			   bool wait);

/* A kernel's, where a kernel of a library may stand for the function; and of the first version. */
struct dv_cu_node_params dv_cu_kernel_params(const struct dv_cu_kernel_node *kernel);
struct dv_cu_node_params dv_cu_kernel_params_v1(const struct dv_cu_kernel_node_v1 *kernel);

/* --- graphs (graph.c) --- */

struct dv_cu_graph *dv_cu_graph_new(void);
void dv_cu_graph_free(struct dv_cu_graph *graph);

/* A node with its own copy of what the parameters point to. */
enum dv_cu_result dv_cu_node_new(struct dv_cu_graph *graph, struct dv_cu_node *const *before,
				 size_t count, const struct dv_cu_node_params *params,
				 struct dv_cu_node **ret);
enum dv_cu_result dv_cu_node_set(struct dv_cu_node *node, const struct dv_cu_node_params *params);
int dv_cu_node_after(struct dv_cu_node *node, struct dv_cu_node *before);

/* A copy; `sort`: in an order in which it can run, INVALID_VALUE when there is none. */
enum dv_cu_result dv_cu_graph_copy(const struct dv_cu_graph *graph, bool sort,
				   struct dv_cu_graph **ret);

/* Memory that a graph allocated is free again; its address stays. */
struct dv_cu_block;
void dv_cu_graph_memory_free(struct dv_cu_block *block);

enum dv_cu_result dv_cu_graph_launch(struct dv_cu_exec *exec, struct dv_cu_stream *stream);
