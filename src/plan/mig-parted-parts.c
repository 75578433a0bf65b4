/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of partitions in a config: "1c.3g.40gb": 3 is one 3g.40gb in three parts. They fill as few
 * partitions as the largest first do. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "plan/mig-parted-inside.h"
#include "plan/mig.h"

enum { PICKS_MOST = DV_MIG_INSTANCES_MOST * DV_MIG_PARTS_MOST };

/* A part in one of the partitions. */
struct pick {
	unsigned host, slices;
	const struct dv_lease *kept; /* or NULL: it is new */
};

struct picks {
	unsigned count;
	struct pick items[PICKS_MOST];
};

static const struct dv_mig_profile *profile_of(const struct dv_parted_site *site, unsigned profile)
{
	return dv_mig_find_id(&site->gpu->mig, site->grid->profiles[profile].id);
}

static int refuse(const struct dv_parted_site *site, const struct dv_mig_parted_count *count,
		  const struct dv_mig_profile *profile, struct dv_error *err)
{
	char sizes[64] = "";
	size_t len = 0;
	int r;

	for (unsigned n = 1; n < DV_MIG_PARTS_MOST; n++)
		if (dv_plan_part_can(profile, n))
			len += (size_t)snprintf(sizes + len, sizeof(sizes) - len, "%s%uc.%.12s",
						len ? ", " : "", n, len ? "" : profile->name);
	r = len ? dv_error_rule(err, -EOPNOTSUPP, "M01", "%s of GPU %s has no such part as '%s'",
				profile->name, site->gpu->id, count->profile)
		: dv_error_rule(err, -EOPNOTSUPP, "M03",
				"which parts %s of GPU %s has is not known: neither its driver nor "
				"the catalogue says it",
				profile->name, site->gpu->id);
	(void)dv_error_at(err, r, site->match->parted->file, count->line, count->column);
	return len ? dv_error_fix(err, r, "it has %s", sizes)
		   : dv_error_fix(err, r, "ask for '%s' undivided", profile->name);
}

int dv_parted_want_part(struct dv_parted_site *site, const struct dv_mig_parted_count *count,
			struct dv_error *err)
{
	const char *whole;
	unsigned slices = dv_mig_part_slices(count->profile, &whole);
	int number = dv_grid_find(site->grid, whole);
	const struct dv_mig_profile *profile = profile_of(site, (unsigned)number);

	if (!dv_plan_part_can(profile, slices))
		return refuse(site, count, profile, err);
	site->parts[number][slices] = count->count;
	return 0;
}

/* Is it a part, of the fleet's, in the partition of that profile that begins there? */
static bool stands_in(const struct dv_parted_site *site, const struct dv_lease *lease,
		      const struct dv_mig_profile *profile, unsigned start, struct dv_node *ret)
{
	const char *whole;

	(void)dv_mig_part_slices(lease->profile, &whole);
	return dv_parted_is_ours(lease) && dv_parted_is_settled(lease) &&
	       dv_parted_place_of(site->gpu, lease, ret) && ret->has_part && ret->start == start &&
	       strcmp(whole, profile->name) == 0 && ret->part_size < DV_MIG_PARTS_MOST;
}

/* Those that stand in a partition and are wanted; returns the compute slices that they take. */
static uint8_t keep_parts(const struct dv_parted_site *site, const struct dv_mig_profile *profile,
			  const struct pick *at, unsigned start, unsigned *left,
			  struct picks *picks)
{
	unsigned taken = 0;

	for (size_t i = 0; i < site->leases->len && picks->count < PICKS_MOST; i++) {
		const struct dv_lease *lease = &site->leases->items[i];
		struct dv_node node;

		if (!stands_in(site, lease, profile, start, &node) || !left[node.part_size])
			continue;
		left[node.part_size]--;
		taken |= ((1u << node.part_size) - 1) << node.part_start;
		picks->items[picks->count] = *at;
		picks->items[picks->count].slices = node.part_size;
		picks->items[picks->count++].kept = lease;
	}
	return (uint8_t)taken;
}

/* Put the parts into `count` partitions; with `starts` those that stand there are kept. Can it be?
 */
static bool fill(const struct dv_parted_site *site, unsigned profile, const unsigned *starts,
		 unsigned count, struct picks *ret)
{
	const struct dv_mig_profile *is = profile_of(site, profile);
	uint8_t taken[DV_MIG_INSTANCES_MOST] = {0};
	unsigned left[DV_MIG_PARTS_MOST];

	ret->count = 0;
	memcpy(left, site->parts[profile], sizeof(left));
	for (unsigned h = 0; starts && h < count; h++)
		taken[h] = keep_parts(site, is, &(struct pick){.host = h}, starts[h], left, ret);
	for (unsigned slices = DV_MIG_PARTS_MOST - 1; slices; slices--)
		for (; left[slices]; left[slices]--) {
			int start = -1;
			unsigned h = 0;

			for (; h < count && start < 0; h++)
				start = dv_plan_part_start(is, taken[h], slices);
			if (start < 0 || ret->count == PICKS_MOST)
				return false;
			taken[h - 1] |= (uint8_t)(((1u << slices) - 1) << start);
			ret->items[ret->count++] = (struct pick){h - 1, slices, NULL};
		}
	return true;
}

int dv_parted_count_hosts(struct dv_parted_site *site, struct dv_error *err)
{
	for (unsigned p = 0; p < site->grid->profile_count; p++) {
		unsigned count = 0;
		struct picks picks;

		while (count <= DV_MIG_INSTANCES_MOST && !fill(site, p, NULL, count, &picks))
			count++;
		if (count > DV_MIG_INSTANCES_MOST)
			return dv_error_fix(
				err,
				dv_error_rule(err, -ENOSPC, "M04",
					      "config '%s', GPU %s: the parts of %s need more than "
					      "%d partitions",
					      site->match->config->name, site->gpu->id,
					      site->grid->profiles[p].name, DV_MIG_INSTANCES_MOST),
				"want fewer of them");
		site->hosts[p] = (uint8_t)count;
	}
	return 0;
}

int dv_parted_fill_hosts(const struct dv_parted_site *site, unsigned profile,
			 const unsigned *starts, struct dv_error *err)
{
	const char *name = site->grid->profiles[profile].name;
	char part[DV_PROFILE_SIZE + 16];
	struct picks picks;
	int r = 0;

	/* Where those that stand are badly spread, all are made anew. */
	if (!fill(site, profile, starts, site->hosts[profile], &picks) &&
	    !fill(site, profile, NULL, site->hosts[profile], &picks))
		return dv_error_set(err, -EIO, "the parts of %s on GPU %s do not fit", name,
				    site->gpu->id);
	for (unsigned i = 0; r == 0 && i < picks.count; i++) {
		const struct pick *pick = &picks.items[i];

		(void)snprintf(part, sizeof(part), "%uc.%s", pick->slices, name);
		r = pick->kept ? dv_parted_keep(site, pick->kept, err)
			       : dv_parted_make(site, part, starts[pick->host], err);
	}
	return r;
}
