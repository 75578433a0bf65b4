/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of cuMemAlloc in other processes: when it is first given out it becomes a file without a
 * name, which others open by the owner's table of files. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "sim/cuda/memory.h"

struct handle {
	char magic[8];
	uint32_t pid;
	int32_t fd;
	uint64_t inode, size;
};

static_assert(sizeof(struct handle) <= sizeof(struct dv_cu_ipc_memory), "");

#define MAGIC "dvmemry1"

/* Its contents stay, its address too. */
static enum dv_cu_result make_file(struct dv_cu_block *block)
{
	size_t size = dv_cu_round(block->size, 4096);
	void *base = (void *)(uintptr_t)block->base;
	struct stat st;
	int fd = memfd_create("divvy-sim-cuda", MFD_CLOEXEC);

	if (fd < 0)
		return DV_CUDA_ERROR_OPERATING_SYSTEM;
	for (size_t done = 0; done < size;) {
		ssize_t n = write(fd, (const char *)base + done, size - done);

		if (n <= 0) {
			close(fd);
			return DV_CUDA_ERROR_OUT_OF_MEMORY;
		}
		done += (size_t)n;
	}
	if (fstat(fd, &st) < 0 ||
	    mmap(base, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
		close(fd);
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	}
	block->fd = fd;
	block->inode = (uint64_t)st.st_ino;
	if (!block->small)
		(void)dv_share_give(dv_cu_share, block->device->tenant, block->inode,
				    block->charged);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuIpcGetMemHandle(struct dv_cu_ipc_memory *handle, dv_cu_ptr dptr)
{
	struct handle is = {.pid = (uint32_t)getpid()};
	struct dv_cu_block *block;

	DV_CALL_IN_CONTEXT(context);
	block = dv_cu_block_at(dptr, 0);
	DV_NEED(handle && block && block->use == DV_CU_USE_DEVICE);
	if (block->fd < 0) {
		(void)dv_cu_wait_context(block->context);
		block = dv_cu_block_at(dptr, 0);
		DV_NEED(block && block->use == DV_CU_USE_DEVICE);
		DV_TRY(make_file(block));
	}
	memcpy(is.magic, MAGIC, sizeof(is.magic));
	is.fd = block->fd;
	is.inode = block->inode;
	is.size = block->size;
	memset(handle, 0, sizeof(*handle));
	memcpy(handle, &is, sizeof(is));
	return DV_CUDA_SUCCESS;
}

static int open_other(const struct handle *is)
{
	char path[64];
	struct stat st;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%u/fd/%d", is->pid, is->fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &st) < 0 || (uint64_t)st.st_ino != is->inode ||
			(uint64_t)st.st_size < is->size))
		dv_closep(&fd), fd = -1;
	return fd;
}

static enum dv_cu_result open_handle(dv_cu_ptr *ret, const struct dv_cu_ipc_memory *handle,
				     uint32_t flags)
{
	struct dv_cu_context *context = dv_cu_current();
	struct dv_cu_block block = {.use = DV_CU_USE_IMPORTED, .readable = true, .writable = true};
	struct handle is;
	void *base;

	if (!context)
		return DV_CUDA_ERROR_INVALID_CONTEXT;
	memcpy(&is, handle, sizeof(is));
	DV_NEED(ret && flags == DV_CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS &&
		memcmp(is.magic, MAGIC, sizeof(is.magic)) == 0 && is.size);
	/* Not in the process that it is from. */
	if (is.pid == (uint32_t)getpid())
		return DV_CUDA_ERROR_INVALID_CONTEXT;
	block.fd = open_other(&is);
	if (block.fd < 0)
		return DV_CUDA_ERROR_INVALID_HANDLE;
	base = mmap(NULL, dv_cu_round(is.size, 4096), PROT_READ | PROT_WRITE, MAP_SHARED, block.fd,
		    0);
	if (base == MAP_FAILED) {
		dv_closep(&block.fd);
		return DV_CUDA_ERROR_MAP_FAILED;
	}
	block.base = (uintptr_t)base;
	block.size = is.size;
	block.device = context->device;
	block.context = context;
	block.inode = is.inode;
	if (!dv_cu_block_add(&block)) {
		dv_cu_unmap(block.base, block.size);
		dv_closep(&block.fd);
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	}
	(void)dv_share_take(dv_cu_share, context->device->tenant, is.inode);
	*ret = block.base;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuIpcOpenMemHandle(dv_cu_ptr *pdptr, struct dv_cu_ipc_memory handle,
				     uint32_t flags)
{
	DV_CALL();
	return open_handle(pdptr, &handle, flags);
}

enum dv_cu_result cuIpcOpenMemHandle_v2(dv_cu_ptr *pdptr, struct dv_cu_ipc_memory handle,
					uint32_t flags)
{
	DV_CALL();
	return open_handle(pdptr, &handle, flags);
}

enum dv_cu_result cuIpcCloseMemHandle(dv_cu_ptr dptr)
{
	struct dv_cu_block *block;

	DV_CALL_IN_CONTEXT(context);
	block = dv_cu_block_at(dptr, 0);
	DV_NEED(block && block->base == dptr && block->use == DV_CU_USE_IMPORTED);
	(void)dv_cu_wait_context(block->context);
	block = dv_cu_block_at(dptr, 0);
	DV_NEED(block);
	dv_cu_release(block);
	return DV_CUDA_SUCCESS;
}
