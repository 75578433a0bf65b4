/* SPDX-License-Identifier: Apache-2.0 */
/* A config as a fleet. Each partition is a tenant at an exact place: what stands keeps its name and
 * its place, the rest goes where the fewest others have to end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "plan/mig-parted-inside.h"
#include "plan/mig.h"

/* Who has the partition, or parts of it: before all others one that this fleet may not end. */
static const struct dv_lease *lease_at(const struct dv_parted_site *site, unsigned start,
				       unsigned size, bool *ret_in_use)
{
	const struct dv_lease *found = NULL;
	struct dv_node node;

	for (size_t i = 0; i < site->leases->len; i++) {
		const struct dv_lease *lease = &site->leases->items[i];

		if (!dv_parted_place_of(site->gpu, lease, &node) || node.start != start ||
		    node.size != size)
			continue;
		*ret_in_use = *ret_in_use || dv_lease_in_use(lease);
		if (!found || !dv_parted_is_ours(lease) || !dv_parted_is_settled(lease))
			found = lease;
	}
	return found;
}

/* ---- what is wanted ---- */

static int refuse_profile(const struct dv_parted_site *site,
			  const struct dv_mig_parted_count *count, struct dv_error *err)
{
	const struct dv_gpu *gpu = site->gpu;
	char title[DV_GPU_TITLE_SIZE], names[300];
	int r = dv_error_rule(err, -EOPNOTSUPP, "M01", "%s has no profile '%s'",
			      dv_gpu_title(gpu, title), count->profile);

	(void)dv_error_at(err, r, site->match->parted->file, count->line, count->column);
	dv_plan_mig_list(site->grid, names, sizeof(names));
	return dv_error_fix(err, r, "it has %s", names);
}

static int read_wanted(struct dv_parted_site *site, struct dv_error *err)
{
	for (size_t i = 0; i < site->entry->counts.len; i++) {
		const struct dv_mig_parted_count *count = &site->entry->counts.items[i];
		const char *whole;
		bool part = dv_mig_part_slices(count->profile, &whole);
		int profile = dv_grid_find(site->grid, whole), r = 0;

		if (profile < 0)
			return refuse_profile(site, count, err);
		if (part)
			r = dv_parted_want_part(site, count, err);
		else
			site->whole[profile] = (uint8_t)count->count;
		if (r < 0)
			return r;
	}
	return dv_parted_count_hosts(site, err);
}

/* ---- what is there ---- */

static int refuse_instance(const struct dv_parted_site *site,
			   const struct dv_mig_instance *instance, const struct dv_lease *owner,
			   const char *profile, struct dv_error *err)
{
	const char *name = site->match->config->name, *id = site->gpu->id;
	int r;

	if (owner && dv_parted_is_ours(owner)) {
		r = dv_error_rule(err, -EBUSY, "S01", "GPU %s: the lease '%s' of %s at %u is %s",
				  id, owner->name, profile, instance->start,
				  dv_lease_state_name(owner->state));
		return dv_error_fix(err, r, "release it: divvy release %s", owner->name);
	}
	if (owner) {
		r = dv_error_rule(
			err, -EBUSY, "S01",
			"GPU %s: config '%s' does not want %s at %u, which lease '%s' has", id,
			name, profile, instance->start, owner->name);
		return dv_error_fix(err, r, "ask its owner to `divvy release %s`, or want it too",
				    owner->name);
	}
	r = dv_error_rule(err, -EBUSY, "S01",
			  "GPU %s: config '%s' does not want %s at %u, which divvy did not make",
			  id, name, profile, instance->start);
	return dv_error_fix(err, r,
			    "end it as it was made, as with nvidia-smi mig -dci -i %s, then "
			    "nvidia-smi mig -dgi -i %s; or want it too",
			    id, id);
}

static void add_instance(struct dv_parted_site *site, const struct dv_grid_instance *instance,
			 const struct dv_lease *owner)
{
	site->owners[site->count] = owner;
	site->instances[site->count++] = *instance;
}

/* Of the grid, at a place of its own; else it is only in the way. */
static int grid_profile(const struct dv_parted_site *site, int profile,
			const struct dv_mig_instance *at)
{
	if (profile < 0 || site->grid->profiles[profile].size != at->size ||
	    dv_grid_place_at(site->grid, (unsigned)profile, at->start) < 0)
		return DV_GRID_FOREIGN;
	return profile;
}

/* What is not this fleet's to end is wanted whole, or the config cannot be. `left` is what is
 * wanted and not yet found. */
static int read_instance(struct dv_parted_site *site, const struct dv_mig_instance *instance,
			 uint8_t *left, struct dv_error *err)
{
	bool in_use = instance->holder_count != 0;
	const struct dv_lease *owner = lease_at(site, instance->start, instance->size, &in_use);
	bool ours = owner && dv_parted_is_ours(owner) && dv_parted_is_settled(owner);
	int profile =
		grid_profile(site, dv_grid_find_id(site->grid, instance->profile_id), instance);
	const char *name = instance->profile;

	/* Just made, its id is not known yet. */
	if (profile == DV_GRID_FOREIGN)
		profile = grid_profile(site, dv_grid_find(site->grid, name), instance);
	if (profile != DV_GRID_FOREIGN)
		name = site->grid->profiles[profile].name;
	if (!ours) {
		if (profile == DV_GRID_FOREIGN || !left[profile] ||
		    !dv_parted_is_whole(site->gpu, site->leases, instance))
			return refuse_instance(site, instance, owner,
					       name[0] ? name : "a partition", err);
		left[profile]--;
	}
	add_instance(site,
		     &(struct dv_grid_instance){.profile = profile,
						.start = instance->start,
						.size = instance->size,
						.weight = dv_grid_weight(in_use, 0, 0),
						.pinned = !ours},
		     owner);
	return 0;
}

/* A lease whose partition is not there at this moment has its place all the same. */
static int read_lease(struct dv_parted_site *site, const struct dv_lease *lease, uint8_t *left,
		      struct dv_error *err)
{
	struct dv_mig_instance missing = {.id = UINT32_MAX, .profile_id = UINT32_MAX};
	struct dv_node node;
	const char *whole;

	if (!dv_parted_place_of(site->gpu, lease, &node) ||
	    dv_mig_instance_at(&site->gpu->mig, node.start, node.size))
		return 0;
	for (unsigned i = 0; i < site->count; i++)
		if (site->instances[i].start == node.start && site->instances[i].size == node.size)
			return 0;
	(void)dv_mig_part_slices(lease->profile, &whole);
	if (site->count == DV_GRID_INSTANCES_MOST || node.size > DV_GRID_CELLS_MOST ||
	    node.start >= DV_GRID_CELLS_MOST)
		return dv_error_set(err, -EIO, "lease '%s' has an impossible place", lease->name);
	missing.start = (uint8_t)node.start;
	missing.size = (uint8_t)node.size;
	(void)dv_copy(missing.profile, sizeof(missing.profile), whole);
	return read_instance(site, &missing, left, err);
}

static int read_there(struct dv_parted_site *site, struct dv_error *err)
{
	const struct dv_mig *mig = &site->gpu->mig;
	uint8_t left[DV_GRID_PROFILES_MOST];
	int r = 0;

	memcpy(left, site->whole, sizeof(left));
	for (unsigned i = 0; r == 0 && i < mig->instance_count; i++)
		r = read_instance(site, &mig->instances[i], left, err);
	for (size_t i = 0; r == 0 && i < site->leases->len; i++)
		r = read_lease(site, &site->leases->items[i], left, err);
	return r;
}

/* ---- the fleet ---- */

static int push_tenant(struct dv_fleet *fleet, struct dv_tenant *tenant, struct dv_error *err)
{
	(void)dv_copy(tenant->group, sizeof(tenant->group), tenant->name);
	return dv_vec_push(&fleet->tenants, *tenant) < 0
		       ? dv_error_set(err, -ENOMEM, "no memory for the fleet of a config")
		       : 0;
}

int dv_parted_keep(const struct dv_parted_site *site, const struct dv_lease *lease,
		   struct dv_error *err)
{
	struct dv_tenant tenant = {.kind = lease->kind, .method = DV_METHOD_MIG};
	struct dv_node node;

	if (!dv_parted_place_of(site->gpu, lease, &node))
		return 0;
	tenant.start = (int)node.start;
	(void)dv_copy(tenant.name, sizeof(tenant.name), lease->name);
	(void)dv_copy(tenant.profile, sizeof(tenant.profile), lease->profile);
	(void)dv_copy(tenant.gpu, sizeof(tenant.gpu), site->gpu->uuid);
	return push_tenant(site->fleet, &tenant, err);
}

static bool name_is_taken(const struct dv_parted_site *site, const char *name)
{
	for (size_t i = 0; i < site->leases->len; i++)
		if (strcmp(site->leases->items[i].name, name) == 0)
			return true;
	for (size_t i = 0; i < site->fleet->tenants.len; i++)
		if (strcmp(site->fleet->tenants.items[i].name, name) == 0)
			return true;
	return false;
}

/* "gpu0-1g.5gb.me-6": what it is and where. A GPU may have had another number when its leases got
 * their names. */
static void name_tenant(const struct dv_parted_site *site, struct dv_tenant *tenant)
{
	char base[DV_NAME_SIZE];

	(void)snprintf(base, sizeof(base), "gpu%.8s-%.31s-%d", site->gpu->id, tenant->profile,
		       tenant->start);
	for (char *s = base; *s; s++)
		if (*s == '+' || *s == ',')
			*s = '.';
	(void)dv_copy(tenant->name, sizeof(tenant->name), base);
	for (unsigned n = 1; name_is_taken(site, tenant->name); n++)
		(void)snprintf(tenant->name, sizeof(tenant->name), "%.50s.%u", base, n);
}

int dv_parted_make(const struct dv_parted_site *site, const char *profile, unsigned start,
		   struct dv_error *err)
{
	struct dv_tenant tenant = {
		.kind = DV_KIND_PROCESS, .method = DV_METHOD_MIG, .start = (int)start};

	(void)dv_copy(tenant.profile, sizeof(tenant.profile), profile);
	(void)dv_copy(tenant.gpu, sizeof(tenant.gpu), site->gpu->uuid);
	name_tenant(site, &tenant);
	return push_tenant(site->fleet, &tenant, err);
}

/* ---- which partition is what ---- */

/* A partition as it will be. */
struct spot {
	int profile;
	unsigned start;
	const struct dv_lease *owner; /* whose it is now, or NULL */
	bool fixed;		      /* not this fleet's */
	bool host;		      /* for parts */
};

struct spots {
	unsigned count;
	struct spot items[DV_GRID_INSTANCES_MOST + DV_GRID_STEPS_MOST];
};

static void list_spots(const struct dv_parted_site *site, const struct dv_grid_change *change,
		       struct spots *ret)
{
	ret->count = 0;
	for (unsigned i = 0; i < site->count; i++)
		if (change->kept >> i & 1)
			ret->items[ret->count++] =
				(struct spot){.profile = site->instances[i].profile,
					      .start = site->instances[i].start,
					      .owner = site->owners[i],
					      .fixed = site->instances[i].pinned};
	for (unsigned i = 0; i < change->step_count; i++)
		if (change->steps[i].create)
			ret->items[ret->count++] =
				(struct spot){.profile = change->steps[i].profile,
					      .start = change->steps[i].start};
}

/* Is it parts already? */
static bool is_divided(const struct spot *spot)
{
	return spot->owner && dv_mig_part_slices(spot->owner->profile, NULL);
}

/* Those that are divided already, then new ones, then those that would have to end. */
static void choose_hosts(const struct dv_parted_site *site, struct spots *spots)
{
	for (unsigned p = 0; p < site->grid->profile_count; p++) {
		unsigned left = site->hosts[p];

		for (int turn = 0; turn < 3 && left; turn++)
			for (unsigned i = 0; i < spots->count && left; i++) {
				struct spot *spot = &spots->items[i];

				if (spot->profile != (int)p || spot->fixed || spot->host ||
				    (turn == 0 && !is_divided(spot)) || (turn == 1 && spot->owner))
					continue;
				spot->host = true;
				left--;
			}
	}
}

static int add_whole(const struct dv_parted_site *site, const struct spot *spot,
		     struct dv_error *err)
{
	if (spot->fixed || spot->host)
		return 0;
	if (spot->owner && (spot->profile == DV_GRID_FOREIGN || !is_divided(spot)))
		return dv_parted_keep(site, spot->owner, err);
	return dv_parted_make(site, site->grid->profiles[spot->profile].name, spot->start, err);
}

static int add_parts(const struct dv_parted_site *site, const struct spots *spots,
		     struct dv_error *err)
{
	unsigned starts[DV_GRID_INSTANCES_MOST + DV_GRID_STEPS_MOST];
	int r = 0;

	for (unsigned p = 0; r == 0 && p < site->grid->profile_count; p++) {
		unsigned count = 0;

		for (unsigned i = 0; i < spots->count; i++)
			if (spots->items[i].host && spots->items[i].profile == (int)p)
				starts[count++] = spots->items[i].start;
		if (count)
			r = dv_parted_fill_hosts(site, p, starts, err);
	}
	return r;
}

static int repartition(const struct dv_parted_site *site, struct dv_grid_change *ret,
		       struct dv_error *err)
{
	uint8_t wanted[DV_GRID_PROFILES_MOST];
	int r;

	for (unsigned p = 0; p < site->grid->profile_count; p++)
		wanted[p] = (uint8_t)DV_MIN(site->whole[p] + site->hosts[p], UINT8_MAX);
	r = dv_grid_repartition(site->grid, site->instances, site->count, wanted, ret, err);
	if (r == 0)
		return 0;
	(void)dv_error_prefix(err, r, "config '%s', GPU %s", site->match->config->name,
			      site->gpu->id);
	return dv_error_at(err, r, site->match->parted->file, site->entry->line,
			   site->entry->column);
}

static int add_tenants(struct dv_parted_site *site, struct dv_error *err)
{
	struct dv_grid_change change;
	struct spots spots;
	int r = read_wanted(site, err);

	r = r < 0 ? r : read_there(site, err);
	r = r < 0 ? r : repartition(site, &change, err);
	if (r < 0)
		return r;
	list_spots(site, &change, &spots);
	choose_hosts(site, &spots);
	for (unsigned i = 0; r == 0 && i < spots.count; i++)
		r = add_whole(site, &spots.items[i], err);
	return r < 0 ? r : add_parts(site, &spots, err);
}

static int partition(struct dv_parted_site *site, struct dv_error *err)
{
	const struct dv_mig_parted_entry *entry = site->entry;
	dv_autofree struct dv_grid *grid = NULL;
	char title[DV_GPU_TITLE_SIZE];
	int r;

	if (site->gpu->mig.mode == DV_MIG_NONE) {
		r = dv_error_rule(err, -EOPNOTSUPP, "M02", "%s has no MIG to be enabled",
				  dv_gpu_title(site->gpu, title));
		(void)dv_error_at(err, r, site->match->parted->file, entry->line, entry->column);
		return dv_error_fix(err, r,
				    "give that GPU an entry with 'mig-enabled: false', by "
				    "its number or a device-filter");
	}
	r = dv_plan_mig_grid(site->gpu, &grid, err);
	if (r == 0 && !grid && !entry->counts.len)
		return 0;
	if (r == 0 && !grid)
		r = dv_error_fix(
			err,
			dv_error_rule(err, -EOPNOTSUPP, "M03",
				      "where partitions may be on GPU %s is not known",
				      site->gpu->id),
			"turn its MIG mode on first, as with 'mig-devices: {}': the driver "
			"says it then");
	if (r < 0)
		return r;
	site->grid = grid;
	return add_tenants(site, err);
}

static int stay(struct dv_parted_site *site, bool *ret_any, struct dv_error *err)
{
	struct dv_node node;
	int r = 0;

	for (size_t i = 0; r == 0 && i < site->leases->len; i++) {
		const struct dv_lease *lease = &site->leases->items[i];

		if (!dv_parted_is_ours(lease) || !dv_parted_is_settled(lease) ||
		    !dv_parted_place_of(site->gpu, lease, &node))
			continue;
		*ret_any = true;
		r = dv_parted_keep(site, lease, err);
	}
	return r;
}

static int add_gpu(struct dv_parted_site *site, struct dv_error *err)
{
	const struct dv_mig_parted_entry *entry = site->entry;
	struct dv_gpu_rule rule = {.index = -1, .methods = UINT32_C(1) << DV_METHOD_MIG};
	bool any = entry != NULL;
	int r = 0;

	if (!entry) {
		r = stay(site, &any, err);
	} else if (entry->enabled) {
		rule.mig = DV_MIG_WISH_ON;
		r = partition(site, err);
	} else {
		rule.methods = 0;
		rule.mig = DV_MIG_WISH_OFF;
	}
	(void)dv_copy(rule.uuid, sizeof(rule.uuid), site->gpu->uuid);
	if (r == 0 && any && dv_vec_push(&site->fleet->gpu_rules, rule) < 0)
		r = dv_error_set(err, -ENOMEM, "no memory for the fleet of a config");
	return r;
}

int dv_parted_fleet(const struct dv_parted_match *match, struct dv_fleet *ret, struct dv_error *err)
{
	dv_cleanup(dv_fleet_fini) struct dv_fleet fleet = {.name = DV_PARTED_FLEET};
	int r = 0;

	for (size_t g = 0; r == 0 && g < match->machine.gpu_count; g++) {
		struct dv_parted_site site = {.match = match,
					      .leases = match->machine.leases,
					      .fleet = &fleet,
					      .gpu = &match->machine.gpus[g],
					      .entry = match->entries[g]};

		if (site.gpu->kind == DV_GPU_NVIDIA)
			r = add_gpu(&site, err);
	}
	if (r < 0)
		return r;
	*ret = fleet;
	fleet = (struct dv_fleet){0};
	return 0;
}
