/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/cuda/attributes.h"

#include <stdio.h>

/* Those that are alike on all GPUs from Ampere on, as their driver answers. Absent: 0. */
static const struct {
	uint32_t attribute;
	int value;
} alike[] = {
#define A(name, number)                                                                            \
	{                                                                                          \
		DV_CU_DEVICE_ATTRIBUTE_##name, number                                              \
	}
	A(MAX_THREADS_PER_BLOCK, 1024),
	A(MAX_BLOCK_DIM_X, 1024),
	A(MAX_BLOCK_DIM_Y, 1024),
	A(MAX_BLOCK_DIM_Z, 64),
	A(MAX_GRID_DIM_X, 2147483647),
	A(MAX_GRID_DIM_Y, 65535),
	A(MAX_GRID_DIM_Z, 65535),
	A(MAX_SHARED_MEMORY_PER_BLOCK, 49152),
	A(TOTAL_CONSTANT_MEMORY, 65536),
	A(WARP_SIZE, 32),
	A(MAX_PITCH, 2147483647),
	A(MAX_REGISTERS_PER_BLOCK, 65536),
	A(CLOCK_RATE, 1980000),
	A(TEXTURE_ALIGNMENT, 512),
	A(GPU_OVERLAP, 1),
	A(CAN_MAP_HOST_MEMORY, 1),
	A(MAXIMUM_TEXTURE1D_WIDTH, 131072),
	A(MAXIMUM_TEXTURE2D_WIDTH, 131072),
	A(MAXIMUM_TEXTURE2D_HEIGHT, 65536),
	A(MAXIMUM_TEXTURE3D_WIDTH, 16384),
	A(MAXIMUM_TEXTURE3D_HEIGHT, 16384),
	A(MAXIMUM_TEXTURE3D_DEPTH, 16384),
	A(MAXIMUM_TEXTURE2D_LAYERED_WIDTH, 32768),
	A(MAXIMUM_TEXTURE2D_LAYERED_HEIGHT, 32768),
	A(MAXIMUM_TEXTURE2D_LAYERED_LAYERS, 2048),
	A(SURFACE_ALIGNMENT, 512),
	A(CONCURRENT_KERNELS, 1),
	A(MEMORY_CLOCK_RATE, 2619000),
	A(GLOBAL_MEMORY_BUS_WIDTH, 5120),
	A(L2_CACHE_SIZE, 52428800),
	A(MAX_THREADS_PER_MULTIPROCESSOR, 2048),
	A(ASYNC_ENGINE_COUNT, 3),
	A(UNIFIED_ADDRESSING, 1),
	A(TEXTURE_PITCH_ALIGNMENT, 32),
	A(STREAM_PRIORITIES_SUPPORTED, 1),
	A(GLOBAL_L1_CACHE_SUPPORTED, 1),
	A(LOCAL_L1_CACHE_SUPPORTED, 1),
	A(MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, 233472),
	A(MAX_REGISTERS_PER_MULTIPROCESSOR, 65536),
	A(MANAGED_MEMORY, 1),
	A(SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO, 2),
	A(CONCURRENT_MANAGED_ACCESS, 1),
	A(COMPUTE_PREEMPTION_SUPPORTED, 1),
	A(CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM, 1),
	A(COOPERATIVE_LAUNCH, 1),
	A(MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 232448),
	A(HOST_REGISTER_SUPPORTED, 1),
	A(VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, 1),
	A(HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED, 1),
	A(MAX_BLOCKS_PER_MULTIPROCESSOR, 32),
	A(RESERVED_SHARED_MEMORY_PER_BLOCK, 1024),
	A(MEMORY_POOLS_SUPPORTED, 1),
	A(MEMPOOL_SUPPORTED_HANDLE_TYPES, DV_CU_MEM_HANDLE_TYPE_NONE),
	A(CAN_USE_64_BIT_STREAM_MEM_OPS, 1),
	A(CAN_USE_STREAM_WAIT_VALUE_NOR, 1),
	A(CAN_USE_64_BIT_STREAM_MEM_OPS_V1, 1),
	A(CAN_USE_STREAM_MEM_OPS_V1, 1),
	A(CAN_USE_STREAM_WAIT_VALUE_NOR_V1, 1),
	A(IPC_EVENT_SUPPORTED, 1),
	A(MEM_SYNC_DOMAIN_COUNT, 1),
	A(HOST_NUMA_ID, -1),
	A(NUMA_ID, -1),
#undef A
};

static int pci_number(const struct dv_cu_device *device, unsigned which)
{
	unsigned numbers[3] = {0};

	(void)sscanf(device->address, "%x:%x:%x", &numbers[0], &numbers[1], &numbers[2]);
	return (int)numbers[which];
}

static bool of_the_device(const struct dv_cu_device *device, uint32_t attribute, int *ret)
{
	switch (attribute) {
	case DV_CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
		*ret = device->multiprocessors;
		return true;
	case DV_CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
		*ret = device->major;
		return true;
	case DV_CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
		*ret = device->minor;
		return true;
	case DV_CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID:
		*ret = pci_number(device, 0);
		return true;
	case DV_CU_DEVICE_ATTRIBUTE_PCI_BUS_ID:
		*ret = pci_number(device, 1);
		return true;
	case DV_CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID:
		*ret = pci_number(device, 2);
		return true;
	case DV_CU_DEVICE_ATTRIBUTE_GPU_PCI_DEVICE_ID:
		*ret = (int)device->pci_device;
		return true;
	case DV_CU_DEVICE_ATTRIBUTE_GPU_PCI_SUBSYSTEM_ID:
		*ret = (int)device->pci_subsystem;
		return true;
	case DV_CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH:
		*ret = device->major >= 9;
		return true;
	default:
		return false;
	}
}

bool dv_cu_attribute(const struct dv_cu_device *device, uint32_t attribute, int *ret)
{
	static const uint32_t known[] = {
#define NUMBER(name, number) number,
		DV_CUDA_ATTRIBUTES(NUMBER)
#undef NUMBER
	};
	bool is_known = false;

	for (size_t i = 0; i < DV_ARRAY_LEN(known); i++)
		is_known |= known[i] == attribute;
	if (!is_known)
		return false;
	if (of_the_device(device, attribute, ret))
		return true;
	*ret = 0;
	for (size_t i = 0; i < DV_ARRAY_LEN(alike); i++)
		if (alike[i].attribute == attribute)
			*ret = alike[i].value;
	return true;
}
