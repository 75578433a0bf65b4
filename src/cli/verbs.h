/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs there are, each defined in its cmd_<verb>.c. */
#pragma once

#include "cli/cli.h"

extern const struct dv_verb dv_verb_apply;
extern const struct dv_verb dv_verb_assert;
extern const struct dv_verb dv_verb_attach;
extern const struct dv_verb dv_verb_bench;
extern const struct dv_verb dv_verb_diff;
extern const struct dv_verb dv_verb_explain;
extern const struct dv_verb dv_verb_export;
extern const struct dv_verb dv_verb_gpus;
extern const struct dv_verb dv_verb_help;
extern const struct dv_verb dv_verb_leases;
extern const struct dv_verb dv_verb_log;
extern const struct dv_verb dv_verb_plan;
extern const struct dv_verb dv_verb_profiles;
extern const struct dv_verb dv_verb_release;
extern const struct dv_verb dv_verb_report;
extern const struct dv_verb dv_verb_run;
extern const struct dv_verb dv_verb_status;
extern const struct dv_verb dv_verb_top;
extern const struct dv_verb dv_verb_who;
