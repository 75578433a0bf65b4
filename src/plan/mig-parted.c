/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/mig-parted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "plan/mig-parted-inside.h"

static int no_memory(struct dv_error *err)
{
	return dv_error_set(err, -ENOMEM, "no memory to read what a config means");
}

static bool comes_before(const struct dv_gpu *gpus, size_t a, size_t b)
{
	int order = strcmp(gpus[a].address, gpus[b].address);

	return order ? order < 0 : a < b;
}

int *dv_parted_numbers(const struct dv_gpu *gpus, size_t gpu_count)
{
	int *numbers = calloc(gpu_count + 1, sizeof(*numbers));

	for (size_t g = 0; numbers && g < gpu_count; g++) {
		numbers[g] = gpus[g].kind == DV_GPU_NVIDIA ? 0 : -1;
		for (size_t i = 0; i < gpu_count && numbers[g] >= 0; i++)
			numbers[g] += gpus[i].kind == DV_GPU_NVIDIA && comes_before(gpus, i, g);
	}
	return numbers;
}

/* ---- which entry is for which GPU ---- */

static bool passes(const struct dv_mig_parted_entry *entry, const struct dv_gpu *gpu)
{
	for (size_t i = 0; i < entry->filters.len; i++) {
		const struct dv_mig_parted_filter *filter = &entry->filters.items[i];

		if (filter->id.vendor == gpu->pci.vendor && filter->id.device == gpu->pci.device &&
		    (!filter->board || (filter->id.subvendor == gpu->pci.subvendor &&
					filter->id.subdevice == gpu->pci.subdevice)))
			return true;
	}
	return !entry->filters.len;
}

static bool names(const struct dv_mig_parted_entry *entry, int number)
{
	for (size_t i = 0; i < entry->devices.len; i++)
		if ((int)entry->devices.items[i] == number)
			return true;
	return entry->all;
}

static bool same_wish(const struct dv_mig_parted_entry *a, const struct dv_mig_parted_entry *b)
{
	if (a->enabled != b->enabled || a->counts.len != b->counts.len)
		return false;
	for (size_t i = 0; i < a->counts.len; i++) {
		bool same = false;

		for (size_t j = 0; j < b->counts.len; j++)
			same = same || (a->counts.items[i].count == b->counts.items[j].count &&
					strcmp(a->counts.items[i].profile,
					       b->counts.items[j].profile) == 0);
		if (!same)
			return false;
	}
	return true;
}

/* What is found on the way. */
struct found {
	const int *numbers;
	bool *marked; /* GPUs with unlike entries; later those without any */
	unsigned nvidia_count, idle;
};

static int no_such_number(const struct dv_parted_match *match,
			  const struct dv_mig_parted_entry *entry, unsigned number,
			  const struct found *found, struct dv_error *err)
{
	int r = dv_error_rule(err, -ENOENT, "S18",
			      "config '%s' names GPU %u, and this machine has %u NVIDIA GPU%s",
			      match->config->name, number, found->nvidia_count,
			      dv_plural(found->nvidia_count));

	(void)dv_error_at(err, r, match->parted->file, entry->line, entry->column);
	if (!found->nvidia_count)
		return dv_error_fix(err, r, "`divvy gpus` lists what there is");
	return dv_error_fix(err, r, "name 0 to %u, or take 'devices: all'",
			    found->nvidia_count - 1);
}

/* Numbers are those of this machine, unless the entry is for GPUs that it has not. */
static int check_numbers(const struct dv_parted_match *match,
			 const struct dv_mig_parted_entry *entry, const struct found *found,
			 struct dv_error *err)
{
	bool meant = !entry->filters.len;

	for (size_t g = 0; g < match->machine.gpu_count && !meant; g++)
		meant = found->numbers[g] >= 0 && passes(entry, &match->machine.gpus[g]);
	for (size_t i = 0; meant && i < entry->devices.len; i++)
		if (entry->devices.items[i] >= found->nvidia_count)
			return no_such_number(match, entry, entry->devices.items[i], found, err);
	return 0;
}

static int match_entry(struct dv_parted_match *match, const struct dv_mig_parted_entry *entry,
		       struct found *found, struct dv_error *err)
{
	bool idle = true;
	int r = check_numbers(match, entry, found, err);

	for (size_t g = 0; r == 0 && g < match->machine.gpu_count; g++) {
		if (found->numbers[g] < 0 || !passes(entry, &match->machine.gpus[g]) ||
		    !names(entry, found->numbers[g]))
			continue;
		if (match->entries[g] && !same_wish(match->entries[g], entry))
			found->marked[g] = true;
		match->entries[g] = entry;
		idle = false;
	}
	found->idle += idle;
	return r;
}

/* "GPU 0, 1, 2 and 5 more" of those for which `which` is set; how many those are. */
static unsigned list_gpus(const struct dv_parted_match *match, const bool *which, char *buf,
			  size_t size)
{
	unsigned count = 0, named = 0;
	size_t len = 0;

	for (size_t g = 0; g < match->machine.gpu_count; g++) {
		count += which[g];
		if (!which[g] || len + 40 > size)
			continue;
		len += (size_t)snprintf(buf + len, size - len, "%s%s", named ? ", " : "GPU ",
					match->machine.gpus[g].id);
		named++;
	}
	if (count > named)
		(void)snprintf(buf + len, size - len, " and %u more", count - named);
	return count;
}

static void add_notes(struct dv_parted_match *match, struct found *found)
{
	const char *name = match->config->name;
	char gpus[120];
	unsigned count = list_gpus(match, found->marked, gpus, sizeof(gpus));

	if (count)
		(void)snprintf(
			match->notes[match->note_count++], sizeof(match->notes[0]),
			"%s: config '%s' has several entries for %s, and the last one counts", gpus,
			name, count == 1 ? "it" : "them");
	for (size_t g = 0; g < match->machine.gpu_count; g++)
		found->marked[g] = found->numbers[g] >= 0 && !match->entries[g];
	count = list_gpus(match, found->marked, gpus, sizeof(gpus));
	if (count)
		(void)snprintf(match->notes[match->note_count++], sizeof(match->notes[0]),
			       "%s: config '%s' has no entry for %s; left as %s", gpus, name,
			       count == 1 ? "it" : "them", count == 1 ? "it is" : "they are");
	if (found->idle)
		(void)snprintf(match->notes[match->note_count++], sizeof(match->notes[0]),
			       "%u of %zu entries of config '%s' %s for GPUs that this machine "
			       "does not have",
			       found->idle, match->config->entries.len, name,
			       found->idle == 1 ? "is" : "are");
}

static int check_any(const struct dv_parted_match *match, const struct found *found,
		     struct dv_error *err)
{
	const char *name = match->config->name;
	int r;

	for (size_t g = 0; g < match->machine.gpu_count; g++)
		if (match->entries[g])
			return 0;
	if (!found->nvidia_count)
		r = dv_error_rule(err, -ENOENT, "S18",
				  "config '%s' is for GPUs of NVIDIA, and there is none here",
				  name);
	else
		r = dv_error_rule(err, -ENOENT, "S18",
				  "no entry of config '%s' is for any of this machine's GPUs",
				  name);
	(void)dv_error_at(err, r, match->parted->file, match->config->line, match->config->column);
	return dv_error_fix(err, r,
			    "look at its device-filter; `divvy gpus --json` has the GPUs' "
			    "ids as pci_id");
}

int dv_parted_match(const struct dv_mig_parted *parted, const struct dv_mig_parted_config *config,
		    const struct dv_parted_machine *machine, struct dv_parted_match *ret,
		    struct dv_error *err)
{
	dv_cleanup(dv_parted_match_fini) struct dv_parted_match match = {
		.parted = parted, .config = config, .machine = *machine};
	const size_t gpu_count = machine->gpu_count;
	dv_autofree int *numbers = dv_parted_numbers(machine->gpus, gpu_count);
	dv_autofree bool *marked = calloc(gpu_count + 1, sizeof(*marked));
	struct found found = {.numbers = numbers, .marked = marked};
	int r = 0;

	match.entries = calloc(gpu_count + 1, sizeof(*match.entries));
	if (!numbers || !marked || !match.entries)
		return no_memory(err);
	for (size_t g = 0; g < gpu_count; g++)
		found.nvidia_count += numbers[g] >= 0;
	for (size_t i = 0; r == 0 && i < config->entries.len; i++)
		r = match_entry(&match, &config->entries.items[i], &found, err);
	if (r == 0)
		r = check_any(&match, &found, err);
	if (r < 0)
		return r;
	add_notes(&match, &found);
	*ret = match;
	match = (struct dv_parted_match){0};
	return 0;
}

void dv_parted_match_fini(struct dv_parted_match *match)
{
	free(match->entries);
	match->entries = NULL;
}

/* ---- layouts ---- */

bool dv_parted_mode(const struct dv_mig *mig)
{
	return mig->mode == DV_MIG_ON || mig->mode == DV_MIG_TURNING_OFF;
}

static void count_device(struct dv_parted_layout *layout, const char *profile)
{
	unsigned i = 0;

	while (i < layout->count && strcmp(layout->of[i].profile, profile) < 0)
		i++;
	if (i < layout->count && strcmp(layout->of[i].profile, profile) == 0) {
		layout->of[i].count++;
		return;
	}
	if (layout->count == DV_ARRAY_LEN(layout->of))
		return;
	memmove(&layout->of[i + 1], &layout->of[i], (layout->count - i) * sizeof(layout->of[0]));
	layout->count++;
	(void)dv_copy(layout->of[i].profile, sizeof(layout->of[i].profile), profile);
	layout->of[i].count = 1;
}

/* What divvy has just made is known by its place alone. */
static bool is_fresh(const struct dv_mig_instance *instance)
{
	return instance->id == UINT32_MAX;
}

bool dv_parted_place_of(const struct dv_gpu *gpu, const struct dv_lease *lease, struct dv_node *ret)
{
	return strcmp(lease->gpu_uuid, gpu->uuid) == 0 && dv_lease_on_mig(lease) &&
	       dv_node_parse(lease->node, ret, NULL) == 0 && ret->has_partition;
}

bool dv_parted_is_ours(const struct dv_lease *lease)
{
	/* A config has no slices. */
	return lease->method == DV_METHOD_MIG && strcmp(lease->fleet, DV_PARTED_FLEET) == 0;
}

bool dv_parted_is_settled(const struct dv_lease *lease)
{
	return lease->state != DV_LEASE_RELEASING && lease->state != DV_LEASE_BROKEN;
}

/* The lease's part of that instance, when there is one that no probe has seen yet. */
static bool is_unseen_part(const struct dv_gpu *gpu, const struct dv_lease *lease,
			   const struct dv_mig_instance *instance)
{
	struct dv_node node;

	return dv_parted_is_settled(lease) && dv_parted_place_of(gpu, lease, &node) &&
	       node.has_part && node.start == instance->start && node.size == instance->size &&
	       !dv_mig_compute_at(&gpu->mig, instance->id, node.part_start, node.part_size);
}

bool dv_parted_is_whole(const struct dv_gpu *gpu, const struct dv_leases *leases,
			const struct dv_mig_instance *instance)
{
	const struct dv_mig_profile *profile = dv_mig_find_id(&gpu->mig, instance->profile_id);
	const struct dv_mig_compute *compute = dv_mig_compute_of(&gpu->mig, instance->id);
	unsigned slices = profile ? profile->compute_slices : 0;

	for (size_t i = 0; i < leases->len; i++)
		if (is_unseen_part(gpu, &leases->items[i], instance))
			return false;
	return is_fresh(instance) || (compute && (!slices || compute->size == slices));
}

static const char *profile_name(const struct dv_mig *mig, const struct dv_mig_instance *instance)
{
	const struct dv_mig_profile *profile = dv_mig_find_id(mig, instance->profile_id);

	if (instance->profile[0])
		return instance->profile;
	return profile ? profile->name : "unknown";
}

static void count_parts(const struct dv_gpu *gpu, const struct dv_leases *leases,
			const struct dv_mig_instance *instance, struct dv_parted_layout *layout)
{
	const struct dv_mig *mig = &gpu->mig;
	char name[DV_PROFILE_SIZE + 16];

	for (unsigned c = 0; c < mig->compute_count; c++) {
		if (mig->computes[c].instance != instance->id)
			continue;
		(void)snprintf(name, sizeof(name), "%uc.%s", mig->computes[c].size,
			       profile_name(mig, instance));
		count_device(layout, name);
	}
	for (size_t i = 0; i < leases->len; i++)
		if (is_unseen_part(gpu, &leases->items[i], instance))
			count_device(layout, leases->items[i].profile);
}

void dv_parted_layout_of(const struct dv_gpu *gpu, const struct dv_leases *leases,
			 struct dv_parted_layout *ret)
{
	*ret = (struct dv_parted_layout){0};
	for (unsigned i = 0; i < gpu->mig.instance_count; i++) {
		const struct dv_mig_instance *instance = &gpu->mig.instances[i];

		if (dv_parted_is_whole(gpu, leases, instance))
			count_device(ret, profile_name(&gpu->mig, instance));
		else
			count_parts(gpu, leases, instance, ret);
	}
}

/* ---- wanted and actual ---- */

struct differ {
	struct dv_differences found;
	char gpu[DV_NAME_SIZE];
	bool failed;
};

static void add(struct differ *d, const char *what, const char *wanted, const char *actual)
{
	struct dv_difference difference = {0};

	if (strcmp(wanted, actual) == 0)
		return;
	(void)dv_copy(difference.tenant, sizeof(difference.tenant), d->gpu);
	(void)dv_copy(difference.what, sizeof(difference.what), what);
	(void)dv_copy(difference.wanted, sizeof(difference.wanted), wanted);
	(void)dv_copy(difference.actual, sizeof(difference.actual), actual);
	if (dv_vec_push(&d->found, difference) < 0)
		d->failed = true;
}

static void add_count(struct differ *d, const char *profile, unsigned wanted, unsigned actual)
{
	char one[16], other[16];

	(void)snprintf(one, sizeof(one), "%u", wanted);
	(void)snprintf(other, sizeof(other), "%u", actual);
	add(d, profile, one, other);
}

static unsigned wanted_of(const struct dv_mig_parted_entry *entry, const char *profile)
{
	for (size_t i = 0; i < entry->counts.len; i++)
		if (strcmp(entry->counts.items[i].profile, profile) == 0)
			return entry->counts.items[i].count;
	return 0;
}

static unsigned actual_of(const struct dv_parted_layout *layout, const char *profile)
{
	for (unsigned i = 0; i < layout->count; i++)
		if (strcmp(layout->of[i].profile, profile) == 0)
			return layout->of[i].count;
	return 0;
}

static void compare(struct differ *d, const struct dv_mig_parted_entry *entry,
		    const struct dv_gpu *gpu, const struct dv_leases *leases)
{
	struct dv_parted_layout layout;

	(void)snprintf(d->gpu, sizeof(d->gpu), "GPU %s", gpu->id);
	if (entry->enabled != dv_parted_mode(&gpu->mig))
		add(d, "mig mode", entry->enabled ? "on" : "off",
		    gpu->mig.mode == DV_MIG_NONE ? "none"
		    : dv_parted_mode(&gpu->mig)	 ? "on"
						 : "off");
	dv_parted_layout_of(gpu, leases, &layout);
	for (size_t i = 0; i < entry->counts.len; i++)
		add_count(d, entry->counts.items[i].profile, entry->counts.items[i].count,
			  actual_of(&layout, entry->counts.items[i].profile));
	for (unsigned i = 0; i < layout.count; i++)
		if (!wanted_of(entry, layout.of[i].profile))
			add_count(d, layout.of[i].profile, 0, layout.of[i].count);
}

int dv_parted_diff(const struct dv_parted_match *match, struct dv_differences *ret,
		   struct dv_error *err)
{
	struct differ d = {0};

	for (size_t g = 0; g < match->machine.gpu_count; g++)
		if (match->entries[g])
			compare(&d, match->entries[g], &match->machine.gpus[g],
				match->machine.leases);
	if (d.failed) {
		dv_vec_fini(&d.found);
		return no_memory(err);
	}
	*ret = d.found;
	return 0;
}
