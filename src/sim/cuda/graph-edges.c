/* SPDX-License-Identifier: Apache-2.0 */
/* What nodes of graphs depend on: asked and changed. */
#include <string.h>

#include "sim/cuda/graph.h"

static bool is_node(const struct dv_cu_node *node)
{
	return dv_cu_is(node, DV_CU_NODE);
}

/* Without a list only the number is said; of a list what is past the last is NULL. */
struct list {
	struct dv_cu_node **a, **b;
	struct dv_cu_edge *edges;
	size_t room, count;
};

static void put(struct list *list, struct dv_cu_node *a, struct dv_cu_node *b)
{
	if (list->count < list->room) {
		if (list->a)
			list->a[list->count] = a;
		if (list->b)
			list->b[list->count] = b;
		if (list->edges)
			memset(&list->edges[list->count], 0, sizeof(*list->edges));
	}
	list->count++;
}

static enum dv_cu_result finish(const struct list *list, size_t *count)
{
	for (size_t i = list->count; list->a && i < list->room; i++) {
		list->a[i] = NULL;
		if (list->b)
			list->b[i] = NULL;
	}
	*count = list->a ? DV_MIN(list->count, list->room) : list->count;
	return DV_CUDA_SUCCESS;
}

static enum dv_cu_result nodes_of(const struct dv_cu_graph *graph, bool roots,
				  struct dv_cu_node **ret, size_t *count)
{
	struct list list = {.a = ret};

	DV_NEED(dv_cu_is(graph, DV_CU_GRAPH) && count);
	list.room = ret ? *count : 0;
	for (size_t i = 0; i < graph->nodes.len; i++)
		if (!roots || !graph->nodes.items[i]->before.len)
			put(&list, graph->nodes.items[i], NULL);
	return finish(&list, count);
}

enum dv_cu_result cuGraphGetNodes(struct dv_cu_graph *graph, struct dv_cu_node **nodes,
				  size_t *num_nodes)
{
	DV_CALL();
	return nodes_of(graph, false, nodes, num_nodes);
}

enum dv_cu_result cuGraphGetRootNodes(struct dv_cu_graph *graph, struct dv_cu_node **root_nodes,
				      size_t *num_root_nodes)
{
	DV_CALL();
	return nodes_of(graph, true, root_nodes, num_root_nodes);
}

static enum dv_cu_result edges_of(const struct dv_cu_graph *graph, struct list list, size_t *count)
{
	DV_NEED(dv_cu_is(graph, DV_CU_GRAPH) && count && !list.a == !list.b);
	list.room = list.a ? *count : 0;
	for (size_t i = 0; i < graph->nodes.len; i++)
		for (size_t j = 0; j < graph->nodes.items[i]->before.len; j++)
			put(&list, graph->nodes.items[i]->before.items[j], graph->nodes.items[i]);
	return finish(&list, count);
}

enum dv_cu_result cuGraphGetEdges(struct dv_cu_graph *graph, struct dv_cu_node **from,
				  struct dv_cu_node **to, size_t *num_edges)
{
	DV_CALL();
	return edges_of(graph, (struct list){.a = from, .b = to}, num_edges);
}

enum dv_cu_result cuGraphGetEdges_v2(struct dv_cu_graph *graph, struct dv_cu_node **from,
				     struct dv_cu_node **to, struct dv_cu_edge *edge_data,
				     size_t *num_edges)
{
	DV_CALL();
	return edges_of(graph, (struct list){.a = from, .b = to, .edges = edge_data}, num_edges);
}

static enum dv_cu_result before_of(const struct dv_cu_node *node, struct list list, size_t *count)
{
	DV_NEED(is_node(node) && count);
	list.room = list.a ? *count : 0;
	for (size_t i = 0; i < node->before.len; i++)
		put(&list, node->before.items[i], NULL);
	return finish(&list, count);
}

enum dv_cu_result cuGraphNodeGetDependencies(struct dv_cu_node *node,
					     struct dv_cu_node **dependencies,
					     size_t *num_dependencies)
{
	DV_CALL();
	return before_of(node, (struct list){.a = dependencies}, num_dependencies);
}

enum dv_cu_result cuGraphNodeGetDependencies_v2(struct dv_cu_node *node,
						struct dv_cu_node **dependencies,
						struct dv_cu_edge *edge_data,
						size_t *num_dependencies)
{
	DV_CALL();
	return before_of(node, (struct list){.a = dependencies, .edges = edge_data},
			 num_dependencies);
}

static enum dv_cu_result after_of(const struct dv_cu_node *node, struct list list, size_t *count)
{
	DV_NEED(is_node(node) && count);
	list.room = list.a ? *count : 0;
	for (size_t i = 0; i < node->graph->nodes.len; i++) {
		struct dv_cu_node *other = node->graph->nodes.items[i];

		for (size_t j = 0; j < other->before.len; j++)
			if (other->before.items[j] == node)
				put(&list, other, NULL);
	}
	return finish(&list, count);
}

enum dv_cu_result cuGraphNodeGetDependentNodes(struct dv_cu_node *node,
					       struct dv_cu_node **dependent_nodes,
					       size_t *num_dependent_nodes)
{
	DV_CALL();
	return after_of(node, (struct list){.a = dependent_nodes}, num_dependent_nodes);
}

enum dv_cu_result cuGraphNodeGetDependentNodes_v2(struct dv_cu_node *node,
						  struct dv_cu_node **dependent_nodes,
						  struct dv_cu_edge *edge_data,
						  size_t *num_dependent_nodes)
{
	DV_CALL();
	return after_of(node, (struct list){.a = dependent_nodes, .edges = edge_data},
			num_dependent_nodes);
}

/* --- changing --- */

static enum dv_cu_result add(const struct dv_cu_graph *graph, struct dv_cu_node *const *from,
			     struct dv_cu_node *const *to, size_t count)
{
	DV_NEED(dv_cu_is(graph, DV_CU_GRAPH) && (!count || (from && to)));
	for (size_t i = 0; i < count; i++)
		DV_NEED(is_node(from[i]) && is_node(to[i]) && from[i] != to[i] &&
			from[i]->graph == graph && to[i]->graph == graph);
	for (size_t i = 0; i < count; i++)
		if (dv_cu_node_after(to[i], from[i]) < 0)
			return DV_CUDA_ERROR_OUT_OF_MEMORY;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuGraphAddDependencies(struct dv_cu_graph *graph, struct dv_cu_node *const *from,
					 struct dv_cu_node *const *to, size_t num_dependencies)
{
	DV_CALL();
	return add(graph, from, to, num_dependencies);
}

enum dv_cu_result cuGraphAddDependencies_v2(struct dv_cu_graph *graph,
					    struct dv_cu_node *const *from,
					    struct dv_cu_node *const *to,
					    const struct dv_cu_edge *edge_data,
					    size_t num_dependencies)
{
	DV_CALL();
	return add(graph, from, to, num_dependencies);
}

static bool remove_one(struct dv_cu_node *node, const struct dv_cu_node *before)
{
	for (size_t i = 0; i < node->before.len; i++)
		if (node->before.items[i] == before) {
			dv_vec_remove(&node->before, i);
			return true;
		}
	return false;
}

static enum dv_cu_result drop(const struct dv_cu_graph *graph, struct dv_cu_node *const *from,
			      struct dv_cu_node *const *to, size_t count)
{
	DV_NEED(dv_cu_is(graph, DV_CU_GRAPH) && (!count || (from && to)));
	for (size_t i = 0; i < count; i++)
		DV_NEED(is_node(from[i]) && is_node(to[i]) && remove_one(to[i], from[i]));
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuGraphRemoveDependencies(struct dv_cu_graph *graph,
					    struct dv_cu_node *const *from,
					    struct dv_cu_node *const *to, size_t num_dependencies)
{
	DV_CALL();
	return drop(graph, from, to, num_dependencies);
}

enum dv_cu_result cuGraphRemoveDependencies_v2(struct dv_cu_graph *graph,
					       struct dv_cu_node *const *from,
					       struct dv_cu_node *const *to,
					       const struct dv_cu_edge *edge_data,
					       size_t num_dependencies)
{
	DV_CALL();
	return drop(graph, from, to, num_dependencies);
}
