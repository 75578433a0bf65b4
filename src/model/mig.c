/* SPDX-License-Identifier: Apache-2.0 */
#include "model/mig.h"

#include <string.h>

#include "base/str.h"
#include "model/word.h"

static const char *const modes[DV_MIG_MODE_COUNT + 1] = {
	[DV_MIG_NONE] = "none",
	[DV_MIG_OFF] = "off",
	[DV_MIG_ON] = "on",
	[DV_MIG_TURNING_ON] = "turning-on",
	[DV_MIG_TURNING_OFF] = "turning-off",
};

const char *dv_mig_mode_name(enum dv_mig_mode mode)
{
	return (unsigned)mode < DV_MIG_MODE_COUNT ? modes[mode] : "unknown";
}

int dv_mig_mode_parse(const char *name, enum dv_mig_mode *ret, struct dv_error *err)
{
	int i = dv_word_parse("MIG mode", modes, name, err);

	if (i < 0)
		return i;
	*ret = (enum dv_mig_mode)i;
	return 0;
}

const struct dv_mig_profile *dv_mig_find(const struct dv_mig *mig, const char *name)
{
	for (unsigned i = 0; i < mig->profile_count; i++)
		if (strcmp(mig->profiles[i].name, name) == 0)
			return &mig->profiles[i];
	return NULL;
}

const struct dv_mig_profile *dv_mig_find_id(const struct dv_mig *mig, uint32_t id)
{
	for (unsigned i = 0; i < mig->profile_count; i++)
		if (mig->profiles[i].id == id)
			return &mig->profiles[i];
	return NULL;
}

const struct dv_mig_instance *dv_mig_instance_at(const struct dv_mig *mig, uint32_t start,
						 uint32_t size)
{
	for (unsigned i = 0; i < mig->instance_count; i++)
		if (mig->instances[i].start == start && mig->instances[i].size == size)
			return &mig->instances[i];
	return NULL;
}

unsigned dv_mig_part_slices(const char *name, const char **ret_whole)
{
	unsigned slices = 0;

	if (name[0] >= '1' && name[0] <= '9' && strncmp(name + 1, "c.", 2) == 0)
		slices = (unsigned)(name[0] - '0');
	if (ret_whole)
		*ret_whole = slices ? name + 3 : name;
	return slices;
}

const struct dv_mig_compute *dv_mig_compute_at(const struct dv_mig *mig, uint32_t instance,
					       uint32_t start, uint32_t size)
{
	for (unsigned i = 0; i < mig->compute_count; i++) {
		const struct dv_mig_compute *compute = &mig->computes[i];

		if (compute->instance == instance && compute->start == start &&
		    compute->size == size)
			return compute;
	}
	return NULL;
}

const struct dv_mig_compute *dv_mig_compute_of(const struct dv_mig *mig, uint32_t instance)
{
	for (unsigned i = 0; i < mig->compute_count; i++)
		if (mig->computes[i].instance == instance)
			return &mig->computes[i];
	return NULL;
}

const struct dv_mig_compute *dv_mig_compute_whole(const struct dv_mig *mig,
						  const struct dv_mig_instance *instance,
						  const char *profile)
{
	const struct dv_mig_compute *compute = dv_mig_compute_of(mig, instance->id);
	const struct dv_mig_profile *is = dv_mig_find(mig, profile);

	/* 0: not known. */
	if (compute && compute->size && is && is->compute_slices &&
	    compute->size != is->compute_slices)
		return NULL;
	return compute;
}

int dv_mig_may_end(const struct dv_mig *mig, const struct dv_mig_instance *instance,
		   const char *profile, const char *gpu, struct dv_error *err)
{
	const struct dv_mig_compute *there = dv_mig_compute_of(mig, instance->id);

	if (!there || dv_mig_compute_whole(mig, instance, profile))
		return 0;
	dv_error_rule(
		err, -EBUSY, "M05",
		"somebody put a compute instance of %u slice%s at %u into the partition %s of "
		"GPU %s, in the place of the lease's own, which is gone",
		there->size, dv_plural(there->size), there->start, profile, gpu);
	return dv_error_fix(
		err, -EBUSY,
		"if nobody needs it: nvidia-smi mig -i %s -dci -gi %u -ci %u; then again", gpu,
		instance->id, there->id);
}
