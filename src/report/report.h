/* SPDX-License-Identifier: Apache-2.0 */
/* `divvy report`: one self-contained HTML page from a plan or a bench. Pure: text out, no files. */
#pragma once

#include "base/error.h"
#include "model/measure.h"
#include "model/plan.h"

/* The caller frees *ret_html. -ENOMEM. */
int dv_report_bench(const struct dv_bench *bench, char **ret_html,
		    struct dv_error *err) DV_MUST_CHECK;
int dv_report_plan(const struct dv_plan *plan, char **ret_html, struct dv_error *err) DV_MUST_CHECK;
