/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scratch.h"
#include "store/sql.h"

static struct dv_store *open_memory(void)
{
	struct dv_store *store = NULL;
	struct dv_error err = {0};

	assert_int_equal(dv_store_open(":memory:", &store, &err), 0);
	return store;
}

static void test_round_trip(void **state)
{
	dv_cleanup(dv_store_freep) struct dv_store *store = open_memory();
	struct dv_lease a = sample_lease("a"), b = sample_lease("b");
	struct dv_leases leases = {0};

	b.method = DV_METHOD_NONE;
	b.ephemeral = false;
	b.fleet[0] = '\0';
	b.launcher_start = 0;
	assert_int_equal(dv_store_lease_add(store, &a, NULL), 0);
	assert_int_equal(dv_store_lease_add(store, &b, NULL), 0);
	assert_true(a.id > 0 && b.id > a.id);
	assert_int_equal(dv_store_leases(store, &leases, NULL), 0);
	assert_int_equal(leases.len, 2);
	assert_true(same_lease(&leases.items[0], &a));
	assert_true(same_lease(&leases.items[1], &b));
	dv_vec_fini(&leases);
}

/* Every word of every enum can be written and read back. */
static void test_every_word(void **state)
{
	dv_cleanup(dv_store_freep) struct dv_store *store = open_memory();
	struct dv_leases leases = {0};
	int count = DV_MAX((int)DV_METHOD_COUNT, (int)DV_LEASE_STATE_COUNT);
	char name[16];

	for (int i = 0; i < count; i++) {
		(void)snprintf(name, sizeof(name), "l%d", i);
		struct dv_lease lease = sample_lease(name);

		lease.method = (enum dv_method)(i % DV_METHOD_COUNT);
		lease.kind = (enum dv_kind)(i % DV_KIND_COUNT);
		lease.policy = (enum dv_policy)(i % DV_POLICY_COUNT);
		lease.state = (enum dv_lease_state)(i % DV_LEASE_STATE_COUNT);
		assert_int_equal(dv_store_lease_add(store, &lease, NULL), 0);
	}
	assert_int_equal(dv_store_leases(store, &leases, NULL), 0);
	assert_int_equal(leases.len, count);
	for (int i = 0; i < count; i++) {
		assert_int_equal(leases.items[i].method, i % DV_METHOD_COUNT);
		assert_int_equal(leases.items[i].kind, i % DV_KIND_COUNT);
		assert_int_equal(leases.items[i].policy, i % DV_POLICY_COUNT);
		assert_int_equal(leases.items[i].state, i % DV_LEASE_STATE_COUNT);
	}
	dv_vec_fini(&leases);
}

static void test_changes(void **state)
{
	dv_cleanup(dv_store_freep) struct dv_store *store = open_memory();
	struct dv_lease a = sample_lease("a");
	struct dv_leases leases = {0};

	assert_int_equal(dv_store_lease_add(store, &a, NULL), 0);
	assert_int_equal(dv_store_lease_set_state(store, a.id, DV_LEASE_BROKEN, NULL), 0);
	assert_int_equal(dv_store_lease_set_node(store, a.id, "CPU-1/s7", NULL), 0);
	assert_int_equal(dv_store_leases(store, &leases, NULL), 0);
	assert_int_equal(leases.items[0].state, DV_LEASE_BROKEN);
	assert_string_equal(leases.items[0].node, "CPU-1/s7");
	dv_vec_fini(&leases);
	assert_int_equal(dv_store_lease_remove(store, a.id, NULL), 0);
	assert_int_equal(dv_store_leases(store, &leases, NULL), 0);
	assert_int_equal(leases.len, 0);
	dv_vec_fini(&leases);
}

static void test_not_there(void **state)
{
	dv_cleanup(dv_store_freep) struct dv_store *store = open_memory();
	struct dv_error err = {0};

	assert_int_equal(dv_store_lease_remove(store, 5, &err), -ENOENT);
	assert_string_equal(err.rule, "S09");
	assert_int_equal(dv_store_lease_set_state(store, 5, DV_LEASE_READY, NULL), -ENOENT);
	assert_int_equal(dv_store_lease_set_node(store, 5, "x", NULL), -ENOENT);
}

static void test_name_once(void **state)
{
	dv_cleanup(dv_store_freep) struct dv_store *store = open_memory();
	struct dv_lease a = sample_lease("a"), again = sample_lease("a");
	struct dv_error err = {0};

	assert_int_equal(dv_store_lease_add(store, &a, NULL), 0);
	assert_int_equal(dv_store_lease_add(store, &again, &err), -EEXIST);
	assert_string_equal(err.rule, "S13");
	assert_true(err.fix[0]);
	assert_int_equal(again.id, 0); /* untouched */
}

static void test_ids_never_again(void **state)
{
	dv_cleanup(dv_store_freep) struct dv_store *store = open_memory();
	struct dv_lease a = sample_lease("a"), b = sample_lease("b");
	int64_t first = 0, next = 0;

	assert_int_equal(dv_store_lease_add(store, &a, NULL), 0);
	assert_int_equal(dv_store_lease_remove(store, a.id, NULL), 0);
	assert_int_equal(dv_store_lease_add(store, &b, NULL), 0);
	assert_true(b.id > a.id);
	assert_int_equal(dv_store_lease_ids(store, 10, &first, NULL), 0);
	assert_int_equal(first, b.id + 1);
	assert_int_equal(dv_store_lease_ids(store, 1, &next, NULL), 0);
	assert_int_equal(next, first + 10);
	/* A lease that comes back keeps its id. */
	assert_int_equal(dv_store_lease_add(store, &a, NULL), 0);
	assert_true(a.id < b.id);
}

static void test_rollback(void **state)
{
	dv_cleanup(dv_store_freep) struct dv_store *store = open_memory();
	struct dv_lease a = sample_lease("a"), b = sample_lease("b");
	struct dv_leases leases = {0};

	assert_int_equal(dv_store_begin(store, NULL), 0);
	assert_int_equal(dv_store_begin(store, NULL), -EINVAL);
	assert_int_equal(dv_store_lease_add(store, &a, NULL), 0);
	dv_store_rollback(store);
	dv_store_rollback(store); /* nothing open: nothing happens */
	assert_int_equal(dv_store_commit(store, NULL), -EINVAL);
	assert_int_equal(dv_store_begin(store, NULL), 0);
	assert_int_equal(dv_store_lease_add(store, &b, NULL), 0);
	assert_int_equal(dv_store_commit(store, NULL), 0);
	assert_int_equal(dv_store_leases(store, &leases, NULL), 0);
	assert_int_equal(leases.len, 1);
	assert_string_equal(leases.items[0].name, "b");
	dv_vec_fini(&leases);
}

/* What divvy never writes is refused, not guessed at. */
static void test_damaged_rows(void **state)
{
	static const char *const damages[] = {
		"UPDATE lease SET method = 'magic'",
		"UPDATE lease SET state = ''",
		"UPDATE lease SET ephemeral = 2",
		"UPDATE lease SET uid = -1",
		"UPDATE lease SET launcher = 99999999999",
		"UPDATE lease SET compute_mpct = 4294967296",
		"UPDATE lease SET nonce = nonce || 'x'",
		"UPDATE lease SET name = replace(hex(zeroblob(50)), '0', 'n')",
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(damages); i++) {
		dv_cleanup(dv_store_freep) struct dv_store *store = open_memory();
		struct dv_lease a = sample_lease("a");
		struct dv_leases leases = {0};
		struct dv_error err = {0};

		assert_int_equal(dv_store_lease_add(store, &a, NULL), 0);
		assert_int_equal(sqlite3_exec(store->db, damages[i], NULL, NULL, NULL), SQLITE_OK);
		assert_int_equal(dv_store_leases(store, &leases, &err), -EUCLEAN);
		assert_string_equal(err.rule, "S07");
		assert_null(leases.items);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_every_word),
		cmocka_unit_test(test_changes),	   cmocka_unit_test(test_not_there),
		cmocka_unit_test(test_name_once),  cmocka_unit_test(test_ids_never_again),
		cmocka_unit_test(test_rollback),   cmocka_unit_test(test_damaged_rows),
	};

	return cmocka_run_group_tests_name("store/leases", tests, NULL, NULL);
}
