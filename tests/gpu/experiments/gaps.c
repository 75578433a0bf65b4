/* SPDX-License-Identifier: Apache-2.0 */
/* E2: how long, and how often, a kernel is taken off the device while others use it, too. One
 * thread looks at the device's clock without a pause and notes every jump.
 *
 *   gaps SECONDS START_NS */
#include "cuda-load.h"
#include "say.h"

enum { GAPS_MOST = 65536, LEAST_NS = 10000 };

static const char image[] = ".version 7.0\n"
			    ".target sm_70\n"
			    ".address_size 64\n"
			    ".visible .entry gaps(.param .u64 to, .param .u64 most, .param .u64 ns,"
			    " .param .u64 least)\n"
			    "{\n"
			    "	.reg .pred %p<3>;\n"
			    "	.reg .u64 %rd<12>;\n"
			    "	ld.param.u64 %rd1, [to];\n"
			    "	ld.param.u64 %rd2, [most];\n"
			    "	ld.param.u64 %rd3, [ns];\n"
			    "	ld.param.u64 %rd4, [least];\n"
			    "	cvta.to.global.u64 %rd1, %rd1;\n"
			    "	mov.u64 %rd5, 0;\n"
			    "	mov.u64 %rd6, %globaltimer;\n"
			    "	mov.u64 %rd7, %rd6;\n"
			    "again:\n"
			    "	mov.u64 %rd8, %globaltimer;\n"
			    "	sub.u64 %rd9, %rd8, %rd7;\n"
			    "	mov.u64 %rd7, %rd8;\n"
			    "	setp.lt.u64 %p0, %rd9, %rd4;\n"
			    "	@%p0 bra next;\n"
			    "	setp.ge.u64 %p1, %rd5, %rd2;\n"
			    "	@%p1 bra next;\n"
			    "	add.u64 %rd5, %rd5, 1;\n"
			    "	shl.b64 %rd10, %rd5, 3;\n"
			    "	add.u64 %rd11, %rd1, %rd10;\n"
			    "	st.global.u64 [%rd11], %rd9;\n"
			    "next:\n"
			    "	sub.u64 %rd10, %rd8, %rd6;\n"
			    "	setp.lt.u64 %p2, %rd10, %rd3;\n"
			    "	@%p2 bra again;\n"
			    "	st.global.u64 [%rd1], %rd5;\n"
			    "	ret;\n"
			    "}\n";

static struct cuda cu;
static unsigned long long words[GAPS_MOST + 1];
static double gaps_us[GAPS_MOST];

static enum dv_cu_result measure(uint64_t ns, uint64_t start_ns)
{
	unsigned long long most = GAPS_MOST, least = LEAST_NS, for_ns = ns;
	struct dv_cu_context *context = NULL;
	struct dv_cu_module *module = NULL;
	struct dv_cu_function *kernel = NULL;
	dv_cu_ptr to = 0;
	void *params[] = {&to, &most, &for_ns, &least};
	enum dv_cu_result r = cu.cuInit(0);

	if (r == DV_CUDA_SUCCESS)
		r = cu.cuCtxCreate_v2(&context, 0, 0);
	if (r == DV_CUDA_SUCCESS)
		r = cu.cuModuleLoadData(&module, image);
	if (r == DV_CUDA_SUCCESS)
		r = cu.cuModuleGetFunction(&kernel, module, "gaps");
	if (r == DV_CUDA_SUCCESS)
		r = cu.cuMemAlloc_v2(&to, sizeof(words));
	while (now_ns() < start_ns)
		nap_us(100);
	if (r == DV_CUDA_SUCCESS)
		r = cu.cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL);
	if (r == DV_CUDA_SUCCESS)
		r = cu.cuCtxSynchronize();
	return r == DV_CUDA_SUCCESS ? cu.cuMemcpyDtoH_v2(words, to, sizeof(words)) : r;
}

int main(int argc, char **argv)
{
	const double seconds = argc == 3 ? strtod(argv[1], NULL) : 0;
	enum dv_cu_result r;
	double off = 0;
	unsigned count;

	if (seconds <= 0 || !cuda_load("libcuda.so.1", &cu))
		return say_failed("E2", "gaps SECONDS START_NS, and a driver", 0);
	r = measure((uint64_t)(seconds * 1e9), strtoull(argv[2], NULL, 10));
	if (r != DV_CUDA_SUCCESS)
		return say_failed("E2", "CUDA", (int)r);
	count = (unsigned)(words[0] < GAPS_MOST ? words[0] : GAPS_MOST);
	for (unsigned i = 0; i < count; i++) {
		gaps_us[i] = (double)words[i + 1] / 1e3;
		off += gaps_us[i];
	}
	say("E2 gaps of 10 us and more in a kernel, a second", count / seconds, "", "");
	say("E2 off the device", off / seconds / 1e4, "%", "");
	if (!count)
		return 0;
	say("E2 such a gap, median", say_percentile(gaps_us, count, 50), "us", "");
	say("E2 such a gap, 99th of a hundred", say_percentile(gaps_us, count, 99), "us", "");
	return 0;
}
