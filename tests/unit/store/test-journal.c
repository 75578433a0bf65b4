/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scratch.h"
#include "store/sql.h"

static struct dv_journal_step sample_step(unsigned id)
{
	struct dv_journal_step entry = {
		.state = DV_JOURNAL_BEGUN,
		.step = {.id = id,
			 .op = "partition.create",
			 .gpu = "0",
			 .gpu_uuid = "CPU-0123456789abcdef",
			 .node = "CPU-0123456789abcdef/p1+2",
			 .profile = "2g.20gb",
			 .start = -1,
			 .size = 2,
			 .tenant = "tts-0",
			 .disturbs = {"a", "b.c", "d-e", "f_g"},
			 .disturb_count = 9,
			 .needs = {1, 4000000000u, 3},
			 .need_count = 3,
			 .undo = "partition.destroy",
			 .lease = sample_lease("tts-0")},
	};

	entry.step.lease.id = 77;
	return entry;
}

static void same_step(const struct dv_journal_step *a, const struct dv_journal_step *b)
{
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->step.id, b->step.id);
	assert_string_equal(a->step.op, b->step.op);
	assert_string_equal(a->step.gpu, b->step.gpu);
	assert_string_equal(a->step.gpu_uuid, b->step.gpu_uuid);
	assert_string_equal(a->step.node, b->step.node);
	assert_string_equal(a->step.profile, b->step.profile);
	assert_int_equal(a->step.start, b->step.start);
	assert_int_equal(a->step.size, b->step.size);
	assert_string_equal(a->step.tenant, b->step.tenant);
	assert_string_equal(a->step.undo, b->step.undo);
	assert_int_equal(a->step.disturb_count, b->step.disturb_count);
	for (size_t i = 0; i < DV_ARRAY_LEN(a->step.disturbs); i++)
		assert_string_equal(a->step.disturbs[i], b->step.disturbs[i]);
	assert_int_equal(a->step.need_count, b->step.need_count);
	assert_memory_equal(a->step.needs, b->step.needs, sizeof(a->step.needs));
	assert_true(same_lease(&a->step.lease, &b->step.lease));
}

static struct dv_store *open_memory(void)
{
	struct dv_store *store = NULL;

	assert_int_equal(dv_store_open(":memory:", &store, NULL), 0);
	return store;
}

static struct dv_journal_op sample_op(unsigned steps)
{
	struct dv_journal_op op = {
		.verb = "apply", .fleet = "lab", .uid = 1000, .begun_s = 1700000001};

	for (unsigned i = 0; i < steps; i++)
		assert_int_equal(dv_vec_push(&op.steps, sample_step(i + 1)), 0);
	return op;
}

static void test_round_trip(void **state)
{
	dv_cleanup(dv_store_freep) struct dv_store *store = open_memory();
	dv_cleanup(dv_journal_ops_fini) struct dv_journal_ops ops = {0};
	struct dv_journal_op a = sample_op(3), b = sample_op(0);

	a.steps.items[1].step.need_count = 0;
	memset(a.steps.items[1].step.needs, 0, sizeof(a.steps.items[1].step.needs));
	a.steps.items[2].step.disturb_count = 0;
	memset(a.steps.items[2].step.disturbs, 0, sizeof(a.steps.items[2].step.disturbs));
	assert_int_equal(dv_store_op_begin(store, &a, NULL), 0);
	assert_int_equal(dv_store_op_begin(store, &b, NULL), 0);
	assert_true(a.id > 0 && b.id > a.id);
	assert_int_equal(dv_store_ops_open(store, &ops, NULL), 0);
	assert_int_equal(ops.len, 2);
	assert_int_equal(ops.items[0].id, a.id);
	assert_string_equal(ops.items[0].verb, "apply");
	assert_string_equal(ops.items[0].fleet, "lab");
	assert_int_equal(ops.items[0].uid, 1000);
	assert_int_equal(ops.items[0].begun_s, 1700000001);
	assert_int_equal(ops.items[0].steps.len, 3);
	for (size_t i = 0; i < 3; i++)
		same_step(&ops.items[0].steps.items[i], &a.steps.items[i]);
	assert_int_equal(ops.items[1].steps.len, 0);
	dv_vec_fini(&a.steps);
}

static void test_progress(void **state)
{
	dv_cleanup(dv_store_freep) struct dv_store *store = open_memory();
	dv_cleanup(dv_journal_ops_fini) struct dv_journal_ops ops = {0};
	struct dv_journal_op op = sample_op(2);

	assert_int_equal(dv_store_op_begin(store, &op, NULL), 0);
	for (int s = DV_JOURNAL_PLANNED; s <= DV_JOURNAL_FAILED; s++) {
		assert_int_equal(dv_store_op_step(store, op.id, 1, (enum dv_journal_state)s, NULL),
				 0);
		assert_int_equal(dv_store_ops_open(store, &ops, NULL), 0);
		assert_int_equal(ops.items[0].steps.items[0].state, DV_JOURNAL_BEGUN);
		assert_int_equal(ops.items[0].steps.items[1].state, s);
		dv_journal_ops_fini(&ops);
	}
	assert_int_equal(dv_store_op_step(store, op.id, 2, DV_JOURNAL_DONE, NULL), -ENOENT);
	assert_int_equal(dv_store_op_step(store, op.id + 1, 0, DV_JOURNAL_DONE, NULL), -ENOENT);
	dv_vec_fini(&op.steps);
}

static void test_end(void **state)
{
	dv_cleanup(dv_store_freep) struct dv_store *store = open_memory();
	dv_cleanup(dv_journal_ops_fini) struct dv_journal_ops ops = {0};
	struct dv_journal_op a = sample_op(1), b = sample_op(1);

	assert_int_equal(dv_store_op_begin(store, &a, NULL), 0);
	assert_int_equal(dv_store_op_begin(store, &b, NULL), 0);
	assert_int_equal(dv_store_op_end(store, a.id, "", NULL), -EINVAL);
	assert_int_equal(dv_store_op_end(store, a.id, "undone: no room", NULL), 0);
	/* It ends once. */
	assert_int_equal(dv_store_op_end(store, a.id, "done", NULL), -ENOENT);
	assert_int_equal(dv_store_ops_open(store, &ops, NULL), 0);
	assert_int_equal(ops.len, 1);
	assert_int_equal(ops.items[0].id, b.id);
	dv_vec_fini(&a.steps);
	dv_vec_fini(&b.steps);
}

static int64_t count(struct dv_store *store, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	int64_t n;

	assert_int_equal(sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	n = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return n;
}

/* What ended goes after a while, with its steps; what is open stays. */
static void test_bounded(void **state)
{
	dv_cleanup(dv_store_freep) struct dv_store *store = open_memory();
	struct dv_journal_op ended = sample_op(2), open = sample_op(2), late = sample_op(1);

	assert_int_equal(dv_store_op_begin(store, &ended, NULL), 0);
	assert_int_equal(dv_store_op_begin(store, &open, NULL), 0);
	assert_int_equal(dv_store_op_end(store, ended.id, "done", NULL), 0);
	assert_int_equal(count(store, "SELECT count(*) FROM step"), 4);
	assert_int_equal(
		sqlite3_exec(store->db, "UPDATE sqlite_sequence SET seq = 20000", NULL, NULL, NULL),
		SQLITE_OK);
	assert_int_equal(dv_store_op_begin(store, &late, NULL), 0);
	assert_int_equal(late.id, 20001);
	assert_int_equal(count(store, "SELECT count(*) FROM op"), 2);
	assert_int_equal(count(store, "SELECT count(*) FROM step"), 3);
	dv_vec_fini(&ended.steps);
	dv_vec_fini(&open.steps);
	dv_vec_fini(&late.steps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_progress),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests_name("store/journal", tests, NULL, NULL);
}
