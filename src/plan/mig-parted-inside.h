/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of plan/mig-parted: GPUs and their layouts as mig-parted sees them. */
#pragma once

#include "plan/mig-parted.h"

/* The MIG devices of a GPU, by profile, in the order of their names. */
struct dv_parted_layout {
	unsigned count;
	struct {
		char profile[DV_PROFILE_SIZE];
		unsigned count;
	} of[DV_MIG_INSTANCES_MOST + DV_MIG_COMPUTES_MOST];
};

/* What is there now. A partition whose compute instance is all of it goes by its profile's name;
 * where it is cut further each part is one: "1c.3g.20gb". One without any is none. */
void dv_parted_layout_of(const struct dv_mig *mig, struct dv_parted_layout *ret);
/* Is that partition one MIG device, all of it? */
bool dv_parted_is_whole(const struct dv_mig *mig, const struct dv_mig_instance *instance);

/* Is it on now, whatever comes with the next reset? */
bool dv_parted_mode(const struct dv_mig *mig);

/* Of each GPU its number among NVIDIA's by address, -1 of any other; the caller frees. NULL: no
 * memory. */
int *dv_parted_numbers(const struct dv_gpu *gpus, size_t gpu_count);
