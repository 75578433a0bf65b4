/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/cuda/real.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "shim/core/gate.h"
#include "shim/core/keep.h"
#include "shim/cuda/inside.h"

/* The name by which this library needs the driver: `divvy run` puts the host's own there. */
#define DRIVER "libcuda-divvy-real.so"

struct dv_cuda_real dv_cuda;
bool dv_cuda_is_ready;

struct hook {
	const char *symbol;
	void *wrapper; /* NULL: used, not wrapped */
	size_t offset; /* of the driver's in dv_cuda */
};

#define HOOK(symbol) {#symbol, (void *)symbol, offsetof(struct dv_cuda_real, symbol)},
#define HOOK_PTSZ(symbol) HOOK(symbol) HOOK(symbol##_ptsz)
#define HOOK_PTDS(symbol) HOOK(symbol) HOOK(symbol##_ptds)
#define USED(symbol) {#symbol, NULL, offsetof(struct dv_cuda_real, symbol)},
static const struct hook hooks[] = {DV_CUDA_HOOKS_PLAIN(HOOK) DV_CUDA_HOOKS_PTSZ(HOOK_PTSZ)
					    DV_CUDA_HOOKS_PTDS(HOOK_PTDS) DV_CUDA_USED(USED)};

/* From the driver's addresses to hooks: index + 1, open addressing. */
enum { SLOTS = 1024 };
static_assert(2 * DV_ARRAY_LEN(hooks) <= SLOTS, "the map of addresses is half empty");
static uint16_t slots[SLOTS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static enum dv_cu_result missing(void)
{
	return DV_CUDA_ERROR_NOT_SUPPORTED;
}

static void **place_of(const struct hook *hook)
{
	return (void **)(void *)((char *)&dv_cuda + hook->offset);
}

static size_t home(const void *address)
{
	return (size_t)((uint64_t)(uintptr_t)address * UINT64_C(0x9e3779b97f4a7c15) >> 54) % SLOTS;
}

static void add_address(const void *address, size_t hook)
{
	size_t i = home(address);

	while (slots[i])
		i = (i + 1) % SLOTS;
	slots[i] = (uint16_t)(hook + 1);
}

/* The driver that we need, in whatever namespace we are; else what comes after us. */
static void *open_driver(void)
{
	void *driver = dlopen(DRIVER, RTLD_NOW | RTLD_NOLOAD);

	return driver ? driver : RTLD_NEXT;
}

static void init(void)
{
	void *driver = open_driver();

	for (size_t i = 0; i < DV_ARRAY_LEN(hooks); i++) {
		void *address = dlsym(driver, hooks[i].symbol);

		/* Were the driver a copy of us, we would call ourselves for ever. */
		if (address == hooks[i].wrapper)
			address = NULL;
		if (address && hooks[i].wrapper)
			add_address(address, i);
		*place_of(&hooks[i]) = address ? address : (void *)missing;
	}
	dv_cuda_init_parts();
	__atomic_store_n(&dv_cuda_is_ready, true, __ATOMIC_RELEASE);
}

void dv_cuda_init_slowly(void)
{
	DV_SHIM_KEEP;

	pthread_once(&once, init);
}

void *dv_cuda_wrapper_at(const void *address)
{
	for (size_t i = home(address); slots[i]; i = (i + 1) % SLOTS)
		if (*place_of(&hooks[slots[i] - 1]) == address)
			return hooks[slots[i] - 1].wrapper;
	return NULL;
}

void *dv_cuda_wrapper_of(const char *symbol)
{
	for (size_t i = 0; i < DV_ARRAY_LEN(hooks); i++)
		if (hooks[i].wrapper && strcmp(hooks[i].symbol, symbol) == 0)
			return hooks[i].wrapper;
	return NULL;
}
