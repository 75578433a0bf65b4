/* SPDX-License-Identifier: Apache-2.0 */
/* How busy the slice is: the device's time that it had in the last second, of its share. Where it
 * had the device for itself the driver says how much of that the device worked. */
#include <time.h>

#include "shim/nvml/slice.h"

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static enum dv_nvml_result use_of(struct dv_nvml_device *device, struct dv_nvml_use *ret)
{
	struct dv_nvml_utilization real;
	enum dv_nvml_result r = dv_nvml.nvmlDeviceGetUtilizationRates(device, &real);

	return r == DV_NVML_SUCCESS ? dv_nvml_use(&real, ret) : r;
}

DV_NVML_CALL nvmlDeviceGetUtilizationRates(DV_NVML_DEVICE, struct dv_nvml_utilization *ret)
{
	struct dv_nvml_use use = {0};
	enum dv_nvml_result r;
	DV_NVML_ENTER;

	if (!ret)
		return dv_nvml.nvmlDeviceGetUtilizationRates(device, NULL);
	r = use_of(device, &use);
	if (r == DV_NVML_SUCCESS)
		*ret = (struct dv_nvml_utilization){use.gpu, use.memory};
	return r;
}

/* One sample: the one that GetUtilizationRates would give now. */
static enum dv_nvml_result sample(const struct dv_nvml_use *use, uint32_t kind, uint64_t since_us,
				  uint32_t *count, struct dv_nvml_sample *samples)
{
	const uint64_t at_us = now_us();
	const uint32_t room = *count;

	*count = 1;
	if (!samples)
		return DV_NVML_SUCCESS;
	if (!room)
		return DV_NVML_INVALID_ARGUMENT;
	if (at_us <= since_us) {
		*count = 0;
		return DV_NVML_NOT_FOUND;
	}
	samples[0] = (struct dv_nvml_sample){
		.time_us = at_us,
		.uint_value = kind == DV_NVML_SAMPLES_GPU ? use->gpu : use->memory};
	return DV_NVML_SUCCESS;
}

DV_NVML_CALL nvmlDeviceGetSamples(DV_NVML_DEVICE, uint32_t kind, unsigned long long since,
				  uint32_t *ret_type, uint32_t *count,
				  struct dv_nvml_sample *samples)
{
	struct dv_nvml_use use = {0};
	enum dv_nvml_result r;
	DV_NVML_ENTER;

	switch (kind) {
	case DV_NVML_SAMPLES_GPU:
	case DV_NVML_SAMPLES_MEMORY:
		break;
	case DV_NVML_SAMPLES_ENCODER:
	case DV_NVML_SAMPLES_DECODER:
	case DV_NVML_SAMPLES_JPEG:
	case DV_NVML_SAMPLES_OPTICAL_FLOW:
		return DV_NVML_NOT_SUPPORTED;
	default: /* power and clocks are the card's */
		return dv_nvml.nvmlDeviceGetSamples(device, kind, since, ret_type, count, samples);
	}
	if (!count || !ret_type)
		return DV_NVML_INVALID_ARGUMENT;
	r = use_of(device, &use);
	if (r != DV_NVML_SUCCESS)
		return r;
	*ret_type = DV_NVML_VALUE_UINT;
	return sample(&use, kind, since, count, samples);
}

/* A counter of the whole GPU: not to be had. */
DV_NVML_CALL nvmlGpmQueryDeviceSupport(DV_NVML_DEVICE, struct dv_nvml_gpm_support *ret)
{
	enum dv_nvml_result r;
	DV_NVML_ENTER;

	r = dv_nvml.nvmlGpmQueryDeviceSupport(device, ret);
	if (r == DV_NVML_SUCCESS)
		ret->supported = 0;
	return r;
}

/* --- of each process --- */

struct parts {
	struct dv_nvml_users users;
	struct dv_nvml_use use;
	double busy_ns, launches; /* of all of them */
};

static double part_of(double whole, double its, double all, uint32_t count)
{
	return all > 0 ? whole * its / all : whole / count;
}

/* What a process had of the slice, in percent: of turns with an end by the time that it was busy in
 * them, else by its commands. */
static uint32_t share_of(const struct parts *parts, const struct dv_nvml_user *user)
{
	const uint32_t count = parts->users.count;
	double got;

	got = parts->busy_ns > 0
		      ? part_of(parts->use.timed, (double)user->busy_ns, parts->busy_ns, count)
		      : part_of(parts->use.timed, (double)user->launches, parts->launches, count);
	got += part_of(parts->use.endless, (double)user->launches, parts->launches, count);
	return got >= 1 ? 100 : (uint32_t)(got * 100 + 0.5);
}

static enum dv_nvml_result parts_of(struct dv_nvml_device *device, struct parts *ret)
{
	enum dv_nvml_result r = use_of(device, &ret->use);

	if (r == DV_NVML_SUCCESS)
		r = dv_nvml_users(&ret->users);
	for (uint32_t i = 0; r == DV_NVML_SUCCESS && i < ret->users.count; i++) {
		ret->busy_ns += (double)ret->users.items[i].busy_ns;
		ret->launches += (double)ret->users.items[i].launches;
	}
	return r;
}

/* Of memory's use what is of the GPU's. */
static uint32_t memory_of(const struct parts *parts, uint32_t sm)
{
	return parts->use.gpu ? DV_MIN(parts->use.memory * sm / parts->use.gpu, 100u) : 0;
}

static void parts_fini(struct parts *parts)
{
	dv_nvml_users_free(&parts->users);
}

/* Did the driver's own call have nothing to complain about? */
static bool answered(enum dv_nvml_result result)
{
	return result == DV_NVML_SUCCESS || result == DV_NVML_NOT_FOUND ||
	       result == DV_NVML_INSUFFICIENT_SIZE;
}

DV_NVML_CALL nvmlDeviceGetProcessUtilization(DV_NVML_DEVICE,
					     struct dv_nvml_process_utilization *samples,
					     uint32_t *count, unsigned long long since)
{
	dv_cleanup(parts_fini) struct parts parts = {0};
	const uint64_t at_us = now_us();
	uint32_t nobody = 0, found = 0;
	enum dv_nvml_result r;
	DV_NVML_ENTER;

	r = dv_nvml.nvmlDeviceGetProcessUtilization(device, NULL, count ? &nobody : NULL, since);
	if (!count || !answered(r))
		return r;
	r = parts_of(device, &parts);
	if (r != DV_NVML_SUCCESS)
		return r;
	for (uint32_t i = 0; at_us > since && i < parts.users.count; i++) {
		const struct dv_nvml_user *user = &parts.users.items[i];
		const uint32_t sm = share_of(&parts, user);

		if (sm && samples && found < *count)
			samples[found] = (struct dv_nvml_process_utilization){
				.pid = user->pid,
				.time_us = at_us,
				.sm = sm,
				.memory = memory_of(&parts, sm)};
		found += sm != 0;
	}
	if (found && (!samples || found > *count))
		r = DV_NVML_INSUFFICIENT_SIZE;
	*count = found;
	return found ? r : DV_NVML_NOT_FOUND;
}

DV_NVML_CALL nvmlDeviceGetProcessesUtilizationInfo(DV_NVML_DEVICE,
						   struct dv_nvml_processes_use *use)
{
	dv_cleanup(parts_fini) struct parts parts = {0};
	const uint64_t at_us = now_us();
	struct dv_nvml_processes_use nobody;
	uint32_t found = 0;
	enum dv_nvml_result r;
	DV_NVML_ENTER;

	if (!use)
		return dv_nvml.nvmlDeviceGetProcessesUtilizationInfo(device, NULL);
	nobody = (struct dv_nvml_processes_use){.version = use->version, .since_us = use->since_us};
	r = dv_nvml.nvmlDeviceGetProcessesUtilizationInfo(device, &nobody);
	if (!answered(r))
		return r;
	r = parts_of(device, &parts);
	if (r != DV_NVML_SUCCESS)
		return r;
	for (uint32_t i = 0; at_us > use->since_us && i < parts.users.count; i++) {
		const struct dv_nvml_user *user = &parts.users.items[i];
		const uint32_t sm = share_of(&parts, user);

		if (sm && use->processes && found < use->count)
			use->processes[found] =
				(struct dv_nvml_process_use){.time_us = at_us,
							     .pid = user->pid,
							     .sm = sm,
							     .memory = memory_of(&parts, sm)};
		found += sm != 0;
	}
	if (found && (!use->processes || found > use->count))
		r = DV_NVML_INSUFFICIENT_SIZE;
	use->count = found;
	return found ? r : DV_NVML_NOT_FOUND;
}
