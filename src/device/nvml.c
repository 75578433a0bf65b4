/* SPDX-License-Identifier: Apache-2.0 */
#include "device/nvml.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "device/nvml-inside.h"

/* A result, in our words. */
struct meaning {
	enum dv_nvml_result result;
	int code;
	const char *rule;
	const char *text;
	const char *fix;
};

static const struct meaning meanings[] = {
	{DV_NVML_NO_PERMISSION, -EPERM, "M08", "the driver does not let this user",
	 "run divvyd as root, or give its user the capability in "
	 "/proc/driver/nvidia/capabilities/mig/config"},
	{DV_NVML_IN_USE, -EBUSY, "M05", "it is in use", "see who uses it: divvy who"},
	{DV_NVML_INSUFFICIENT_RESOURCES, -ENOSPC, "M04", "there is no room for it",
	 "divvy plan says what would make room"},
	{DV_NVML_NOT_SUPPORTED, -EOPNOTSUPP, "", "this GPU does not do it, or not in this mode",
	 ""},
	{DV_NVML_FUNCTION_NOT_FOUND, -EOPNOTSUPP, "M07", "this driver is too old for it",
	 "update NVIDIA's driver"},
	{DV_NVML_INVALID_ARGUMENT, -EINVAL, "", "the driver knows no such thing", ""},
	{DV_NVML_NOT_FOUND, -ENOENT, "", "it is not there", ""},
	{DV_NVML_GPU_IS_LOST, -ENODEV, "", "the GPU is lost",
	 "look into the kernel's log for the Xid, then reset the GPU or boot"},
	{DV_NVML_GPU_NOT_FOUND, -ENODEV, "", "there is no GPU", ""},
	{DV_NVML_RESET_REQUIRED, -ENODEV, "M06", "the GPU must be reset first",
	 "nvidia-smi --gpu-reset -i GPU, when nothing uses it"},
	{DV_NVML_DRIVER_NOT_LOADED, -ENODEV, "", "NVIDIA's driver is not loaded",
	 "modprobe nvidia"},
	{DV_NVML_LIB_RM_VERSION_MISMATCH, -ENODEV, "",
	 "NVIDIA's library is of another version than its loaded driver",
	 "boot, or load the driver again"},
	{DV_NVML_OPERATING_SYSTEM, -EPERM, "M08", "the operating system keeps the GPU from it",
	 "let the container or cgroup have the GPU's device nodes"},
	{DV_NVML_TIMEOUT, -ETIMEDOUT, "", "the driver did not answer in time", ""},
	{DV_NVML_NOT_READY, -ETIMEDOUT, "", "the driver is not ready", ""},
	{DV_NVML_MEMORY, -ENOMEM, "", "no memory", ""},
};

static const struct meaning *meaning_of(enum dv_nvml_result result)
{
	static const struct meaning other = {DV_NVML_UNKNOWN, -EIO, "", "the driver failed", ""};

	for (size_t i = 0; i < DV_ARRAY_LEN(meanings); i++)
		if (meanings[i].result == result)
			return &meanings[i];
	return &other;
}

int dv_nvml_fail(const struct dv_nvml *nvml, enum dv_nvml_result result, struct dv_error *err,
		 const char *fmt, ...)
{
	const struct meaning *meaning = meaning_of(result);
	const char *says = nvml->call.error_string ? nvml->call.error_string(result) : NULL;
	char what[160];
	va_list args;
	int r;

	va_start(args, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	if (meaning->rule[0])
		r = dv_error_rule(err, meaning->code, meaning->rule, "%s: %s", what, meaning->text);
	else
		r = dv_error_set(err, meaning->code, "%s: %s (NVML: %.60s)", what, meaning->text,
				 says ? says : "?");
	if (err && err->code == r) {
		err->domain = meaning->rule[0] ? err->domain : DV_DOMAIN_NVML;
		err->native = (int)result;
	}
	return meaning->fix[0] ? dv_error_fix(err, r, "%s", meaning->fix) : r;
}

static void look_up(struct dv_nvml *nvml)
{
	void *symbol;

#define LOOK_UP(member, name, arguments)                                                           \
	symbol = dlsym(nvml->library, #name);                                                      \
	memcpy(&nvml->call.member, &symbol, sizeof(symbol));
	DV_NVML_CALLS(LOOK_UP)
#undef LOOK_UP
	symbol = dlsym(nvml->library, DV_NVML_ERROR_STRING);
	memcpy(&nvml->call.error_string, &symbol, sizeof(symbol));
	symbol = dlsym(nvml->library, DV_NVML_FABRIC);
	memcpy(&nvml->call.fabric, &symbol, sizeof(symbol));
}

/* Without these nothing can be said of a GPU. All are there since the first driver with MIG. */
static bool is_whole(const struct dv_nvml_api *call)
{
	return call->init && call->shutdown && call->count && call->by_index && call->by_uuid &&
	       call->name && call->uuid && call->minor && call->pci && call->memory_v1;
}

int dv_nvml_open(const char *library, struct dv_nvml **ret, struct dv_error *err)
{
	dv_autofree struct dv_nvml *nvml = calloc(1, sizeof(*nvml));
	enum dv_nvml_result result;

	if (!nvml)
		return dv_error_set(err, -ENOMEM, "no memory for NVIDIA's library");
	nvml->library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	if (!nvml->library) {
		int r = dv_error_set(err, -ENODEV, "%s: %s", library, dlerror());

		return dv_error_fix(err, r, "install NVIDIA's driver if there is such a GPU");
	}
	look_up(nvml);
	if (!is_whole(&nvml->call)) {
		(void)dlclose(nvml->library);
		return dv_error_set(err, -ENODEV, "%s is not NVIDIA's library, or is too old",
				    library);
	}
	result = nvml->call.init();
	if (result != DV_NVML_SUCCESS) {
		int r = dv_nvml_fail(nvml, result, err, "%s", library);

		(void)dlclose(nvml->library);
		return r;
	}
	*ret = take_ptr(nvml);
	return 0;
}

void dv_nvml_close(struct dv_nvml *nvml)
{
	if (!nvml)
		return;
	(void)nvml->call.shutdown();
	(void)dlclose(nvml->library);
	free(nvml);
}

int dv_nvml_driver(const struct dv_nvml *nvml, char *buf, size_t size, struct dv_error *err)
{
	char version[DV_NVML_VERSION_SIZE] = "";
	enum dv_nvml_result result = DV_NVML_FUNCTION_NOT_FOUND;

	if (nvml->call.driver_version)
		result = nvml->call.driver_version(version, sizeof(version));
	if (result != DV_NVML_SUCCESS)
		return dv_nvml_fail(nvml, result, err, "asking for the driver's version");
	version[sizeof(version) - 1] = '\0';
	(void)dv_copy(buf, size, version);
	return 0;
}

int dv_nvml_find(const struct dv_nvml *nvml, const char *uuid, struct dv_nvml_device **ret,
		 struct dv_error *err)
{
	struct dv_nvml_device *gpu = NULL;
	enum dv_nvml_result result = nvml->call.by_uuid(uuid, &gpu);

	if (result != DV_NVML_SUCCESS)
		return dv_nvml_fail(nvml, result, err, "finding GPU %.47s", uuid);
	*ret = gpu;
	return 0;
}

enum dv_nvml_result dv_nvml_ask_placements(const struct dv_nvml *nvml, struct dv_nvml_device *gpu,
					   uint32_t profile, struct dv_nvml_placement *ret,
					   uint32_t *count)
{
	enum dv_nvml_result result = DV_NVML_FUNCTION_NOT_FOUND;

	if (nvml->call.gi_placements)
		result = nvml->call.gi_placements(gpu, profile, ret, count);
	if (result == DV_NVML_FUNCTION_NOT_FOUND && nvml->call.gi_placements_v1)
		result = nvml->call.gi_placements_v1(gpu, profile, ret, count);
	return result;
}

enum dv_nvml_result dv_nvml_ask_ci_info(const struct dv_nvml *nvml, struct dv_nvml_ci *ci,
					struct dv_nvml_ci_info *ret)
{
	enum dv_nvml_result result = DV_NVML_FUNCTION_NOT_FOUND;

	if (nvml->call.ci_info)
		result = nvml->call.ci_info(ci, ret);
	if (result == DV_NVML_FUNCTION_NOT_FOUND && nvml->call.ci_info_v1)
		result = nvml->call.ci_info_v1(ci, ret);
	return result;
}
