/* SPDX-License-Identifier: Apache-2.0 */
/* What a GPU's driver says of its partitions, in the form of the catalogue's rows, so that both are
 * shown alike. */
#include <string.h>

#include "cli/profiles.h"
#include "model/gpu.h"
#include "model/units.h"

static uint32_t known(uint32_t value)
{
	return value ? value : DV_CAT_UNKNOWN;
}

/* Of the catalogue's row the note, since the driver has none. */
static const char *note_of(const struct dv_cat_gpu *row, uint32_t id)
{
	for (size_t i = 0; row && row->has_mig && i < row->mig.profiles.len; i++)
		if (row->mig.profiles.items[i].id == id)
			return row->mig.profiles.items[i].note;
	return NULL;
}

static struct dv_cat_profile profile_of(const struct dv_mig_profile *from,
					const struct dv_cat_gpu *row)
{
	struct dv_cat_profile to = {.name = from->name,
				    .id = from->id,
				    .driver_enum = DV_CAT_UNKNOWN,
				    .compute_slices = from->compute_slices,
				    .size = known(from->size),
				    .most = from->most,
				    .memory_mib = known(from->memory_mib),
				    .multiprocessors = known(from->multiprocessors),
				    .engines = {.copy = from->engines[DV_MIG_COPY],
						.decode = from->engines[DV_MIG_DECODE],
						.encode = from->engines[DV_MIG_ENCODE],
						.jpeg = from->engines[DV_MIG_JPEG],
						.optical_flow = from->engines[DV_MIG_OPTICAL_FLOW]},
				    .note = note_of(row, from->id)};

	for (unsigned i = 0; i < DV_MIG_CELLS_MOST && to.start_count < DV_CAT_GRID_MOST; i++)
		if (from->starts >> i & 1)
			to.starts[to.start_count++] = (uint8_t)i;
	return to;
}

static struct dv_cat_gpu row_of(const struct dv_gpu *gpu)
{
	return (struct dv_cat_gpu){
		.id = gpu->model[0] ? gpu->model : gpu->uuid,
		.name = gpu->product,
		.memory_mib = known((uint32_t)(gpu->memory_bytes / DV_MIB)),
		.multiprocessors = known(gpu->compute_units),
		.passthrough = DV_CAT_OPEN,
		.vgpu = DV_CAT_OPEN,
		.mig = {.reset_to_toggle = gpu->mig.resets ? DV_CAT_YES : DV_CAT_NO,
			.mode_survives_reboot = DV_CAT_OPEN,
			.peer_to_peer = DV_CAT_OPEN}};
}

int dv_profiles_of_driver(const struct dv_gpu *gpu, const struct dv_cat_gpu *row,
			  struct dv_cat_gpu *ret, struct dv_error *err)
{
	const struct dv_mig *mig = &gpu->mig;
	struct dv_cat_gpu made = row ? *row : row_of(gpu);

	made.has_mig = true;
	made.mig.grid = known(mig->cells);
	made.mig.compute_slices = known(mig->compute_slices);
	made.mig.most = row && row->has_mig ? row->mig.most : 0;
	made.mig.places = DV_CAT_PRINTED;
	made.mig.confidence = DV_CAT_HIGH;
	memset(&made.mig.profiles, 0, sizeof(made.mig.profiles));
	for (unsigned i = 0; i < mig->profile_count; i++) {
		/* Where nothing else says it: of the profile that goes in most often. */
		if (!row || !row->has_mig)
			made.mig.most = DV_MAX(made.mig.most, mig->profiles[i].most);
		if (dv_vec_push(&made.mig.profiles, profile_of(&mig->profiles[i], row)) == 0)
			continue;
		dv_profiles_driver_fini(&made);
		return dv_error_set(err, -ENOMEM, "no memory for a list of profiles");
	}
	*ret = made;
	return 0;
}

void dv_profiles_driver_fini(struct dv_cat_gpu *gpu)
{
	dv_vec_fini(&gpu->mig.profiles);
}
