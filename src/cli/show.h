/* SPDX-License-Identifier: Apache-2.0 */
/* How devices and leases are shown, the same in every verb. Nothing is owned. */
#pragma once

#include "api/api.h"
#include "cli/output.h"

/* "60%", or "-" for none of its own. Return `buf`. */
enum { DV_SHOW_SIZE = 96 };
const char *dv_show_share(uint32_t mpct, char buf[DV_SHOW_SIZE]);
/* "8GiB" rounded for a table (three figures at least), or "-". */
const char *dv_show_size(uint64_t bytes, char buf[DV_SHOW_SIZE]);
/* The name of a user, or the number. */
const char *dv_show_user(uid_t uid, char buf[DV_SHOW_SIZE]);
/* "2026-11-24 14:03:07", local time. */
const char *dv_show_time(int64_t time_s, char buf[DV_SHOW_SIZE]);
/* "slice", "mig 2g.20gb" */
const char *dv_show_method(const struct dv_lease *lease, char buf[DV_SHOW_SIZE]);
/* Which part of the device: "", "unit 1", "units 0-1" (of the CPU device: its CPUs), "units 4-7,
 * compute 2" (of a MIG partition, compute slices within it). */
const char *dv_show_part(const struct dv_lease *lease, char buf[DV_SHOW_SIZE]);
/* The id of the lease's device, or "?" when it is not there. */
const char *dv_show_gpu(const struct dv_lease *lease, const struct dv_gpus *gpus);

/* "ready"; "missing" of one whose partition is not there */
const char *dv_show_state(const struct dv_lease *lease);
enum dv_style dv_show_state_style(enum dv_lease_state state);

/* How many processes: those that report to the gate, or, where none does, the users by divvy run.
 */
unsigned dv_show_pids(const struct dv_lease *lease);
/* What is known of a GPU, in one line without what is not: model, address, memory, compute units.
 */
enum { DV_FACTS_SIZE = 256 };
const char *dv_show_facts(const struct dv_gpu *gpu, bool address, char buf[DV_FACTS_SIZE]);

/* "pid 4711 python (512MiB), pid 4712 sh and 3 more": who computes on it without a lease; "" for
 * nobody. */
const char *dv_show_unleased(const struct dv_gpu *gpu, char *buf, size_t size);
/* Its MIG mode and instances: "off", "on: 3g.40gb at 4 (in use), 1g.10gb at 0"; "" without MIG. */
const char *dv_show_mig(const struct dv_gpu *gpu, char *buf, size_t size);
