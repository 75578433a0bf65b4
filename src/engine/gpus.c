/* SPDX-License-Identifier: Apache-2.0 */
/* What the probe found, beside what the leases say; and the hash of both. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "engine/internal.h"
#include "model/tree.h"

struct found {
	struct dv_gpu_vec gpus;
	struct dv_note_vec notes;
};

static void found_fini(struct found *found)
{
	dv_vec_fini(&found->gpus);
	dv_vec_fini(&found->notes);
}

static int no_memory(struct dv_error *err)
{
	return dv_error_set(err, -ENOMEM, "no memory to keep the GPUs");
}

static int add(struct dv_engine *engine, struct found *found, const struct dv_gpu *gpu, bool gone,
	       struct dv_error *err)
{
	ssize_t old = dv_engine_find_gpu(engine, gpu->uuid);
	struct dv_gpu_note note = {0};
	struct dv_gpu copy = *gpu;
	char why[sizeof(copy.quarantine)];
	int r = dv_store_quarantine_get(engine->store, gpu->uuid, why, sizeof(why), err);

	if (r < 0)
		return r;
	if (old >= 0)
		note = engine->notes.items[old];
	note.gone = gone;
	if (why[0] && !gone)
		(void)dv_copy(copy.quarantine, sizeof(copy.quarantine), why);
	copy.division = dv_tree_division(copy.uuid, &engine->leases);
	if (dv_vec_reserve(&found->gpus) < 0 || dv_vec_reserve(&found->notes) < 0)
		return no_memory(err);
	found->gpus.items[found->gpus.len++] = copy;
	found->notes.items[found->notes.len++] = note;
	return 0;
}

static bool is_found(const struct found *found, const char *uuid)
{
	for (size_t i = 0; i < found->gpus.len; i++)
		if (strcmp(found->gpus.items[i].uuid, uuid) == 0)
			return true;
	return false;
}

static int add_gone(struct dv_engine *engine, struct found *found, const char *uuid,
		    struct dv_error *err)
{
	ssize_t old = dv_engine_find_gpu(engine, uuid);
	struct dv_gpu gpu = {.id = "?", .kind = DV_GPU_OTHER, .numa_node = -1};

	if (is_found(found, uuid))
		return 0;
	if (old >= 0)
		gpu = engine->gpus.items[old];
	else if (strncmp(uuid, "CPU-", 4) == 0)
		gpu.kind = DV_GPU_CPU;
	(void)dv_copy(gpu.uuid, sizeof(gpu.uuid), uuid);
	(void)dv_copy(gpu.quarantine, sizeof(gpu.quarantine),
		      "not found when the machine was last looked at; its leases stand");
	return add(engine, found, &gpu, true, err);
}

int dv_engine_set_gpus(struct dv_engine *engine, const struct dv_gpu *gpus, size_t count,
		       struct dv_error *err)
{
	dv_cleanup(found_fini) struct found found = {0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		if (!is_found(&found, gpus[i].uuid))
			r = add(engine, &found, &gpus[i], false, err);
	for (size_t i = 0; r == 0 && i < engine->leases.len; i++)
		r = add_gone(engine, &found, engine->leases.items[i].gpu_uuid, err);
	/* One that is owned without a lease: an operation is at work on it. */
	for (size_t i = 0; r == 0 && i < engine->gpus.len; i++)
		if (engine->notes.items[i].owned)
			r = add_gone(engine, &found, engine->gpus.items[i].uuid, err);
	if (r < 0)
		return r;
	dv_vec_fini(&engine->gpus);
	dv_vec_fini(&engine->notes);
	engine->gpus = found.gpus;
	engine->notes = found.notes;
	memset(&found, 0, sizeof(found));
	dv_engine_mig_mark(engine);
	dv_engine_bring_back(engine);
	dv_engine_pump(engine);
	return 0;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
	return dv_hash(hash, text, strlen(text) + 1);
}

static uint64_t hash_number(uint64_t hash, uint64_t number)
{
	return dv_hash(hash, &number, sizeof(number));
}

static uint64_t hash_gpu(uint64_t hash, const struct dv_gpu *gpu)
{
	hash = hash_text(hash, gpu->id);
	hash = hash_text(hash, gpu->uuid);
	hash = hash_text(hash, gpu->model);
	hash = hash_number(hash, gpu->memory_bytes);
	hash = hash_number(hash, gpu->compute_units);
	hash = hash_number(hash, gpu->quarantine[0] != '\0');
	hash = hash_number(hash, gpu->owned_by[0] != '\0');
	hash = hash_number(hash, dv_engine_mig_hash(&gpu->mig));
	for (unsigned i = 0; i < gpu->method_count; i++) {
		hash = hash_number(hash, gpu->methods[i].method);
		hash = hash_number(hash, gpu->methods[i].ok);
	}
	return hash;
}

/* Not the state: that a process attaches does not make a plan wrong. */
static uint64_t hash_lease(uint64_t hash, const struct dv_lease *lease)
{
	hash = hash_text(hash, lease->name);
	hash = hash_text(hash, lease->fleet);
	hash = hash_text(hash, lease->node);
	hash = hash_text(hash, lease->profile);
	hash = hash_number(hash, lease->uid);
	hash = hash_number(hash, lease->kind);
	hash = hash_number(hash, lease->method);
	hash = hash_number(hash, lease->policy);
	hash = hash_number(hash, lease->memory_bytes);
	return hash_number(hash, lease->compute_mpct);
}

void dv_engine_state(const struct dv_engine *engine, char ret[17])
{
	uint64_t hash = DV_HASH_INIT;

	for (size_t i = 0; i < engine->gpus.len; i++)
		hash = hash_gpu(hash, &engine->gpus.items[i]);
	for (size_t i = 0; i < engine->leases.len; i++)
		hash = hash_lease(hash, &engine->leases.items[i]);
	(void)snprintf(ret, 17, "%016" PRIx64, hash);
}
