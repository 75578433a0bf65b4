/* SPDX-License-Identifier: Apache-2.0 */
/* What a layout is worth: of each profile, how many instances a GPU in that layout can be expected
 * to take up, soon counting more than later.
 *
 * Model: one GPU as a Markov decision process. Requests arrive as the mix says, more often than one
 * GPU can take (in a cluster each request is offered to many); each instance ends at a constant
 * rate; the GPU takes what gives it most memory in the long run, discounted. The value of the best
 * policy, told apart by profile, is what a layout is worth. It knows what a mask of free cells does
 * not: that a GPU with one long-standing small instance is nearly an empty one. */
#pragma once

#include "plan/grid-layout.h"

/* Fill values[p * stride + layout] for all profiles and layouts. `mix` is the relative frequency of
 * requests for each profile; all 0: equal. -ENOMEM. */
int dv_layouts_value(const struct dv_grid *grid, const struct dv_layouts *layouts,
		     const double *mix, float *values, size_t stride,
		     struct dv_error *err) DV_MUST_CHECK;
