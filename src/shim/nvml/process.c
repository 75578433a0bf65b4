/* SPDX-License-Identifier: Apache-2.0 */
/* Who uses the device: the tenant's own processes. Those that compute are known by divvyd's
 * account; of the driver's other lists the entries that are theirs are left. */
#include <string.h>

#include "shim/nvml/slice.h"

/* A list as the caller wants it: entries of either kind. */
struct list {
	uint32_t *count, room;
	struct dv_nvml_process_v1 *old;
	struct dv_nvml_process *new;
};

/* Can the caller be answered? As the driver judges it. */
static enum dv_nvml_result check(enum dv_nvml_result driver, const struct list *list)
{
	if (driver != DV_NVML_SUCCESS && driver != DV_NVML_INSUFFICIENT_SIZE)
		return driver;
	if (!list->count || (*list->count && !list->old && !list->new))
		return DV_NVML_INVALID_ARGUMENT;
	return DV_NVML_SUCCESS;
}

static void put(struct list *list, const struct dv_nvml_process *process)
{
	const uint32_t i = (*list->count)++;

	if (i >= list->room)
		return;
	if (list->old)
		list->old[i] = (struct dv_nvml_process_v1){process->pid, process->memory_bytes};
	if (list->new)
		list->new[i] = *process;
}

static enum dv_nvml_result end(const struct list *list)
{
	return *list->count > list->room ? DV_NVML_INSUFFICIENT_SIZE : DV_NVML_SUCCESS;
}

/* Where its processes are: in the lease's partition, or on the whole GPU. */
static struct dv_nvml_process somewhere(void)
{
	struct dv_nvml_process there = {.gi_id = DV_NVML_NO_INSTANCE, .ci_id = DV_NVML_NO_INSTANCE};
	struct dv_nvml_place own;

	if (dv_nvml_own(&own) != DV_NVML_SUCCESS || !own.part ||
	    dv_nvml.nvmlDeviceGetGpuInstanceId(own.part, &there.gi_id) != DV_NVML_SUCCESS ||
	    dv_nvml.nvmlDeviceGetComputeInstanceId(own.part, &there.ci_id) != DV_NVML_SUCCESS)
		there.gi_id = there.ci_id = DV_NVML_NO_INSTANCE;
	return there;
}

static enum dv_nvml_result compute(enum dv_nvml_result driver, struct list list)
{
	DV_NVML_USERS users = {0};
	struct dv_nvml_process process;
	enum dv_nvml_result r = check(driver, &list);

	if (r == DV_NVML_SUCCESS)
		r = dv_nvml_users(&users);
	if (r != DV_NVML_SUCCESS)
		return r;
	process = somewhere();
	list.room = *list.count;
	*list.count = 0;
	for (uint32_t i = 0; i < users.count; i++) {
		process.pid = users.items[i].pid;
		process.memory_bytes = users.items[i].bytes;
		put(&list, &process);
	}
	return end(&list);
}

#define COMPUTE(symbol, type, kind)                                                                \
	DV_NVML_CALL symbol(DV_NVML_DEVICE, uint32_t *count, type *processes)                      \
	{                                                                                          \
		uint32_t nobody = 0;                                                               \
		DV_NVML_ENTER;                                                                     \
                                                                                                   \
		return compute(dv_nvml.symbol(device, count ? &nobody : NULL, NULL),               \
			       (struct list){.count = count, .kind = processes});                  \
	}

COMPUTE(nvmlDeviceGetComputeRunningProcesses, struct dv_nvml_process_v1, old)
COMPUTE(nvmlDeviceGetComputeRunningProcesses_v2, struct dv_nvml_process, new)
COMPUTE(nvmlDeviceGetComputeRunningProcesses_v3, struct dv_nvml_process, new)

/* --- those that the driver alone knows --- */

static const struct dv_nvml_user *known(const struct dv_nvml_users *users, uint32_t pid)
{
	for (uint32_t i = 0; i < users->count; i++)
		if (users->items[i].known == pid)
			return &users->items[i];
	return NULL;
}

/* The whole list of the driver's, in entries of `size` bytes; the caller frees it. It may grow
 * while it is asked for. */
typedef enum dv_nvml_result ask_fn(struct dv_nvml_device *device, uint32_t *count, void *entries);

static enum dv_nvml_result whole(ask_fn *ask, struct dv_nvml_device *device, size_t size,
				 uint32_t *ret_count, void **ret)
{
	enum dv_nvml_result r = DV_NVML_INSUFFICIENT_SIZE;
	dv_autofree char *entries = NULL;
	uint32_t count = 0;

	for (int i = 0; i < 8 && r == DV_NVML_INSUFFICIENT_SIZE; i++) {
		uint32_t room = i ? count + 16 : 0;
		char *more = realloc(entries, (room ? room : 1) * size);

		if (!more)
			return DV_NVML_MEMORY;
		entries = more;
		memset(entries, 0, (room ? room : 1) * size);
		count = room;
		r = ask(device, &count, room ? entries : NULL);
	}
	if (r != DV_NVML_SUCCESS)
		return r;
	*ret_count = count;
	*ret = take_ptr(entries);
	return r;
}

static enum dv_nvml_result filter_old(ask_fn *ask, struct dv_nvml_device *device, struct list list)
{
	dv_autofree struct dv_nvml_process_v1 *all = NULL;
	DV_NVML_USERS users = {0};
	uint32_t count = 0;
	enum dv_nvml_result r = check(DV_NVML_SUCCESS, &list);

	if (r == DV_NVML_SUCCESS)
		r = whole(ask, device, sizeof(*all), &count, (void **)&all);
	if (r == DV_NVML_SUCCESS)
		r = dv_nvml_users(&users);
	if (r != DV_NVML_SUCCESS)
		return r;
	list.room = *list.count;
	*list.count = 0;
	for (uint32_t i = 0; i < count; i++) {
		const struct dv_nvml_user *user = known(&users, all[i].pid);

		if (user)
			put(&list, &(struct dv_nvml_process){.pid = user->pid,
							     .memory_bytes = all[i].memory_bytes});
	}
	return end(&list);
}

static enum dv_nvml_result filter(ask_fn *ask, struct dv_nvml_device *device, struct list list)
{
	dv_autofree struct dv_nvml_process *all = NULL;
	DV_NVML_USERS users = {0};
	uint32_t count = 0;
	enum dv_nvml_result r = check(DV_NVML_SUCCESS, &list);

	if (r == DV_NVML_SUCCESS)
		r = whole(ask, device, sizeof(*all), &count, (void **)&all);
	if (r == DV_NVML_SUCCESS)
		r = dv_nvml_users(&users);
	if (r != DV_NVML_SUCCESS)
		return r;
	list.room = *list.count;
	*list.count = 0;
	for (uint32_t i = 0; i < count; i++) {
		const struct dv_nvml_user *user = known(&users, all[i].pid);

		if (!user)
			continue;
		all[i].pid = user->pid;
		put(&list, &all[i]);
	}
	return end(&list);
}

#define ASK(symbol, type)                                                                          \
	static enum dv_nvml_result ask_##symbol(DV_NVML_DEVICE, uint32_t *count, void *entries)    \
	{                                                                                          \
		return dv_nvml.symbol(device, count, (type *)entries);                             \
	}
#define FILTER_OLD(symbol)                                                                         \
	ASK(symbol, struct dv_nvml_process_v1)                                                     \
	DV_NVML_CALL symbol(DV_NVML_DEVICE, uint32_t *count, struct dv_nvml_process_v1 *processes) \
	{                                                                                          \
		DV_NVML_ENTER;                                                                     \
                                                                                                   \
		return filter_old(ask_##symbol, device,                                            \
				  (struct list){.count = count, .old = processes});                \
	}
#define FILTER(symbol)                                                                             \
	ASK(symbol, struct dv_nvml_process)                                                        \
	DV_NVML_CALL symbol(DV_NVML_DEVICE, uint32_t *count, struct dv_nvml_process *processes)    \
	{                                                                                          \
		DV_NVML_ENTER;                                                                     \
                                                                                                   \
		return filter(ask_##symbol, device,                                                \
			      (struct list){.count = count, .new = processes});                    \
	}

FILTER_OLD(nvmlDeviceGetGraphicsRunningProcesses)
FILTER(nvmlDeviceGetGraphicsRunningProcesses_v2)
FILTER(nvmlDeviceGetGraphicsRunningProcesses_v3)
FILTER_OLD(nvmlDeviceGetMPSComputeRunningProcesses)
FILTER(nvmlDeviceGetMPSComputeRunningProcesses_v2)
FILTER(nvmlDeviceGetMPSComputeRunningProcesses_v3)

/* All lists in one call, by their newest form. */
static enum dv_nvml_result list_by_mode(struct dv_nvml_device *device, uint32_t mode,
					struct list list)
{
	switch (mode) {
	case DV_NVML_PROCESSES_COMPUTE:
	case DV_NVML_PROCESSES_ALL:
		return compute(DV_NVML_SUCCESS, list);
	case DV_NVML_PROCESSES_GRAPHICS:
		return filter(ask_nvmlDeviceGetGraphicsRunningProcesses_v3, device, list);
	case DV_NVML_PROCESSES_MPS:
		return filter(ask_nvmlDeviceGetMPSComputeRunningProcesses_v3, device, list);
	default:
		return DV_NVML_INVALID_ARGUMENT;
	}
}

DV_NVML_CALL nvmlDeviceGetRunningProcessDetailList(DV_NVML_DEVICE,
						   struct dv_nvml_process_list *list)
{
	struct dv_nvml_process_list nobody;
	dv_autofree struct dv_nvml_process *found = NULL;
	uint32_t count;
	enum dv_nvml_result r;
	DV_NVML_ENTER;

	if (!list)
		return dv_nvml.nvmlDeviceGetRunningProcessDetailList(device, NULL);
	nobody = (struct dv_nvml_process_list){.version = list->version, .mode = list->mode};
	r = dv_nvml.nvmlDeviceGetRunningProcessDetailList(device, &nobody);
	if (r != DV_NVML_SUCCESS && r != DV_NVML_INSUFFICIENT_SIZE)
		return r;
	count = list->processes ? list->count : 0;
	found = calloc(count ? count : 1, sizeof(*found));
	if (!found)
		return DV_NVML_MEMORY;
	r = list_by_mode(device, list->mode, (struct list){.count = &count, .new = found});
	for (uint32_t i = 0; r == DV_NVML_SUCCESS && list->processes && i < count; i++)
		list->processes[i] =
			(struct dv_nvml_process_detail){.pid = found[i].pid,
							.memory_bytes = found[i].memory_bytes,
							.gi_id = found[i].gi_id,
							.ci_id = found[i].ci_id};
	list->count = count;
	return r;
}

/* --- what is known of one --- */

/* The driver's number of a process of the tenant's. */
static enum dv_nvml_result find(uint32_t pid, uint32_t *ret_known)
{
	DV_NVML_USERS users = {0};
	enum dv_nvml_result r = dv_nvml_users(&users);

	if (r != DV_NVML_SUCCESS)
		return r;
	for (uint32_t i = 0; i < users.count; i++)
		if (users.items[i].pid == pid) {
			*ret_known = users.items[i].known;
			return DV_NVML_SUCCESS;
		}
	return DV_NVML_NOT_FOUND;
}

DV_NVML_CALL nvmlSystemGetProcessName(uint32_t pid, char *buf, uint32_t size)
{
	struct dv_nvml_place own;
	uint32_t its = 0;
	enum dv_nvml_result r;
	DV_NVML_ENTER;

	r = dv_nvml_own(&own);
	if (r == DV_NVML_SUCCESS)
		r = find(pid, &its);
	return r == DV_NVML_SUCCESS ? dv_nvml.nvmlSystemGetProcessName(its, buf, size) : r;
}

DV_NVML_CALL nvmlDeviceGetAccountingPids(DV_NVML_DEVICE, uint32_t *count, uint32_t *pids)
{
	DV_NVML_USERS users = {0};
	uint32_t nobody = 0, room;
	enum dv_nvml_result r;
	DV_NVML_ENTER;

	r = dv_nvml.nvmlDeviceGetAccountingPids(device, count ? &nobody : NULL, NULL);
	if (!count || (r != DV_NVML_SUCCESS && r != DV_NVML_INSUFFICIENT_SIZE))
		return r;
	r = dv_nvml_users(&users);
	if (r != DV_NVML_SUCCESS)
		return r;
	room = pids ? *count : 0;
	for (uint32_t i = 0; i < DV_MIN(room, users.count); i++)
		pids[i] = users.items[i].pid;
	*count = users.count;
	return users.count > room ? DV_NVML_INSUFFICIENT_SIZE : DV_NVML_SUCCESS;
}

DV_NVML_CALL nvmlDeviceGetAccountingStats(DV_NVML_DEVICE, uint32_t pid, void *ret)
{
	uint32_t its = 0;
	enum dv_nvml_result r;
	DV_NVML_ENTER;

	r = find(pid, &its);
	return r == DV_NVML_SUCCESS ? dv_nvml.nvmlDeviceGetAccountingStats(device, its, ret) : r;
}

DV_NVML_CALL nvmlDeviceGetAccountingStats_v2(DV_NVML_DEVICE, struct dv_nvml_accounting *stats)
{
	uint32_t pid, its = 0;
	enum dv_nvml_result r;
	DV_NVML_ENTER;

	if (!stats)
		return DV_NVML_INVALID_ARGUMENT;
	pid = stats->pid;
	r = find(pid, &its);
	if (r != DV_NVML_SUCCESS)
		return r;
	stats->pid = its;
	r = dv_nvml.nvmlDeviceGetAccountingStats_v2(device, stats);
	stats->pid = pid;
	return r;
}
