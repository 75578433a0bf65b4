/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "plan/grid-inside.h"

const char *dv_grid_limit_text(const struct dv_grid *grid, const struct dv_grid_limit *limit,
			       char *buf, size_t size)
{
	static const char *const engines[] = {
		[DV_GRID_DECODE] = "decoders",
		[DV_GRID_ENCODE] = "encoders",
		[DV_GRID_JPEG] = "JPEG engines",
		[DV_GRID_OPTICAL_FLOW] = "optical flow engines",
	};

	switch (limit->kind) {
	case DV_GRID_LIMIT_COMPUTE:
		(void)snprintf(buf, size, "compute slices");
		break;
	case DV_GRID_LIMIT_ENGINES:
		(void)snprintf(buf, size, "%s", engines[limit->which]);
		break;
	case DV_GRID_LIMIT_PROFILE:
		(void)snprintf(buf, size, "instances of %s", grid->profiles[limit->which].name);
		break;
	case DV_GRID_LIMIT_INSTANCES:
		(void)snprintf(buf, size, "instances");
		break;
	case DV_GRID_LIMIT_PAIR:
		(void)snprintf(buf, size, "shares of profiles that exclude each other");
		break;
	}
	return buf;
}
