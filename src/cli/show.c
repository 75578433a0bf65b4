/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/show.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "model/tree.h"
#include "model/units.h"

const char *dv_show_share(uint32_t mpct, char buf[DV_SHOW_SIZE])
{
	unsigned tenths = (mpct + 50) / 100;

	if (!mpct)
		(void)snprintf(buf, DV_SHOW_SIZE, "-");
	else if (tenths % 10 || !tenths)
		(void)snprintf(buf, DV_SHOW_SIZE, "%u.%u%%", tenths / 10, tenths % 10);
	else
		(void)snprintf(buf, DV_SHOW_SIZE, "%u%%", tenths / 10);
	return buf;
}

const char *dv_show_size(uint64_t bytes, char buf[DV_SHOW_SIZE])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes;
	size_t unit = 0;

	if (!bytes) {
		(void)snprintf(buf, DV_SHOW_SIZE, "-");
		return buf;
	}
	while (value >= 1024 && unit + 1 < DV_ARRAY_LEN(units)) {
		value /= 1024;
		unit++;
	}
	/* One decimal where it says something. */
	if (value < 100 && value - (double)(unsigned)value >= 0.05 && unit)
		(void)snprintf(buf, DV_SHOW_SIZE, "%.1f%s", value, units[unit]);
	else
		(void)snprintf(buf, DV_SHOW_SIZE, "%.0f%s", value, units[unit]);
	return buf;
}

const char *dv_show_user(uid_t uid, char buf[DV_SHOW_SIZE])
{
	char room[4096];
	struct passwd entry, *found = NULL;

	if (getpwuid_r(uid, &entry, room, sizeof(room), &found) == 0 && found)
		(void)snprintf(buf, DV_SHOW_SIZE, "%s", entry.pw_name);
	else
		(void)snprintf(buf, DV_SHOW_SIZE, "%u", uid);
	return buf;
}

const char *dv_show_time(int64_t time_s, char buf[DV_SHOW_SIZE])
{
	time_t when = (time_t)time_s;
	struct tm tm;

	if (!localtime_r(&when, &tm) || strftime(buf, DV_SHOW_SIZE, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		(void)snprintf(buf, DV_SHOW_SIZE, "?");
	return buf;
}

static DV_PRINTF(3, 4) void append(char *buf, size_t size, const char *fmt, ...)
{
	size_t len = strlen(buf);
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(buf + len, size - len, fmt, args);
	va_end(args);
}

const char *dv_show_method(const struct dv_lease *lease, char buf[DV_SHOW_SIZE])
{
	(void)snprintf(buf, DV_SHOW_SIZE, "%s%s%s", dv_method_name(lease->method),
		       lease->profile[0] ? " " : "", lease->profile);
	return buf;
}

const char *dv_show_part(const struct dv_lease *lease, char buf[DV_SHOW_SIZE])
{
	struct dv_node node;

	buf[0] = '\0';
	if (dv_node_parse(lease->node, &node, NULL) < 0 || !node.has_partition)
		return buf;
	if (node.size == 1)
		(void)snprintf(buf, DV_SHOW_SIZE, "unit %u", node.start);
	else
		(void)snprintf(buf, DV_SHOW_SIZE, "units %u-%u", node.start,
			       node.start + node.size - 1);
	if (node.has_part && node.part_size == 1)
		append(buf, DV_SHOW_SIZE, ", compute %u", node.part_start);
	else if (node.has_part)
		append(buf, DV_SHOW_SIZE, ", compute %u-%u", node.part_start,
		       node.part_start + node.part_size - 1);
	return buf;
}

const char *dv_show_gpu(const struct dv_lease *lease, const struct dv_gpus *gpus)
{
	for (size_t i = 0; i < gpus->len; i++)
		if (strcmp(gpus->items[i].uuid, lease->gpu_uuid) == 0)
			return gpus->items[i].id;
	return "?";
}

unsigned dv_show_pids(const struct dv_lease *lease)
{
	return lease->pid_count ? lease->pid_count : lease->user_count;
}

const char *dv_show_state(const struct dv_lease *lease)
{
	return lease->missing ? "missing" : dv_lease_state_name(lease->state);
}

enum dv_style dv_show_state_style(enum dv_lease_state state)
{
	switch (state) {
	case DV_LEASE_ACTIVE:
		return DV_STYLE_GOOD;
	case DV_LEASE_UNENFORCED:
	case DV_LEASE_BROKEN:
		return DV_STYLE_BAD;
	case DV_LEASE_PENDING:
	case DV_LEASE_RELEASING:
		return DV_STYLE_WARN;
	case DV_LEASE_READY:
	case DV_LEASE_STATE_COUNT:
		break;
	}
	return DV_STYLE_NONE;
}

const char *dv_show_facts(const struct dv_gpu *gpu, bool address, char buf[DV_FACTS_SIZE])
{
	char text[DV_SHOW_SIZE];

	buf[0] = '\0';
	if (gpu->model[0])
		append(buf, DV_FACTS_SIZE, "%s", gpu->model);
	if (address && gpu->address[0])
		append(buf, DV_FACTS_SIZE, "%s%s", buf[0] ? ", " : "", gpu->address);
	append(buf, DV_FACTS_SIZE, "%s%s", buf[0] ? ", " : "",
	       gpu->memory_bytes ? dv_show_size(gpu->memory_bytes, text) : "memory not known");
	if (gpu->compute_units)
		append(buf, DV_FACTS_SIZE, ", %u %s%s", gpu->compute_units,
		       gpu->kind == DV_GPU_CPU ? "CPU" : "unit", dv_plural(gpu->compute_units));
	return buf;
}

/* " as 1c at 0 + 2c at 1": how a partition is divided, if it is. */
static void append_parts(const struct dv_mig *mig, const struct dv_mig_instance *instance,
			 char *buf, size_t size)
{
	const struct dv_mig_profile *profile = dv_mig_find_id(mig, instance->profile_id);
	bool first = true;

	for (unsigned start = 0; profile && start < DV_MIG_PARTS_MOST; start++)
		for (unsigned i = 0; i < mig->compute_count; i++) {
			const struct dv_mig_compute *part = &mig->computes[i];

			if (part->instance != instance->id || part->start != start ||
			    part->size == profile->compute_slices)
				continue;
			append(buf, size, "%s%uc at %u", first ? " as " : " + ", part->size, start);
			first = false;
		}
}

const char *dv_show_mig(const struct dv_gpu *gpu, char *buf, size_t size)
{
	static const char *const modes[DV_MIG_MODE_COUNT] = {
		[DV_MIG_NONE] = "",
		[DV_MIG_OFF] = "off",
		[DV_MIG_ON] = "on",
		[DV_MIG_TURNING_ON] = "off, and on after a reset",
		[DV_MIG_TURNING_OFF] = "on, and off after a reset",
	};
	const struct dv_mig *mig = &gpu->mig;

	(void)snprintf(buf, size, "%s", modes[mig->mode]);
	for (unsigned i = 0; i < mig->instance_count; i++) {
		const struct dv_mig_instance *instance = &mig->instances[i];

		append(buf, size, "%s%s", i ? ", " : ": ",
		       instance->profile[0] ? instance->profile : "a partition");
		if (instance->size)
			append(buf, size, " at %u", instance->start);
		append_parts(mig, instance, buf, size);
		if (instance->holder_count)
			append(buf, size, " (in use)");
	}
	return buf;
}

const char *dv_show_unleased(const struct dv_gpu *gpu, char *buf, size_t size)
{
	unsigned listed = DV_MIN(gpu->unleased_count, (unsigned)DV_GPU_UNLEASED_MOST);
	size_t len = 0;
	char memory[DV_SHOW_SIZE];

	buf[0] = '\0';
	for (unsigned i = 0; i < listed && len < size; i++) {
		const struct dv_gpu_unleased *process = &gpu->unleased[i];

		len += (size_t)snprintf(buf + len, size - len, "%spid %d %s", i ? ", " : "",
					(int)process->pid, process->command);
		if (process->memory_bytes && len < size)
			len += (size_t)snprintf(buf + len, size - len, " (%s)",
						dv_show_size(process->memory_bytes, memory));
	}
	if (gpu->unleased_count > listed && len < size)
		(void)snprintf(buf + len, size - len, " and %u more", gpu->unleased_count - listed);
	return buf;
}
