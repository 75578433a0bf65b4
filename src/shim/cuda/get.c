/* SPDX-License-Identifier: Apache-2.0 */
/* cuGetProcAddress: the driver is asked first, and decides name, version and stream semantics; its
 * answer is then replaced by our wrapper of the same entry point, found by address. Each wrapper
 * stands for exactly one symbol, so signatures can't be mixed up. */
#include <dlfcn.h>
#include <string.h>

#include "shim/cuda/inside.h"

enum { NEWEST = 13000 }; /* of what abi/cuda-calls.h knows */

struct row {
	const char *symbol, *name;
	uint16_t since;
	bool own_stream; /* answered with PER_THREAD_DEFAULT_STREAM */
};

#define ROW(symbol, name, since, args) {#symbol, #name, since, false},
#define ROW_PTSZ(symbol, name, since, args)                                                        \
	ROW(symbol, name, since, args){#symbol "_ptsz", #name, since, true},
#define ROW_PTDS(symbol, name, since, args)                                                        \
	ROW(symbol, name, since, args){#symbol "_ptds", #name, since, true},
static const struct row rows[] = {
	DV_CUDA_PLAIN_CALLS(ROW) DV_CUDA_PTSZ_CALLS(ROW_PTSZ) DV_CUDA_PTDS_CALLS(ROW_PTDS)
		DV_CUDA_UNSIMULATED_CALLS(ROW) DV_CUDA_MORE_CALLS(ROW)
			DV_CUDA_MORE_PTSZ_CALLS(ROW_PTSZ)};

/* The symbol that these tables have for a question, or NULL. */
static const char *symbol_for(const char *name, int version, bool own_stream)
{
	const struct row *best = NULL;

	for (size_t i = 0; i < DV_ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];

		if (strcmp(row->name, name) != 0 || row->since > version ||
		    (row->own_stream && !own_stream))
			continue;
		if (!best || row->since > best->since ||
		    (row->since == best->since && row->own_stream))
			best = row;
	}
	return best ? best->symbol : NULL;
}

/* Is this address an exported symbol of the driver's? Then it says itself what it is. */
static bool is_exported(const void *address)
{
	Dl_info info;

	return dladdr(address, &info) && info.dli_sname && info.dli_saddr == address;
}

typedef enum dv_cu_result ask_fn(const char *name, void **ret, int version, uint64_t flags);

static enum dv_cu_result ask_v1(const char *name, void **ret, int version, uint64_t flags)
{
	return dv_cuda.cuGetProcAddress(name, ret, version, flags);
}

static enum dv_cu_result ask_v2(const char *name, void **ret, int version, uint64_t flags)
{
	return dv_cuda.cuGetProcAddress_v2(name, ret, version, flags, NULL);
}

/* What the program gets in the place of the driver's answer. An answer that is none of the driver's
 * symbols is known by what was asked; for a version that we don't know, only if the driver answers
 * the same for the newest that we do. */
static void replace(ask_fn *ask, const char *name, void **function, int version, uint64_t flags)
{
	void *wrapper = dv_cuda_wrapper_at(*function), *known = NULL;
	const char *symbol;

	if (!wrapper && !is_exported(*function)) {
		if (version > NEWEST &&
		    (ask(name, &known, NEWEST, flags) != DV_CUDA_SUCCESS || known != *function))
			return;
		symbol = symbol_for(name, version,
				    flags & DV_CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM);
		wrapper = symbol ? dv_cuda_wrapper_of(symbol) : NULL;
	}
	if (wrapper)
		*function = wrapper;
}

DV_CUDA_API cuGetProcAddress(const char *name, void **function, int version, uint64_t flags)
{
	enum dv_cu_result r;
	DV_SHIM_KEEP;

	dv_cuda_init();
	r = dv_cuda.cuGetProcAddress(name, function, version, flags);
	if (r == DV_CUDA_SUCCESS && name && function && *function)
		replace(ask_v1, name, function, version, flags);
	return r;
}

DV_CUDA_API cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags,
				enum dv_cu_symbol_status *status)
{
	enum dv_cu_result r;
	DV_SHIM_KEEP;

	dv_cuda_init();
	r = dv_cuda.cuGetProcAddress_v2(name, function, version, flags, status);
	if (r == DV_CUDA_SUCCESS && name && function && *function)
		replace(ask_v2, name, function, version, flags);
	return r;
}
