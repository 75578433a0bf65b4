/* SPDX-License-Identifier: Apache-2.0 */
#include "report/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static const char *after(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

/* By which method a noisy case shares: the first word of its name. */
static enum dv_method noisy_method(const char *name)
{
	if (strncmp(name, "slices", 6) == 0 || strncmp(name, "latency", 7) == 0)
		return DV_METHOD_SLICE;
	if (strncmp(name, "partition", 9) == 0)
		return DV_METHOD_PARTITION;
	if (strncmp(name, "whole", 5) == 0)
		return DV_METHOD_PASSTHROUGH;
	return DV_METHOD_NONE;
}

static void noisy_set(struct dv_noisy_row *row, const struct dv_result *r)
{
	const struct {
		const char *metric;
		double *value;
	} members[] = {
		{"p50_ms", &row->p50_ms},
		{"p99_ms", &row->p99_ms},
		{"rate_light", &row->light_rate},
		{"rate_heavy", &row->heavy_rate},
		{"wanted_pct_light", &row->light_wanted_pct},
		{"wanted_pct_heavy", &row->heavy_wanted_pct},
		{"got_pct_light", &row->light_got_pct},
		{"got_pct_heavy", &row->heavy_got_pct},
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(members); i++)
		if (strcmp(r->metric, members[i].metric) == 0)
			*members[i].value = r->value;
}

static void noisy_add(struct dv_rows *rows, const char *name, const struct dv_result *r, bool cpu)
{
	struct dv_noisy_row *row = rows->noisy_count ? &rows->noisy[rows->noisy_count - 1] : NULL;
	enum dv_method method = noisy_method(name);

	if (!row || strcmp(row->name, name) != 0) {
		if (rows->noisy_count == DV_ROWS_MOST)
			return;
		row = &rows->noisy[rows->noisy_count++];
		*row = (struct dv_noisy_row){.heavy_rate = -1,
					     .light_wanted_pct = -1,
					     .heavy_wanted_pct = -1,
					     .light_got_pct = -1,
					     .heavy_got_pct = -1};
		(void)dv_copy(row->name, sizeof(row->name), name);
		if (method != DV_METHOD_NONE) {
			row->isolation = dv_method_isolation(method, cpu);
			row->isolates = dv_method_isolates(method, cpu);
		}
	}
	row->skipped = r->skipped[0] ? r->skipped : NULL;
	row->failed = r->failed[0] ? r->failed : NULL;
	noisy_set(row, r);
}

/* "50:30:20/1ms/sync" says what was wanted. */
static void wanted_of(struct dv_share_row *row)
{
	const char *p = row->name;
	char *end;

	while (row->count < DV_ROW_TENANTS_MOST) {
		row->wanted_pct[row->count] = strtod(p, &end);
		if (end == p)
			return;
		row->count++;
		if (*end != ':')
			return;
		p = end + 1;
	}
}

static void share_add(struct dv_rows *rows, const char *name, const struct dv_result *r)
{
	struct dv_share_row *row = rows->share_count ? &rows->share[rows->share_count - 1] : NULL;
	const char *role;

	if (!row || strcmp(row->name, name) != 0) {
		if (rows->share_count == DV_ROWS_MOST)
			return;
		row = &rows->share[rows->share_count++];
		*row = (struct dv_share_row){0};
		(void)dv_copy(row->name, sizeof(row->name), name);
		wanted_of(row);
	}
	row->skipped = r->skipped[0] ? r->skipped : NULL;
	row->failed = r->failed[0] ? r->failed : NULL;
	if (strcmp(r->metric, "share_error_points") == 0) {
		row->error_points = r->value;
		row->goal = r->has_goal ? r->goal : 0;
	}
	role = after(r->metric, "got_pct_");
	if (role && role[0] >= 'a' && role[0] < 'a' + DV_ROW_TENANTS_MOST)
		row->got_pct[role[0] - 'a'] = r->value;
}

static void cost_add(struct dv_cost_row *list, unsigned *count, const char *name,
		     const struct dv_result *r)
{
	struct dv_cost_row *row;

	if (*count == DV_ROWS_MOST)
		return;
	row = &list[(*count)++];
	*row = (struct dv_cost_row){.skipped = r->skipped[0] ? r->skipped : NULL,
				    .failed = r->failed[0] ? r->failed : NULL,
				    .metric = r->metric,
				    .unit = r->unit,
				    .value = r->value,
				    .has_baseline = r->has_baseline,
				    .has_goal = r->has_goal,
				    .baseline = r->baseline,
				    .goal = r->goal};
	(void)dv_copy(row->name, sizeof(row->name), name);
}

bool dv_cost_missed(const struct dv_cost_row *row)
{
	double off = row->value - row->goal;

	return row->has_goal && (off > 0 || off < 0);
}

void dv_rows_of(const struct dv_bench *bench, bool cpu, struct dv_rows *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < bench->results.len; i++) {
		const struct dv_result *r = &bench->results.items[i];
		const char *name;

		if ((name = after(r->name, "noisy/")))
			noisy_add(ret, name, r, cpu);
		else if ((name = after(r->name, "share/")))
			share_add(ret, name, r);
		else if ((name = after(r->name, "gate/launch/")))
			cost_add(ret->launch, &ret->launch_count, name, r);
		else if ((name = after(r->name, "gate/")))
			cost_add(ret->gate, &ret->gate_count, name, r);
		else if ((name = after(r->name, "memory/")))
			cost_add(ret->memory, &ret->memory_count, name, r);
	}
}
