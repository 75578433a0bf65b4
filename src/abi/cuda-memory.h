/* SPDX-License-Identifier: Apache-2.0 */
/* Memory and copies in the CUDA driver's interface; see abi/cuda.h. Declarations only. */
#pragma once

#include "abi/cuda.h"

/* --- physical memory and pools --- */

struct dv_cu_location {
	uint32_t type;
	int id;
};
static_assert(sizeof(struct dv_cu_location) == 8, "");

struct dv_cu_alloc_prop {
	uint32_t type;
	uint32_t handle_types;
	struct dv_cu_location location;
	void *win32;
	struct {
		uint8_t compression;
		uint8_t rdma_capable;
		uint16_t usage;
		uint8_t reserved[4];
	} flags;
};
static_assert(sizeof(struct dv_cu_alloc_prop) == 32, "");
static_assert(offsetof(struct dv_cu_alloc_prop, flags) == 24, "");

struct dv_cu_access {
	struct dv_cu_location location;
	uint32_t flags;
};
static_assert(sizeof(struct dv_cu_access) == 12, "");

struct dv_cu_pool_props {
	uint32_t type;
	uint32_t handle_types;
	struct dv_cu_location location;
	void *win32;
	size_t most_bytes; /* 0: what the device has */
	uint16_t usage;
	uint8_t reserved[54];
};
static_assert(sizeof(struct dv_cu_pool_props) == 88, "");

struct dv_cu_pool_pointer {
	uint8_t reserved[64];
};

/* --- arrays --- */

struct dv_cu_array_2d {
	size_t width, height;
	uint32_t format, channels;
};
static_assert(sizeof(struct dv_cu_array_2d) == 24, "");

struct dv_cu_array_3d {
	size_t width, height, depth;
	uint32_t format, channels, flags;
};
static_assert(sizeof(struct dv_cu_array_3d) == 40, "");

struct dv_cu_array_memory {
	size_t size, alignment;
	uint32_t reserved[4];
};
static_assert(sizeof(struct dv_cu_array_memory) == 32, "");

struct dv_cu_array_sparse {
	struct {
		uint32_t width, height, depth;
	} tile;
	uint32_t tail_first_level;
	unsigned long long tail_size;
	uint32_t flags;
	uint32_t reserved[4];
};
static_assert(sizeof(struct dv_cu_array_sparse) == 48, "");

/* --- copies --- */

struct dv_cu_copy_2d {
	size_t src_x, src_y;
	uint32_t src_type;
	const void *src_host;
	dv_cu_ptr src_device;
	struct dv_cu_array *src_array;
	size_t src_pitch;
	size_t dst_x, dst_y;
	uint32_t dst_type;
	void *dst_host;
	dv_cu_ptr dst_device;
	struct dv_cu_array *dst_array;
	size_t dst_pitch;
	size_t width, height; /* width in bytes */
};
static_assert(sizeof(struct dv_cu_copy_2d) == 128, "");
static_assert(offsetof(struct dv_cu_copy_2d, dst_x) == 56, "");

struct dv_cu_copy_3d {
	size_t src_x, src_y, src_z, src_level;
	uint32_t src_type;
	const void *src_host;
	dv_cu_ptr src_device;
	struct dv_cu_array *src_array;
	void *reserved0;
	size_t src_pitch, src_height;
	size_t dst_x, dst_y, dst_z, dst_level;
	uint32_t dst_type;
	void *dst_host;
	dv_cu_ptr dst_device;
	struct dv_cu_array *dst_array;
	void *reserved1;
	size_t dst_pitch, dst_height;
	size_t width, height, depth;
};
static_assert(sizeof(struct dv_cu_copy_3d) == 200, "");
static_assert(offsetof(struct dv_cu_copy_3d, dst_x) == 88, "");

struct dv_cu_copy_3d_peer {
	size_t src_x, src_y, src_z, src_level;
	uint32_t src_type;
	const void *src_host;
	dv_cu_ptr src_device;
	struct dv_cu_array *src_array;
	struct dv_cu_context *src_context;
	size_t src_pitch, src_height;
	size_t dst_x, dst_y, dst_z, dst_level;
	uint32_t dst_type;
	void *dst_host;
	dv_cu_ptr dst_device;
	struct dv_cu_array *dst_array;
	struct dv_cu_context *dst_context;
	size_t dst_pitch, dst_height;
	size_t width, height, depth;
};
static_assert(sizeof(struct dv_cu_copy_3d_peer) == 200, "");

struct dv_cu_copy_attributes {
	uint32_t source_order;
	struct dv_cu_location src_hint, dst_hint;
	uint32_t flags;
};
static_assert(sizeof(struct dv_cu_copy_attributes) == 24, "");

struct dv_cu_copy_3d_operand {
	uint32_t type; /* 1: a pointer, 2: an array */
	union {
		struct {
			dv_cu_ptr ptr;
			size_t row_length, layer_height;
			struct dv_cu_location hint;
		} pointer;
		struct {
			struct dv_cu_array *array;
			size_t x, y, z;
		} array;
	};
};
static_assert(sizeof(struct dv_cu_copy_3d_operand) == 40, "");

struct dv_cu_copy_3d_op {
	struct dv_cu_copy_3d_operand src, dst;
	size_t width, height, depth;
	uint32_t source_order, flags;
};
static_assert(sizeof(struct dv_cu_copy_3d_op) == 112, "");
