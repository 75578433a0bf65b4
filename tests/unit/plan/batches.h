/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of batches: whatever a batch says, it can be carried out. */
#pragma once

#include <stdlib.h>

#include "plan/grid-batch.h"

/* Carry the batch out, and see that it says what it does. */
static inline DV_UNUSED void assert_carried_out(const struct dv_batch_input *input,
						const struct dv_batch *batch)
{
	struct dv_grid_state *states = calloc(input->gpu_count + 1, sizeof(*states));
	unsigned placed[DV_BATCH_REQUESTS_MOST] = {0}, opened = 0;

	assert_non_null(states);
	for (unsigned g = 0; g < input->gpu_count; g++)
		states[g] = input->gpus[g].state;
	for (size_t i = 0; i < batch->items.len; i++) {
		const struct dv_batch_item *item = &batch->items.items[i];
		const struct dv_batch_request *request = &input->requests[item->request];
		unsigned grid = input->gpus[item->gpu].grid;
		int place;

		assert_true(request->profile[grid] >= 0);
		place = dv_grid_place_at(input->grids[grid], (unsigned)request->profile[grid],
					 item->start);
		assert_true(place >= 0);
		assert_true(dv_grid_fits(input->grids[grid], &states[item->gpu], (unsigned)place));
		dv_grid_take(input->grids[grid], &states[item->gpu], (unsigned)place);
		placed[item->request]++;
	}
	for (unsigned i = 0; i < input->request_count; i++)
		assert_int_equal(placed[i] + batch->left[i], input->requests[i].count);
	for (unsigned g = 0; g < input->gpu_count; g++)
		opened += input->gpus[g].state.cells == 0 && states[g].cells != 0;
	assert_int_equal(batch->opened, opened);
	assert_true(batch->least <= batch->opened);
	free(states);
}
