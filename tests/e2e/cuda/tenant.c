/* SPDX-License-Identifier: Apache-2.0 */
/* A program that uses CUDA through whatever "libcuda.so.1" is:
 *
 *   cuda-tenant info               prints "FREE TOTAL" in bytes
 *   cuda-tenant alloc BYTES        0; 3 when the driver says that there is not enough memory
 *   cuda-tenant hold BYTES         prints "held" and stays
 *   cuda-tenant loop MS KERNEL_US [DEPTH]
 *                                  launches for so long, waits for DEPTH at once; prints how many
 *   cuda-tenant path PATH          loads that file instead, and stays
 *   cuda-tenant at PATH ...        does what follows by the library of that path
 *
 * Its kernels are those of the simulated driver. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "abi/cuda-calls.h"

static void *cuda;

#define TYPE(symbol, name, since, args) typedef enum dv_cu_result dv_##symbol##_fn args;
DV_CUDA_CALLS(TYPE)
#define CU(symbol) ((dv_##symbol##_fn *)entry(#symbol))

static void *entry(const char *symbol)
{
	void *found = dlsym(cuda, symbol);

	if (!found) {
		fprintf(stderr, "no %s\n", symbol);
		exit(9);
	}
	return found;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void check(const char *what, enum dv_cu_result result)
{
	if (result == DV_CUDA_SUCCESS)
		return;
	fprintf(stderr, "%s: %d\n", what, (int)result);
	exit(result == DV_CUDA_ERROR_OUT_OF_MEMORY ? 3 : 4);
}

static int loop(uint64_t ms, uint64_t kernel_us, unsigned depth)
{
	const uint64_t end_ns = now_ns() + ms * 1000000;
	uint64_t kernel_ns = kernel_us * 1000;
	void *params[] = {&kernel_ns};
	struct dv_cu_function *kernel;
	struct dv_cu_module *module;
	unsigned long count = 0;

	check("cuModuleLoadData",
	      CU(cuModuleLoadData)(&module, "divvy-sim-kernel name=spin args=8 ns=arg0\n"));
	check("cuModuleGetFunction", CU(cuModuleGetFunction)(&kernel, module, "spin"));
	for (; now_ns() < end_ns; count++) {
		for (unsigned i = 0; i < depth; i++)
			check("cuLaunchKernel",
			      CU(cuLaunchKernel)(kernel, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
		check("cuStreamSynchronize", CU(cuStreamSynchronize)(NULL));
	}
	count *= depth;
	printf("%lu\n", count);
	return 0;
}

static int act(const char *what, const char *first, const char *second, const char *third)
{
	size_t available, total;
	dv_cu_ptr p;

	if (strcmp(what, "info") == 0) {
		check("cuMemGetInfo", CU(cuMemGetInfo_v2)(&available, &total));
		printf("%zu %zu\n", available, total);
		return 0;
	}
	if (strcmp(what, "loop") == 0 && second)
		return loop(strtoull(first, NULL, 10), strtoull(second, NULL, 10),
			    third ? (unsigned)strtoul(third, NULL, 10) : 1);
	check("cuMemAlloc", CU(cuMemAlloc_v2)(&p, strtoull(first, NULL, 10)));
	if (strcmp(what, "hold") == 0) {
		puts("held");
		fflush(stdout);
		pause();
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct dv_cu_context *context;
	const char *what = argc > 1 ? argv[1] : "", *library = "libcuda.so.1";

	if (strcmp(what, "path") == 0 && argc > 2) {
		if (!dlopen(argv[2], RTLD_NOW))
			return 9;
		sleep(60);
		return 0;
	}
	if (strcmp(what, "at") == 0 && argc > 3) {
		library = argv[2];
		argc -= 2;
		argv += 2;
		what = argv[1];
	}
	cuda = dlopen(library, RTLD_NOW);
	if (!cuda) {
		fprintf(stderr, "%s\n", dlerror());
		return 9;
	}
	check("cuInit", CU(cuInit)(0));
	check("cuCtxCreate", CU(cuCtxCreate_v2)(&context, 0, 0));
	return act(what, argc > 2 ? argv[2] : "", argc > 3 ? argv[3] : NULL,
		   argc > 4 ? argv[4] : NULL);
}
