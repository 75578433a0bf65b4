/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/burn-cuda/device.h"

#include <dlfcn.h>
#include <math.h>

#include "base/clock.h"
#include "base/macro.h"

enum { CALIBRATE_ROUNDS = 8, CALIBRATE_MS = 20, EACH_MOST = 1000 };
/* Of a kernel's length, how far its real one may be off: a factor. */
enum { OFF_MOST = 2 };

/* A kernel of a known length. A real GPU compiles the PTX and counts loops, each of them a look at
 * the clock; what is read has to come to something, or the compiler leaves out the loop, so a value
 * that cannot be would end the program. The simulated driver reads the comment, by which a launch
 * takes the time that its first argument tells. */
static const char image[] = "// divvy-sim-kernel name=spin args=8,8 ns=arg0\n"
			    ".version 6.0\n"
			    ".target sm_50\n"
			    ".address_size 64\n"
			    ".visible .entry spin(.param .u64 ns, .param .u64 loops)\n"
			    "{\n"
			    "	.reg .u64 %r<4>;\n"
			    "	.reg .pred %p;\n"
			    "	ld.param.u64 %r0, [loops];\n"
			    "	mov.u64 %r1, 0;\n"
			    "	mov.u64 %r3, 0;\n"
			    "LOOP:\n"
			    "	setp.ge.u64 %p, %r1, %r0;\n"
			    "	@%p bra DONE;\n"
			    "	mov.u64 %r2, %clock64;\n"
			    "	or.b64 %r3, %r3, %r2;\n"
			    "	add.u64 %r1, %r1, 1;\n"
			    "	bra.uni LOOP;\n"
			    "DONE:\n"
			    "	setp.eq.u64 %p, %r3, 0xffffffffffffffff;\n"
			    "	@%p trap;\n"
			    "	ret;\n"
			    "}\n";
/* No driver but the simulated one takes this for a module. */
static const char only_simulated[] = "divvy-sim-kernel name=probe args=8 ns=arg0\n";

int burn_cuda_check(enum dv_cu_result result, const char *what, struct dv_error *err)
{
	if (result == DV_CUDA_SUCCESS)
		return 0;
	return dv_error_set(err, result == DV_CUDA_ERROR_OUT_OF_MEMORY ? -ENOSPC : -EIO,
			    "%s: CUDA error %d", what, (int)result);
}

#define TRY(call)                                                                                  \
	do {                                                                                       \
		int r_ = burn_cuda_check(call, #call, err);                                        \
                                                                                                   \
		if (r_ < 0)                                                                        \
			return r_;                                                                 \
	} while (0)

int burn_cuda_load(struct burn_cuda *cuda, struct dv_error *err)
{
	const struct {
		const char *symbol;
		void **entry;
	} entries[] = {
#define ENTRY(symbol) {#symbol, (void **)&cuda->symbol},
		BURN_CUDA_CALLS(ENTRY)
#undef ENTRY
	};
	const char *said;

	cuda->library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!cuda->library) {
		said = dlerror();
		return dv_error_set(err, -ENOENT, "no CUDA driver: %s",
				    said ? said : "libcuda.so.1");
	}
	for (size_t i = 0; i < DV_ARRAY_LEN(entries); i++) {
		*entries[i].entry = dlsym(cuda->library, entries[i].symbol);
		if (!*entries[i].entry)
			return dv_error_set(err, -ENOSYS, "the CUDA driver has no %s",
					    entries[i].symbol);
	}
	TRY(cuda->cuInit(0));
	return 0;
}

void *burn_cuda_below(const char *symbol)
{
	void *driver = dlopen("libcuda-divvy-real.so", RTLD_NOW | RTLD_NOLOAD);

	return driver ? dlsym(driver, symbol) : NULL;
}

int burn_cuda_open(struct burn_cuda *cuda, struct dv_error *err)
{
	struct dv_cu_module *module = NULL;

	TRY(cuda->cuCtxCreate_v2(&cuda->context, 0, 0));
	TRY(cuda->cuStreamCreate(&cuda->stream, DV_CU_STREAM_NON_BLOCKING));
	cuda->simulated = cuda->cuModuleLoadData(&module, only_simulated) == DV_CUDA_SUCCESS;
	if (cuda->simulated)
		TRY(cuda->cuModuleUnload(module));
	TRY(cuda->cuModuleLoadData(&module, image));
	TRY(cuda->cuModuleGetFunction(&cuda->kernel, module, "spin"));
	for (unsigned i = 0; i < BURN_CUDA_INFLIGHT_MOST; i++)
		TRY(cuda->cuEventCreate(&cuda->events[i], 0));
	return 0;
}

static int launch_kernels(struct burn_cuda *cuda, unsigned count, struct dv_error *err)
{
	void *params[] = {&cuda->kernel_ns, &cuda->loops};

	for (unsigned i = 0; i < count; i++)
		TRY(cuda->cuLaunchKernel(cuda->kernel, 1, 1, 1, 1, 1, 1, 0, cuda->stream, params,
					 NULL));
	return 0;
}

int burn_cuda_capture(struct burn_cuda *cuda, unsigned kernels, struct dv_error *err)
{
	struct dv_cu_graph *graph = NULL;
	int r;

	TRY(cuda->cuStreamBeginCapture_v2(cuda->stream, DV_CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
	r = launch_kernels(cuda, kernels, err);
	TRY(cuda->cuStreamEndCapture(cuda->stream, &graph));
	if (r < 0)
		return r;
	TRY(cuda->cuGraphInstantiate_v2(&cuda->graph, graph, NULL, NULL, 0));
	cuda->graph_kernels = kernels;
	return 0;
}

int burn_cuda_launch(struct burn_cuda *cuda, unsigned each, struct dv_error *err)
{
	if (!cuda->graph)
		return launch_kernels(cuda, each, err);
	for (unsigned i = 0; i < each; i++)
		TRY(cuda->cuGraphLaunch(cuda->graph, cuda->stream));
	return 0;
}

int burn_cuda_mark(struct burn_cuda *cuda, unsigned at, struct dv_error *err)
{
	TRY(cuda->cuEventRecord(cuda->events[at], cuda->stream));
	return 0;
}

int burn_cuda_wait(struct burn_cuda *cuda, unsigned at, struct dv_error *err)
{
	TRY(cuda->cuEventSynchronize(cuda->events[at]));
	return 0;
}

int burn_cuda_sync(struct burn_cuda *cuda, struct dv_error *err)
{
	TRY(cuda->cuStreamSynchronize(cuda->stream));
	return 0;
}

/* What one of so many in a row takes, by the device's clock. */
static int time_kernels(struct burn_cuda *cuda, unsigned count, uint64_t *ret_ns,
			struct dv_error *err)
{
	float ms = 0;
	int r = burn_cuda_mark(cuda, 0, err);

	if (r == 0)
		r = burn_cuda_launch(cuda, count, err);
	if (r == 0)
		r = burn_cuda_mark(cuda, 1, err);
	if (r == 0)
		r = burn_cuda_wait(cuda, 1, err);
	if (r < 0)
		return r;
	TRY(cuda->cuEventElapsedTime(&ms, cuda->events[0], cuda->events[1]));
	*ret_ns = (uint64_t)((double)ms * 1e6 / count + 0.5);
	return 0;
}

int burn_cuda_calibrate(struct burn_cuda *cuda, uint64_t kernel_ns, uint64_t *ret_loops,
			uint64_t *ret_real_ns, struct dv_error *err)
{
	const uint64_t fit = CALIBRATE_MS * DV_NS_PER_MS / DV_MAX(kernel_ns, 1u);
	const unsigned count = (unsigned)DV_MIN(DV_MAX(fit, 2u), (uint64_t)EACH_MOST);
	uint64_t ns = 0;
	int r = 0;

	cuda->kernel_ns = kernel_ns;
	cuda->loops = 1000;
	for (unsigned round = 0; r == 0 && round < CALIBRATE_ROUNDS; round++) {
		r = time_kernels(cuda, count, &ns, err);
		if (r < 0)
			return r;
		/* The last round is only looked at. */
		if (round == CALIBRATE_ROUNDS - 1 ||
		    fabs((double)ns - (double)kernel_ns) < (double)kernel_ns / 200)
			break;
		cuda->loops = DV_MAX((uint64_t)((double)cuda->loops * (double)kernel_ns /
						(double)DV_MAX(ns, 1u)),
				     1u);
	}
	if (ns > OFF_MOST * kernel_ns || kernel_ns > OFF_MOST * ns)
		return dv_error_set(err, -EIO,
				    "no kernel of %llu ns can be made: %llu loops take %llu ns",
				    (unsigned long long)kernel_ns, (unsigned long long)cuda->loops,
				    (unsigned long long)ns);
	*ret_loops = cuda->loops;
	*ret_real_ns = ns;
	return 0;
}
