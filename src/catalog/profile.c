/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from a row: memory, places, limits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "catalog/rows.h"

/* The GB of "1g.10gb+me", or 0. */
static uint32_t named_gb(const char *name)
{
	const char *dot = strchr(name, '.');
	char *end = NULL;
	unsigned long gb;

	if (!dot || dot[1] < '0' || dot[1] > '9')
		return 0;
	gb = strtoul(dot + 1, &end, 10);
	return strncmp(end, "gb", 2) == 0 && gb <= 65535 ? (uint32_t)gb : 0;
}

uint32_t dv_cat_profile_memory(const struct dv_cat_profile *profile, bool *ret_derived)
{
	uint32_t gb = named_gb(profile->name);

	*ret_derived = false;
	if (profile->memory_mib != DV_CAT_UNKNOWN)
		return profile->memory_mib;
	if (gb == 0)
		return DV_CAT_UNKNOWN;
	*ret_derived = true;
	return gb * 1024 * 9 / 10;
}

static const uint32_t *engine_of(const struct dv_cat_engines *engines, unsigned which)
{
	const uint32_t *const all[] = {&engines->decode, &engines->encode, &engines->jpeg,
				       &engines->optical_flow};

	return which < DV_ARRAY_LEN(all) ? all[which] : NULL;
}

bool dv_cat_engines_doubtful(const struct dv_cat_mig *mig, const struct dv_cat_profile *profile)
{
	const uint32_t *has, *other;

	for (unsigned e = 0; (has = engine_of(&profile->engines, e)); e++) {
		uint32_t most = 0;

		if (*has == DV_CAT_UNKNOWN || profile->most == DV_CAT_UNKNOWN)
			continue;
		/* A number that is not known may be any: DV_CAT_UNKNOWN is above all. */
		for (size_t i = 0; i < mig->profiles.len; i++) {
			other = engine_of(&mig->profiles.items[i].engines, e);
			most = DV_MAX(most, *other);
		}
		if ((uint64_t)*has * profile->most > most)
			return true;
	}
	return false;
}

bool dv_cat_profile_fits(const struct dv_cat_profile *profile, uint32_t start)
{
	for (unsigned i = 0; i < profile->start_count; i++)
		if (profile->starts[i] == start)
			return true;
	return false;
}

/* "1g.10gb, 2g.20gb, ..." */
static void name_profiles(const struct dv_cat_gpu *gpu, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < gpu->mig.profiles.len; i++) {
		const char *name = gpu->mig.profiles.items[i].name;

		if (used + strlen(name) + 8 > size) {
			(void)snprintf(buf + used, size - used, ", ...");
			return;
		}
		used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? ", " : "", name);
	}
}

int dv_cat_profile_find(const struct dv_cat_gpu *gpu, const char *name,
			const struct dv_cat_profile **ret_profile, struct dv_error *err)
{
	const char *names[DV_CAT_ROWS_MOST + 1];
	const char *near;
	char all[256];
	size_t n = 0;
	int r;

	if (!gpu->has_mig)
		return dv_error_fix(
			err,
			dv_error_rule(err, -EOPNOTSUPP, "M02",
				      "%s cannot be divided by MIG, so it has no profile "
				      "'%.32s'",
				      gpu->name, name),
			"give the whole GPU (passthrough) or share its time (slice)");
	for (size_t i = 0; i < gpu->mig.profiles.len; i++) {
		if (strcasecmp(gpu->mig.profiles.items[i].name, name) == 0) {
			*ret_profile = &gpu->mig.profiles.items[i];
			return 0;
		}
		if (n < DV_CAT_ROWS_MOST)
			names[n++] = gpu->mig.profiles.items[i].name;
	}
	names[n] = NULL;
	if (n == 0)
		return dv_error_rule(err, -EINVAL, "M01",
				     "no profiles of %s are known, so '%.32s' cannot be checked",
				     gpu->id, name);
	name_profiles(gpu, all, sizeof(all));
	r = dv_error_rule(err, -EINVAL, "M01", "'%.32s' is not a profile of %s, which has %s", name,
			  gpu->id, all);
	near = dv_nearest(name, names);
	return dv_error_fix(err, r, "did you mean '%s'?", near ? near : names[0]);
}

bool dv_cat_board_is_of(const struct dv_cat_board *board, const struct dv_cat_gpu *gpu)
{
	for (size_t i = 0; i < board->gpus.len; i++)
		if (strcmp(board->gpus.items[i], gpu->id) == 0)
			return true;
	return false;
}

/* A board is as large as its largest type that shares time. */
static uint32_t board_memory(const struct dv_cat_board *board)
{
	uint32_t most = 0;

	for (size_t i = 0; i < board->types.len; i++)
		if (!board->types.items[i].partition)
			most = DV_MAX(most, board->types.items[i].memory_mib);
	return most;
}

uint32_t dv_cat_vgpu_most(const struct dv_cat_board *board, const struct dv_cat_vgpu *type,
			  bool mixed, enum dv_cat_limit *ret_limit)
{
	if (type->partition) {
		*ret_limit = DV_CAT_LIMIT_PARTITIONS;
		return type->most;
	}
	if (mixed && type->most_mixed == DV_CAT_UNKNOWN)
		return DV_CAT_UNKNOWN;
	if (mixed && type->most_mixed < type->most) {
		*ret_limit = DV_CAT_LIMIT_PLACES;
		return type->most_mixed;
	}
	*ret_limit = type->most < board_memory(board) / type->memory_mib ? DV_CAT_LIMIT_BOARD
									 : DV_CAT_LIMIT_MEMORY;
	return type->most;
}
