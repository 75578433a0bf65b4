/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of an address. */
#include <string.h>

#include "sim/cuda/memory.h"

static bool is_of_host(const struct dv_cu_block *block)
{
	return block->use == DV_CU_USE_HOST || block->use == DV_CU_USE_REGISTERED;
}

/* Numbers, as wide as each attribute is. */
static enum dv_cu_result number(const struct dv_cu_block *block, uint32_t attribute, void *ret)
{
	uint32_t type = is_of_host(block) ? DV_CU_MEMORYTYPE_HOST : DV_CU_MEMORYTYPE_DEVICE;
	int ordinal = dv_cu_ordinal(block->device);
	bool flag = false;

	switch (attribute) {
	case DV_CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
		memcpy(ret, &type, sizeof(type));
		return DV_CUDA_SUCCESS;
	case DV_CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
		memcpy(ret, &ordinal, sizeof(ordinal));
		return DV_CUDA_SUCCESS;
	case DV_CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
		flag = block->sync;
		break;
	case DV_CU_POINTER_ATTRIBUTE_IS_MANAGED:
		flag = block->use == DV_CU_USE_MANAGED;
		break;
	case DV_CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
		flag = block->use == DV_CU_USE_DEVICE;
		break;
	case DV_CU_POINTER_ATTRIBUTE_MAPPED:
		flag = block->readable;
		break;
	case DV_CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
	case DV_CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE:
		break;
	default:
		return DV_CUDA_ERROR_NOT_SUPPORTED;
	}
	memcpy(ret, &flag, sizeof(flag));
	return DV_CUDA_SUCCESS;
}

static enum dv_cu_result wide(const struct dv_cu_block *block, uint32_t attribute, dv_cu_ptr ptr,
			      void *ret)
{
	uint64_t value = 0;

	switch (attribute) {
	case DV_CU_POINTER_ATTRIBUTE_CONTEXT:
		value = (uintptr_t)block->context;
		break;
	case DV_CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
		value = ptr;
		break;
	case DV_CU_POINTER_ATTRIBUTE_HOST_POINTER:
		DV_NEED(is_of_host(block) || block->use == DV_CU_USE_MANAGED);
		value = ptr;
		break;
	case DV_CU_POINTER_ATTRIBUTE_BUFFER_ID:
	case DV_CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID:
		value = block->id;
		break;
	case DV_CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
	case DV_CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR:
		value = block->base;
		break;
	case DV_CU_POINTER_ATTRIBUTE_RANGE_SIZE:
	case DV_CU_POINTER_ATTRIBUTE_MAPPING_SIZE:
		value = block->size;
		break;
	case DV_CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
		value = block->physical ? block->physical->prop.handle_types : 0;
		break;
	case DV_CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
		value = DV_CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
		break;
	case DV_CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
		value = (uintptr_t)block->pool;
		break;
	default:
		return number(block, attribute, ret);
	}
	memcpy(ret, &value, sizeof(value));
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuPointerGetAttribute(void *data, uint32_t attribute, dv_cu_ptr ptr)
{
	const struct dv_cu_block *block;

	DV_CALL_IN_CONTEXT(context);
	DV_NEED(data && attribute && attribute <= DV_CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE);
	block = dv_cu_block_at(ptr, 0);
	DV_NEED(block);
	return wide(block, attribute, ptr, data);
}

/* Of what the driver does not know, everything is 0, and that is no failure. */
enum dv_cu_result cuPointerGetAttributes(uint32_t num_attributes, uint32_t *attributes, void **data,
					 dv_cu_ptr ptr)
{
	const struct dv_cu_block *block;

	DV_CALL_IN_CONTEXT(context);
	DV_NEED(num_attributes && attributes && data);
	block = dv_cu_block_at(ptr, 0);
	for (uint32_t i = 0; i < num_attributes; i++) {
		static const int none = -2;

		DV_NEED(data[i] && attributes[i] &&
			attributes[i] <= DV_CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE);
		if (block && wide(block, attributes[i], ptr, data[i]) == DV_CUDA_SUCCESS)
			continue;
		switch (attributes[i]) {
		case DV_CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
			memcpy(data[i], &none, sizeof(none));
			break;
		case DV_CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
			memset(data[i], 0, sizeof(uint32_t));
			break;
		case DV_CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
		case DV_CU_POINTER_ATTRIBUTE_IS_MANAGED:
		case DV_CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
		case DV_CU_POINTER_ATTRIBUTE_MAPPED:
		case DV_CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
		case DV_CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE:
			memset(data[i], 0, sizeof(bool));
			break;
		default:
			memset(data[i], 0, sizeof(uint64_t));
		}
	}
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuPointerSetAttribute(const void *value, uint32_t attribute, dv_cu_ptr ptr)
{
	struct dv_cu_block *block;

	DV_CALL_IN_CONTEXT(context);
	block = dv_cu_block_at(ptr, 0);
	DV_NEED(value && attribute == DV_CU_POINTER_ATTRIBUTE_SYNC_MEMOPS && block);
	block->sync = *(const uint32_t *)value;
	return DV_CUDA_SUCCESS;
}

/* --- managed memory: advice is kept, and changes nothing --- */

static enum dv_cu_result advise(dv_cu_ptr at, size_t count, uint32_t advice, int device)
{
	struct dv_cu_block *block = dv_cu_block_at(at, count);

	DV_NEED(block && count && block->use == DV_CU_USE_MANAGED && device < dv_cu_device_count);
	switch (advice) {
	case DV_CU_MEM_ADVISE_SET_READ_MOSTLY:
	case DV_CU_MEM_ADVISE_UNSET_READ_MOSTLY:
		block->read_mostly = advice == DV_CU_MEM_ADVISE_SET_READ_MOSTLY;
		return DV_CUDA_SUCCESS;
	case DV_CU_MEM_ADVISE_SET_PREFERRED_LOCATION:
	case DV_CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION:
		block->preferred = advice == DV_CU_MEM_ADVISE_SET_PREFERRED_LOCATION ? device : -2;
		return DV_CUDA_SUCCESS;
	case DV_CU_MEM_ADVISE_SET_ACCESSED_BY:
	case DV_CU_MEM_ADVISE_UNSET_ACCESSED_BY:
		block->accessed_by = advice == DV_CU_MEM_ADVISE_SET_ACCESSED_BY ? device + 1 : 0;
		return DV_CUDA_SUCCESS;
	default:
		return DV_CUDA_ERROR_INVALID_VALUE;
	}
}

enum dv_cu_result cuMemAdvise(dv_cu_ptr dev_ptr, size_t count, uint32_t advice, int device)
{
	DV_CALL_IN_CONTEXT(context);
	return advise(dev_ptr, count, advice, device);
}

enum dv_cu_result cuMemAdvise_v2(dv_cu_ptr dev_ptr, size_t count, uint32_t advice,
				 struct dv_cu_location location)
{
	DV_CALL_IN_CONTEXT(context);
	return advise(dev_ptr, count, advice,
		      location.type == DV_CU_MEM_LOCATION_TYPE_DEVICE ? location.id : -1);
}

static enum dv_cu_result range(const struct dv_cu_block *block, uint32_t attribute, void *data,
			       size_t size)
{
	int value;

	DV_NEED(data && size >= sizeof(value));
	switch (attribute) {
	case DV_CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY:
		value = block->read_mostly;
		break;
	case DV_CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION:
		value = block->preferred;
		break;
	case DV_CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY:
		value = block->accessed_by ? block->accessed_by - 1 : -2;
		break;
	case DV_CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION:
		value = block->prefetched;
		break;
	default:
		return DV_CUDA_ERROR_NOT_SUPPORTED;
	}
	memcpy(data, &value, sizeof(value));
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuMemRangeGetAttribute(void *data, size_t data_size, uint32_t attribute,
					 dv_cu_ptr dev_ptr, size_t count)
{
	const struct dv_cu_block *block;

	DV_CALL_IN_CONTEXT(context);
	block = dv_cu_block_at(dev_ptr, count);
	DV_NEED(block && count && block->use == DV_CU_USE_MANAGED);
	return range(block, attribute, data, data_size);
}

enum dv_cu_result cuMemRangeGetAttributes(void **data, size_t *data_sizes, uint32_t *attributes,
					  size_t num_attributes, dv_cu_ptr dev_ptr, size_t count)
{
	const struct dv_cu_block *block;

	DV_CALL_IN_CONTEXT(context);
	block = dv_cu_block_at(dev_ptr, count);
	DV_NEED(block && count && block->use == DV_CU_USE_MANAGED && data && data_sizes &&
		attributes && num_attributes);
	for (size_t i = 0; i < num_attributes; i++)
		DV_TRY(range(block, attributes[i], data[i], data_sizes[i]));
	return DV_CUDA_SUCCESS;
}
