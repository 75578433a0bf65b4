/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: all of the CUDA driver's calls from a library, those that it lacks left NULL. */
#pragma once

#include <dlfcn.h>
#include <string.h>

#include "abi/cuda-calls.h"

struct cuda {
#define CUDA_MEMBER(symbol, name, since, arguments) enum dv_cu_result(*symbol) arguments;
#define CUDA_MEMBER_PTSZ(symbol, name, since, arguments)                                           \
	enum dv_cu_result(*symbol##_ptsz) arguments;
#define CUDA_MEMBER_PTDS(symbol, name, since, arguments)                                           \
	enum dv_cu_result(*symbol##_ptds) arguments;
	DV_CUDA_CALLS(CUDA_MEMBER)
	DV_CUDA_PTSZ_CALLS(CUDA_MEMBER_PTSZ)
	DV_CUDA_PTDS_CALLS(CUDA_MEMBER_PTDS)
};

/* NULL: no such library. */
static inline void *cuda_load(const char *library, struct cuda *ret)
{
	void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL), *symbol;

	memset(ret, 0, sizeof(*ret));
	if (!handle)
		return NULL;
#define CUDA_LOOK_UP(symbol_name, name, since, arguments)                                          \
	symbol = dlsym(handle, #symbol_name);                                                      \
	memcpy(&ret->symbol_name, &symbol, sizeof(symbol));
#define CUDA_LOOK_UP_PTSZ(symbol_name, name, since, arguments)                                     \
	symbol = dlsym(handle, #symbol_name "_ptsz");                                              \
	memcpy(&ret->symbol_name##_ptsz, &symbol, sizeof(symbol));
#define CUDA_LOOK_UP_PTDS(symbol_name, name, since, arguments)                                     \
	symbol = dlsym(handle, #symbol_name "_ptds");                                              \
	memcpy(&ret->symbol_name##_ptds, &symbol, sizeof(symbol));
	DV_CUDA_CALLS(CUDA_LOOK_UP)
	DV_CUDA_PTSZ_CALLS(CUDA_LOOK_UP_PTSZ)
	DV_CUDA_PTDS_CALLS(CUDA_LOOK_UP_PTDS)
	return handle;
}

/* Kernels for a real driver, and with the comments for a simulated one
 * (docs/simulated-machines.md): dv_spin(u64 ns)                          takes its time by the
 * device's clock, one thread dv_fill(u32 *to, u32 value, u32 count) dv_add(u32 *to, u32 value, u32
 * count)    one thread for each element of these two */
static const char cuda_kernels[] = ".version 7.0\n"
				   ".target sm_70\n"
				   ".address_size 64\n"
				   "// divvy-sim-kernel name=dv_spin args=8 ns=arg0\n"
				   "// divvy-sim-kernel name=dv_fill args=8,4,4 do=fill ns=5000\n"
				   "// divvy-sim-kernel name=dv_add args=8,4,4 do=add ns=5000\n"
				   ".visible .entry dv_spin(.param .u64 ns)\n"
				   "{\n"
				   "	.reg .pred %p;\n"
				   "	.reg .u64 %rd<5>;\n"
				   "	ld.param.u64 %rd1, [ns];\n"
				   "	mov.u64 %rd2, %globaltimer;\n"
				   "again:\n"
				   "	mov.u64 %rd3, %globaltimer;\n"
				   "	sub.u64 %rd4, %rd3, %rd2;\n"
				   "	setp.lt.u64 %p, %rd4, %rd1;\n"
				   "	@%p bra again;\n"
				   "	ret;\n"
				   "}\n"
#define CUDA_ELEMENTWISE(name, statement)                                                          \
	".visible .entry " name "(.param .u64 to, .param .u32 value, .param .u32 count)\n"         \
	"{\n"                                                                                      \
	"	.reg .pred %p;\n"                                                                        \
	"	.reg .b32 %r<8>;\n"                                                                      \
	"	.reg .b64 %rd<4>;\n"                                                                     \
	"	ld.param.u64 %rd1, [to];\n"                                                              \
	"	ld.param.u32 %r1, [value];\n"                                                            \
	"	ld.param.u32 %r2, [count];\n"                                                            \
	"	cvta.to.global.u64 %rd1, %rd1;\n"                                                        \
	"	mov.u32 %r3, %ctaid.x;\n"                                                                \
	"	mov.u32 %r4, %ntid.x;\n"                                                                 \
	"	mov.u32 %r5, %tid.x;\n"                                                                  \
	"	mad.lo.s32 %r6, %r3, %r4, %r5;\n"                                                        \
	"	setp.ge.u32 %p, %r6, %r2;\n"                                                             \
	"	@%p bra done;\n"                                                                         \
	"	mul.wide.u32 %rd2, %r6, 4;\n"                                                            \
	"	add.s64 %rd3, %rd1, %rd2;\n" statement "done:\n"                                   \
	"	ret;\n"                                                                                  \
	"}\n"
	CUDA_ELEMENTWISE("dv_fill", "	st.global.u32 [%rd3], %r1;\n")
		CUDA_ELEMENTWISE("dv_add", "	ld.global.u32 %r7, [%rd3];\n"
					   "	add.s32 %r7, %r7, %r1;\n"
					   "	st.global.u32 [%rd3], %r7;\n");
