/* SPDX-License-Identifier: Apache-2.0 */
/* Names: of functions, and of errors. */
#include <stdio.h>
#include <string.h>

#include "sim/cuda/inside.h"

enum { VERSION_OF_PER_THREAD = 7000 };

/* One exported function: what it is asked for by, and since when. */
struct entry {
	const char *name;
	int since;
	bool per_thread, has_per_thread;
	void (*function)(void);
};

#define ENTRY(symbol, name, since, arguments)                                                      \
	{#name, since, false, false, (void (*)(void))(symbol)},
#define ENTRY_PTSZ(symbol, name, since, arguments)                                                 \
	{#name, since, false, true, (void (*)(void))(symbol)},                                     \
		{#name, since, true, true, (void (*)(void))(symbol##_ptsz)},
#define ENTRY_PTDS(symbol, name, since, arguments)                                                 \
	{#name, since, false, true, (void (*)(void))(symbol)},                                     \
		{#name, since, true, true, (void (*)(void))(symbol##_ptds)},

static const struct entry entries[] = {DV_CUDA_PLAIN_CALLS(ENTRY) DV_CUDA_PTSZ_CALLS(ENTRY_PTSZ)
					       DV_CUDA_PTDS_CALLS(ENTRY_PTDS)};

/* The newest that is not newer than asked for. */
static const struct entry *find(const char *name, int version, bool per_thread, bool *ret_known)
{
	const struct entry *best = NULL;

	*ret_known = false;
	for (size_t i = 0; i < DV_ARRAY_LEN(entries); i++) {
		const struct entry *entry = &entries[i];

		if (strcmp(entry->name, name) != 0)
			continue;
		*ret_known = true;
		if (entry->since > version || (uint32_t)entry->since > dv_cu_version())
			continue;
		if (entry->has_per_thread && entry->per_thread != per_thread)
			continue;
		if (!best || entry->since > best->since)
			best = entry;
	}
	return best;
}

static enum dv_cu_symbol_status look_up(const char *name, int version, uint64_t flags,
					const struct entry **ret)
{
	bool per_thread = flags & DV_CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM;
	bool known = false;

	*ret = find(name, version, per_thread && version >= VERSION_OF_PER_THREAD, &known);
	if (*ret)
		return DV_CU_GET_PROC_ADDRESS_SUCCESS;
	return known ? DV_CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT
		     : DV_CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
}

/* Both before cuInit, too. */
enum dv_cu_result cuGetProcAddress(const char *symbol, void **pfn, int cuda_version, uint64_t flags)
{
	const struct entry *entry = NULL;

	DV_NEED(symbol && pfn && flags <= 2);
	*pfn = NULL;
	if (look_up(symbol, cuda_version, flags, &entry) != DV_CU_GET_PROC_ADDRESS_SUCCESS)
		return DV_CUDA_ERROR_NOT_FOUND;
	memcpy(pfn, &entry->function, sizeof(*pfn));
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuGetProcAddress_v2(const char *symbol, void **pfn, int cuda_version,
				      uint64_t flags, enum dv_cu_symbol_status *symbol_status)
{
	const struct entry *entry = NULL;
	enum dv_cu_symbol_status status;

	DV_NEED(symbol && pfn && flags <= 2);
	*pfn = NULL;
	status = look_up(symbol, cuda_version, flags, &entry);
	if (symbol_status)
		*symbol_status = status;
	if (entry)
		memcpy(pfn, &entry->function, sizeof(*pfn));
	/* With a status to tell by, nothing else is a failure. */
	return entry || symbol_status ? DV_CUDA_SUCCESS : DV_CUDA_ERROR_NOT_FOUND;
}

/* --- errors --- */

static const struct {
	enum dv_cu_result result;
	const char *name;
} errors[] = {
#define ERROR(name, number) {DV_##name, #name},
	DV_CUDA_RESULTS(ERROR)
#undef ERROR
};

static const struct {
	enum dv_cu_result result;
	const char *text;
} texts[] = {
	{DV_CUDA_SUCCESS, "no error"},
	{DV_CUDA_ERROR_INVALID_VALUE, "invalid argument"},
	{DV_CUDA_ERROR_OUT_OF_MEMORY, "out of memory"},
	{DV_CUDA_ERROR_NOT_INITIALIZED, "initialization error"},
	{DV_CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected"},
	{DV_CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal"},
	{DV_CUDA_ERROR_INVALID_IMAGE, "device kernel image is invalid"},
	{DV_CUDA_ERROR_INVALID_CONTEXT, "invalid device context"},
	{DV_CUDA_ERROR_INVALID_HANDLE, "invalid resource handle"},
	{DV_CUDA_ERROR_NOT_FOUND, "named symbol not found"},
	{DV_CUDA_ERROR_NOT_READY, "device not ready"},
	{DV_CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered"},
	{DV_CUDA_ERROR_LAUNCH_FAILED, "unspecified launch failure"},
	{DV_CUDA_ERROR_NOT_SUPPORTED, "operation not supported"},
	{DV_CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
	 "operation not permitted when stream is capturing"},
	{DV_CUDA_ERROR_STREAM_CAPTURE_INVALIDATED,
	 "operation failed due to a previous error during capture"},
	{DV_CUDA_ERROR_UNKNOWN, "unknown error"},
};

enum dv_cu_result cuGetErrorName(enum dv_cu_result error, const char **p_str)
{
	DV_NEED(p_str);
	*p_str = NULL;
	for (size_t i = 0; i < DV_ARRAY_LEN(errors); i++)
		if (errors[i].result == error)
			*p_str = errors[i].name;
	return *p_str ? DV_CUDA_SUCCESS : DV_CUDA_ERROR_INVALID_VALUE;
}

/* Where there is no text of its own, the name says it. */
enum dv_cu_result cuGetErrorString(enum dv_cu_result error, const char **p_str)
{
	DV_TRY(cuGetErrorName(error, p_str));
	for (size_t i = 0; i < DV_ARRAY_LEN(texts); i++)
		if (texts[i].result == error)
			*p_str = texts[i].text;
	return DV_CUDA_SUCCESS;
}

/* --- profilers: there is nothing to see --- */

enum dv_cu_result cuProfilerInitialize(const char *config_file, const char *output_file,
				       uint32_t output_mode)
{
	DV_CALL();
	return DV_CUDA_ERROR_NOT_SUPPORTED;
}

enum dv_cu_result cuProfilerStart(void)
{
	DV_CALL_IN_CONTEXT(context);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuProfilerStop(void)
{
	DV_CALL_IN_CONTEXT(context);
	return DV_CUDA_SUCCESS;
}
