/* SPDX-License-Identifier: Apache-2.0 */
/* Taking: what is chosen, what is refused and by which rule. */
#include "engine/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/units.h"
#include "place.h"

static void refused(struct fake *fake, const struct dv_lease_request *request, int code,
		    const char *rule)
{
	assert_int_equal(fake_take(fake, request, &fake_alice), code);
	assert_string_equal(fake->err.rule, rule);
	assert_true(fake->err.msg[0] && fake->err.fix[0]);
	assert_false(fake->has_lease);
	assert_true(dv_engine_idle(fake->engine));
}

static void test_slice(void **state)
{
	struct place *place = *state;
	struct fake *fake = &place->fake;
	struct dv_lease_request request = fake_slice("a");
	size_t count;

	request.policy = DV_POLICY_LATENCY;
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	assert_int_equal(fake->answers, 2); /* of recovery, of the take */
	assert_string_equal(fake->lease.name, "a");
	assert_string_equal(fake->lease.node, "CPU-0/s1");
	assert_int_equal(fake->lease.uid, 1000);
	assert_int_equal(fake->lease.state, DV_LEASE_READY);
	assert_int_equal(fake->lease.policy, DV_POLICY_LATENCY);
	assert_int_equal(fake->lease.memory_bytes, DV_GIB);
	assert_int_equal(fake->lease.compute_mpct, 10000);
	assert_int_equal(strspn(fake->lease.nonce, "0123456789abcdef"), 32);
	assert_false(fake->lease.ephemeral);
	assert_int_equal(fake->lease.launcher, 0);
	assert_string_equal(fake->log, "+slice.create CPU-0/s1\n");
	assert_int_equal(dv_engine_gpus(fake->engine, &count)[0].division, DV_DIVISION_SLICES);
	assert_int_equal(place->world.owner[0], 0);
	assert_int_equal(place->world.owner[1], -1);
}

static void test_anonymous(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = fake_slice("");
	char nonce[33];

	request.ephemeral = true;
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	assert_string_equal(fake->lease.name, "run-1");
	assert_int_equal(fake->lease.launcher, 501);
	assert_int_equal(fake->lease.launcher_start, 77);
	memcpy(nonce, fake->lease.nonce, sizeof(nonce));
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	assert_string_equal(fake->lease.name, "run-2");
	assert_string_not_equal(fake->lease.nonce, nonce);
	assert_int_equal(fake_release(fake, "run-1", &fake_alice), 0);
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	assert_string_equal(fake->lease.name, "run-1");
	assert_string_equal(fake->lease.node, "CPU-0/s3"); /* a name comes again, an id never */
	request.ephemeral = false;
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	assert_string_equal(fake->lease.name, "lease-1");
}

/* Without options half of what is left, so that the next one finds room too. */
static void test_defaults(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = {.gpu = "CPU-0", .kind = DV_KIND_PROCESS};
	const uint32_t shares[] = {50000, 25000, 12500, 6250, 5000};
	uint64_t memory = 4 * DV_GIB;

	for (size_t i = 0; i < DV_ARRAY_LEN(shares); i++) {
		assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
		assert_int_equal(fake->lease.method, DV_METHOD_SLICE);
		assert_int_equal(fake->lease.policy, DV_POLICY_BEST_EFFORT);
		assert_int_equal(fake->lease.compute_mpct, shares[i]);
		assert_int_equal(fake->lease.memory_bytes, memory);
		memory /= 2;
	}
	refused(fake, &request, -ENOSPC, "G02");
	request.compute_mpct = 1000;
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	assert_int_equal(fake->lease.compute_mpct, 1000);
}

static void test_named_gpu(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = fake_slice("a");

	(void)snprintf(request.gpu, sizeof(request.gpu), "product 1");
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	assert_string_equal(fake->lease.gpu_uuid, "GPU-1");
	(void)snprintf(request.gpu, sizeof(request.gpu), "H100");
	(void)snprintf(request.name, sizeof(request.name), "b");
	refused(fake, &request, -ENODEV, "S18");
}

/* Any GPU: the first where it fits. */
static void test_first_that_fits(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = fake_slice("a");

	request.memory_bytes = 5 * DV_GIB;
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	assert_string_equal(fake->lease.gpu_uuid, "CPU-0");
	(void)snprintf(request.name, sizeof(request.name), "b");
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	assert_string_equal(fake->lease.gpu_uuid, "GPU-1");
	(void)snprintf(request.name, sizeof(request.name), "c");
	refused(fake, &request, -ENOSPC, "G01");
	assert_non_null(strstr(fake->err.msg, "none of 2 GPUs"));
}

/* Nowhere: what is told is where the most could be had. */
static void test_nearest(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = fake_slice("a");

	(void)snprintf(request.gpu, sizeof(request.gpu), "0");
	request.memory_bytes = 5 * DV_GIB;
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	request = fake_slice("b");
	request.memory_bytes = 900 * DV_GIB;
	refused(fake, &request, -ENOSPC, "G01");
	assert_non_null(strstr(fake->err.msg, "none of 2 GPUs will do; the nearest: "));
	assert_non_null(strstr(fake->err.msg, "GPU 1"));
	assert_string_equal(fake->err.fix, "ask for at most 8GiB, or give back a lease");
	/* GPU 0 has the time, GPU 1 the memory, too: it is the nearer one. */
	request = fake_slice("c");
	(void)snprintf(request.gpu, sizeof(request.gpu), "1");
	request.compute_mpct = 90000;
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	request = fake_slice("d");
	request.memory_bytes = 5 * DV_GIB;
	request.compute_mpct = 20000;
	refused(fake, &request, -ENOSPC, "G02");
	assert_non_null(strstr(fake->err.msg, "GPU 1"));
}

static void test_whole(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = {
		.name = "w", .gpu = "0", .method = DV_METHOD_PASSTHROUGH};
	struct dv_lease_request slice = fake_slice("s");

	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	assert_string_equal(fake->lease.node, "CPU-0");
	assert_int_equal(fake->lease.memory_bytes, 0);
	assert_string_equal(fake->log, "+whole.create CPU-0\n");
	(void)snprintf(request.name, sizeof(request.name), "x");
	refused(fake, &request, -EBUSY, "S01");
	(void)snprintf(slice.gpu, sizeof(slice.gpu), "0");
	refused(fake, &slice, -EBUSY, "S01");
	slice.memory_bytes = 0;
	slice.compute_mpct = 0;
	refused(fake, &slice, -EBUSY, "S01");
	assert_int_equal(fake_release(fake, "w", &fake_alice), 0);
	assert_int_equal(fake_take(fake, &slice, &fake_alice), 0);
}

static void test_partitions(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = {
		.gpu = "0", .method = DV_METHOD_PARTITION, .compute_units = 3};
	struct dv_lease_request slice = fake_slice("s");

	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	assert_string_equal(fake->lease.node, "CPU-0/p0+3");
	request.compute_units = 0;
	request.compute_mpct = 12501; /* a little more than one CPU */
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	assert_string_equal(fake->lease.node, "CPU-0/p3+2");
	assert_int_equal(fake->lease.compute_mpct, 0);
	request.compute_mpct = 0; /* half of what is free, rounded up */
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	assert_string_equal(fake->lease.node, "CPU-0/p5+2");
	/* The lowest place that is free. */
	assert_int_equal(fake_release(fake, "lease-1", &fake_alice), 0);
	request.compute_units = 2;
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	assert_string_equal(fake->lease.node, "CPU-0/p0+2");
	refused(fake, &request, -EBUSY, "S01"); /* two are free, but not side by side */
	request.compute_units = 9;
	refused(fake, &request, -ENOSPC, "S04");
	(void)snprintf(slice.gpu, sizeof(slice.gpu), "0");
	refused(fake, &slice, -EBUSY, "S02");
	request.compute_units = 1;
	request.memory_bytes = 9 * DV_GIB;
	refused(fake, &request, -ENOSPC, "G01");
	request.memory_bytes = 2 * DV_GIB;
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	assert_int_equal(fake->lease.memory_bytes, 2 * DV_GIB);
}

static void test_who_may(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_identity stranger = fake_bob;
	struct dv_lease_request request = fake_slice("a");
	struct dv_audits audits = {0};

	stranger.allowed = false;
	assert_int_equal(fake_take(fake, &request, &stranger), -EPERM);
	assert_string_equal(fake->err.rule, "S17");
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	assert_int_equal(fake_release(fake, "a", &fake_bob), -EPERM);
	assert_string_equal(fake->err.rule, "S10");
	assert_int_equal(fake_release(fake, "b", &fake_bob), -ENOENT);
	assert_string_equal(fake->err.rule, "S09");
	assert_true(fake->err.fix[0]);
	assert_int_equal(fake_release(fake, "a", &fake_root), 0);
	assert_int_equal(dv_store_audits(fake->store, NULL, 0, 100, &audits, NULL), 0);
	assert_int_equal(audits.len, 4);
	assert_string_equal(audits.items[0].verb, "refused");
	assert_int_equal(audits.items[0].uid, 1001);
	assert_string_equal(audits.items[1].verb, "take");
	assert_string_equal(audits.items[1].subject, "a");
	assert_string_equal(audits.items[1].text, "done");
	assert_int_equal(audits.items[1].uid, 1000);
	assert_int_equal(audits.items[1].pid, 501);
	assert_string_equal(audits.items[2].verb, "refused");
	assert_string_equal(audits.items[3].verb, "release");
	assert_int_equal(audits.items[3].uid, 0);
	dv_vec_fini(&audits);
}

static void test_bad_requests(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = fake_slice("a/b");

	refused(fake, &request, -EINVAL, "F08");
	request = fake_slice(".a");
	refused(fake, &request, -EINVAL, "F08");
	request = fake_slice("a");
	request.compute_mpct = 100001;
	refused(fake, &request, -EINVAL, "F07");
	request = fake_slice("a");
	request.compute_units = 1;
	refused(fake, &request, -EINVAL, "F12");
	request.method = DV_METHOD_PASSTHROUGH;
	request.compute_units = 0;
	refused(fake, &request, -EINVAL, "F12");
	request = fake_slice("a");
	request.method = DV_METHOD_PARTITION;
	request.policy = DV_POLICY_LATENCY;
	refused(fake, &request, -EINVAL, "F12");
	request = fake_slice("a");
	request.kind = DV_KIND_VM;
	refused(fake, &request, -EOPNOTSUPP, "G06");
	request = (struct dv_lease_request){
		.gpu = "0", .method = DV_METHOD_PASSTHROUGH, .kind = DV_KIND_VM};
	refused(fake, &request, -EOPNOTSUPP, "G08");
	request.kind = DV_KIND_PROCESS;
	request.method = DV_METHOD_MIG;
	refused(fake, &request, -EOPNOTSUPP, "G09");
	request.method = DV_METHOD_PARTITION;
	(void)snprintf(request.gpu, sizeof(request.gpu), "1");
	refused(fake, &request, -EOPNOTSUPP, "G09");
	assert_non_null(strstr(fake->err.msg, "not the CPU"));
	request = fake_slice("a");
	request.memory_bytes = 9 * DV_GIB;
	refused(fake, &request, -ENOSPC, "G01");
	assert_int_equal(dv_engine_leases(fake->engine)->len, 0);
}

static void test_names(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = fake_slice("a");

	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	refused(fake, &request, -EEXIST, "S13");
	assert_int_equal(dv_engine_leases(fake->engine)->len, 1);
}

static void test_quota(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = fake_slice("");

	fake->quota = (struct dv_quota){.leases = 2, .memory_bytes = 3 * DV_GIB};
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	request.memory_bytes = 2 * DV_GIB + DV_KIB;
	refused(fake, &request, -EDQUOT, "S08");
	request.memory_bytes = 2 * DV_GIB;
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	request.memory_bytes = DV_KIB;
	refused(fake, &request, -EDQUOT, "S08");
	/* Another user has a quota of their own. */
	assert_int_equal(fake_take(fake, &request, &fake_bob), 0);
	fake->quota = (struct dv_quota){.compute_mpct = 120000};
	request = (struct dv_lease_request){.gpu = "1", .method = DV_METHOD_PASSTHROUGH};
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0); /* 10 + 10 + 100 */
	request = fake_slice("");
	refused(fake, &request, -EDQUOT, "S08");
}

static void test_quota_of_partitions(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = {
		.gpu = "0", .method = DV_METHOD_PARTITION, .compute_units = 4};

	fake->quota = (struct dv_quota){.compute_mpct = 62500};
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	request.compute_units = 2;
	refused(fake, &request, -EDQUOT, "S08");
	request.compute_units = 1;
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	fake->quota = (struct dv_quota){.memory_bytes = 5 * DV_GIB};
	refused(fake, &request, -EDQUOT, "S08"); /* a CPU in eight comes with 1 GiB of 8 */
}

/* The device is another divvyd's. */
static void test_owned_by_another(void **state)
{
	struct place *place = *state;
	struct fake *fake = &place->fake;
	struct dv_lease_request request = fake_slice("a");

	place->world.owner[0] = 3;
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	assert_string_equal(fake->lease.gpu_uuid, "GPU-1");
	request = fake_slice("b");
	(void)snprintf(request.gpu, sizeof(request.gpu), "CPU-0");
	refused(fake, &request, -EBUSY, "S05");
	place->world.owner[0] = -1;
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	assert_int_equal(fake_release(fake, "b", &fake_alice), 0);
	assert_int_equal(place->world.owner[0], -1); /* let go with the last lease */
	assert_int_equal(place->world.owner[1], 0);
}

static void test_gone_gpu(void **state)
{
	struct place *place = *state;
	struct fake *fake = &place->fake;
	struct dv_lease_request request = fake_slice("a");
	const struct dv_gpu *gpus;
	size_t count;

	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	assert_int_equal(dv_engine_set_gpus(fake->engine, &place->world.gpus[1], 1, NULL), 0);
	gpus = dv_engine_gpus(fake->engine, &count);
	assert_int_equal(count, 2);
	assert_string_equal(gpus[1].uuid, "CPU-0");
	assert_non_null(strstr(gpus[1].quarantine, "not found"));
	assert_int_equal(gpus[1].division, DV_DIVISION_SLICES);
	request = fake_slice("b");
	(void)snprintf(request.gpu, sizeof(request.gpu), "CPU-0");
	refused(fake, &request, -EBUSY, "S11");
	assert_int_equal(fake_release(fake, "a", &fake_alice), 0);
	assert_int_equal(dv_engine_set_gpus(fake->engine, place->world.gpus, 2, NULL), 0);
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
}

static void test_state_hash(void **state)
{
	struct place *place = *state;
	struct fake *fake = &place->fake;
	struct dv_lease_request request = fake_slice("a");
	char empty[17], one[17], now[17];

	dv_engine_state(fake->engine, empty);
	assert_int_equal(strspn(empty, "0123456789abcdef"), 16);
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	dv_engine_state(fake->engine, one);
	assert_string_not_equal(empty, one);
	/* That a process attaches does not count. */
	dv_engine_lease_seen(fake->engine, fake->lease.id, DV_LEASE_ACTIVE);
	assert_int_equal(dv_engine_lease(fake->engine, "a")->state, DV_LEASE_ACTIVE);
	dv_engine_state(fake->engine, now);
	assert_string_equal(one, now);
	assert_int_equal(fake_release(fake, "a", &fake_alice), 0);
	dv_engine_state(fake->engine, now);
	assert_string_equal(empty, now);
	place->world.gpus[1].memory_bytes++;
	assert_int_equal(dv_engine_set_gpus(fake->engine, place->world.gpus, 2, NULL), 0);
	dv_engine_state(fake->engine, now);
	assert_string_not_equal(empty, now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE_TEST(test_slice),
		PLACE_TEST(test_anonymous),
		PLACE_TEST(test_defaults),
		PLACE_TEST(test_named_gpu),
		PLACE_TEST(test_first_that_fits),
		PLACE_TEST(test_nearest),
		PLACE_TEST(test_whole),
		PLACE_TEST(test_partitions),
		PLACE_TEST(test_who_may),
		PLACE_TEST(test_bad_requests),
		PLACE_TEST(test_names),
		PLACE_TEST(test_quota),
		PLACE_TEST(test_quota_of_partitions),
		PLACE_TEST(test_owned_by_another),
		PLACE_TEST(test_gone_gpu),
		PLACE_TEST(test_state_hash),
	};

	return cmocka_run_group_tests_name("engine/take", tests, NULL, NULL);
}
