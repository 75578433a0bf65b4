/* SPDX-License-Identifier: Apache-2.0 */
#include "model/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/units.h"
#include "random.h"

static const struct dv_gpu cpu = {
	.id = "0",
	.uuid = "CPU-1",
	.kind = DV_GPU_CPU,
	.product = "a CPU",
	.memory_bytes = 8 * DV_GIB,
	.compute_units = 4,
};

static const struct dv_gpu gpu = {
	.id = "1",
	.uuid = "GPU-1",
	.kind = DV_GPU_NVIDIA,
	.memory_slices = 8,
	.memory_bytes = 80 * DV_GIB,
	.compute_units = 132,
};

static struct dv_lease lease(const char *name, const char *node, enum dv_method method,
			     uint64_t memory, uint32_t mpct)
{
	struct dv_lease l = {.method = method, .memory_bytes = memory, .compute_mpct = mpct};
	struct dv_node at;

	assert_int_equal(dv_node_parse(node, &at, NULL), 0);
	(void)snprintf(l.name, sizeof(l.name), "%s", name);
	(void)snprintf(l.node, sizeof(l.node), "%s", node);
	(void)snprintf(l.gpu_uuid, sizeof(l.gpu_uuid), "%s", at.gpu_uuid);
	return l;
}

static struct dv_lease slice(const char *name, const char *node)
{
	return lease(name, node, DV_METHOD_SLICE, DV_GIB, 10000);
}

static void check_node(const char *path, const char *uuid, bool part, uint32_t start, uint32_t size,
		       bool is_slice, int64_t id)
{
	struct dv_node node;
	char buf[DV_NODE_SIZE];

	assert_int_equal(dv_node_parse(path, &node, NULL), 0);
	assert_string_equal(node.gpu_uuid, uuid);
	assert_int_equal(node.has_partition, part);
	assert_int_equal(node.start, start);
	assert_int_equal(node.size, size);
	assert_int_equal(node.has_slice, is_slice);
	assert_int_equal(node.slice, id);
	assert_string_equal(dv_node_print(&node, buf, sizeof(buf)), path);
}

static void test_node(void **state)
{
	check_node("CPU-1", "CPU-1", false, 0, 0, false, 0);
	check_node("CPU-1/p0+2", "CPU-1", true, 0, 2, false, 0);
	check_node("CPU-1/s17", "CPU-1", false, 0, 0, true, 17);
	check_node("GPU-1/p4+3/s9223372036854775807", "GPU-1", true, 4, 3, true, INT64_MAX);
	check_node("GPU-1/s0", "GPU-1", false, 0, 0, true, 0);
}

static void test_node_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"/",
		"/p0+1",
		"CPU-1/",
		"CPU-1/p",
		"CPU-1/p0",
		"CPU-1/p0+",
		"CPU-1/p0+0",
		"CPU-1/p00+1",
		"CPU-1/p-1+1",
		"CPU-1/p0+01",
		"CPU-1/p0 +1",
		"CPU-1/p4294967295+1",
		"CPU-1/p1+99999999999999999999",
		"CPU-1/s",
		"CPU-1/s-1",
		"CPU-1/s01",
		"CPU-1/s9223372036854775808",
		"CPU-1/s1/",
		"CPU-1/s1/p0+1",
		"CPU-1/p0+1/p0+1",
		"CPU-1/p0+1x",
		"CPU-1/x",
		"CPU 1",
		"CPU-1\n",
		"a-uuid-that-is-longer-than-any-uuid-may-ever-be-or-will-be-is-none",
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(bad); i++) {
		struct dv_node node = {.start = 99};
		struct dv_error err = {0};

		assert_int_equal(dv_node_parse(bad[i], &node, &err), -EINVAL);
		assert_int_equal(node.start, 99);
		assert_non_null(strstr(err.msg, "is not a node's path"));
	}
}

static void refuse(const struct dv_gpu *on, const struct dv_leases *leases, struct dv_lease claim,
		   int code, const char *rule, const char *says)
{
	struct dv_error err = {0};

	assert_int_equal(dv_tree_may_claim(on, leases, &claim, &err), code);
	assert_string_equal(err.rule, rule);
	if (!strstr(err.msg, says))
		fail_msg("'%s' does not say '%s'", err.msg, says);
	/* A refusal says what to do, too. */
	assert_true(!*rule || err.fix[0]);
	assert_int_equal(dv_tree_may_claim(on, leases, &claim, NULL), code);
}

static void allow(const struct dv_gpu *on, const struct dv_leases *leases, struct dv_lease claim)
{
	struct dv_error err = {0};

	assert_int_equal(dv_tree_may_claim(on, leases, &claim, &err), 0);
	assert_int_equal(err.code, 0);
}

static void test_whole_excludes_all(void **state)
{
	struct dv_lease has[] = {lease("boss", "CPU-1", DV_METHOD_PASSTHROUGH, 0, 0)};
	struct dv_leases leases = {.items = has, .len = 1};
	struct dv_lease other = lease("x", "CPU-2", DV_METHOD_PASSTHROUGH, 0, 0);

	refuse(&cpu, &leases, lease("x", "CPU-1", DV_METHOD_PASSTHROUGH, 0, 0), -EBUSY, "S01",
	       "GPU 0 (a CPU) is taken: lease 'boss' has all of it; wanted: all of it");
	refuse(&cpu, &leases, slice("x", "CPU-1/s2"), -EBUSY, "S01", "boss");
	refuse(&cpu, &leases, lease("x", "CPU-1/p0+1", DV_METHOD_PARTITION, 0, 0), -EBUSY, "S01",
	       "boss");
	refuse(&cpu, &leases, other, -EINVAL, "", "not on GPU CPU-1");
	leases.len = 0;
	allow(&cpu, &leases, lease("x", "CPU-1", DV_METHOD_PASSTHROUGH, 0, 0));
}

static void test_anything_excludes_whole(void **state)
{
	struct dv_lease has[] = {slice("a", "CPU-1/s1")};
	struct dv_leases leases = {.items = has, .len = 1};

	refuse(&cpu, &leases, lease("x", "CPU-1", DV_METHOD_PASSTHROUGH, 0, 0), -EBUSY, "S01",
	       "GPU 0 (a CPU) is taken: lease 'a' has a slice; wanted: all of it");
	has[0] = lease("p", "CPU-1/p3+1", DV_METHOD_PARTITION, 0, 0);
	refuse(&cpu, &leases, lease("x", "CPU-1", DV_METHOD_PASSTHROUGH, 0, 0), -EBUSY, "S01", "p");
}

static void test_one_division(void **state)
{
	struct dv_lease has[] = {slice("a", "CPU-1/s1")};
	struct dv_leases leases = {.items = has, .len = 1};

	refuse(&cpu, &leases, lease("x", "CPU-1/p0+1", DV_METHOD_PARTITION, 0, 0), -EBUSY, "S02",
	       "GPU 0 (a CPU) is divided by slice: lease 'a' has a slice; it cannot");
	refuse(&cpu, &leases, slice("x", "CPU-1/p0+1/s2"), -EBUSY, "S02", "a");
	has[0] = lease("p", "CPU-1/p0+2", DV_METHOD_PARTITION, 0, 0);
	refuse(&cpu, &leases, slice("x", "CPU-1/s2"), -EBUSY, "S02",
	       "divided by partition: lease 'p' has CPUs 0-1;");
	has[0] = lease("v", "GPU-1/s1", DV_METHOD_VGPU, DV_GIB, 0);
	refuse(&gpu, &leases, slice("x", "GPU-1/s2"), -EBUSY, "S02", "divided by vgpu");
}

static void test_partitions(void **state)
{
	struct dv_lease has[] = {lease("p", "CPU-1/p1+2", DV_METHOD_PARTITION, 0, 0),
				 slice("s", "CPU-1/p3+1/s7")};
	struct dv_leases leases = {.items = has, .len = 2};

	allow(&cpu, &leases, lease("x", "CPU-1/p0+1", DV_METHOD_PARTITION, 0, 0));
	refuse(&cpu, &leases, lease("x", "CPU-1/p0+2", DV_METHOD_PARTITION, 0, 0), -EBUSY, "S01",
	       "lease 'p' has CPUs 1-2; wanted: CPUs 0-1");
	refuse(&cpu, &leases, lease("x", "CPU-1/p2+1", DV_METHOD_PARTITION, 0, 0), -EBUSY, "S01",
	       "lease 'p'");
	refuse(&cpu, &leases, slice("x", "CPU-1/p1+2/s9"), -EBUSY, "S01", "lease 'p'");
	refuse(&cpu, &leases, lease("x", "CPU-1/p3+1", DV_METHOD_PARTITION, 0, 0), -EBUSY, "S01",
	       "lease 's' has a slice of CPU 3; wanted: CPU 3");
	refuse(&cpu, &leases, slice("x", "CPU-1/p3+1/s7"), -EBUSY, "S01", "lease 's'");
	allow(&cpu, &leases, slice("x", "CPU-1/p3+1/s8"));
	refuse(&cpu, &leases, lease("x", "CPU-1/p4+1", DV_METHOD_PARTITION, 0, 0), -ENOSPC, "S04",
	       "GPU 0 (a CPU) has 4 CPUs, counted from 0; wanted: CPU 4");
	refuse(&gpu, &leases, lease("x", "GPU-1/p4+5", DV_METHOD_MIG, 0, 0), -ENOSPC, "S04",
	       "memory slices");
	allow(&gpu, &leases, lease("x", "GPU-1/p4+4", DV_METHOD_MIG, 0, 0));
}

static void test_room(void **state)
{
	struct dv_lease has[] = {
		lease("a", "CPU-1/s1", DV_METHOD_SLICE, 6 * DV_GIB, 70000),
		lease("b", "GPU-1/s2", DV_METHOD_SLICE, 80 * DV_GIB, 100000),
	};
	struct dv_leases leases = {.items = has, .len = 2};

	allow(&cpu, &leases, lease("x", "CPU-1/s3", DV_METHOD_SLICE, 2 * DV_GIB, 30000));
	refuse(&cpu, &leases, lease("x", "CPU-1/s3", DV_METHOD_SLICE, 2 * DV_GIB + DV_KIB, 30000),
	       -ENOSPC, "G01", "2097153KiB wanted, 2GiB left");
	refuse(&cpu, &leases, lease("x", "CPU-1/s3", DV_METHOD_SLICE, DV_GIB, 30001), -ENOSPC,
	       "G02", "30.001% wanted, 30% left");
	refuse(&gpu, &leases, lease("x", "GPU-1/s3", DV_METHOD_SLICE, DV_KIB, 1), -ENOSPC, "G01",
	       "nothing left");
	/* A slice that the gate would hold to nothing is not one. */
	refuse(&cpu, &leases, lease("x", "CPU-1/s3", DV_METHOD_SLICE, 0, 1000), -EINVAL, "",
	       "no memory limit");
	refuse(&cpu, &leases, lease("x", "CPU-1/s3", DV_METHOD_SLICE, DV_GIB, 0), -EINVAL, "",
	       "no share");
}

/* Sums of many great numbers do not wrap round to small ones. */
static void test_room_without_overflow(void **state)
{
	uint64_t most = (UINT64_C(1) << 62) - DV_KIB;
	struct dv_lease has[8];
	struct dv_leases leases = {.items = has, .len = DV_ARRAY_LEN(has)};

	for (unsigned i = 0; i < DV_ARRAY_LEN(has); i++) {
		has[i] = slice("a", "CPU-1/s0");
		has[i].memory_bytes = most;
		has[i].compute_mpct = UINT32_MAX;
		(void)snprintf(has[i].node, sizeof(has[i].node), "CPU-1/s%u", i);
	}
	refuse(&cpu, &leases, slice("x", "CPU-1/s99"), -ENOSPC, "G01", "nothing left");
	assert_int_equal(dv_tree_check(&cpu, 1, &leases, NULL), -EUCLEAN);
}

static void test_form_of_method(void **state)
{
	static const struct {
		const char *node;
		enum dv_method method;
	} bad[] = {
		{"CPU-1/s1", DV_METHOD_PASSTHROUGH}, {"CPU-1", DV_METHOD_SLICE},
		{"CPU-1", DV_METHOD_PARTITION},	     {"CPU-1/p0+1/s1", DV_METHOD_PARTITION},
		{"CPU-1/p0+1", DV_METHOD_MIG},	     {"CPU-1/s1", DV_METHOD_VGPU},
		{"CPU-1/s1", DV_METHOD_SRIOV},	     {"CPU-1/p0+1/s1", DV_METHOD_VGPU_MIG},
		{"CPU-1/s1", DV_METHOD_MPS},	     {"CPU-1", DV_METHOD_TIMESLICE},
		{"CPU-1", DV_METHOD_NONE},	     {"CPU-1", DV_METHOD_COUNT},
		{"CPU-1/p0+1", DV_METHOD_SLICE},
	};
	struct dv_leases none = {0};

	for (size_t i = 0; i < DV_ARRAY_LEN(bad); i++)
		refuse(&cpu, &none, lease("x", bad[i].node, bad[i].method, DV_GIB, 1000), -EINVAL,
		       "", "cannot be had by method");
	refuse(&gpu, &none, lease("x", "GPU-1/p0+1", DV_METHOD_PARTITION, 0, 0), -EINVAL, "",
	       "partition");
	allow(&gpu, &none, lease("x", "GPU-1/p0+1", DV_METHOD_VGPU_MIG, 0, 0));
	allow(&gpu, &none, lease("x", "GPU-1/s1", DV_METHOD_SRIOV, DV_GIB, 0));
}

/* When what is there cannot be read, nothing is given. */
static void test_unreadable_lease(void **state)
{
	struct dv_lease has[] = {slice("a", "CPU-1/s1")};
	struct dv_leases leases = {.items = has, .len = 1};

	(void)snprintf(has[0].node, sizeof(has[0].node), "CPU-1/sx");
	refuse(&cpu, &leases, slice("x", "CPU-1/s2"), -EUCLEAN, "", "lease 'a'");
	assert_int_equal(dv_tree_check(&cpu, 1, &leases, NULL), -EUCLEAN);
	(void)snprintf(has[0].node, sizeof(has[0].node), "CPU-2/s1");
	refuse(&cpu, &leases, slice("x", "CPU-1/s2"), -EUCLEAN, "", "lease 'a'");
	assert_int_equal(dv_tree_check(&cpu, 1, &leases, NULL), -EUCLEAN);
	/* That of another GPU is no concern. */
	(void)snprintf(has[0].gpu_uuid, sizeof(has[0].gpu_uuid), "CPU-2");
	(void)snprintf(has[0].node, sizeof(has[0].node), "nonsense");
	allow(&cpu, &leases, slice("x", "CPU-1/s2"));
}

static void test_division(void **state)
{
	struct dv_lease has[] = {
		slice("a", "CPU-1/s1"),	     lease("p", "CPU-2/p0+1", DV_METHOD_PARTITION, 0, 0),
		slice("q", "CPU-3/p0+1/s3"), lease("w", "GPU-1", DV_METHOD_PASSTHROUGH, 0, 0),
		slice("m", "GPU-2/p0+1/s4"), lease("v", "GPU-3/p0+1", DV_METHOD_VGPU_MIG, 0, 0),
	};
	struct dv_leases leases = {.items = has, .len = DV_ARRAY_LEN(has)};

	assert_int_equal(dv_tree_division("CPU-1", &leases), DV_DIVISION_SLICES);
	assert_int_equal(dv_tree_division("CPU-2", &leases), DV_DIVISION_PARTITIONS);
	assert_int_equal(dv_tree_division("CPU-3", &leases), DV_DIVISION_PARTITIONS);
	assert_int_equal(dv_tree_division("GPU-1", &leases), DV_DIVISION_WHOLE);
	assert_int_equal(dv_tree_division("GPU-2", &leases), DV_DIVISION_MIG);
	assert_int_equal(dv_tree_division("GPU-3", &leases), DV_DIVISION_MIG);
	assert_int_equal(dv_tree_division("GPU-4", &leases), DV_DIVISION_NONE);
}

static void check_left(const struct dv_leases *leases, const char *parent, uint64_t memory,
		       uint32_t mpct)
{
	uint64_t memory_left = 1;
	uint32_t mpct_left = 1;

	dv_tree_left(&cpu, leases, parent, &memory_left, &mpct_left);
	assert_int_equal(memory_left, memory);
	assert_int_equal(mpct_left, mpct);
}

static void test_left(void **state)
{
	struct dv_lease has[] = {slice("a", "CPU-1/s1"), slice("b", "CPU-1/s2")};
	struct dv_leases leases = {.items = has, .len = 0};

	check_left(&leases, "CPU-1", 8 * DV_GIB, 100000);
	check_left(&leases, "CPU-1/p1+1", 2 * DV_GIB, 100000);
	check_left(&leases, "CPU-1/p1+3", 6 * DV_GIB, 100000);
	check_left(&leases, "CPU-1/p1+4", 0, 0);
	check_left(&leases, "CPU-1/s1", 0, 0);
	check_left(&leases, "CPU-2", 0, 0);
	check_left(&leases, "", 0, 0);
	leases.len = 2;
	check_left(&leases, "CPU-1", 6 * DV_GIB, 80000);
	check_left(&leases, "CPU-1/p1+1", 0, 0);
	has[0] = slice("a", "CPU-1/p0+2/s1");
	has[1] = lease("b", "CPU-1/p2+2", DV_METHOD_PARTITION, 0, 0);
	check_left(&leases, "CPU-1", 0, 0);
	check_left(&leases, "CPU-1/p0+2", 3 * DV_GIB, 90000);
	check_left(&leases, "CPU-1/p2+2", 0, 0);
}

static void test_check_names_the_pair(void **state)
{
	struct dv_lease has[] = {slice("a", "CPU-1/s1"), slice("b", "GPU-7/s1"),
				 lease("c", "CPU-1", DV_METHOD_PASSTHROUGH, 0, 0)};
	struct dv_leases leases = {.items = has, .len = 3};
	struct dv_error err = {0};

	assert_int_equal(dv_tree_check(&cpu, 1, &leases, &err), -EUCLEAN);
	assert_string_equal(err.msg, "leases 'a' and 'c' cannot both be: CPU-1/s1 and CPU-1");
	/* A GPU that is gone is checked for owners all the same. */
	assert_int_equal(dv_tree_check(NULL, 0, &leases, NULL), -EUCLEAN);
	leases.len = 2;
	assert_int_equal(dv_tree_check(&cpu, 1, &leases, NULL), 0);
	has[1] = lease("b", "CPU-1/s1", DV_METHOD_SLICE, DV_GIB, 1000);
	assert_int_equal(dv_tree_check(&cpu, 1, &leases, NULL), -EUCLEAN);
	leases.len = 1;
	has[0].memory_bytes = 9 * DV_GIB;
	assert_int_equal(dv_tree_check(&cpu, 1, &leases, NULL), -EUCLEAN);
	has[0] = lease("p", "CPU-1/p2+3", DV_METHOD_PARTITION, 0, 0);
	assert_int_equal(dv_tree_check(&cpu, 1, &leases, NULL), -EUCLEAN);
}

/* The oracle knows nothing of nodes: it looks at the paths as text, and at the silicon as bits. */
static unsigned silicon(const char *path)
{
	const char *p = strchr(path, 'p');
	unsigned start, size;

	if (!p)
		return 0xff;
	assert_int_equal(sscanf(p, "p%u+%u", &start, &size), 2);
	return ((1u << size) - 1) << start;
}

static size_t parent_length(const char *path)
{
	const char *s = strstr(path, "/s");

	return s ? (size_t)(s - path) : strlen(path);
}

static bool siblings(const struct dv_lease *a, const struct dv_lease *b)
{
	return strstr(a->node, "/s") && strstr(b->node, "/s") &&
	       parent_length(a->node) == parent_length(b->node) &&
	       strncmp(a->node, b->node, parent_length(a->node)) == 0;
}

static bool oracle_pair(const struct dv_lease *a, const struct dv_lease *b)
{
	if (strcmp(a->gpu_uuid, b->gpu_uuid) != 0)
		return true;
	if (siblings(a, b))
		return a->method == b->method && strcmp(a->node, b->node) != 0;
	/* Silicon that two nodes share has two owners, unless they are slices of one parent. */
	if (silicon(a->node) & silicon(b->node))
		return false;
	return true;
}

static bool oracle(const struct dv_gpu *on, const struct dv_leases *leases,
		   const struct dv_lease *claim)
{
	unsigned units = on->kind == DV_GPU_CPU ? on->compute_units : 8;
	unsigned mine = silicon(claim->node);
	uint64_t memory = claim->memory_bytes, mpct = claim->compute_mpct, whole;

	if (mine != 0xff && mine >> units)
		return false;
	for (size_t i = 0; i < leases->len; i++) {
		if (!oracle_pair(&leases->items[i], claim))
			return false;
		if (siblings(&leases->items[i], claim)) {
			memory += leases->items[i].memory_bytes;
			mpct += leases->items[i].compute_mpct;
		}
	}
	if (!strstr(claim->node, "/s"))
		return true;
	whole = mine == 0xff && !strstr(claim->node, "/p")
			? on->memory_bytes
			: on->memory_bytes * (unsigned)__builtin_popcount(mine) / units;
	return memory <= whole && mpct <= DV_MPCT_WHOLE;
}

static struct dv_lease random_claim(const struct dv_gpu *on, int64_t id)
{
	static const enum dv_method in_partition[] = {DV_METHOD_SLICE, DV_METHOD_VGPU_MIG};
	static const enum dv_method on_gpu[] = {DV_METHOD_SLICE, DV_METHOD_VGPU, DV_METHOD_SRIOV};
	bool is_cpu = on->kind == DV_GPU_CPU;
	unsigned start = random_below(is_cpu ? 5 : 8), size = 1 + random_below(3);
	uint64_t memory = (1 + random_below(4)) * DV_GIB / 2;
	uint32_t mpct = 1 + random_below(40000);
	char node[DV_NODE_SIZE];

	/* Now and then the id of another: a node must never be had twice. */
	if (random_below(8) == 0)
		id -= random_below(4);
	switch (random_below(20)) {
	case 0:
		return lease("w", on->uuid, DV_METHOD_PASSTHROUGH, 0, 0);
	case 1 ... 6:
		(void)snprintf(node, sizeof(node), "%s/p%u+%u", on->uuid, start, size);
		return lease("p", node, is_cpu ? DV_METHOD_PARTITION : DV_METHOD_MIG, 0, 0);
	case 7 ... 12:
		(void)snprintf(node, sizeof(node), "%s/p%u+%u/s%lld", on->uuid, start, size,
			       (long long)id);
		return lease("q", node, in_partition[is_cpu ? 0 : random_below(2)], memory, mpct);
	default:
		(void)snprintf(node, sizeof(node), "%s/s%lld", on->uuid, (long long)id);
		return lease("s", node, on_gpu[is_cpu ? 0 : random_below(3)], memory, mpct);
	}
}

static void release_some(struct dv_leases *leases)
{
	/* Often one, seldom all, so that every division gets its turn. */
	unsigned n = random_below(60) == 0 ? 1000 : random_below(5) < 2;

	while (n-- && leases->len)
		dv_vec_remove(leases, random_below((unsigned)leases->len));
}

/* What is left is exactly what a claim may take: that much, and not a bit more. */
static void check_left_is_exact(const struct dv_gpu *on, const struct dv_leases *leases,
				const char *parent, int64_t id)
{
	struct dv_lease claim = {.method = DV_METHOD_SLICE};
	uint64_t memory;
	uint32_t mpct;

	dv_tree_left(on, leases, parent, &memory, &mpct);
	(void)snprintf(claim.node, sizeof(claim.node), "%.100s/s%lld", parent, (long long)id);
	(void)snprintf(claim.gpu_uuid, sizeof(claim.gpu_uuid), "%s", on->uuid);
	claim.memory_bytes = memory;
	claim.compute_mpct = mpct;
	if (memory && mpct) {
		assert_int_equal(dv_tree_may_claim(on, leases, &claim, NULL), 0);
		claim.memory_bytes = memory + 1;
		assert_int_equal(dv_tree_may_claim(on, leases, &claim, NULL), -ENOSPC);
		claim.memory_bytes = memory;
		claim.compute_mpct = mpct + 1;
		assert_int_equal(dv_tree_may_claim(on, leases, &claim, NULL), -ENOSPC);
		return;
	}
	claim.memory_bytes = 1;
	claim.compute_mpct = 1;
	assert_true(dv_tree_may_claim(on, leases, &claim, NULL) < 0);
}

static void test_left_is_exact(void **state)
{
	const struct dv_gpu gpus[] = {cpu, gpu};
	struct dv_leases leases = {0};

	random_start("model/tree left");
	for (int64_t id = 10; id < 20000; id++) {
		const struct dv_gpu *on = &gpus[random_below(2)];
		struct dv_lease claim = random_claim(on, id);
		char parent[DV_NODE_SIZE];

		if (dv_tree_may_claim(on, &leases, &claim, NULL) == 0)
			assert_int_equal(dv_vec_push(&leases, claim), 0);
		/* The claim's own parent, and one at random. */
		(void)snprintf(parent, sizeof(parent), "%.*s", (int)parent_length(claim.node),
			       claim.node);
		check_left_is_exact(on, &leases, parent, id + 1000000);
		(void)snprintf(parent, sizeof(parent), "%s/p%u+%u", on->uuid, random_below(8),
			       1 + random_below(3));
		check_left_is_exact(on, &leases, parent, id + 1000000);
		check_left_is_exact(on, &leases, on->uuid, id + 1000000);
		release_some(&leases);
	}
	dv_vec_fini(&leases);
}

/* The order in which leases were given decides nothing. */
static void test_order_is_nothing(void **state)
{
	struct dv_leases leases = {0};

	random_start("model/tree order");
	for (int64_t id = 10; id < 10000; id++) {
		struct dv_lease claim = random_claim(&cpu, id), swapped;
		bool good = dv_tree_may_claim(&cpu, &leases, &claim, NULL) == 0;
		size_t i, j;

		assert_int_equal(dv_vec_push(&leases, claim), 0);
		i = random_below((unsigned)leases.len);
		j = random_below((unsigned)leases.len);
		swapped = leases.items[i];
		leases.items[i] = leases.items[j];
		leases.items[j] = swapped;
		assert_int_equal(dv_tree_check(&cpu, 1, &leases, NULL), good ? 0 : -EUCLEAN);
		for (i = 0; !good && i < leases.len; i++)
			if (strcmp(leases.items[i].node, claim.node) == 0 &&
			    leases.items[i].memory_bytes == claim.memory_bytes &&
			    leases.items[i].compute_mpct == claim.compute_mpct) {
				dv_vec_remove(&leases, i);
				break;
			}
		release_some(&leases);
	}
	dv_vec_fini(&leases);
}

/* A path that is taken is in its one form: equal nodes have equal texts. */
static void test_damaged_paths(void **state)
{
	static const char *const paths[] = {"CPU-1", "CPU-1/p0+2", "CPU-1/s17", "GPU-1/p4+3/s20"};
	unsigned good = 0;

	random_start("model/tree paths");
	for (int i = 0; i < 100000; i++) {
		char path[32], again[DV_NODE_SIZE];
		struct dv_node node;

		(void)snprintf(path, sizeof(path), "%s", paths[random_below(4)]);
		for (unsigned n = random_below(4); n; n--)
			path[random_below((unsigned)strlen(path))] = "0123/ps+-C"[random_below(10)];
		if (dv_node_parse(path, &node, NULL) < 0)
			continue;
		assert_string_equal(dv_node_print(&node, again, sizeof(again)), path);
		good++;
	}
	assert_true(good > 25000);
}

/* Where the width of the grid is not known, no partition fits. */
static void test_unknown_grid(void **state)
{
	struct dv_leases none = {0};
	struct dv_gpu unknown = gpu;
	uint64_t memory = 1;
	uint32_t mpct = 1;

	unknown.memory_slices = 0;
	refuse(&unknown, &none, lease("x", "GPU-1/p0+1", DV_METHOD_MIG, 0, 0), -ENOSPC, "S04",
	       "has 0 memory slices");
	dv_tree_left(&unknown, &none, "GPU-1/p0+1", &memory, &mpct);
	assert_int_equal(memory, 0);
	assert_int_equal(mpct, 0);
	allow(&unknown, &none, slice("x", "GPU-1/s1"));
}

static void test_against_oracle(void **state)
{
	const struct dv_gpu gpus[] = {cpu, gpu};
	struct dv_leases leases = {0};
	unsigned accepted = 0, refused = 0;

	random_start("model/tree");
	for (int64_t id = 10; id < 60000; id++) {
		const struct dv_gpu *on = &gpus[random_below(2)];
		struct dv_lease claim = random_claim(on, id);
		struct dv_error err = {0};
		bool wanted = oracle(on, &leases, &claim);
		int r = dv_tree_may_claim(on, &leases, &claim, &err);

		if (wanted != (r == 0))
			fail_msg("claim %s by %s: oracle %d, tree %d (%s)", claim.node,
				 dv_method_name(claim.method), wanted, r, err.msg);
		if (r == 0) {
			assert_int_equal(dv_vec_push(&leases, claim), 0);
			if (dv_tree_check(gpus, 2, &leases, &err) < 0)
				fail_msg("%s was accepted, but: %s", claim.node, err.msg);
			accepted++;
		} else {
			/* Let in all the same, it would be found. */
			assert_string_not_equal(err.rule, "");
			assert_int_equal(dv_vec_push(&leases, claim), 0);
			assert_int_equal(dv_tree_check(gpus, 2, &leases, NULL), -EUCLEAN);
			leases.len--;
			refused++;
		}
		release_some(&leases);
	}
	dv_vec_fini(&leases);
	assert_true(accepted > 5000);
	assert_true(refused > 5000);
}

static struct dv_lease inner(const char *name, const char *node, const char *profile,
			     uint64_t memory)
{
	struct dv_lease l = lease(name, node, DV_METHOD_SLICE, memory, 50000);

	(void)snprintf(l.profile, sizeof(l.profile), "%s", profile);
	return l;
}

/* Slices of one MIG partition: what its profile has is theirs together. */
static void test_slices_of_a_partition(void **state)
{
	struct dv_gpu mig = gpu;
	struct dv_lease first = inner("a", "GPU-1/p0+4/s1", "3g.40gb", 30 * DV_GIB);
	const struct dv_leases leases = {.items = &first, .len = 1};
	struct dv_lease claim = inner("b", "GPU-1/p0+4/s2", "3g.40gb", 10 * DV_GIB);
	struct dv_error err = {0};

	/* By its part of the GPU, as long as the driver has not said the profile. */
	assert_int_equal(dv_tree_may_claim(&mig, &leases, &claim, NULL), 0);
	mig.mig.profiles[mig.mig.profile_count++] =
		(struct dv_mig_profile){.name = "3g.40gb", .memory_mib = 40320, .size = 4};
	assert_int_equal(dv_tree_may_claim(&mig, &leases, &claim, &err), -ENOSPC);
	assert_string_equal(err.rule, "G01");
	claim.memory_bytes = (40320 - 30 * 1024) * DV_MIB;
	assert_int_equal(dv_tree_may_claim(&mig, &leases, &claim, NULL), 0);
	claim.compute_mpct = 50001;
	err = (struct dv_error){0};
	assert_int_equal(dv_tree_may_claim(&mig, &leases, &claim, &err), -ENOSPC);
	assert_string_equal(err.rule, "G02");
	/* Of another profile it is another partition, in the same place. */
	claim = inner("b", "GPU-1/p0+4/s2", "4g.40gb", DV_GIB);
	err = (struct dv_error){0};
	assert_int_equal(dv_tree_may_claim(&mig, &leases, &claim, &err), -EBUSY);
	assert_string_equal(err.rule, "S01");
	claim = inner("b", "GPU-1/p4+4/s2", "3g.40gb", 30 * DV_GIB);
	assert_int_equal(dv_tree_may_claim(&mig, &leases, &claim, NULL), 0);
	/* Slices of the whole GPU are another way, though both are called slices. */
	claim = inner("b", "GPU-1/s2", "", DV_GIB);
	err = (struct dv_error){0};
	assert_int_equal(dv_tree_may_claim(&mig, &leases, &claim, &err), -EBUSY);
	assert_string_equal(err.rule, "S02");
	assert_non_null(strstr(err.msg, "divided by slices of partitions: lease 'a'"));
	assert_non_null(strstr(err.msg, "divided by slices of the whole of it"));
}

static struct dv_lease part(const char *name, const char *node, const char *profile)
{
	struct dv_lease l = lease(name, node, DV_METHOD_MIG, 0, 0);

	(void)snprintf(l.profile, sizeof(l.profile), "%s", profile);
	return l;
}

/* Compute instances of one partition stand side by side, and with nothing else. */
static void test_parts(void **state)
{
	const struct {
		const char *node, *profile;
		int r;
	} cases[] = {
		{"GPU-1/p0+4/c1+1", "1c.3g.40gb", 0},
		{"GPU-1/p0+4/c1+2", "2c.3g.40gb", 0},
		{"GPU-1/p4+4/c0+1", "1c.3g.40gb", 0},
		{"GPU-1/p4+4", "3g.40gb", 0},
		{"GPU-1/p0+4/c0+1", "1c.3g.40gb", -EBUSY},
		{"GPU-1/p0+4/c0+2", "2c.3g.40gb", -EBUSY},
		{"GPU-1/p0+4/c1+1", "1c.4g.40gb", -EBUSY}, /* the partition would be another */
		{"GPU-1/p0+4", "3g.40gb", -EBUSY},
		{"GPU-1/p0+2/c1+1", "1c.2g.20gb", -EBUSY},
		{"GPU-1", "", -EINVAL},
		{"GPU-1/p0+4/c1+1", "2c.3g.40gb", -EINVAL}, /* not what its name says */
		{"GPU-1/p0+4/c1+1", "3g.40gb", -EINVAL},
	};
	struct dv_leases leases = {0};
	char buf[DV_NODE_SIZE];
	struct dv_node node;

	assert_int_equal(dv_node_parse("GPU-1/p4+4/c2+1", &node, NULL), 0);
	assert_true(node.has_partition && node.has_part && !node.has_slice);
	assert_int_equal(node.part_start, 2);
	assert_int_equal(node.part_size, 1);
	assert_string_equal(dv_node_print(&node, buf, sizeof(buf)), "GPU-1/p4+4/c2+1");
	assert_int_equal(dv_node_parse("GPU-1/c2+1", &node, NULL), -EINVAL);
	assert_int_equal(dv_node_parse("GPU-1/p0+4/c2+0", &node, NULL), -EINVAL);
	assert_int_equal(dv_node_parse("GPU-1/p0+4/c2+1/s1", &node, NULL), -EINVAL);

	assert_int_equal(dv_vec_push(&leases, part("a", "GPU-1/p0+4/c0+1", "1c.3g.40gb")), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct dv_lease claim = part("b", cases[i].node, cases[i].profile);
		struct dv_error err = {0};

		assert_int_equal(dv_tree_may_claim(&gpu, &leases, &claim, &err), cases[i].r);
		if (cases[i].r == -EBUSY)
			assert_string_equal(err.rule, "S01");
	}
	dv_vec_fini(&leases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_node_refused),
		cmocka_unit_test(test_whole_excludes_all),
		cmocka_unit_test(test_anything_excludes_whole),
		cmocka_unit_test(test_one_division),
		cmocka_unit_test(test_partitions),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_room_without_overflow),
		cmocka_unit_test(test_form_of_method),
		cmocka_unit_test(test_unreadable_lease),
		cmocka_unit_test(test_division),
		cmocka_unit_test(test_left),
		cmocka_unit_test(test_check_names_the_pair),
		cmocka_unit_test(test_unknown_grid),
		cmocka_unit_test(test_damaged_paths),
		cmocka_unit_test(test_left_is_exact),
		cmocka_unit_test(test_order_is_nothing),
		cmocka_unit_test(test_against_oracle),
		cmocka_unit_test(test_slices_of_a_partition),
	};

	return cmocka_run_group_tests_name("model/tree", tests, NULL, NULL);
}
