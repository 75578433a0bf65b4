/* SPDX-License-Identifier: Apache-2.0 */
/* A process that finds the NVML shim by the library's name, as a program does, above a library of a
 * simulated machine of two GPUs, with a lease of the second one from the fake divvyd. */
#pragma once

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "abi/nvml-more.h"
#include "config.h"
#include "fake-divvyd.h"
#include "fake-nvml.h"
#include "process.h"
#include "sim/keep.h"
#include "sim/load.h"

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)
#define OK DV_NVML_SUCCESS

#define OTHER "GPU-11111111-1111-1111-1111-111111111111"
#define OWN "GPU-22222222-2222-2222-2222-222222222222"

/* The driver's numbers of processes: of the tenant's, and others on the same GPU. */
enum { GAME = 701, TRAINS = 702, XORG = 801, STRANGER = 802 };

static const char two_gpus[] =
	"name: two\n"
	"gpus:\n"
	"  - {model: rtx4090, driver: 580.95.05, compute_capability: \"8.9\", uuid: " OTHER "}\n"
	"  - {model: rtx4090, driver: 580.95.05, compute_capability: \"8.9\", uuid: " OWN "}\n"
	"holders:\n"
	"  - {name: Xorg, gpus: 1, use: graphics, pid: 801, memory_mib: 214}\n"
	"  - {name: game, gpus: 1, use: graphics, pid: 701, memory_mib: 300}\n"
	"  - {name: stranger, gpus: 1, use: compute, pid: 802, memory_mib: 6144}\n"
	"  - {name: trains, gpus: 1, use: compute, pid: 702, memory_mib: 1000}\n";

static const char *machine_text = two_gpus;

static void *nvml; /* handle of "libnvidia-ml.so.1" */
static char nvml_path[128];

#define NVML_TYPE(member, symbol, arguments) typedef enum dv_nvml_result symbol##_fn arguments;
DV_NVML_CALLS(NVML_TYPE)
DV_NVML_MORE_CALLS(NVML_TYPE)

#define ML(symbol) ((symbol##_fn *)nvml_entry(#symbol))

static inline void *nvml_entry(const char *symbol)
{
	void *entry = dlsym(nvml, symbol);

	if (!entry)
		fprintf(stderr, "no %s\n", symbol);
	CHECK(entry);
	return entry;
}

static inline void machine_make(const char *library)
{
	static struct dv_sim_machine machine;
	const struct dv_sim_libraries libraries = {.nvml = library};
	struct dv_error err = {0};
	char dir[96], path[128];
	FILE *file;

	snprintf(dir, sizeof(dir), "%s/m", getenv(FAKE_DIR));
	snprintf(path, sizeof(path), "%s/two.yaml", getenv(FAKE_DIR));
	file = fopen(path, "w");
	CHECK(file && fputs(machine_text, file) >= 0 && fclose(file) == 0);
	if (dv_sim_load(DV_SOURCE_DIR "/data", path, &machine, &err) < 0 || mkdir(dir, 0700) < 0 ||
	    dv_sim_keep_make(dir, &machine, &libraries, &err) < 0)
		fprintf(stderr, "%s\n", err.msg);
	CHECK(!err.code);
	setenv("DIVVY_SIM_MACHINE", dir, 1);
}

/* A directory as `divvy run` makes it. */
static inline void nvml_place(const char *library)
{
	char driver[128];

	machine_make(library);
	snprintf(nvml_path, sizeof(nvml_path), "%s/libnvidia-ml.so.1", getenv(FAKE_DIR));
	snprintf(driver, sizeof(driver), "%s/libnvidia-ml-divvy-real.so", getenv(FAKE_DIR));
	CHECK(symlink(getenv("DIVVY_TEST_SHIM"), nvml_path) == 0);
	CHECK(symlink(library, driver) == 0);
}

static inline void nvml_open(void)
{
	nvml = dlopen(nvml_path, RTLD_NOW);
	if (!nvml)
		fprintf(stderr, "%s\n", dlerror());
	CHECK(nvml);
}

static inline struct fake *lease(struct fake_config config)
{
	struct fake *fake;

	if (!config.device)
		config.device = OWN;
	fake = fake_start(&config);
	CHECK(fake);
	setenv("DIVVY_LEASE_SOCKET", fake_path(fake), 1);
	setenv("DIVVY_LEASE_NONCE", FAKE_NONCE, 1);
	return fake;
}

static inline struct fake *begin(struct fake_config config)
{
	struct fake *fake = lease(config);

	nvml_place(getenv("DIVVY_TEST_DRIVER"));
	nvml_open();
	CHECK(ML(nvmlInit_v2)() == OK);
	return fake;
}

static inline struct dv_nvml_device *gpu(void)
{
	struct dv_nvml_device *device = NULL;

	CHECK(ML(nvmlDeviceGetHandleByIndex_v2)(0, &device) == OK && device);
	return device;
}

/* The driver's own answer, below the shim. */
static inline void *driver_entry(const char *symbol)
{
	static void *driver;
	char path[128];

	snprintf(path, sizeof(path), "%s/libnvidia-ml-divvy-real.so", getenv(FAKE_DIR));
	driver = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
	CHECK(driver);
	return dlsym(driver, symbol);
}

/* Of one that takes no notice of its arguments. */
typedef enum dv_nvml_result any_call_fn(void *device, uint32_t value);

#define TEST(f)                                                                                    \
	static void test_##f(void **state)                                                         \
	{                                                                                          \
		assert_true(in_process(f));                                                        \
	}
