/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "sim/machine.h"

enum { NVIDIA = 0x10de };

static uint32_t known(uint32_t value, uint32_t otherwise)
{
	return value == DV_CAT_UNKNOWN ? otherwise : value;
}

/* The number that nvml.h gives the architecture [1549-1553]. */
static uint32_t architecture(const char *name)
{
	static const struct {
		const char *name;
		uint32_t number;
	} all[] = {{"Turing", 6}, {"Ampere", 7}, {"Ada", 8}, {"Hopper", 9}, {"Blackwell", 10}};

	for (size_t i = 0; name && i < DV_ARRAY_LEN(all); i++)
		if (strncmp(name, all[i].name, strlen(all[i].name)) == 0)
			return all[i].number;
	return 0;
}

static int take_profile(const struct dv_cat_gpu *gpu, const struct dv_cat_profile *from,
			struct dv_sim_profile *to, struct dv_error *err)
{
	const struct dv_cat_mig *mig = &gpu->mig;
	bool derived = false;

	if (from->start_count == 0)
		return dv_error_set(err, -EINVAL,
				    "no source knows where %s stands on %s: it cannot be simulated",
				    from->name, gpu->id);
	if (from->start_count > DV_SIM_STARTS_MOST)
		return dv_error_set(err, -E2BIG, "%s of %s has more than %d places", from->name,
				    gpu->id, DV_SIM_STARTS_MOST);
	if (!dv_copy(to->name, sizeof(to->name), from->name))
		return dv_error_set(err, -E2BIG, "the name %s is too long", from->name);
	to->id = from->id;
	to->number = from->driver_enum;
	to->slices = from->compute_slices;
	to->size = from->size;
	to->start_count = from->start_count;
	memcpy(to->starts, from->starts, from->start_count);
	to->most = known(from->most, from->start_count);
	to->memory_mib = dv_cat_profile_memory(from, &derived);
	if (to->memory_mib == DV_CAT_UNKNOWN)
		to->memory_mib = known(gpu->memory_mib, 0) / mig->grid * from->size;
	to->multiprocessors =
		known(from->multiprocessors,
		      known(gpu->multiprocessors, 0) / mig->compute_slices * from->compute_slices);
	to->engines = from->engines;
	to->invented = derived || from->memory_mib == DV_CAT_UNKNOWN ||
		       from->multiprocessors == DV_CAT_UNKNOWN ||
		       from->engines.copy == DV_CAT_UNKNOWN;
	to->graphics = from->shape && strstr(from->shape, "+gfx");
	to->doubled = from->shape && strchr(from->shape, '*');
	return 0;
}

static int take_mig(const struct dv_cat_gpu *gpu, struct dv_sim_model *model, struct dv_error *err)
{
	const struct dv_cat_mig *mig = &gpu->mig;

	if (mig->grid == DV_CAT_UNKNOWN || mig->compute_slices == DV_CAT_UNKNOWN)
		return dv_error_set(err, -EINVAL, "no source knows the grid of %s", gpu->id);
	if (mig->profiles.len > DV_SIM_PROFILES_MOST)
		return dv_error_set(err, -E2BIG, "%s has more than %d profiles", gpu->id,
				    DV_SIM_PROFILES_MOST);
	model->has_mig = true;
	model->grid = mig->grid;
	model->most = known(mig->most, mig->compute_slices);
	model->reset_to_toggle = mig->reset_to_toggle == DV_CAT_YES;
	model->mode_survives_reboot = mig->mode_survives_reboot == DV_CAT_YES;
	model->peer_to_peer = mig->peer_to_peer == DV_CAT_YES;
	for (size_t i = 0; i < mig->profiles.len; i++) {
		int r = take_profile(gpu, &mig->profiles.items[i],
				     &model->profiles[model->profile_count++], err);

		if (r < 0)
			return r;
	}
	return 0;
}

int dv_sim_model_take(const struct dv_cat_gpu *gpu, const char *driver, struct dv_sim_model *ret,
		      struct dv_error *err)
{
	struct dv_sim_model model = {.memory_mib = known(gpu->memory_mib, 0),
				     .multiprocessors = known(gpu->multiprocessors, 0),
				     .architecture = architecture(gpu->architecture),
				     .vendor = NVIDIA};
	const struct dv_cat_pci *pci = gpu->pci.len ? &gpu->pci.items[0] : NULL;
	int r;

	(void)dv_copy(model.id, sizeof(model.id), gpu->id);
	if (gpu->compute_capability)
		(void)sscanf(gpu->compute_capability, "%d.%d", &model.compute_major,
			     &model.compute_minor);
	if (pci) {
		model.vendor = pci->vendor;
		model.device = pci->device;
		if (pci->subsystems.len) {
			model.subvendor = pci->subsystems.items[0].vendor;
			model.subdevice = pci->subsystems.items[0].device;
		}
	}
	/* To a driver that is too old for it, a GPU has no MIG. */
	if (gpu->has_mig &&
	    (!gpu->mig.min_driver || dv_version_compare(driver, gpu->mig.min_driver) >= 0)) {
		r = take_mig(gpu, &model, err);
		if (r < 0)
			return r;
	}
	*ret = model;
	return 0;
}
