/* SPDX-License-Identifier: Apache-2.0 */
/* The planner's idea of what is left of a GPU, against the tree's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "model/tree.h"
#include "model/units.h"
#include "plan/inside.h"
#include "random.h"

static struct dv_gpu cpu_of(unsigned cpus, uint64_t memory)
{
	struct dv_gpu gpu = {.id = "0",
			     .uuid = "CPU-1",
			     .kind = DV_GPU_CPU,
			     .memory_bytes = memory,
			     .compute_units = cpus};
	static const enum dv_method methods[] = {DV_METHOD_PASSTHROUGH, DV_METHOD_SLICE,
						 DV_METHOD_PARTITION};

	for (size_t i = 0; i < DV_ARRAY_LEN(methods); i++)
		gpu.methods[gpu.method_count++] =
			(struct dv_gpu_method){.method = methods[i], .ok = true};
	return gpu;
}

static struct dv_room room_of(const struct dv_gpu *gpu)
{
	struct dv_room room = {.gpu = gpu,
			       .allowed = true,
			       .methods = 1u << DV_METHOD_PASSTHROUGH | 1u << DV_METHOD_SLICE |
					  1u << DV_METHOD_PARTITION,
			       .memory_left = gpu->memory_bytes,
			       .mpct_left = DV_MPCT_WHOLE,
			       .units = gpu->compute_units};

	return room;
}

static struct dv_want want_of(const struct dv_tenant *tenant, enum dv_method method)
{
	return (struct dv_want){.tenant = tenant,
				.method = method,
				.memory_bytes = tenant->needs.memory_bytes,
				.compute_mpct = tenant->needs.compute_mpct};
}

static struct dv_tenant tenant_of(uint64_t memory, uint32_t mpct)
{
	return (struct dv_tenant){.name = "t",
				  .needs = {.memory_bytes = memory, .compute_mpct = mpct}};
}

/* The least number of units whose part of the GPU, as the tree counts it, is enough. */
static void test_units(void **state)
{
	random_start("plan/room units");
	for (int round = 0; round < 2000; round++) {
		struct dv_gpu gpu =
			cpu_of(1 + random_below(200), 1 + random_u64() % (DV_GIB * 900));
		struct dv_tenant tenant =
			tenant_of(random_below(2) ? 1 + random_u64() % gpu.memory_bytes : 0,
				  random_below(2) ? 1 + random_below(100000) : 0);
		struct dv_want want = want_of(&tenant, DV_METHOD_PARTITION);
		unsigned n = dv_want_units(&want, &gpu);
		char path[DV_NODE_SIZE];
		struct dv_leases none = {0};
		uint64_t memory, less;
		uint32_t mpct;

		assert_in_range(n, 1, gpu.compute_units);
		(void)snprintf(path, sizeof(path), "CPU-1/p0+%u", n);
		dv_tree_left(&gpu, &none, path, &memory, &mpct);
		assert_true(memory >= tenant.needs.memory_bytes);
		assert_true((uint64_t)n * DV_MPCT_WHOLE >=
			    (uint64_t)tenant.needs.compute_mpct * gpu.compute_units);
		if (n == 1)
			continue;
		(void)snprintf(path, sizeof(path), "CPU-1/p0+%u", n - 1);
		dv_tree_left(&gpu, &none, path, &less, &mpct);
		assert_true(less < tenant.needs.memory_bytes ||
			    (uint64_t)(n - 1) * DV_MPCT_WHOLE <
				    (uint64_t)tenant.needs.compute_mpct * gpu.compute_units);
	}
}

static void test_units_of_too_much(void **state)
{
	struct dv_gpu gpu = cpu_of(4, DV_GIB), none = cpu_of(4, 0);
	struct dv_tenant tenant = tenant_of(2 * DV_GIB, 0);
	struct dv_want want = want_of(&tenant, DV_METHOD_PARTITION);

	assert_int_equal(dv_want_units(&want, &gpu), 5);
	assert_int_equal(dv_want_units(&want, &none), 5);
	tenant = tenant_of(UINT64_C(1) << 61, 0);
	gpu = cpu_of(500, UINT64_C(1) << 62);
	assert_int_equal(dv_want_units(&want, &gpu), 250);
}

/* Text is made exactly when the quick answer is no, and names a rule. */
static void test_may_and_forbids(void **state)
{
	random_start("plan/room may");
	for (int round = 0; round < 2000; round++) {
		struct dv_gpu gpu = cpu_of(4, DV_GIB);
		struct dv_tenant tenant = tenant_of(DV_GIB, 1000);
		struct dv_want want;
		struct dv_room room;
		char text[256] = "";
		const char *rule;

		if (random_below(2))
			gpu.kind = DV_GPU_NVIDIA;
		if (random_below(3) == 0)
			(void)dv_copy(gpu.quarantine, sizeof(gpu.quarantine), "x");
		if (random_below(3) == 0)
			(void)dv_copy(gpu.owned_by, sizeof(gpu.owned_by), "x");
		gpu.methods[random_below(3)].ok = random_below(2);
		gpu.method_count -= random_below(2);
		tenant.kind = (enum dv_kind)random_below(DV_KIND_COUNT);
		tenant.needs.isolation = (enum dv_isolation)random_below(DV_ISOLATION_COUNT);
		tenant.method = (enum dv_method)random_below(DV_METHOD_COUNT);
		(void)dv_copy(tenant.gpu, sizeof(tenant.gpu),
			      (const char *[]){"", "0", "cpu-1", "1"}[random_below(4)]);
		want = want_of(&tenant, (enum dv_method)(1 + random_below(DV_METHOD_COUNT - 1)));
		room = room_of(&gpu);
		room.allowed = random_below(4);
		room.methods &= random_below(8) << 1 | random_below(2) << DV_METHOD_PARTITION;
		room.closed = gpu.quarantine[0] || gpu.owned_by[0] || random_below(5) == 0;
		rule = dv_room_forbids(&room, &want, text, sizeof(text));
		assert_int_equal(rule == NULL, dv_room_may(&room, &want));
		assert_int_equal(rule == NULL, text[0] == '\0');
		if (rule)
			assert_int_equal(strlen(rule), 3);
	}
}

static void test_runs_of_units(void **state)
{
	struct dv_gpu gpu = cpu_of(200, DV_GIB);
	struct dv_tenant tenant = tenant_of(0, 1000); /* two units */
	struct dv_want want = want_of(&tenant, DV_METHOD_PARTITION);
	struct dv_room room = room_of(&gpu);
	struct dv_place place = {.gpu = 0, .start = 0, .size = 63};
	unsigned next = 0;

	dv_room_take(&room, &want, &place);
	place.start = 64;
	place.size = 1;
	dv_room_take(&room, &want, &place);
	place.start = 67;
	place.size = 130;
	dv_room_take(&room, &want, &place);
	/* Free: 63, 65 and 66, 197 to 199. */
	assert_true(dv_room_fits(&room, &want, 0, &place, &next));
	assert_int_equal(place.start, 65);
	assert_int_equal(place.size, 2);
	assert_int_equal(next, 65 + 2);
	assert_true(dv_room_fits(&room, &want, 67, &place, &next));
	assert_int_equal(place.start, 197);
	assert_int_equal(next, 197 + 3);
	assert_false(dv_room_fits(&room, &want, 199, &place, &next));
	assert_false(dv_room_fits(&room, &want, 200, &place, &next));
}

static void claim_of(const struct dv_want *want, const struct dv_place *place, int64_t id,
		     struct dv_lease *ret)
{
	struct dv_node node = {.gpu_uuid = "CPU-1"};

	*ret = (struct dv_lease){.name = "t",
				 .gpu_uuid = "CPU-1",
				 .method = want->method,
				 .memory_bytes = want->memory_bytes,
				 .compute_mpct = want->compute_mpct};
	if (want->method == DV_METHOD_SLICE) {
		node.has_slice = true;
		node.slice = id;
	} else if (want->method == DV_METHOD_PARTITION) {
		node.has_partition = true;
		node.start = (uint32_t)place->start;
		node.size = (uint32_t)place->size;
	}
	(void)dv_node_print(&node, ret->node, sizeof(ret->node));
}

static void one_filling(void)
{
	static const enum dv_method methods[] = {DV_METHOD_SLICE, DV_METHOD_PARTITION,
						 DV_METHOD_PASSTHROUGH};
	struct dv_gpu gpu = cpu_of(1 + random_below(6), 4 * DV_GIB);
	struct dv_room room = room_of(&gpu), fresh = room;
	struct dv_tenant tenants[8];
	struct dv_place places[8];
	struct dv_want wants[8];
	struct dv_leases leases = {0};
	unsigned count = 0;

	for (unsigned i = 0; i < 8; i++) {
		struct dv_tenant *tenant = &tenants[count];
		struct dv_want *want = &wants[count];
		struct dv_place place;
		struct dv_lease claim;
		unsigned next;
		bool fits;

		*tenant = tenant_of((1 + random_below(5)) * DV_GIB, 1 + random_below(60000));
		*want = want_of(tenant, methods[random_below(8) ? random_below(2) : 2]);
		fits = dv_room_fits(&room, want, 0, &place, &next);
		if (want->method == DV_METHOD_PARTITION && !fits)
			continue;
		claim_of(want, &place, 100 + i, &claim);
		/* That a whole GPU is large enough is the planner's matter, not the tree's. */
		assert_int_equal(dv_tree_may_claim(&gpu, &leases, &claim, NULL) == 0,
				 want->method == DV_METHOD_PASSTHROUGH ? dv_room_empty(&room)
								       : fits);
		if (!dv_room_fits(&room, want, 0, &place, &next))
			continue;
		place.gpu = 0;
		place.keep = false;
		dv_room_take(&room, want, &place);
		places[count++] = place;
		assert_int_equal(dv_vec_push(&leases, claim), 0);
	}
	while (count > 0) {
		count--;
		dv_room_give(&room, &wants[count], &places[count]);
	}
	assert_true(dv_room_empty(&room));
	assert_int_equal(room.ours, 0);
	assert_true(room.memory_left == fresh.memory_left && room.mpct_left == fresh.mpct_left);
	assert_memory_equal(room.taken, fresh.taken, sizeof(room.taken));
	dv_vec_fini(&leases);
}

/* A random set of leases: what the room says fits is what the tree lets in; and what is taken can
 * be given back without a trace. */
static void test_room_is_the_trees(void **state)
{
	random_start("plan/room tree");
	for (int round = 0; round < 2000; round++)
		one_filling();
}

static void test_free_for_what_stands(void **state)
{
	struct dv_gpu gpu = cpu_of(4, 4 * DV_GIB);
	struct dv_tenant tenant = tenant_of(0, 0);
	struct dv_lease lease = {
		.node = "CPU-1/p1+2", .memory_bytes = 3 * DV_GIB, .compute_mpct = 60000};
	struct dv_want want = want_of(&tenant, DV_METHOD_PARTITION);
	struct dv_room room = room_of(&gpu), taken = room;
	struct dv_place place = {.start = 1, .size = 2, .keep = true};
	struct dv_place other = {.gpu = 0, .start = 2, .size = 1};

	want.standing = &lease;
	assert_true(dv_room_free(&room, &want, &place));
	dv_room_take(&taken, &want, &other);
	assert_false(dv_room_free(&taken, &want, &place));
	place.start = 3; /* partly outside */
	assert_false(dv_room_free(&room, &want, &place));
	/* A slice that stands takes what it has, whatever is asked for now. */
	want.method = DV_METHOD_SLICE;
	(void)dv_copy(lease.node, sizeof(lease.node), "CPU-1/s7");
	place = (struct dv_place){.start = -1, .size = -1, .keep = true};
	assert_false(dv_room_free(&taken, &want, &place));
	assert_true(dv_room_free(&room, &want, &place));
	dv_room_take(&room, &want, &place);
	assert_true(room.memory_left == DV_GIB);
	assert_int_equal(room.mpct_left, 40000);
	assert_false(dv_room_free(&room, &want, &place));
	want.method = DV_METHOD_PASSTHROUGH;
	assert_false(dv_room_free(&room, &want, &place));
}

static void test_scores(void **state)
{
	/* Each is better than the ones after it. */
	static const struct dv_score scores[] = {
		{0, 0, 0, 1}, {0, 0, 0, 2}, {0, 0, 1, 0}, {0, 1, 0, 0}, {0, 1, 1, 0}, {1, 0, 0, 0},
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(scores); i++)
		for (size_t j = 0; j < DV_ARRAY_LEN(scores); j++)
			assert_int_equal(dv_score_compare(&scores[i], &scores[j]),
					 i < j ? -1 : i > j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_units_of_too_much),
		cmocka_unit_test(test_may_and_forbids),
		cmocka_unit_test(test_runs_of_units),
		cmocka_unit_test(test_room_is_the_trees),
		cmocka_unit_test(test_free_for_what_stands),
		cmocka_unit_test(test_scores),
	};

	return cmocka_run_group_tests_name("plan/room", tests, NULL, NULL);
}
