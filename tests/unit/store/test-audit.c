/* SPDX-License-Identifier: Apache-2.0 */
/* Audit, desired fleets, quarantine. */
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

	assert_int_equal(dv_store_open(":memory:", &store, NULL), 0);
	return store;
}

static void add(struct dv_store *store, int64_t time_s)
{
	struct dv_audit entry = {.time_s = time_s,
				 .uid = 4000000000u,
				 .pid = 12,
				 .verb = "take",
				 .subject = "run-1",
				 .text = "1 GiB of CPU-1"};

	assert_int_equal(dv_store_audit_add(store, &entry, NULL), 0);
}

static void test_audit(void **state)
{
	dv_cleanup(dv_store_freep) struct dv_store *store = open_memory();
	struct dv_audits audits = {0};

	for (int64_t i = 1; i <= 5; i++)
		add(store, 100 + i);
	assert_int_equal(dv_store_audits(store, NULL, 0, 3, &audits, NULL), 0);
	assert_int_equal(audits.len, 3); /* the last three, oldest first */
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(audits.items[i].time_s, 103 + i);
	assert_int_equal(audits.items[0].uid, 4000000000u);
	assert_int_equal(audits.items[0].pid, 12);
	assert_string_equal(audits.items[0].verb, "take");
	assert_string_equal(audits.items[0].subject, "run-1");
	assert_string_equal(audits.items[0].text, "1 GiB of CPU-1");
	int64_t after = audits.items[1].id;

	dv_vec_fini(&audits);
	assert_int_equal(dv_store_audits(store, NULL, after, 100, &audits, NULL), 0);
	assert_int_equal(audits.len, 1);
	dv_vec_fini(&audits);
	assert_int_equal(dv_store_audits(store, NULL, after + 1, 100, &audits, NULL), 0);
	assert_int_equal(audits.len, 0);
	dv_vec_fini(&audits);
}

static void add_of(struct dv_store *store, uid_t uid, int64_t time_s)
{
	struct dv_audit entry = {.time_s = time_s, .uid = uid, .verb = "take"};

	assert_int_equal(dv_store_audit_add(store, &entry, NULL), 0);
}

/* A user's few entries are found behind any number of others'. */
static void test_audits_of_one_user(void **state)
{
	dv_cleanup(dv_store_freep) struct dv_store *store = open_memory();
	struct dv_audits audits = {0};
	const uid_t own = 1000, nobody = 77;

	for (int64_t i = 1; i <= 3; i++)
		add_of(store, own, i);
	for (int64_t i = 0; i < 500; i++)
		add_of(store, i % 2 ? 0 : 1001, 100 + i);
	assert_int_equal(dv_store_audits(store, &own, 0, 2, &audits, NULL), 0);
	assert_int_equal(audits.len, 2); /* the last two of its own, oldest first */
	assert_int_equal(audits.items[0].time_s, 2);
	assert_int_equal(audits.items[1].time_s, 3);
	assert_int_equal(audits.items[1].uid, own);
	int64_t after = audits.items[0].id;

	dv_vec_fini(&audits);
	assert_int_equal(dv_store_audits(store, &own, after, 50, &audits, NULL), 0);
	assert_int_equal(audits.len, 1);
	assert_int_equal(audits.items[0].time_s, 3);
	dv_vec_fini(&audits);
	assert_int_equal(dv_store_audits(store, &nobody, 0, 50, &audits, NULL), 0);
	assert_int_equal(audits.len, 0);
	dv_vec_fini(&audits);
	assert_int_equal(dv_store_audits(store, NULL, 0, 1000, &audits, NULL), 0);
	assert_int_equal(audits.len, 503);
	dv_vec_fini(&audits);
}

static void test_audit_bounded(void **state)
{
	dv_cleanup(dv_store_freep) struct dv_store *store = open_memory();
	struct dv_audits audits = {0};

	add(store, 1);
	add(store, 2);
	assert_int_equal(sqlite3_exec(store->db,
				      "UPDATE sqlite_sequence SET seq = 1048576 WHERE name = "
				      "'audit'",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	add(store, 3);
	assert_int_equal(dv_store_audits(store, NULL, 0, 100, &audits, NULL), 0);
	assert_int_equal(audits.len, 2);
	assert_int_equal(audits.items[0].time_s, 2);
	dv_vec_fini(&audits);
}

static void test_fleets(void **state)
{
	dv_cleanup(dv_store_freep) struct dv_store *store = open_memory();
	dv_autofree char *text = NULL;
	struct dv_error err = {0};
	uid_t uid = 7;

	assert_int_equal(dv_store_fleet_get(store, "lab", &uid, &text, &err), -ENOENT);
	assert_null(text);
	assert_int_equal(uid, 7);
	assert_int_equal(dv_store_fleet_put(store, "lab", 1000, "version: 1\n", NULL), 0);
	assert_int_equal(dv_store_fleet_put(store, "lab", 1001, "version: 2\n", NULL), 0);
	assert_int_equal(dv_store_fleet_get(store, "lab", &uid, &text, NULL), 0);
	assert_int_equal(uid, 1001);
	assert_string_equal(text, "version: 2\n");
	assert_int_equal(dv_store_fleet_remove(store, "lab", NULL), 0);
	assert_int_equal(dv_store_fleet_remove(store, "lab", NULL), 0);
	assert_int_equal(dv_store_fleet_get(store, "lab", &uid, &text, NULL), -ENOENT);
}

static void test_quarantine(void **state)
{
	dv_cleanup(dv_store_freep) struct dv_store *store = open_memory();
	char why[192] = "x", small[4];

	assert_int_equal(dv_store_quarantine_get(store, "CPU-1", why, sizeof(why), NULL), 0);
	assert_string_equal(why, "");
	assert_int_equal(dv_store_quarantine_put(store, "CPU-1", "first", NULL), 0);
	assert_int_equal(dv_store_quarantine_put(store, "CPU-1", "a step hung", NULL), 0);
	assert_int_equal(dv_store_quarantine_get(store, "CPU-1", why, sizeof(why), NULL), 0);
	assert_string_equal(why, "a step hung");
	assert_int_equal(dv_store_quarantine_get(store, "CPU-1", small, sizeof(small), NULL), 0);
	assert_string_equal(small, "a s");
	assert_int_equal(dv_store_quarantine_get(store, "CPU-2", why, sizeof(why), NULL), 0);
	assert_string_equal(why, "");
	assert_int_equal(dv_store_quarantine_remove(store, "CPU-1", NULL), 0);
	assert_int_equal(dv_store_quarantine_get(store, "CPU-1", why, sizeof(why), NULL), 0);
	assert_string_equal(why, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_audit),	      cmocka_unit_test(test_audits_of_one_user),
		cmocka_unit_test(test_audit_bounded), cmocka_unit_test(test_fleets),
		cmocka_unit_test(test_quarantine),
	};

	return cmocka_run_group_tests_name("store/audit", tests, NULL, NULL);
}
