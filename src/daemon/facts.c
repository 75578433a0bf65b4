/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/facts.h"

#include <stdio.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "base/where.h"
#include "catalog/catalog.h"

static int add(void *arg, const char *text, size_t len, const char *path, struct dv_error *err)
{
	return dv_catalog_add(arg, text, len, path, err);
}

/* Only the GPUs: vGPU types name GPUs of the same catalogue, not the other way round. */
static int load(struct dv_catalog **ret, struct dv_error *err)
{
	dv_cleanup(dv_catalog_freep) struct dv_catalog *catalog = NULL;
	int r = dv_catalog_new(&catalog, err);
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/gpus", dv_where(DV_WHERE_DATA));
	if (r == 0)
		r = dv_file_each(path, ".yaml", DV_CATALOG_FILE_MOST, add, catalog, err);
	if (r == 0)
		r = dv_catalog_seal(catalog, err);
	if (r == 0)
		*ret = take_ptr(catalog);
	return r;
}

static uint32_t known(uint32_t value, uint32_t most)
{
	return value == DV_CAT_UNKNOWN || value > most ? 0 : value;
}

static void add_profile(const struct dv_cat_profile *from, struct dv_mig *mig)
{
	const uint32_t engines[DV_MIG_ENGINE_COUNT] = {
		[DV_MIG_COPY] = from->engines.copy,
		[DV_MIG_DECODE] = from->engines.decode,
		[DV_MIG_ENCODE] = from->engines.encode,
		[DV_MIG_JPEG] = from->engines.jpeg,
		[DV_MIG_OPTICAL_FLOW] = from->engines.optical_flow,
	};
	struct dv_mig_profile profile = {
		.id = from->id,
		.multiprocessors = (uint16_t)known(from->multiprocessors, UINT16_MAX),
		.size = (uint8_t)known(from->size, DV_MIG_CELLS_MOST),
		.compute_slices = (uint8_t)known(from->compute_slices, DV_MIG_CELLS_MOST),
		.most = (uint8_t)known(from->most, UINT8_MAX),
	};

	if (mig->profile_count == DV_MIG_PROFILES_MOST ||
	    !dv_copy(profile.name, sizeof(profile.name), from->name))
		return;
	profile.memory_mib =
		known(dv_cat_profile_memory(from, &profile.memory_derived), UINT32_MAX);
	for (unsigned i = 0; i < DV_MIG_ENGINE_COUNT; i++)
		profile.engines[i] = (uint8_t)known(engines[i], UINT8_MAX);
	for (unsigned i = 0; i < from->start_count; i++)
		if (from->starts[i] < DV_MIG_CELLS_MOST)
			profile.starts |= UINT32_C(1) << from->starts[i];
	mig->profiles[mig->profile_count++] = profile;
}

static void add_mig(const struct dv_cat_mig *from, struct dv_gpu *gpu)
{
	struct dv_mig *mig = &gpu->mig;

	if (mig->mode != DV_MIG_OFF || mig->profile_count)
		return;
	mig->cells = (uint8_t)known(from->grid, DV_MIG_CELLS_MOST);
	mig->compute_slices = (uint8_t)known(from->compute_slices, DV_MIG_CELLS_MOST);
	gpu->memory_slices = mig->cells;
	mig->profiles_derived = true;
	for (size_t i = 0; i < from->profiles.len; i++)
		add_profile(&from->profiles.items[i], mig);
}

/* What a driver says only of an instance that is there. */
static void add_parts(const struct dv_catalog *catalog, struct dv_mig_profile *profile)
{
	const struct dv_cat_ci_set *set = dv_catalog_ci(catalog, profile->compute_slices);

	for (unsigned i = 0; i < DV_MIG_PARTS_MOST; i++)
		if (profile->parts[i])
			return;
	profile->parts_derived = set != NULL;
	for (size_t i = 0; set && i < set->profiles.len; i++) {
		const struct dv_cat_ci *part = &set->profiles.items[i];

		for (unsigned k = 0; part->size < DV_MIG_PARTS_MOST && k < part->start_count; k++)
			if (part->starts[k] < DV_MIG_PARTS_MOST)
				profile->parts[part->size] |= (uint8_t)(1u << part->starts[k]);
	}
}

/* "NVIDIA 580.95.05" against "525.85.12": is the first one older? */
static bool is_older(const char *driver, const char *least)
{
	driver += strcspn(driver, "0123456789");
	return *driver && dv_version_compare(driver, least) < 0;
}

/* A driver that is too old for a GPU's MIG says that there is none. */
static void blame_driver(const struct dv_cat_mig *from, struct dv_gpu *gpu)
{
	if (gpu->mig.mode != DV_MIG_NONE || !from->min_driver ||
	    !is_older(gpu->driver, from->min_driver))
		return;
	for (unsigned i = 0; i < gpu->method_count; i++) {
		struct dv_gpu_method *mig = &gpu->methods[i];

		if (mig->method != DV_METHOD_MIG || mig->ok)
			continue;
		mig->rule_count = 1;
		(void)dv_copy(mig->rules[0], sizeof(mig->rules[0]), "M07");
		(void)snprintf(mig->why, sizeof(mig->why),
			       "driver %.24s is too old for its MIG, which needs %.24s",
			       gpu->driver, from->min_driver);
	}
}

void dv_daemon_add_facts(struct dv_catalog **catalog, struct dv_gpu *gpus, size_t count)
{
	struct dv_error err = {0};

	for (size_t i = 0; i < count; i++) {
		const struct dv_cat_gpu *row;
		struct dv_gpu *gpu = &gpus[i];

		if (gpu->kind != DV_GPU_NVIDIA || !gpu->product[0])
			continue;
		if (!*catalog && load(catalog, &err) < 0) {
			dv_log_error(DV_LOG_WARNING, &err, "reading the catalogue");
			return;
		}
		if (dv_catalog_find(*catalog, gpu->product, &row, NULL, NULL) < 0)
			continue;
		if (!gpu->model[0])
			(void)dv_copy(gpu->model, sizeof(gpu->model), row->id);
		if (!gpu->compute_units)
			gpu->compute_units = known(row->multiprocessors, UINT32_MAX);
		if (row->has_mig) {
			add_mig(&row->mig, gpu);
			blame_driver(&row->mig, gpu);
		}
		for (unsigned k = 0; k < gpu->mig.profile_count; k++)
			add_parts(*catalog, &gpu->mig.profiles[k]);
	}
}
