/* SPDX-License-Identifier: Apache-2.0 */
/* Device memory that is asked for directly, managed memory (all of it counts, as all of it may come
 * to the device), and what the device is said to have. */
#include "shim/cuda/inside.h"

/* After the driver's call. `bytes` were reserved; `address` is what it made. */
static enum dv_cu_result settle(enum dv_cu_result result, const dv_cu_ptr *address, uint64_t bytes)
{
	if (result != DV_CUDA_SUCCESS) {
		dv_shim_release(bytes);
		return result;
	}
	if (dv_cuda_remember((uintptr_t)*address, bytes))
		return result;
	(void)dv_cuda.cuMemFree_v2(*address);
	return DV_CUDA_ERROR_OUT_OF_MEMORY;
}

static uint64_t product(uint64_t a, uint64_t b)
{
	uint64_t c;

	return __builtin_mul_overflow(a, b, &c) ? UINT64_MAX : c;
}

DV_CUDA_API cuMemAlloc_v2(dv_cu_ptr *ret, size_t size)
{
	enum dv_cu_result r;

	dv_cuda_init();
	r = dv_cuda_reserve(size);
	return r == DV_CUDA_SUCCESS ? settle(dv_cuda.cuMemAlloc_v2(ret, size), ret, size) : r;
}

/* The 32-bit entry points of CUDA 2. */
DV_CUDA_API cuMemAlloc(uint32_t *ret, uint32_t size)
{
	dv_cu_ptr address = 0;
	enum dv_cu_result r;

	dv_cuda_init();
	r = dv_cuda_reserve(size);
	if (r != DV_CUDA_SUCCESS)
		return r;
	r = dv_cuda.cuMemAlloc(ret, size);
	if (r == DV_CUDA_SUCCESS)
		address = *ret;
	return settle(r, &address, size);
}

/* The pitch is the driver's to choose: what it adds is asked for afterwards. */
static enum dv_cu_result settle_pitch(enum dv_cu_result result, dv_cu_ptr address, uint64_t least,
				      uint64_t bytes)
{
	if (result == DV_CUDA_SUCCESS && bytes > least &&
	    dv_cuda_reserve(bytes - least) != DV_CUDA_SUCCESS) {
		(void)dv_cuda.cuMemFree_v2(address);
		dv_shim_release(least);
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	}
	return settle(result, &address, result == DV_CUDA_SUCCESS ? DV_MAX(bytes, least) : least);
}

DV_CUDA_API cuMemAllocPitch_v2(dv_cu_ptr *ret, size_t *ret_pitch, size_t width, size_t height,
			       uint32_t element_size)
{
	uint64_t least = product(width, height);
	enum dv_cu_result r;

	dv_cuda_init();
	r = dv_cuda_reserve(least);
	if (r != DV_CUDA_SUCCESS)
		return r;
	r = dv_cuda.cuMemAllocPitch_v2(ret, ret_pitch, width, height, element_size);
	return settle_pitch(r, r == DV_CUDA_SUCCESS ? *ret : 0, least,
			    r == DV_CUDA_SUCCESS ? product(*ret_pitch, height) : 0);
}

DV_CUDA_API cuMemAllocPitch(uint32_t *ret, uint32_t *ret_pitch, uint32_t width, uint32_t height,
			    uint32_t element_size)
{
	uint64_t least = product(width, height);
	enum dv_cu_result r;

	dv_cuda_init();
	r = dv_cuda_reserve(least);
	if (r != DV_CUDA_SUCCESS)
		return r;
	r = dv_cuda.cuMemAllocPitch(ret, ret_pitch, width, height, element_size);
	return settle_pitch(r, r == DV_CUDA_SUCCESS ? *ret : 0, least,
			    r == DV_CUDA_SUCCESS ? product(*ret_pitch, height) : 0);
}

DV_CUDA_API cuMemAllocManaged(dv_cu_ptr *ret, size_t size, uint32_t flags)
{
	enum dv_cu_result r;

	dv_cuda_init();
	r = dv_cuda_reserve(size);
	return r == DV_CUDA_SUCCESS ? settle(dv_cuda.cuMemAllocManaged(ret, size, flags), ret, size)
				    : r;
}

/* Before the driver frees it: at once after that another thread may be given the same address. */
#define FREE(address, call)                                                                        \
	do {                                                                                       \
		struct dv_cuda_charge charge;                                                      \
		enum dv_cu_result r_;                                                              \
                                                                                                   \
		dv_cuda_init();                                                                    \
		dv_cuda_forget((uintptr_t)(address), &charge);                                     \
		r_ = call;                                                                         \
		if (r_ == DV_CUDA_SUCCESS)                                                         \
			dv_cuda_forgotten(&charge);                                                \
		else                                                                               \
			dv_cuda_recall(&charge);                                                   \
		/* It may have been a pool's. */                                                   \
		if (!charge.charge)                                                                \
			dv_cuda_pools_look();                                                      \
		return r_;                                                                         \
	} while (0)

DV_CUDA_API cuMemFree_v2(dv_cu_ptr address)
{
	FREE(address, dv_cuda.cuMemFree_v2(address));
}

DV_CUDA_API cuMemFree(uint32_t address)
{
	FREE(address, dv_cuda.cuMemFree(address));
}

/* --- what is shown --- */

/* The slice's size, or what the device has if that is less. */
static uint64_t total_shown(uint64_t total)
{
	struct dv_grant grant;
	DV_SHIM_KEEP;

	/* The answer comes after what was given back before was taken: the page is up to date. */
	(void)!dv_shim_reserve(0);
	dv_shim_grant_read(dv_shim_pages.grant, &grant);
	if (grant.memory_limit_bytes)
		total = DV_MIN(total, grant.memory_limit_bytes);
	if (grant.device_memory_bytes)
		total = DV_MIN(total, grant.device_memory_bytes);
	return total;
}

/* After total_shown. */
static uint64_t free_shown(uint64_t available)
{
	struct dv_grant grant;
	uint64_t used;

	dv_shim_grant_read(dv_shim_pages.grant, &grant);
	used = DV_MIN(grant.memory_used_bytes, grant.memory_limit_bytes);
	return grant.memory_limit_bytes ? DV_MIN(available, grant.memory_limit_bytes - used)
					: available;
}

/* Each of these calls is there for 64 bits, and for the 32 of CUDA 2. */
#define GET_INFO(symbol, type)                                                                     \
	DV_CUDA_API symbol(type *ret_free, type *ret_total)                                        \
	{                                                                                          \
		enum dv_cu_result r;                                                               \
                                                                                                   \
		dv_cuda_init();                                                                    \
		r = dv_cuda.symbol(ret_free, ret_total);                                           \
		if (r != DV_CUDA_SUCCESS)                                                          \
			return r;                                                                  \
		dv_cuda_pools_look();                                                              \
		*ret_total = (type)total_shown(*ret_total);                                        \
		*ret_free = (type)free_shown(*ret_free);                                           \
		return r;                                                                          \
	}
#define TOTAL_MEM(symbol, type)                                                                    \
	DV_CUDA_API symbol(type *ret, int device)                                                  \
	{                                                                                          \
		enum dv_cu_result r;                                                               \
                                                                                                   \
		dv_cuda_init();                                                                    \
		r = dv_cuda.symbol(ret, device);                                                   \
		if (r == DV_CUDA_SUCCESS)                                                          \
			*ret = (type)total_shown(*ret);                                            \
		return r;                                                                          \
	}

GET_INFO(cuMemGetInfo_v2, size_t)
GET_INFO(cuMemGetInfo, uint32_t)
TOTAL_MEM(cuDeviceTotalMem_v2, size_t)
TOTAL_MEM(cuDeviceTotalMem, uint32_t)
