/* SPDX-License-Identifier: Apache-2.0 */
/* Random but legal records for the round-trip tests, reproducible from a seed that is printed. */
#pragma once

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "model/units.h"

static uint64_t seed_state;

static inline void random_start(void)
{
	const char *given = getenv("DV_TEST_SEED");

	seed_state = given ? strtoull(given, NULL, 0) : UINT64_C(0x9e3779b97f4a7c15) ^ time(NULL);
	printf("seed: DV_TEST_SEED=%" PRIu64 "\n", seed_state);
}

static inline uint64_t random_below(uint64_t bound)
{
	seed_state = seed_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return ((seed_state >> 32) ^ seed_state >> 7) % bound;
}

/* Printable text, quotes, backslashes and UTF-8 included; `least` characters at least. */
static inline void random_text(char *buf, size_t size, size_t least)
{
	static const char *const pieces[] = {"a", "Z", "7", "\"", "\\", "/",
					     " ", "ä", "€", "-",  "<"};
	size_t want = least + random_below(size - least), len = 0;

	buf[0] = '\0';
	while (len < want) {
		const char *piece = pieces[random_below(DV_ARRAY_LEN(pieces))];

		if (len + strlen(piece) >= size)
			break;
		memcpy(buf + len, piece, strlen(piece) + 1);
		len += strlen(piece);
	}
}

static inline uint64_t random_bytes_count(void)
{
	return random_below(3) ? random_below(1 << 20) * DV_MIB
			       : random_below((UINT64_C(1) << 62) - 1);
}

static inline void random_lease(struct dv_lease *lease)
{
	memset(lease, 0, sizeof(*lease));
	lease->id = (int64_t)random_below(INT64_MAX);
	random_text(lease->name, sizeof(lease->name), 1);
	random_text(lease->fleet, sizeof(lease->fleet), 0);
	lease->uid = (uid_t)random_below(UINT32_MAX);
	lease->kind = (enum dv_kind)random_below(DV_KIND_COUNT);
	lease->method = (enum dv_method)(1 + random_below(DV_METHOD_COUNT - 1));
	lease->policy = (enum dv_policy)random_below(DV_POLICY_COUNT);
	lease->state = (enum dv_lease_state)random_below(DV_LEASE_STATE_COUNT);
	random_text(lease->gpu_uuid, sizeof(lease->gpu_uuid), 1);
	random_text(lease->node, sizeof(lease->node), 0);
	random_text(lease->profile, sizeof(lease->profile), 0);
	lease->memory_bytes = random_bytes_count();
	lease->compute_mpct = (uint32_t)random_below(DV_MPCT_WHOLE + 1);
	lease->ephemeral = random_below(2);
	lease->missing = random_below(2);
	lease->launcher = lease->ephemeral ? (pid_t)(1 + random_below(4000000)) : 0;
	lease->created_s = (int64_t)random_below(INT64_C(1) << 40);
	lease->memory_used_bytes = random_bytes_count();
	lease->memory_seen_bytes = random_bytes_count();
	if (random_below(2)) {
		lease->window_ms = 1 + (uint32_t)random_below(100000);
		lease->got_mpct = (uint32_t)random_below(DV_MPCT_WHOLE + 1);
		lease->wait_p99_ns = random_below(UINT64_C(3600000000000));
	}
	lease->pid_count = (unsigned)random_below(DV_LEASE_PIDS_MOST + 10);
	for (unsigned i = 0; i < lease->pid_count && i < DV_LEASE_PIDS_MOST; i++)
		lease->pids[i] = (pid_t)(1 + random_below(4000000));
	lease->user_count = (unsigned)random_below(DV_LEASE_USERS_MOST + 3);
	for (unsigned i = 0; i < lease->user_count && i < DV_LEASE_USERS_MOST; i++) {
		struct dv_lease_user *user = &lease->users[i];

		user->pid = (pid_t)(1 + random_below(4000000));
		random_text(user->command, sizeof(user->command), 0);
		user->member = random_below(2);
	}
}

static inline void random_mig(struct dv_mig *mig)
{
	mig->mode = (enum dv_mig_mode)(1 + random_below(DV_MIG_MODE_COUNT - 1));
	mig->minor = (uint32_t)random_below(UINT32_MAX);
	mig->cells = (uint8_t)random_below(DV_MIG_CELLS_MOST + 1);
	mig->compute_slices = (uint8_t)random_below(DV_MIG_CELLS_MOST + 1);
	mig->resets = random_below(2);
	mig->profiles_derived = random_below(2);
	mig->profile_count = (unsigned)random_below(DV_MIG_PROFILES_MOST + 1);
	for (unsigned i = 0; i < mig->profile_count; i++) {
		struct dv_mig_profile *profile = &mig->profiles[i];

		random_text(profile->name, sizeof(profile->name), 1);
		profile->id = (uint32_t)random_below(UINT32_MAX);
		profile->memory_mib = (uint32_t)random_below(UINT32_MAX);
		profile->starts = (uint32_t)random_below(UINT32_MAX);
		profile->multiprocessors = (uint16_t)random_below(UINT16_MAX);
		profile->size = (uint8_t)random_below(DV_MIG_CELLS_MOST + 1);
		profile->compute_slices = (uint8_t)random_below(DV_MIG_CELLS_MOST + 1);
		profile->most = (uint8_t)random_below(UINT8_MAX);
		for (unsigned k = 0; k < DV_MIG_ENGINE_COUNT; k++)
			profile->engines[k] = (uint8_t)random_below(UINT8_MAX);
		profile->graphics = random_below(2);
		profile->memory_derived = random_below(2);
		for (unsigned k = 1; k < DV_MIG_PARTS_MOST; k++)
			profile->parts[k] = (uint8_t)random_below(UINT8_MAX + 1);
		profile->parts_derived = random_below(2);
	}
	mig->instance_count = (unsigned)random_below(DV_MIG_INSTANCES_MOST + 1);
	for (unsigned i = 0; i < mig->instance_count; i++) {
		struct dv_mig_instance *instance = &mig->instances[i];

		random_text(instance->profile, sizeof(instance->profile), 0);
		instance->id = (uint32_t)random_below(UINT32_MAX);
		instance->profile_id = (uint32_t)random_below(UINT32_MAX);
		instance->start = (uint8_t)random_below(DV_MIG_CELLS_MOST + 1);
		instance->size = (uint8_t)random_below(DV_MIG_CELLS_MOST + 1);
		instance->holder_count = (uint16_t)random_below(UINT16_MAX);
		instance->right.minor = (uint32_t)random_below(UINT32_MAX);
		instance->right.node = random_below(2);
	}
	mig->compute_count = (unsigned)random_below(DV_MIG_COMPUTES_MOST + 1);
	for (unsigned i = 0; i < mig->compute_count; i++) {
		struct dv_mig_compute *compute = &mig->computes[i];

		random_text(compute->uuid, sizeof(compute->uuid), 1);
		compute->right.minor = (uint32_t)random_below(UINT32_MAX);
		compute->right.node = random_below(2);
		compute->instance = (uint32_t)random_below(UINT32_MAX);
		compute->id = (uint32_t)random_below(UINT32_MAX);
		compute->profile_id = (uint32_t)random_below(UINT32_MAX);
		compute->start = (uint8_t)random_below(DV_MIG_CELLS_MOST + 1);
		compute->size = (uint8_t)random_below(DV_MIG_CELLS_MOST + 1);
	}
}

static inline void random_gpu(struct dv_gpu *gpu)
{
	memset(gpu, 0, sizeof(*gpu));
	random_text(gpu->id, sizeof(gpu->id), 1);
	random_text(gpu->uuid, sizeof(gpu->uuid), 1);
	gpu->kind = (enum dv_gpu_kind)random_below(DV_GPU_KIND_COUNT);
	random_text(gpu->model, sizeof(gpu->model), 0);
	random_text(gpu->product, sizeof(gpu->product), 0);
	random_text(gpu->address, sizeof(gpu->address), 0);
	if (random_below(2))
		gpu->pci = (struct dv_pci_id){(uint16_t)random_below(UINT16_MAX + 1),
					      (uint16_t)random_below(UINT16_MAX + 1),
					      (uint16_t)random_below(UINT16_MAX + 1),
					      (uint16_t)random_below(2)};
	gpu->memory_bytes = random_bytes_count();
	gpu->compute_units = (uint32_t)random_below(UINT32_MAX);
	gpu->numa_node = (int)random_below(10) - 1;
	gpu->division = (enum dv_division)random_below(DV_DIVISION_COUNT);
	random_text(gpu->driver, sizeof(gpu->driver), 0);
	random_text(gpu->owned_by, sizeof(gpu->owned_by), 0);
	random_text(gpu->quarantine, sizeof(gpu->quarantine), 0);
	if (random_below(2))
		random_mig(&gpu->mig);
	gpu->unleased_count = (unsigned)random_below(DV_GPU_UNLEASED_MOST + 3);
	for (unsigned i = 0; i < DV_MIN(gpu->unleased_count, (unsigned)DV_GPU_UNLEASED_MOST); i++) {
		gpu->unleased[i].pid = (pid_t)random_below(INT32_MAX);
		gpu->unleased[i].uid = (uid_t)random_below(UINT32_MAX);
		random_text(gpu->unleased[i].command, sizeof(gpu->unleased[i].command), 1);
		gpu->unleased[i].memory_bytes = random_bytes_count();
	}
	gpu->method_count = (unsigned)random_below(DV_GPU_METHODS_MOST + 1);
	for (unsigned i = 0; i < gpu->method_count; i++) {
		struct dv_gpu_method *method = &gpu->methods[i];

		method->method = (enum dv_method)(1 + random_below(DV_METHOD_COUNT - 1));
		method->ok = random_below(2);
		method->rule_count = (unsigned)random_below(DV_GPU_RULES_MOST + 1);
		for (unsigned k = 0; k < method->rule_count; k++)
			random_text(method->rules[k], sizeof(method->rules[k]), 1);
		random_text(method->why, sizeof(method->why), 0);
	}
}

static inline void random_assignment(struct dv_assignment *a)
{
	memset(a, 0, sizeof(*a));
	random_text(a->tenant, sizeof(a->tenant), 1);
	a->kind = (enum dv_kind)random_below(DV_KIND_COUNT);
	a->method = (enum dv_method)(1 + random_below(DV_METHOD_COUNT - 1));
	a->on = (enum dv_method)random_below(DV_METHOD_COUNT);
	random_text(a->gpu, sizeof(a->gpu), 1);
	random_text(a->gpu_uuid, sizeof(a->gpu_uuid), 1);
	random_text(a->profile, sizeof(a->profile), 0);
	a->start = (int)random_below(9) - 1;
	a->size = (int)random_below(9) - 1;
	random_text(a->node, sizeof(a->node), 0);
	a->memory_bytes = random_bytes_count();
	a->compute_mpct = (uint32_t)random_below(DV_MPCT_WHOLE + 1);
	a->compute_slices = (unsigned)random_below(8);
	a->has_policy = random_below(2);
	a->policy = a->has_policy ? (enum dv_policy)random_below(DV_POLICY_COUNT) : 0;
	a->kept = random_below(2);
	a->isolation = (enum dv_isolation)random_below(DV_ISOLATION_COUNT);
	a->isolates = (struct dv_isolates){(enum dv_hold)random_below(DV_HOLD_COUNT),
					   (enum dv_hold)random_below(DV_HOLD_COUNT),
					   (enum dv_hold)random_below(DV_HOLD_COUNT),
					   (enum dv_hold)random_below(DV_HOLD_COUNT),
					   (enum dv_hold)random_below(DV_HOLD_COUNT)};
	a->derived_count = (unsigned)random_below(DV_ARRAY_LEN(a->derived) + 1);
	for (unsigned i = 0; i < a->derived_count; i++)
		random_text(a->derived[i], sizeof(a->derived[i]), 1);
	random_text(a->reason, sizeof(a->reason), 0);
}

static inline void random_step(struct dv_step *step, unsigned id)
{
	memset(step, 0, sizeof(*step));
	step->id = id;
	random_text(step->op, sizeof(step->op), 1);
	random_text(step->gpu, sizeof(step->gpu), 1);
	random_text(step->gpu_uuid, sizeof(step->gpu_uuid), 1);
	random_text(step->node, sizeof(step->node), 0);
	random_text(step->profile, sizeof(step->profile), 0);
	step->start = (int)random_below(9) - 1;
	step->size = (int)random_below(9) - 1;
	random_text(step->tenant, sizeof(step->tenant), 0);
	step->disturb_count = (unsigned)random_below(7);
	for (unsigned i = 0; i < DV_MIN(step->disturb_count, DV_ARRAY_LEN(step->disturbs)); i++)
		random_text(step->disturbs[i], sizeof(step->disturbs[i]), 1);
	step->need_count = id > 1 ? (unsigned)random_below(DV_ARRAY_LEN(step->needs) + 1) : 0;
	for (unsigned i = 0; i < step->need_count; i++)
		step->needs[i] = 1 + (unsigned)random_below(id - 1);
	random_text(step->undo, sizeof(step->undo), 0);
	if (random_below(2))
		random_lease(&step->lease);
}
