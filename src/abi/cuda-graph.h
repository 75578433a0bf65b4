/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs in the CUDA driver's interface; see abi/cuda.h. Declarations only. */
#pragma once

#include "abi/cuda-memory.h"

struct dv_cu_kernel_node_v1 {
	struct dv_cu_function *function;
	uint32_t grid_x, grid_y, grid_z;
	uint32_t block_x, block_y, block_z;
	uint32_t shared_bytes;
	void **params;
	void **extra;
};
static_assert(sizeof(struct dv_cu_kernel_node_v1) == 56, "");

struct dv_cu_kernel_node {
	struct dv_cu_function *function;
	uint32_t grid_x, grid_y, grid_z;
	uint32_t block_x, block_y, block_z;
	uint32_t shared_bytes;
	void **params;
	void **extra;
	struct dv_cu_kernel *kernel;
	struct dv_cu_context *context;
};
static_assert(sizeof(struct dv_cu_kernel_node) == 72, "");
static_assert(offsetof(struct dv_cu_kernel_node, params) == 40, "");

struct dv_cu_memset_node {
	dv_cu_ptr dst;
	size_t pitch;
	uint32_t value, element_size;
	size_t width, height;
};
static_assert(sizeof(struct dv_cu_memset_node) == 40, "");

struct dv_cu_host_node {
	dv_cu_host_fn *fn;
	void *user;
};
static_assert(sizeof(struct dv_cu_host_node) == 16, "");

struct dv_cu_alloc_node {
	struct dv_cu_pool_props pool;
	const struct dv_cu_access *accesses;
	size_t access_count;
	size_t bytes;
	dv_cu_ptr ret; /* filled by the driver */
};
static_assert(sizeof(struct dv_cu_alloc_node) == 120, "");

/* Of cuGraphAddNode. */
struct dv_cu_node_params {
	uint32_t type;
	int reserved0[3];
	union {
		long long reserved1[29];
		struct dv_cu_kernel_node kernel;
		struct {
			int flags, reserved;
			struct dv_cu_context *context;
			struct dv_cu_copy_3d copy;
		} copy;
		struct {
			struct dv_cu_memset_node fill;
			struct dv_cu_context *context;
		} fill;
		struct dv_cu_host_node host;
		struct {
			struct dv_cu_graph *graph;
			uint32_t ownership;
		} child;
		struct {
			struct dv_cu_event *event;
		} event; /* recorded, waited for */
		struct dv_cu_alloc_node alloc;
		struct {
			dv_cu_ptr ptr;
		} free;
	};
	long long reserved2;
};
static_assert(sizeof(struct dv_cu_node_params) == 256, "");
static_assert(offsetof(struct dv_cu_node_params, kernel) == 16, "");

struct dv_cu_edge {
	uint8_t from_port, to_port, type;
	uint8_t reserved[5];
};
static_assert(sizeof(struct dv_cu_edge) == 8, "");

struct dv_cu_exec_update {
	uint32_t result;
	struct dv_cu_node *error_node, *error_from_node;
};
static_assert(sizeof(struct dv_cu_exec_update) == 24, "");

struct dv_cu_instantiate {
	uint64_t flags;
	struct dv_cu_stream *upload_stream;
	struct dv_cu_node *error_node;
	uint32_t result;
};
static_assert(sizeof(struct dv_cu_instantiate) == 32, "");
