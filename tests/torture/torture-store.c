/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/store.h"
#include "torture.h"

static int write_all(struct dv_store *store, struct dv_error *err)
{
	struct dv_lease lease = {.name = "a", .gpu_uuid = "CPU-0", .node = "CPU-0/s1"};
	const struct dv_audit entry = {.verb = "take", .subject = "a", .text = "done"};
	struct dv_journal_step step = {.step = {.id = 1, .op = "slice.create", .lease = lease}};
	struct dv_journal_op op = {.verb = "take", .steps = {.items = &step, .len = 1, .cap = 1}};
	int r = dv_store_begin(store, err);

	if (r == 0)
		r = dv_store_lease_add(store, &lease, err);
	if (r == 0)
		r = dv_store_op_begin(store, &op, err);
	if (r == 0)
		r = dv_store_op_step(store, op.id, 0, DV_JOURNAL_DONE, err);
	if (r == 0)
		r = dv_store_lease_set_state(store, lease.id, DV_LEASE_READY, err);
	if (r == 0)
		r = dv_store_audit_add(store, &entry, err);
	if (r == 0)
		r = dv_store_quarantine_put(store, "CPU-0", "hung", err);
	if (r == 0)
		return dv_store_commit(store, err);
	dv_store_rollback(store);
	return r;
}

static int read_all(struct dv_store *store, struct dv_error *err)
{
	dv_cleanup(dv_journal_ops_fini) struct dv_journal_ops ops = {0};
	struct dv_leases leases = {0};
	struct dv_audits audits = {0};
	char why[32] = "";
	int r = dv_store_ops_open(store, &ops, err);

	if (r == 0)
		r = dv_store_leases(store, &leases, err);
	if (r == 0)
		r = dv_store_audits(store, NULL, 0, 10, &audits, err);
	if (r == 0)
		r = dv_store_quarantine_get(store, "CPU-0", why, sizeof(why), err);
	if (r == 0 && (ops.len != 1 || ops.items[0].steps.len != 1 || leases.len != 1 ||
		       audits.len != 1 || strcmp(why, "hung") != 0))
		r = -EPROTO;
	dv_vec_fini(&leases);
	dv_vec_fini(&audits);
	return r;
}

static int open_write_read(void *arg)
{
	dv_cleanup(dv_store_freep) struct dv_store *store = NULL;
	struct dv_error err = {0};
	int r = dv_store_open(":memory:", &store, &err);

	if (r < 0 && store)
		return -EPROTO;
	if (r == 0)
		r = write_all(store, &err);
	if (r == 0)
		r = read_all(store, &err);
	return r == -ENOMEM && (err.code != -ENOMEM || !err.msg[0]) ? -EPROTO : r;
}

static void test_store(void **state)
{
	assert_true(torture_run("store", open_write_read, NULL) > 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_store),
	};

	return cmocka_run_group_tests_name("torture/store", tests, NULL, NULL);
}
