/* SPDX-License-Identifier: Apache-2.0 */
/* The types of the CUDA driver's interface that divvy uses, hooks or simulates, so that it builds
 * without the vendor's header: handles, devices, contexts, launches. Memory: abi/cuda-memory.h;
 * graphs: abi/cuda-graph.h; numbers: abi/cuda-numbers.h, abi/cuda-results.h; the functions:
 * abi/cuda-calls.h. Declarations only; nothing here is owned.
 *
 * Source: cuda.h of CUDA 13.0; tests/unit/device/test-cuda-abi.c compares all of it with the
 * vendor's header where one is installed. Sizes and offsets are those of x86-64 and aarch64. A
 * CUdevice is an int. */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/cuda-numbers-memory.h"
#include "abi/cuda-numbers.h"
#include "abi/cuda-results.h"

/* A device's address; not uint64_t, which is another type to the compiler. */
typedef unsigned long long dv_cu_ptr;

/* Handles are opaque. A kernel (of a library) may stand where a function is taken. */
struct dv_cu_context;
struct dv_cu_module;
struct dv_cu_function;
struct dv_cu_library;
struct dv_cu_kernel;
struct dv_cu_stream;
struct dv_cu_event;
struct dv_cu_array;
struct dv_cu_mipmap;
struct dv_cu_pool;
struct dv_cu_graph;
struct dv_cu_node;
struct dv_cu_exec;
struct dv_cu_user_object;
struct dv_cu_external;
struct dv_cu_external_buffer;
struct dv_cu_external_handle;

enum dv_cu_capture_status {
	DV_CU_STREAM_CAPTURE_STATUS_NONE = 0,
	DV_CU_STREAM_CAPTURE_STATUS_ACTIVE = 1,
	DV_CU_STREAM_CAPTURE_STATUS_INVALIDATED = 2,
};

/* The second answer of cuGetProcAddress_v2. */
enum dv_cu_symbol_status {
	DV_CU_GET_PROC_ADDRESS_SUCCESS = 0,
	DV_CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND = 1,
	DV_CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT = 2,
};

typedef void dv_cu_host_fn(void *user);
typedef void dv_cu_stream_fn(struct dv_cu_stream *stream, enum dv_cu_result status, void *user);
typedef size_t dv_cu_occupancy_fn(int block_size);

struct dv_cu_uuid {
	char bytes[16];
};

/* cuDeviceGetProperties, deprecated. */
struct dv_cu_device_properties {
	int threads_per_block;
	int threads_dim[3];
	int grid_dim[3];
	int shared_per_block;
	int constant_bytes;
	int warp;
	int pitch;
	int registers_per_block;
	int clock_khz;
	int texture_align;
};
static_assert(sizeof(struct dv_cu_device_properties) == 56, "");

struct dv_cu_affinity {
	uint32_t kind; /* 0: a number of SMs */
	union {
		struct {
			uint32_t count;
		} multiprocessors;
	} param;
};
static_assert(sizeof(struct dv_cu_affinity) == 8, "");

struct dv_cu_context_params {
	struct dv_cu_affinity *affinities;
	int affinity_count;
	void *graphics; /* CUctxCigParam */
};
static_assert(sizeof(struct dv_cu_context_params) == 24, "");

/* --- launches --- */

union dv_cu_launch_value {
	char pad[64];
	int cooperative;
	uint32_t synchronization_policy;
	struct {
		uint32_t x, y, z;
	} cluster;
	int programmatic_serialization;
	struct {
		struct dv_cu_event *event;
		int flags;
		int trigger_at_block_start;
	} programmatic_event;
	struct {
		struct dv_cu_event *event;
		int flags;
	} completion_event;
	int priority;
	uint32_t shared_carveout;
};
static_assert(sizeof(union dv_cu_launch_value) == 64, "");

struct dv_cu_launch_attribute {
	uint32_t id;
	char pad[4];
	union dv_cu_launch_value value;
};
static_assert(sizeof(struct dv_cu_launch_attribute) == 72, "");

/* Of cuLaunchKernelEx: the stream is in it. */
struct dv_cu_launch {
	uint32_t grid_x, grid_y, grid_z;
	uint32_t block_x, block_y, block_z;
	uint32_t shared_bytes;
	struct dv_cu_stream *stream;
	struct dv_cu_launch_attribute *attributes;
	uint32_t attribute_count;
};
static_assert(sizeof(struct dv_cu_launch) == 56, "");
static_assert(offsetof(struct dv_cu_launch, stream) == 32, "");
static_assert(offsetof(struct dv_cu_launch, attribute_count) == 48, "");

/* Of cuLaunchCooperativeKernelMultiDevice. */
struct dv_cu_launch_params {
	struct dv_cu_function *function;
	uint32_t grid_x, grid_y, grid_z;
	uint32_t block_x, block_y, block_z;
	uint32_t shared_bytes;
	struct dv_cu_stream *stream;
	void **params;
};
static_assert(sizeof(struct dv_cu_launch_params) == 56, "");

/* --- operations of a stream on memory --- */

struct dv_cu_memory_value_op {
	uint32_t operation;
	dv_cu_ptr address;
	union {
		uint32_t value;
		uint64_t value64;
	};
	uint32_t flags;
	dv_cu_ptr alias;
};
static_assert(sizeof(struct dv_cu_memory_value_op) == 40, "");

union dv_cu_memory_op {
	uint32_t operation;
	struct dv_cu_memory_value_op value; /* waits and writes */
	struct {
		uint32_t operation, flags;
	} flush, barrier;
	uint64_t pad[6];
};
static_assert(sizeof(union dv_cu_memory_op) == 48, "");

/* --- handles of other processes --- */

struct dv_cu_ipc_memory {
	char reserved[DV_CU_IPC_HANDLE_SIZE];
};

struct dv_cu_ipc_event {
	char reserved[DV_CU_IPC_HANDLE_SIZE];
};
