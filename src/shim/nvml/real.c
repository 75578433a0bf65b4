/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/nvml/real.h"

#include <dlfcn.h>

#include "shim/core/client.h"

/* The name by which this library needs the driver's: `divvy run` puts the host's own there. */
#define DRIVER "libnvidia-ml-divvy-real.so"

struct dv_nvml_real dv_nvml;

struct hook {
	const char *symbol;
	void *wrapper; /* NULL: used, not wrapped */
	size_t offset; /* of the driver's in dv_nvml */
};

#define HOOK(symbol) {#symbol, (void *)symbol, offsetof(struct dv_nvml_real, symbol)},
#define USED(symbol) {#symbol, NULL, offsetof(struct dv_nvml_real, symbol)},
static const struct hook hooks[] = {DV_NVML_HOOKS_SLICE(HOOK) DV_NVML_USED(USED)};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static enum dv_nvml_result missing(void)
{
	return DV_NVML_FUNCTION_NOT_FOUND;
}

static void init(void)
{
	void *driver = dlopen(DRIVER, RTLD_NOW | RTLD_NOLOAD);

	for (size_t i = 0; i < DV_ARRAY_LEN(hooks); i++) {
		/* Without it: what comes after us, in whatever namespace we are. */
		void *address = dlsym(driver ? driver : RTLD_NEXT, hooks[i].symbol);

		/* Were the driver a copy of us, we would call ourselves for ever. */
		if (!address || address == hooks[i].wrapper)
			address = (void *)missing;
		*(void **)(void *)((char *)&dv_nvml + hooks[i].offset) = address;
	}
	dv_shim_init(DV_LAYER_NVML);
}

void dv_nvml_init(void)
{
	pthread_once(&once, init);
}
