/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "daemon/daemon.h"
#include "device/proc.h"
#include "method/method.h"

int dv_observe_gpus(const struct dv_daemon *daemon, struct dv_gpus *ret, struct dv_error *err)
{
	struct dv_gpus gpus = {0};
	size_t count = 0;
	const struct dv_gpu *items = dv_engine_gpus(daemon->engine, &count);

	for (size_t i = 0; i < count; i++) {
		struct dv_gpu *gpu;

		if (dv_vec_push(&gpus, items[i]) < 0) {
			dv_vec_fini(&gpus);
			return dv_error_set(err, -ENOMEM, "no memory for the list of GPUs");
		}
		gpu = &gpus.items[i];
		dv_own_holder(&daemon->own, gpu, gpu->owned_by, sizeof(gpu->owned_by));
		dv_unleased_show(daemon, gpu);
	}
	*ret = gpus;
	return 0;
}

/* A lease that the gate does not know shows what is stored. */
static void add_stats(const struct dv_daemon *daemon, struct dv_gate_stats *stats,
		      struct dv_lease *lease)
{
	if (dv_gate_stats(daemon->gate, lease->id, stats, NULL) < 0)
		return;
	lease->memory_used_bytes = stats->memory_used_bytes;
	lease->memory_seen_bytes = dv_unleased_memory(daemon, lease->id);
	lease->window_ms = stats->window_ms;
	lease->got_mpct = stats->got_mpct;
	lease->wait_p99_ns = stats->wait_p99_ns;
	lease->pid_count = stats->client_count;
	for (unsigned i = 0; i < stats->client_listed && i < DV_LEASE_PIDS_MOST; i++)
		lease->pids[i] = stats->clients[i].pid;
}

static bool is_user(const struct dv_lease *lease, pid_t pid)
{
	for (unsigned i = 0; i < lease->user_count && i < DV_LEASE_USERS_MOST; i++)
		if (lease->users[i].pid == pid)
			return true;
	return false;
}

const struct dv_gpu *dv_observe_gpu(const struct dv_daemon *daemon, const char *uuid)
{
	size_t count = 0;
	const struct dv_gpu *gpus = dv_engine_gpus(daemon->engine, &count);

	for (size_t i = 0; i < count; i++)
		if (uuid[0] && strcmp(gpus[i].uuid, uuid) == 0)
			return &gpus[i];
	return NULL;
}

/* Whoever lives in the lease's partition, but those who are known already. */
static void add_members(const struct dv_daemon *daemon, struct dv_lease *lease)
{
	const struct dv_gpu *gpu = dv_observe_gpu(daemon, lease->gpu_uuid);
	pid_t pids[DV_LEASE_USERS_MOST * 2];
	unsigned count;

	if (!gpu)
		return;
	count = dv_method_members(&daemon->root, gpu, lease, pids, DV_ARRAY_LEN(pids));
	for (unsigned i = 0; i < count; i++) {
		struct dv_lease_user user = {.member = true};

		if (i < DV_ARRAY_LEN(pids) && is_user(lease, pids[i]))
			continue;
		if (i < DV_ARRAY_LEN(pids) && pids[i] > 0 &&
		    lease->user_count < DV_LEASE_USERS_MOST) {
			user.pid = pids[i];
			dv_proc_command(&daemon->root, user.pid, user.command,
					sizeof(user.command));
			lease->users[lease->user_count] = user;
		}
		lease->user_count++;
	}
}

void dv_observe_users(const struct dv_daemon *daemon, struct dv_lease *lease)
{
	lease->user_count = dv_launchers_of(daemon, lease->id, lease->users, DV_LEASE_USERS_MOST);
	add_members(daemon, lease);
}

static enum dv_lease_state state_of(const struct dv_lease *lease, bool used)
{
	/* Whoever goes round the gate is not seen there, so only the lease's end ends that. */
	if (lease->state == DV_LEASE_READY || lease->state == DV_LEASE_ACTIVE)
		return used ? DV_LEASE_ACTIVE : DV_LEASE_READY;
	return lease->state;
}

static void observe(const struct dv_daemon *daemon, struct dv_gate_stats *stats,
		    struct dv_lease *lease)
{
	add_stats(daemon, stats, lease);
	dv_observe_users(daemon, lease);
	lease->state = state_of(lease, lease->pid_count || lease->user_count);
}

int dv_observe_leases(const struct dv_daemon *daemon, const char *name, struct dv_leases *ret,
		      struct dv_error *err)
{
	const struct dv_leases *leases = dv_engine_leases(daemon->engine);
	dv_autofree struct dv_gate_stats *stats = malloc(sizeof(*stats));
	struct dv_leases seen = {0};

	if (!stats)
		return dv_error_set(err, -ENOMEM, "no memory for the list of leases");
	for (size_t i = 0; i < leases->len; i++) {
		if (name && strcmp(leases->items[i].name, name) != 0)
			continue;
		if (dv_vec_push(&seen, leases->items[i]) < 0) {
			dv_vec_fini(&seen);
			return dv_error_set(err, -ENOMEM, "no memory for the list of leases");
		}
		observe(daemon, stats, &seen.items[seen.len - 1]);
	}
	if (name && seen.len == 0)
		return dv_error_fix(
			err, dv_error_rule(err, -ENOENT, "S09", "there is no lease '%.63s'", name),
			"`divvy leases` lists them");
	*ret = seen;
	return 0;
}

struct pids {
	DV_VEC(pid_t);
};

/* Who uses the lease's device, or is about to: without memory for all of them, some. */
static void add_pids(const struct dv_daemon *daemon, const struct dv_gate_stats *stats,
		     const struct dv_lease *lease, struct pids *pids)
{
	pid_t launchers[DV_LEASE_PIDS_MOST];
	unsigned count = dv_launchers_pids(daemon, lease->id, launchers, DV_ARRAY_LEN(launchers));

	for (unsigned i = 0; i < count; i++)
		(void)!dv_vec_push(pids, launchers[i]);
	for (unsigned i = 0; i < stats->client_listed; i++)
		(void)!dv_vec_push(pids, stats->clients[i].pid);
}

static void observe_state(const struct dv_daemon *daemon, const struct dv_gpu *gpu,
			  const struct dv_lease *lease, struct dv_gate_stats *stats,
			  struct pids *pids)
{
	size_t before = pids->len;
	enum dv_lease_state state;

	if (dv_gate_stats(daemon->gate, lease->id, stats, NULL) < 0)
		stats->client_listed = 0;
	add_pids(daemon, stats, lease, pids);
	state = state_of(lease, pids->len > before ||
					dv_method_members(&daemon->root, gpu, lease, NULL, 0));
	if (state != lease->state)
		dv_engine_lease_seen(daemon->engine, lease->id, state);
}

void dv_observe_changes(struct dv_daemon *daemon)
{
	const struct dv_leases *leases = dv_engine_leases(daemon->engine);
	dv_autofree struct dv_gate_stats *stats = malloc(sizeof(*stats));
	size_t count = 0;
	const struct dv_gpu *gpus = dv_engine_gpus(daemon->engine, &count);
	struct pids pids = {0};

	for (size_t g = 0; stats && g < count; g++) {
		pids.len = 0;
		for (size_t i = 0; i < leases->len; i++)
			if (strcmp(leases->items[i].gpu_uuid, gpus[g].uuid) == 0)
				observe_state(daemon, &gpus[g], &leases->items[i], stats, &pids);
		dv_own_note(&daemon->own, &gpus[g], pids.items, pids.len);
	}
	dv_vec_fini(&pids);
}

const struct dv_gpu *dv_observe_find_gpu(const struct dv_daemon *daemon, const char *text,
					 struct dv_error *err)
{
	const struct dv_gpu *gpus, *found = NULL;
	size_t count = 0;

	gpus = dv_engine_gpus(daemon->engine, &count);
	for (size_t i = 0; i < count; i++) {
		if (!dv_gpu_matches(&gpus[i], text))
			continue;
		if (found) {
			dv_error_rule(err, -ENODEV, "S18", "'%.60s' can be GPU %s and GPU %s", text,
				      found->id, gpus[i].id);
			dv_error_fix(err, -ENODEV, "name it by its number, uuid or address");
			return NULL;
		}
		found = &gpus[i];
	}
	if (!found) {
		dv_error_rule(err, -ENODEV, "S18", "there is no GPU called '%.60s'", text);
		dv_error_fix(err, -ENODEV, "`divvy gpus` lists what was found");
	}
	return found;
}
