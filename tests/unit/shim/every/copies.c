/* SPDX-License-Identifier: Apache-2.0 */
/* Copies and fills: counted, and where divvyd says so gated. */
#include "every.h"

static char host[SIZE];
static struct dv_cu_location to_device = {DV_CU_MEM_LOCATION_TYPE_DEVICE, 0};
static dv_cu_ptr from[1], to[1];
static size_t size[1] = {SIZE}, zero[1], failed;
static struct dv_cu_copy_attributes how = {.source_order = 1};

static void copies(const struct every_row *row)
{
	const struct dv_cu_array_2d array = {
		.width = SIZE, .height = 1, .format = DV_CU_AD_FORMAT_UNSIGNED_INT8, .channels = 1};

	every_begin();
	DOES(CU(cuArrayCreate_v2)(&every.array, &array));
	DOES(CU(cuArrayCreate_v2)(&every.array_to, &array));
	DOES(CU(cuMemAllocManaged)(&every.ptr, SIZE, DV_CU_MEM_ATTACH_GLOBAL));
	from[0] = every.ptr;
	to[0] = every.b;
	/* Not held, and copies are not gated. */
	DOES(row->call(row));
	CHECK(every_stats().counters.copies == 1 && every_stats().wants == 0);
	DOES(CU(cuCtxSynchronize)());
	fake_grant(every.fake, NOT_HELD | DV_GRANT_COPIES, 0);
	every_waits(row);
	CHECK(every_stats().counters.copies == 2 && every_stats().counters.launches == 0);
}

#define CALL(name, symbol, args)                                                                   \
	static enum dv_cu_result name(const struct every_row *row)                                 \
	{                                                                                          \
		return THIS(symbol) args;                                                          \
	}

static const struct dv_cu_copy_2d *flat(void)
{
	static struct dv_cu_copy_2d copy;

	copy = (struct dv_cu_copy_2d){.src_type = DV_CU_MEMORYTYPE_DEVICE,
				      .src_device = every.a,
				      .dst_type = DV_CU_MEMORYTYPE_DEVICE,
				      .dst_device = every.b,
				      .width = SIZE,
				      .height = 1};
	return &copy;
}

static const struct dv_cu_copy_3d *deep(void)
{
	static struct dv_cu_copy_3d copy;

	copy = (struct dv_cu_copy_3d){.src_type = DV_CU_MEMORYTYPE_DEVICE,
				      .src_device = every.a,
				      .dst_type = DV_CU_MEMORYTYPE_DEVICE,
				      .dst_device = every.b,
				      .width = SIZE,
				      .height = 1,
				      .depth = 1};
	return &copy;
}

static const struct dv_cu_copy_3d_peer *between(void)
{
	static struct dv_cu_copy_3d_peer copy;

	copy = (struct dv_cu_copy_3d_peer){.src_type = DV_CU_MEMORYTYPE_DEVICE,
					   .src_device = every.a,
					   .src_context = every.context,
					   .dst_type = DV_CU_MEMORYTYPE_DEVICE,
					   .dst_device = every.b,
					   .dst_context = every.context,
					   .width = SIZE,
					   .height = 1,
					   .depth = 1};
	return &copy;
}

/* clang-format off */
CALL(any, cuMemcpy, (every.b, every.a, SIZE))
CALL(peer, cuMemcpyPeer, (every.b, every.context, every.a, every.context, SIZE))
CALL(to_dev, cuMemcpyHtoD_v2, (every.b, host, SIZE))
CALL(to_host, cuMemcpyDtoH_v2, (host, every.a, SIZE))
CALL(within, cuMemcpyDtoD_v2, (every.b, every.a, SIZE))
CALL(host_to_array, cuMemcpyHtoA_v2, (every.array, 0, host, SIZE))
CALL(array_to_host, cuMemcpyAtoH_v2, (host, every.array, 0, SIZE))
CALL(array_to_array, cuMemcpyAtoA_v2, (every.array_to, 0, every.array, 0, SIZE))
CALL(array_to_dev, cuMemcpyAtoD_v2, (every.b, every.array, 0, SIZE))
CALL(dev_to_array, cuMemcpyDtoA_v2, (every.array, 0, every.a, SIZE))
CALL(copy_2d, cuMemcpy2D_v2, (flat()))
CALL(copy_3d, cuMemcpy3D_v2, (deep()))
CALL(copy_3d_peer, cuMemcpy3DPeer, (between()))
CALL(fill_8, cuMemsetD8_v2, (every.a, 1, SIZE))
CALL(fill_16, cuMemsetD16_v2, (every.a, 1, SIZE / 2))
CALL(fill_32, cuMemsetD32_v2, (every.a, 1, SIZE / 4))
CALL(fill_2d_8, cuMemsetD2D8_v2, (every.a, 512, 1, 64, 4))
CALL(fill_2d_16, cuMemsetD2D16_v2, (every.a, 512, 1, 64, 4))
CALL(fill_2d_32, cuMemsetD2D32_v2, (every.a, 512, 1, 64, 4))

CALL(any_async, cuMemcpyAsync, (every.b, every.a, SIZE, NULL))
CALL(peer_async, cuMemcpyPeerAsync, (every.b, every.context, every.a, every.context, SIZE, NULL))
CALL(to_dev_async, cuMemcpyHtoDAsync_v2, (every.b, host, SIZE, NULL))
CALL(to_host_async, cuMemcpyDtoHAsync_v2, (host, every.a, SIZE, NULL))
CALL(within_async, cuMemcpyDtoDAsync_v2, (every.b, every.a, SIZE, NULL))
CALL(host_to_array_async, cuMemcpyHtoAAsync_v2, (every.array, 0, host, SIZE, NULL))
CALL(array_to_host_async, cuMemcpyAtoHAsync_v2, (host, every.array, 0, SIZE, NULL))
CALL(copy_2d_async, cuMemcpy2DAsync_v2, (flat(), NULL))
CALL(copy_3d_async, cuMemcpy3DAsync_v2, (deep(), NULL))
CALL(copy_3d_peer_async, cuMemcpy3DPeerAsync, (between(), NULL))
CALL(fill_8_async, cuMemsetD8Async, (every.a, 1, SIZE, NULL))
CALL(fill_16_async, cuMemsetD16Async, (every.a, 1, SIZE / 2, NULL))
CALL(fill_32_async, cuMemsetD32Async, (every.a, 1, SIZE / 4, NULL))
CALL(fill_2d_8_async, cuMemsetD2D8Async, (every.a, 512, 1, 64, 4, NULL))
CALL(fill_2d_16_async, cuMemsetD2D16Async, (every.a, 512, 1, 64, 4, NULL))
CALL(fill_2d_32_async, cuMemsetD2D32Async, (every.a, 512, 1, 64, 4, NULL))

CALL(batch_1, cuMemcpyBatchAsync, (to, from, size, 1, &how, zero, 1, &failed, NULL))
CALL(batch_2, cuMemcpyBatchAsync_v2, (to, from, size, 1, &how, zero, 1, NULL))
CALL(batch_3d_1, cuMemcpy3DBatchAsync, (0, NULL, &failed, 0, NULL))
CALL(batch_3d_2, cuMemcpy3DBatchAsync_v2, (0, NULL, 0, NULL))
CALL(decompress, cuMemBatchDecompressAsync, (NULL, 0, 0, &failed, NULL))
CALL(prefetch_1, cuMemPrefetchAsync, (every.ptr, SIZE, 0, NULL))
CALL(prefetch_2, cuMemPrefetchAsync_v2, (every.ptr, SIZE, to_device, 0, NULL))
CALL(prefetch_batch, cuMemPrefetchBatchAsync, (from, size, 1, &to_device, zero, 1, 0, NULL))
CALL(discard, cuMemDiscardBatchAsync, (from, size, 1, 0, NULL))
CALL(discard_and_prefetch, cuMemDiscardAndPrefetchBatchAsync,
     (from, size, 1, &to_device, zero, 1, 0, NULL))
/* clang-format on */

const struct every_row every_copies[] = {
	BOTH(cuMemcpy, "_ptds", copies, any),
	BOTH(cuMemcpyPeer, "_ptds", copies, peer),
	BOTH(cuMemcpyHtoD_v2, "_ptds", copies, to_dev),
	BOTH(cuMemcpyDtoH_v2, "_ptds", copies, to_host),
	BOTH(cuMemcpyDtoD_v2, "_ptds", copies, within),
	BOTH(cuMemcpyHtoA_v2, "_ptds", copies, host_to_array),
	BOTH(cuMemcpyAtoH_v2, "_ptds", copies, array_to_host),
	BOTH(cuMemcpyAtoA_v2, "_ptds", copies, array_to_array),
	BOTH(cuMemcpyAtoD_v2, "_ptds", copies, array_to_dev),
	BOTH(cuMemcpyDtoA_v2, "_ptds", copies, dev_to_array),
	BOTH(cuMemcpy2D_v2, "_ptds", copies, copy_2d),
	BOTH(cuMemcpy2DUnaligned_v2, "_ptds", copies, copy_2d),
	BOTH(cuMemcpy3D_v2, "_ptds", copies, copy_3d),
	BOTH(cuMemcpy3DPeer, "_ptds", copies, copy_3d_peer),
	BOTH(cuMemsetD8_v2, "_ptds", copies, fill_8),
	BOTH(cuMemsetD16_v2, "_ptds", copies, fill_16),
	BOTH(cuMemsetD32_v2, "_ptds", copies, fill_32),
	BOTH(cuMemsetD2D8_v2, "_ptds", copies, fill_2d_8),
	BOTH(cuMemsetD2D16_v2, "_ptds", copies, fill_2d_16),
	BOTH(cuMemsetD2D32_v2, "_ptds", copies, fill_2d_32),
	BOTH(cuMemcpyAsync, "_ptsz", copies, any_async),
	BOTH(cuMemcpyPeerAsync, "_ptsz", copies, peer_async),
	BOTH(cuMemcpyHtoDAsync_v2, "_ptsz", copies, to_dev_async),
	BOTH(cuMemcpyDtoHAsync_v2, "_ptsz", copies, to_host_async),
	BOTH(cuMemcpyDtoDAsync_v2, "_ptsz", copies, within_async),
	BOTH(cuMemcpyHtoAAsync_v2, "_ptsz", copies, host_to_array_async),
	BOTH(cuMemcpyAtoHAsync_v2, "_ptsz", copies, array_to_host_async),
	BOTH(cuMemcpy2DAsync_v2, "_ptsz", copies, copy_2d_async),
	BOTH(cuMemcpy3DAsync_v2, "_ptsz", copies, copy_3d_async),
	BOTH(cuMemcpy3DPeerAsync, "_ptsz", copies, copy_3d_peer_async),
	BOTH(cuMemsetD8Async, "_ptsz", copies, fill_8_async),
	BOTH(cuMemsetD16Async, "_ptsz", copies, fill_16_async),
	BOTH(cuMemsetD32Async, "_ptsz", copies, fill_32_async),
	BOTH(cuMemsetD2D8Async, "_ptsz", copies, fill_2d_8_async),
	BOTH(cuMemsetD2D16Async, "_ptsz", copies, fill_2d_16_async),
	BOTH(cuMemsetD2D32Async, "_ptsz", copies, fill_2d_32_async),
	BOTH(cuMemcpyBatchAsync, "_ptsz", copies, batch_1),
	BOTH(cuMemcpyBatchAsync_v2, "_ptsz", copies, batch_2),
	BOTH(cuMemcpy3DBatchAsync, "_ptsz", copies, batch_3d_1),
	BOTH(cuMemcpy3DBatchAsync_v2, "_ptsz", copies, batch_3d_2),
	BOTH(cuMemBatchDecompressAsync, "_ptsz", copies, decompress),
	BOTH(cuMemPrefetchAsync, "_ptsz", copies, prefetch_1),
	BOTH(cuMemPrefetchAsync_v2, "_ptsz", copies, prefetch_2),
	BOTH(cuMemPrefetchBatchAsync, "_ptsz", copies, prefetch_batch),
	BOTH(cuMemDiscardBatchAsync, "_ptsz", copies, discard),
	BOTH(cuMemDiscardAndPrefetchBatchAsync, "_ptsz", copies, discard_and_prefetch),
	{NULL},
};
