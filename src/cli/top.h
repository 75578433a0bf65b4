/* SPDX-License-Identifier: Apache-2.0 */
/* What `top` shows: one page, printed once or shown again and again. Nothing is owned. */
#pragma once

#include "api/api.h"
#include "cli/cli.h"

enum dv_top_sort { DV_TOP_BY_GOT, DV_TOP_BY_MEMORY, DV_TOP_BY_NAME, DV_TOP_SORT_COUNT };

/* The devices and, under each, its tenants. The leases of `status` are put in order. */
int dv_top_print(struct dv_out *out, struct dv_api_status *status, enum dv_top_sort sort,
		 struct dv_error *err) DV_MUST_CHECK;

/* divvy/top/1; the caller frees. */
int dv_top_document(const struct dv_api_status *status, char **ret_text,
		    struct dv_error *err) DV_MUST_CHECK;

/* Show it on the whole terminal until the user has seen enough. */
int dv_top_live(struct dv_cli *cli, unsigned interval_ms, struct dv_error *err) DV_MUST_CHECK;
