/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/nvml/slice.h"

#include "shim/core/client.h"

enum { USERS_MOST = 65536, SHARE_WHOLE = 100000 };

enum dv_nvml_result dv_nvml_lease(void)
{
	switch (dv_shim_attach()) {
	case DV_SHIM_ATTACHED:
	case DV_SHIM_AWAY:
		return DV_NVML_SUCCESS;
	default:
		return DV_NVML_NO_PERMISSION;
	}
}

enum dv_nvml_result dv_nvml_own(struct dv_nvml_place *ret)
{
	struct dv_nvml_place place = {NULL, NULL};
	enum dv_nvml_result r = dv_nvml_lease();
	uint32_t is_part = 0;

	if (r == DV_NVML_SUCCESS)
		r = dv_nvml.nvmlDeviceGetHandleByUUID(dv_shim_pages.grant->device, &place.gpu);
	if (r != DV_NVML_SUCCESS)
		return r;
	/* An old driver has no partitions, nor the call. */
	if (dv_nvml.nvmlDeviceIsMigDeviceHandle(place.gpu, &is_part) == DV_NVML_SUCCESS &&
	    is_part) {
		place.part = place.gpu;
		r = dv_nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(place.part, &place.gpu);
	}
	if (r == DV_NVML_SUCCESS)
		*ret = place;
	return r;
}

enum dv_nvml_result dv_nvml_is_own(const struct dv_nvml_device *device)
{
	struct dv_nvml_place own;
	enum dv_nvml_result r = dv_nvml_own(&own);

	if (r != DV_NVML_SUCCESS)
		return r;
	return device && (device == own.gpu || device == own.part) ? DV_NVML_SUCCESS
								   : DV_NVML_NOT_FOUND;
}

/* Does it use the device? One that has only begun has no context yet. */
static bool uses(const struct dv_msg *told)
{
	return told->b || told->lately[DV_LATELY_EVER];
}

static bool add(struct dv_nvml_users *users, const struct dv_msg *told)
{
	struct dv_nvml_user *more =
		realloc(users->items, (users->count + 1) * sizeof(users->items[0]));

	if (!more)
		return false;
	users->items = more;
	more[users->count++] = (struct dv_nvml_user){.pid = (uint32_t)told->c,
						     .known = (uint32_t)told->a,
						     .bytes = told->b,
						     .busy_ns = told->lately[DV_LATELY_NS],
						     .launches = told->lately[DV_LATELY_LAUNCHES]};
	return true;
}

enum dv_nvml_result dv_nvml_users(struct dv_nvml_users *ret)
{
	enum dv_nvml_result r = dv_nvml_lease();
	DV_NVML_USERS users = {0};
	struct dv_msg told = {0};

	if (r != DV_NVML_SUCCESS)
		return r;
	while (users.count < USERS_MOST) {
		const uint64_t above = told.a;

		if (dv_shim_ask(DV_MSG_PROCESS, above, &told) < 0)
			return DV_NVML_NOT_READY;
		if (told.a <= above || told.a > UINT32_MAX)
			break;
		if (uses(&told) && !add(&users, &told))
			return DV_NVML_MEMORY;
	}
	*ret = (struct dv_nvml_users){users.count, take_ptr(users.items)};
	return DV_NVML_SUCCESS;
}

static uint32_t percent(double part)
{
	return part >= 1 ? 100 : (uint32_t)(part * 100 + 0.5);
}

enum dv_nvml_result dv_nvml_use(const struct dv_nvml_utilization *real, struct dv_nvml_use *ret)
{
	const uint32_t mpct = __atomic_load_n(&dv_shim_pages.grant->compute_mpct, __ATOMIC_ACQUIRE);
	enum dv_nvml_result r = dv_nvml_lease();
	struct dv_msg told;
	double due_ns; /* what the slice may be busy in the window */

	if (r != DV_NVML_SUCCESS)
		return r;
	if (dv_shim_ask(DV_MSG_USE, 0, &told) < 0)
		return DV_NVML_NOT_READY;
	*ret = (struct dv_nvml_use){0};
	due_ns = (double)told.a * (mpct && mpct < SHARE_WHOLE ? mpct : SHARE_WHOLE) / SHARE_WHOLE;
	if (due_ns <= 0)
		return DV_NVML_SUCCESS;
	ret->timed = (double)told.b / due_ns;
	ret->endless = (double)told.c * real->gpu / 100 / due_ns;
	ret->gpu = percent(ret->timed + ret->endless);
	ret->memory = percent((double)(told.b + told.c) * real->memory / 100 / due_ns);
	return DV_NVML_SUCCESS;
}
