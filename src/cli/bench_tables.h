/* SPDX-License-Identifier: Apache-2.0 */
/* What a bench measured as tables for people; what could not be measured, and why, comes last. */
#pragma once

#include "cli/output.h"
#include "model/measure.h"

int dv_bench_tables(struct dv_out *out, const struct dv_bench *bench,
		    struct dv_error *err) DV_MUST_CHECK;
