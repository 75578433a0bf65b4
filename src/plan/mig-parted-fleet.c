/* SPDX-License-Identifier: Apache-2.0 */
/* A config as a fleet. Each partition is a tenant at an exact place: what stands keeps its name and
 * its place, the rest goes where the fewest others have to end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/tree.h"
#include "plan/grid-repartition.h"
#include "plan/mig-parted-inside.h"
#include "plan/mig.h"

/* One GPU on the way. */
struct site {
	const struct dv_parted_match *match;
	const struct dv_leases *leases;
	struct dv_fleet *fleet;
	size_t gpu;
	const struct dv_grid *grid;
	unsigned count;
	struct dv_grid_instance instances[DV_GRID_INSTANCES_MOST];
	const struct dv_lease *owners[DV_GRID_INSTANCES_MOST]; /* of each, or NULL */
	uint8_t wanted[DV_GRID_PROFILES_MOST];
};

static const struct dv_gpu *gpu_of(const struct site *site)
{
	return &site->match->gpus[site->gpu];
}

static const struct dv_mig_parted_entry *entry_of(const struct site *site)
{
	return site->match->entries[site->gpu];
}

static bool is_ours(const struct dv_lease *lease)
{
	return strcmp(lease->fleet, DV_PARTED_FLEET) == 0;
}

/* It stands, and may be kept or ended. */
static bool is_settled(const struct dv_lease *lease)
{
	return lease->state != DV_LEASE_RELEASING && lease->state != DV_LEASE_BROKEN;
}

/* Where on this GPU a lease has its partition. */
static bool place_of(const struct site *site, const struct dv_lease *lease, struct dv_node *ret)
{
	return strcmp(lease->gpu_uuid, gpu_of(site)->uuid) == 0 && lease->method == DV_METHOD_MIG &&
	       dv_node_parse(lease->node, ret, NULL) == 0 && ret->has_partition;
}

static const struct dv_lease *lease_at(const struct site *site, unsigned start, unsigned size)
{
	struct dv_node node;

	for (size_t i = 0; i < site->leases->len; i++)
		if (place_of(site, &site->leases->items[i], &node) && node.start == start &&
		    node.size == size)
			return &site->leases->items[i];
	return NULL;
}

/* ---- what is wanted ---- */

static int refuse_profile(const struct site *site, const struct dv_mig_parted_count *count,
			  struct dv_error *err)
{
	const struct dv_gpu *gpu = gpu_of(site);
	char title[DV_GPU_TITLE_SIZE], names[300];
	int r = dv_error_rule(err, -EOPNOTSUPP, "M01", "%s has no profile '%s'",
			      dv_gpu_title(gpu, title), count->profile);

	(void)dv_error_at(err, r, site->match->parted->file, count->line, count->column);
	dv_plan_mig_list(site->grid, names, sizeof(names));
	return dv_error_fix(err, r, "it has %s", names);
}

static int refuse_part(const struct site *site, const struct dv_mig_parted_count *count,
		       struct dv_error *err)
{
	const char *whole = strchr(count->profile, '.') + 1;
	int r = dv_error_rule(err, -EOPNOTSUPP, "M01",
			      "'%s' is a part of a partition, and of a config divvy makes whole "
			      "ones only",
			      count->profile);

	(void)dv_error_at(err, r, site->match->parted->file, count->line, count->column);
	return dv_error_fix(
		err, r,
		"ask for '%s' undivided, or for its parts in a fleet file: {method: mig, "
		"profile: %s}",
		whole, count->profile);
}

static bool is_part(const char *profile)
{
	return profile[strspn(profile, "0123456789")] == 'c';
}

static int read_wanted(struct site *site, struct dv_error *err)
{
	const struct dv_mig_parted_entry *entry = entry_of(site);

	for (size_t i = 0; i < entry->counts.len; i++) {
		const struct dv_mig_parted_count *count = &entry->counts.items[i];
		int profile = dv_grid_find(site->grid, count->profile);

		if (is_part(count->profile))
			return refuse_part(site, count, err);
		if (profile < 0)
			return refuse_profile(site, count, err);
		site->wanted[profile] = (uint8_t)count->count;
	}
	return 0;
}

/* ---- what is there ---- */

static int refuse_instance(const struct site *site, const struct dv_mig_instance *instance,
			   const struct dv_lease *owner, const char *profile, struct dv_error *err)
{
	const char *name = site->match->config->name, *id = gpu_of(site)->id;
	int r;

	if (owner && is_ours(owner)) {
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

static void add_instance(struct site *site, const struct dv_mig_instance *instance, int profile,
			 const struct dv_lease *owner)
{
	struct dv_grid_instance *to = &site->instances[site->count];
	bool ours = owner && is_ours(owner) && is_settled(owner);
	bool in_use = instance->holder_count || (owner && dv_lease_in_use(owner));

	site->owners[site->count++] = owner;
	*to = (struct dv_grid_instance){.profile = profile,
					.start = instance->start,
					.size = instance->size,
					.weight = dv_grid_weight(in_use, 0, 0),
					.pinned = !ours};
}

/* Of the grid, at a place of its own; else it is only in the way. */
static int grid_profile(const struct site *site, int profile, const struct dv_mig_instance *at)
{
	if (profile < 0 || site->grid->profiles[profile].size != at->size ||
	    dv_grid_place_at(site->grid, (unsigned)profile, at->start) < 0)
		return DV_GRID_FOREIGN;
	return profile;
}

/* What is not this fleet's to end is wanted, or the config cannot be. `left` is what is wanted and
 * not yet found. */
static int read_instance(struct site *site, const struct dv_mig_instance *instance, uint8_t *left,
			 struct dv_error *err)
{
	const struct dv_lease *owner = lease_at(site, instance->start, instance->size);
	const struct dv_mig *mig = &gpu_of(site)->mig;
	int profile =
		grid_profile(site, dv_grid_find_id(site->grid, instance->profile_id), instance);
	const char *name = instance->profile;

	/* Just made, its id is not known yet. */
	if (profile == DV_GRID_FOREIGN)
		profile = grid_profile(site, dv_grid_find(site->grid, name), instance);
	if (profile != DV_GRID_FOREIGN)
		name = site->grid->profiles[profile].name;
	if (!owner || !is_ours(owner) || !is_settled(owner)) {
		if (profile == DV_GRID_FOREIGN || !left[profile] ||
		    (!owner && !dv_parted_is_whole(mig, instance)))
			return refuse_instance(site, instance, owner,
					       name[0] ? name : "a partition", err);
		left[profile]--;
	}
	add_instance(site, instance, profile, owner);
	return 0;
}

/* A lease whose partition is not there at this moment has its place all the same. */
static int read_lease(struct site *site, const struct dv_lease *lease, uint8_t *left,
		      struct dv_error *err)
{
	struct dv_mig_instance missing = {.id = UINT32_MAX, .profile_id = UINT32_MAX};
	struct dv_node node;

	if (!place_of(site, lease, &node) ||
	    dv_mig_instance_at(&gpu_of(site)->mig, node.start, node.size))
		return 0;
	if (site->count == DV_GRID_INSTANCES_MOST || node.size > DV_GRID_CELLS_MOST ||
	    node.start >= DV_GRID_CELLS_MOST)
		return dv_error_set(err, -EIO, "lease '%s' has an impossible place", lease->name);
	missing.start = (uint8_t)node.start;
	missing.size = (uint8_t)node.size;
	(void)dv_copy(missing.profile, sizeof(missing.profile), lease->profile);
	return read_instance(site, &missing, left, err);
}

static int read_there(struct site *site, struct dv_error *err)
{
	const struct dv_mig *mig = &gpu_of(site)->mig;
	uint8_t left[DV_GRID_PROFILES_MOST];
	int r = 0;

	memcpy(left, site->wanted, sizeof(left));
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

static int keep(const struct site *site, const struct dv_lease *lease, struct dv_error *err)
{
	struct dv_tenant tenant = {.kind = lease->kind, .method = DV_METHOD_MIG};
	struct dv_node node;

	if (!place_of(site, lease, &node))
		return 0;
	tenant.start = (int)node.start;
	(void)dv_copy(tenant.name, sizeof(tenant.name), lease->name);
	(void)dv_copy(tenant.profile, sizeof(tenant.profile), lease->profile);
	(void)dv_copy(tenant.gpu, sizeof(tenant.gpu), gpu_of(site)->uuid);
	return push_tenant(site->fleet, &tenant, err);
}

static bool name_is_taken(const struct site *site, const char *name)
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
static void name_tenant(const struct site *site, struct dv_tenant *tenant)
{
	char base[DV_NAME_SIZE];

	(void)snprintf(base, sizeof(base), "gpu%.8s-%.31s-%d", gpu_of(site)->id, tenant->profile,
		       tenant->start);
	for (char *s = base; *s; s++)
		if (*s == '+' || *s == ',')
			*s = '.';
	(void)dv_copy(tenant->name, sizeof(tenant->name), base);
	for (unsigned n = 1; name_is_taken(site, tenant->name); n++)
		(void)snprintf(tenant->name, sizeof(tenant->name), "%.50s.%u", base, n);
}

static int make(const struct site *site, const struct dv_grid_step *step, struct dv_error *err)
{
	struct dv_tenant tenant = {
		.kind = DV_KIND_PROCESS, .method = DV_METHOD_MIG, .start = step->start};

	(void)dv_copy(tenant.profile, sizeof(tenant.profile),
		      site->grid->profiles[step->profile].name);
	(void)dv_copy(tenant.gpu, sizeof(tenant.gpu), gpu_of(site)->uuid);
	name_tenant(site, &tenant);
	return push_tenant(site->fleet, &tenant, err);
}

static int add_tenants(struct site *site, struct dv_error *err)
{
	struct dv_grid_change change;
	int r = read_wanted(site, err);

	r = r < 0 ? r : read_there(site, err);
	if (r < 0)
		return r;
	r = dv_grid_repartition(site->grid, site->instances, site->count, site->wanted, &change,
				err);
	if (r < 0) {
		(void)dv_error_prefix(err, r, "config '%s', GPU %s", site->match->config->name,
				      gpu_of(site)->id);
		return dv_error_at(err, r, site->match->parted->file, entry_of(site)->line,
				   entry_of(site)->column);
	}
	for (unsigned i = 0; r == 0 && i < site->count; i++)
		if (change.kept >> i & 1 && site->owners[i] && is_ours(site->owners[i]))
			r = keep(site, site->owners[i], err);
	for (unsigned i = 0; r == 0 && i < change.step_count; i++)
		if (change.steps[i].create)
			r = make(site, &change.steps[i], err);
	return r;
}

static int partition(struct site *site, struct dv_error *err)
{
	const struct dv_mig_parted_entry *entry = entry_of(site);
	dv_autofree struct dv_grid *grid = NULL;
	char title[DV_GPU_TITLE_SIZE];
	int r;

	if (gpu_of(site)->mig.mode == DV_MIG_NONE) {
		r = dv_error_rule(err, -EOPNOTSUPP, "M02", "%s has no MIG to be enabled",
				  dv_gpu_title(gpu_of(site), title));
		(void)dv_error_at(err, r, site->match->parted->file, entry->line, entry->column);
		return dv_error_fix(err, r,
				    "give that GPU an entry with 'mig-enabled: false', by "
				    "its number or a device-filter");
	}
	r = dv_plan_mig_grid(gpu_of(site), &grid, err);
	if (r == 0 && !grid && !entry->counts.len)
		return 0;
	if (r == 0 && !grid)
		r = dv_error_fix(
			err,
			dv_error_rule(err, -EOPNOTSUPP, "M03",
				      "where partitions may be on GPU %s is not known",
				      gpu_of(site)->id),
			"turn its MIG mode on first, as with 'mig-devices: {}': the driver "
			"says it then");
	if (r < 0)
		return r;
	site->grid = grid;
	return add_tenants(site, err);
}

static int stay(struct site *site, bool *ret_any, struct dv_error *err)
{
	struct dv_node node;
	int r = 0;

	for (size_t i = 0; r == 0 && i < site->leases->len; i++) {
		const struct dv_lease *lease = &site->leases->items[i];

		if (!is_ours(lease) || !is_settled(lease) || !place_of(site, lease, &node))
			continue;
		*ret_any = true;
		r = keep(site, lease, err);
	}
	return r;
}

static int add_gpu(struct site *site, struct dv_error *err)
{
	const struct dv_mig_parted_entry *entry = entry_of(site);
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
	(void)dv_copy(rule.uuid, sizeof(rule.uuid), gpu_of(site)->uuid);
	if (r == 0 && any && dv_vec_push(&site->fleet->gpu_rules, rule) < 0)
		r = dv_error_set(err, -ENOMEM, "no memory for the fleet of a config");
	return r;
}

int dv_parted_fleet(const struct dv_parted_match *match, const struct dv_leases *leases,
		    struct dv_fleet *ret, struct dv_error *err)
{
	dv_cleanup(dv_fleet_fini) struct dv_fleet fleet = {.name = DV_PARTED_FLEET};
	int r = 0;

	for (size_t g = 0; r == 0 && g < match->gpu_count; g++) {
		struct site site = {.match = match, .leases = leases, .fleet = &fleet, .gpu = g};

		if (match->gpus[g].kind == DV_GPU_NVIDIA)
			r = add_gpu(&site, err);
	}
	if (r < 0)
		return r;
	*ret = fleet;
	fleet = (struct dv_fleet){0};
	return 0;
}
