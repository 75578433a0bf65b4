/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the grid engine say to each other. */
#pragma once

#include <stddef.h>

#include "plan/grid-repartition.h"
#include "plan/grid.h"

/* What a limit counts, in words: "decoders", "of 1g.10gb+me"; returns buf. */
const char *dv_grid_limit_text(const struct dv_grid *grid, const struct dv_grid_limit *limit,
			       char *buf, size_t size);

/* What there is to be done on one GPU; change->kept says what stays. */
struct dv_grid_plan_of_steps {
	const struct dv_grid *grid;
	const struct dv_grid_instance *instances;
	unsigned count;
	unsigned create_count;
	uint16_t creates[DV_GRID_INSTANCES_MOST]; /* numbers of places */
};

/* Fill change->steps: all instances that are not kept end, all of `creates` begin. */
void dv_grid_order_steps(const struct dv_grid_plan_of_steps *plan, struct dv_grid_change *change);
