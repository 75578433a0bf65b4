/* SPDX-License-Identifier: Apache-2.0 */
#include "model/tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "model/units.h"

/* What of a lease decides who owns what. */
struct holding {
	struct dv_node node;
	enum dv_method method;
	enum dv_division division; /* of the GPU */
	const struct dv_lease *lease;
};

/* Read a decimal number in its one form (no sign, no leading zero), at most `most`. */
static bool read_number(const char **text, uint64_t most, uint64_t *ret)
{
	const char *s = *text;
	uint64_t value = 0;

	if (*s < '0' || *s > '9' || (s[0] == '0' && s[1] >= '0' && s[1] <= '9'))
		return false;
	for (; *s >= '0' && *s <= '9'; s++) {
		unsigned digit = (unsigned)(*s - '0');

		if (value > (most - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*text = s;
	*ret = value;
	return true;
}

/* "/p0+4", "/c1+2" */
static bool read_interval(const char **text, uint32_t *ret_start, uint32_t *ret_size)
{
	uint64_t start, size;
	const char *s = *text + 2;

	if (!read_number(&s, UINT32_MAX, &start) || *s != '+')
		return false;
	s++;
	if (!read_number(&s, UINT32_MAX, &size) || size == 0 || start + size > UINT32_MAX)
		return false;
	*ret_start = (uint32_t)start;
	*ret_size = (uint32_t)size;
	*text = s;
	return true;
}

static bool read_slice(const char **text, struct dv_node *node)
{
	const char *s = *text + 2; /* "/s" */
	uint64_t id;

	if (!read_number(&s, INT64_MAX, &id))
		return false;
	node->has_slice = true;
	node->slice = (int64_t)id;
	*text = s;
	return true;
}

static bool read_uuid(const char **text, struct dv_node *node)
{
	const char *s = *text;

	while (*s && *s != '/') {
		if (*s <= ' ' || *s > '~' || s - *text >= DV_UUID_SIZE - 1)
			return false;
		s++;
	}
	memcpy(node->gpu_uuid, *text, (size_t)(s - *text));
	*text = s;
	return node->gpu_uuid[0] != '\0';
}

int dv_node_parse(const char *path, struct dv_node *ret_node, struct dv_error *err)
{
	struct dv_node node = {0};
	const char *s = path;
	bool good = read_uuid(&s, &node);

	if (good && strncmp(s, "/p", 2) == 0) {
		good = read_interval(&s, &node.start, &node.size);
		node.has_partition = good;
	}
	if (good && node.has_partition && strncmp(s, "/c", 2) == 0) {
		good = read_interval(&s, &node.part_start, &node.part_size);
		node.has_part = good;
	} else if (good && strncmp(s, "/s", 2) == 0) {
		good = read_slice(&s, &node);
	}
	if (!good || *s)
		return dv_error_set(err, -EINVAL,
				    "'%.200s' is not a node's path (GPU[/pSTART+SIZE][/sLEASE], "
				    "GPU/pSTART+SIZE/cSTART+SIZE)",
				    path);
	*ret_node = node;
	return 0;
}

const char *dv_node_print(const struct dv_node *node, char *buf, size_t size)
{
	char partition[32] = "", part[32] = "", slice[32] = "";

	if (node->has_partition)
		(void)snprintf(partition, sizeof(partition), "/p%" PRIu32 "+%" PRIu32, node->start,
			       node->size);
	if (node->has_part)
		(void)snprintf(part, sizeof(part), "/c%" PRIu32 "+%" PRIu32, node->part_start,
			       node->part_size);
	if (node->has_slice)
		(void)snprintf(slice, sizeof(slice), "/s%" PRId64, node->slice);
	(void)snprintf(buf, size, "%s%s%s%s", node->gpu_uuid, partition, part, slice);
	return buf;
}

static bool is_cpu(const char *uuid)
{
	return strncmp(uuid, "CPU-", 4) == 0;
}

/* How the GPU is divided by that holding. A slice in a partition does not tell of what kind the
 * partition is: only the CPU device has cpusets, all others have MIG. */
static enum dv_division gpu_division(const struct dv_node *node, enum dv_method method, bool cpu)
{
	if (!node->has_partition)
		return dv_method_division(method);
	return cpu ? DV_DIVISION_PARTITIONS : DV_DIVISION_MIG;
}

/* Has the node the form that a lease of this method has? */
static bool fits_method(const struct dv_node *node, enum dv_method method, bool cpu)
{
	if (node->has_part && (cpu || method != DV_METHOD_MIG))
		return false;
	switch (method) {
	case DV_METHOD_PASSTHROUGH:
		return !node->has_partition && !node->has_slice;
	case DV_METHOD_SLICE:
		return node->has_slice;
	case DV_METHOD_MIG:
		return !cpu && node->has_partition && !node->has_slice;
	case DV_METHOD_PARTITION:
		return cpu && node->has_partition && !node->has_slice;
	case DV_METHOD_VGPU_MIG:
		return !cpu && node->has_partition;
	case DV_METHOD_VGPU:
	case DV_METHOD_SRIOV:
		return !cpu && !node->has_partition && node->has_slice;
	case DV_METHOD_NONE:
	case DV_METHOD_MPS:
	case DV_METHOD_TIMESLICE:
	case DV_METHOD_COUNT:
		break;
	}
	return false;
}

static int read_holding(const struct dv_lease *lease, bool cpu, struct holding *ret,
			struct dv_error *err)
{
	struct holding h = {.method = lease->method, .lease = lease};
	int r = dv_node_parse(lease->node, &h.node, err);

	if (r < 0)
		return dv_error_prefix(err, r, "lease '%s'", lease->name);
	if (strcmp(h.node.gpu_uuid, lease->gpu_uuid) != 0)
		return dv_error_set(err, -EINVAL, "lease '%s' is of GPU %s, its node %s is not",
				    lease->name, lease->gpu_uuid, lease->node);
	if (!fits_method(&h.node, lease->method, cpu) ||
	    (lease->profile[0] && lease->method == DV_METHOD_MIG &&
	     dv_mig_part_slices(lease->profile, NULL) != h.node.part_size))
		return dv_error_set(err, -EINVAL, "lease '%s': %s cannot be had by method %s",
				    lease->name, lease->node, dv_method_name(lease->method));
	h.division = gpu_division(&h.node, h.method, cpu);
	*ret = h;
	return 0;
}

enum clash { CLASH_NONE, CLASH_OWNED, CLASH_DIVIDED };

static bool same_partition(const struct dv_node *a, const struct dv_node *b)
{
	return a->has_partition == b->has_partition &&
	       (!a->has_partition || (a->start == b->start && a->size == b->size));
}

static bool intervals_meet(uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size)
{
	return (uint64_t)a < (uint64_t)b + b_size && (uint64_t)b < (uint64_t)a + a_size;
}

static bool partitions_meet(const struct dv_node *a, const struct dv_node *b)
{
	return intervals_meet(a->start, a->size, b->start, b->size);
}

/* Two compute instances of one partition: side by side, and the partition is the same for both. */
static bool parts_meet(const struct holding *a, const struct holding *b)
{
	const char *one, *other;

	(void)dv_mig_part_slices(a->lease->profile, &one);
	(void)dv_mig_part_slices(b->lease->profile, &other);
	return strcmp(one, other) != 0 || intervals_meet(a->node.part_start, a->node.part_size,
							 b->node.part_start, b->node.part_size);
}

/* Slices of one partition, which is the same for both, where it is known. */
static bool slices_meet(const struct holding *a, const struct holding *b)
{
	const char *one = a->lease->profile, *other = b->lease->profile;

	return a->node.slice == b->node.slice || (one[0] && other[0] && strcmp(one, other) != 0);
}

/* The rule itself: may these two stand side by side? */
static enum clash clash_between(const struct holding *a, const struct holding *b)
{
	const struct dv_node *m = &a->node, *n = &b->node;

	if (strcmp(m->gpu_uuid, n->gpu_uuid) != 0)
		return CLASH_NONE;
	/* One has the whole GPU. */
	if ((!m->has_partition && !m->has_slice) || (!n->has_partition && !n->has_slice))
		return CLASH_OWNED;
	if (a->division != b->division)
		return CLASH_DIVIDED;
	if (!same_partition(m, n))
		return partitions_meet(m, n) ? CLASH_OWNED : CLASH_NONE;
	if (m->has_part && n->has_part)
		return parts_meet(a, b) ? CLASH_OWNED : CLASH_NONE;
	/* One has the whole partition. */
	if (!m->has_slice || !n->has_slice || slices_meet(a, b))
		return CLASH_OWNED;
	return a->method == b->method ? CLASH_NONE : CLASH_DIVIDED;
}

enum { PART_SIZE = 96 };

/* The node, in words: "all of it", "a slice", "CPUs 2-3". */
static const char *part_words(const struct dv_node *node, const struct dv_gpu *gpu,
			      char buf[PART_SIZE])
{
	const char *unit = gpu->kind == DV_GPU_CPU ? "CPU" : "memory slice";

	if (node->has_part) {
		(void)snprintf(buf, PART_SIZE,
			       "compute slices %" PRIu32 "-%" PRIu32 " of %s%s %" PRIu32,
			       node->part_start, node->part_start + node->part_size - 1, unit,
			       dv_plural(node->size), node->start);
		if (node->size > 1)
			(void)snprintf(buf + strlen(buf), PART_SIZE - strlen(buf), "-%" PRIu32,
				       node->start + node->size - 1);
		return buf;
	}
	if (!node->has_partition)
		return node->has_slice ? "a slice" : "all of it";
	if (node->size == 1)
		(void)snprintf(buf, PART_SIZE, "%s%s %" PRIu32,
			       node->has_slice ? "a slice of " : "", unit, node->start);
	else
		(void)snprintf(buf, PART_SIZE, "%s%ss %" PRIu32 "-%" PRIu32,
			       node->has_slice ? "a slice of " : "", unit, node->start,
			       node->start + node->size - 1);
	return buf;
}

/* A way of dividing, in words: slices are of the whole, or of its partitions. */
static const char *way_words(const struct holding *h, const struct holding *other)
{
	if (h->method != other->method)
		return dv_method_name(h->method);
	return h->node.has_partition ? "slices of partitions" : "slices of the whole of it";
}

static int refuse_clash(enum clash clash, const struct dv_gpu *gpu, const struct holding *claim,
			const struct holding *other, struct dv_error *err)
{
	char title[DV_GPU_TITLE_SIZE], has[PART_SIZE], wanted[PART_SIZE];
	int r;

	if (clash == CLASH_DIVIDED)
		r = dv_error_rule(err, -EBUSY, "S02",
				  "%s is divided by %s: lease '%s' has %s; it cannot be divided "
				  "by %s at the same time",
				  dv_gpu_title(gpu, title), way_words(other, claim),
				  other->lease->name, part_words(&other->node, gpu, has),
				  way_words(claim, other));
	else
		r = dv_error_rule(err, -EBUSY, "S01", "%s is taken: lease '%s' has %s; wanted: %s",
				  dv_gpu_title(gpu, title), other->lease->name,
				  part_words(&other->node, gpu, has),
				  part_words(&claim->node, gpu, wanted));
	return dv_error_fix(err, r, "choose another GPU, or give it back first: divvy release %s",
			    other->lease->name);
}

enum dv_division dv_tree_division(const char *gpu_uuid, const struct dv_leases *leases)
{
	for (size_t i = 0; i < leases->len; i++) {
		struct holding h;

		if (strcmp(leases->items[i].gpu_uuid, gpu_uuid) != 0)
			continue;
		if (read_holding(&leases->items[i], is_cpu(gpu_uuid), &h, NULL) == 0)
			return h.division;
	}
	return DV_DIVISION_NONE;
}

/* How many units the GPU's partitions are counted in; 0: not known, so nothing fits. */
static uint32_t partition_units(const struct dv_gpu *gpu)
{
	return gpu->kind == DV_GPU_CPU ? gpu->compute_units : gpu->memory_slices;
}

/* The memory of the node's parent: the GPU's, or the partition's: what its profile (may be "") has,
 * or by its part of the GPU. */
static uint64_t parent_memory(const struct dv_gpu *gpu, const struct dv_node *node,
			      const char *profile)
{
	const struct dv_mig_profile *known = profile[0] ? dv_mig_find(&gpu->mig, profile) : NULL;
	uint32_t units = partition_units(gpu);

	if (!node->has_partition)
		return gpu->memory_bytes;
	if (known)
		return (uint64_t)known->memory_mib * DV_MIB;
	if (units == 0)
		return 0;
	/* Divided before it is multiplied, and the rest apart: no overflow. */
	return gpu->memory_bytes / units * node->size +
	       gpu->memory_bytes % units * node->size / units;
}

static void add_capped(uint64_t *sum, uint64_t more)
{
	if (__builtin_add_overflow(*sum, more, sum))
		*sum = UINT64_MAX;
}

static int check_bounds(const struct dv_gpu *gpu, const struct holding *h, struct dv_error *err)
{
	char title[DV_GPU_TITLE_SIZE], wanted[PART_SIZE];
	uint32_t units = partition_units(gpu);
	int r;

	if (!h->node.has_partition || (uint64_t)h->node.start + h->node.size <= units)
		return 0;
	r = dv_error_rule(
		err, -ENOSPC, "S04", "%s has %" PRIu32 " %s%s, counted from 0; wanted: %s",
		dv_gpu_title(gpu, title), units, gpu->kind == DV_GPU_CPU ? "CPU" : "memory slice",
		dv_plural(units), part_words(&h->node, gpu, wanted));
	return dv_error_fix(err, r, "ask for a smaller partition, or one that starts lower");
}

static bool same_parent(const struct dv_node *a, const struct dv_node *b)
{
	return a->has_slice && b->has_slice && strcmp(a->gpu_uuid, b->gpu_uuid) == 0 &&
	       same_partition(a, b);
}

/* An existing lease; one that cannot be read makes every answer unsafe. */
static int read_existing(const struct dv_lease *lease, bool cpu, struct holding *ret,
			 struct dv_error *err)
{
	struct dv_error why = {0};

	if (read_holding(lease, cpu, ret, &why) < 0)
		return dv_error_set(err, -EUCLEAN, "%s", why.msg);
	return 0;
}

/* Look at each lease on the GPU: refuse a clash, else sum up what the claim's siblings have. */
static int look_beside(const struct dv_gpu *gpu, const struct dv_leases *leases,
		       const struct holding *claim, uint64_t *ret_memory, uint64_t *ret_mpct,
		       struct dv_error *err)
{
	uint64_t memory = 0, mpct = 0;

	for (size_t i = 0; i < leases->len; i++) {
		const struct dv_lease *lease = &leases->items[i];
		struct holding other;
		enum clash clash;
		int r;

		if (strcmp(lease->gpu_uuid, gpu->uuid) != 0)
			continue;
		r = read_existing(lease, gpu->kind == DV_GPU_CPU, &other, err);
		if (r < 0)
			return r;
		clash = clash_between(claim, &other);
		if (clash != CLASH_NONE)
			return refuse_clash(clash, gpu, claim, &other, err);
		if (same_parent(&claim->node, &other.node)) {
			add_capped(&memory, lease->memory_bytes);
			add_capped(&mpct, lease->compute_mpct);
		}
	}
	*ret_memory = memory;
	*ret_mpct = mpct;
	return 0;
}

static uint64_t left_of(uint64_t whole, uint64_t used)
{
	return used < whole ? whole - used : 0;
}

static int fix_lack(struct dv_error *err, int r, const char *left)
{
	if (left)
		return dv_error_fix(err, r, "ask for at most %s, or give back a lease", left);
	return dv_error_fix(err, r, "choose another GPU, or give back a lease: divvy leases");
}

static int check_room(const struct dv_gpu *gpu, const struct holding *claim, uint64_t memory,
		      uint64_t mpct, struct dv_error *err)
{
	uint64_t memory_left =
		left_of(parent_memory(gpu, &claim->node, claim->lease->profile), memory);
	uint32_t mpct_left = (uint32_t)left_of(DV_MPCT_WHOLE, mpct);
	char title[DV_GPU_TITLE_SIZE], wanted[32], text[32];
	const char *left = NULL;
	int r;

	if (claim->lease->memory_bytes > memory_left) {
		if (memory_left)
			left = dv_size_print(memory_left, text, sizeof(text));
		r = dv_error_rule(err, -ENOSPC, "G01",
				  "not enough memory left on %s: %s wanted, %s left",
				  dv_gpu_title(gpu, title),
				  dv_size_print(claim->lease->memory_bytes, wanted, sizeof(wanted)),
				  left ? left : "nothing");
		return fix_lack(err, r, left);
	}
	if (claim->lease->compute_mpct > mpct_left) {
		if (mpct_left)
			left = dv_share_print(mpct_left, text, sizeof(text));
		r = dv_error_rule(
			err, -ENOSPC, "G02",
			"the shares on %s would be over 100%%: %s wanted, %s left",
			dv_gpu_title(gpu, title),
			dv_share_print(claim->lease->compute_mpct, wanted, sizeof(wanted)),
			left ? left : "nothing");
		return fix_lack(err, r, left);
	}
	return 0;
}

int dv_tree_may_claim(const struct dv_gpu *gpu, const struct dv_leases *leases,
		      const struct dv_lease *claim, struct dv_error *err)
{
	uint64_t memory, mpct;
	struct holding h;
	int r = read_holding(claim, gpu->kind == DV_GPU_CPU, &h, err);

	if (r < 0)
		return r;
	if (strcmp(h.node.gpu_uuid, gpu->uuid) != 0)
		return dv_error_set(err, -EINVAL, "%s is not on GPU %s", claim->node, gpu->uuid);
	/* Without them the gate would hold it to nothing. */
	if (claim->method == DV_METHOD_SLICE && (!claim->memory_bytes || !claim->compute_mpct))
		return dv_error_set(err, -EINVAL, "slice %s has no memory limit or no share",
				    claim->node);
	r = check_bounds(gpu, &h, err);
	if (r < 0)
		return r;
	r = look_beside(gpu, leases, &h, &memory, &mpct, err);
	if (r < 0)
		return r;
	return h.node.has_slice ? check_room(gpu, &h, memory, mpct, err) : 0;
}

static const struct dv_gpu *find_gpu(const struct dv_gpu *gpus, size_t count, const char *uuid)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(gpus[i].uuid, uuid) == 0)
			return &gpus[i];
	return NULL;
}

/* No holding before number i clashes with it; the slices of its parent fit. */
static int check_holding(const struct dv_gpu *gpu, const struct holding *all, size_t i,
			 struct dv_error *err)
{
	uint64_t memory = all[i].lease->memory_bytes, mpct = all[i].lease->compute_mpct;

	for (size_t j = 0; j < i; j++) {
		if (clash_between(&all[i], &all[j]) != CLASH_NONE)
			return dv_error_set(err, -EUCLEAN,
					    "leases '%s' and '%s' cannot both be: %s and %s",
					    all[j].lease->name, all[i].lease->name,
					    all[j].lease->node, all[i].lease->node);
		if (same_parent(&all[i].node, &all[j].node)) {
			add_capped(&memory, all[j].lease->memory_bytes);
			add_capped(&mpct, all[j].lease->compute_mpct);
		}
	}
	if (!gpu)
		return 0;
	if (check_bounds(gpu, &all[i], NULL) < 0)
		return dv_error_set(err, -EUCLEAN, "lease '%s' has %s, outside its device",
				    all[i].lease->name, all[i].lease->node);
	if (all[i].node.has_slice &&
	    (memory > parent_memory(gpu, &all[i].node, all[i].lease->profile) ||
	     mpct > DV_MPCT_WHOLE))
		return dv_error_set(err, -EUCLEAN,
				    "up to lease '%s' (%s) more was given than there is",
				    all[i].lease->name, all[i].lease->node);
	return 0;
}

int dv_tree_check(const struct dv_gpu *gpus, size_t gpu_count, const struct dv_leases *leases,
		  struct dv_error *err)
{
	dv_autofree struct holding *all = calloc(leases->len + 1, sizeof(*all));

	if (!all)
		return dv_error_set(err, -ENOMEM, "no memory to check %zu leases", leases->len);
	for (size_t i = 0; i < leases->len; i++) {
		const struct dv_lease *lease = &leases->items[i];
		const struct dv_gpu *gpu = find_gpu(gpus, gpu_count, lease->gpu_uuid);
		bool cpu = gpu ? gpu->kind == DV_GPU_CPU : is_cpu(lease->gpu_uuid);
		int r = read_existing(lease, cpu, &all[i], err);

		if (r == 0)
			r = check_holding(gpu, all, i, err);
		if (r < 0)
			return r;
	}
	return 0;
}

void dv_tree_left(const struct dv_gpu *gpu, const struct dv_leases *leases, const char *parent_path,
		  uint64_t *ret_memory_bytes, uint32_t *ret_mpct)
{
	/* A slice with an id that no lease has: what would it find beside it? */
	struct holding probe = {.method = DV_METHOD_SLICE, .lease = &(struct dv_lease){0}};
	uint64_t memory, mpct;

	*ret_memory_bytes = 0;
	*ret_mpct = 0;
	if (dv_node_parse(parent_path, &probe.node, NULL) < 0 || probe.node.has_slice ||
	    probe.node.has_part || strcmp(probe.node.gpu_uuid, gpu->uuid) != 0)
		return;
	probe.node.has_slice = true;
	probe.node.slice = -1;
	probe.division = gpu_division(&probe.node, probe.method, gpu->kind == DV_GPU_CPU);
	if (check_bounds(gpu, &probe, NULL) < 0 ||
	    look_beside(gpu, leases, &probe, &memory, &mpct, NULL) < 0)
		return;
	*ret_memory_bytes = left_of(parent_memory(gpu, &probe.node, ""), memory);
	*ret_mpct = (uint32_t)left_of(DV_MPCT_WHOLE, mpct);
}
