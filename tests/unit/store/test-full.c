/* SPDX-License-Identifier: Apache-2.0 */
/* A full disk: said as such, and what was stored is as it was. */
#include "store/store.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "scratch.h"
#include "store/sql.h"

/* Add leases until it is full; returns how many went in, or -1 if the refusal was not right. */
static int fill(struct dv_store *store, int most)
{
	for (int i = 0; i < most; i++) {
		char name[32];
		struct dv_error err = {0};
		int r;

		(void)snprintf(name, sizeof(name), "lease-%d", i);
		struct dv_lease lease = sample_lease(name);

		r = dv_store_lease_add(store, &lease, &err);
		if (r == 0)
			continue;
		return r == -EFBIG && err.fix[0] && lease.id == 0 ? i : -1;
	}
	return -1;
}

static int count(struct dv_store *store)
{
	struct dv_leases leases = {0};
	int n;

	if (dv_store_leases(store, &leases, NULL) < 0)
		return -1;
	n = (int)leases.len;
	dv_vec_fini(&leases);
	return n;
}

/* Does a transaction that meets the end leave nothing of itself? */
static bool whole_or_nothing(struct dv_store *store, int n)
{
	struct dv_journal_op op = {.verb = "apply"};
	bool good;
	int r;

	for (unsigned i = 0; i < 300; i++) {
		struct dv_journal_step step = {.step = {.id = i, .op = "slice.create"}};

		step.step.lease = sample_lease("x");
		if (dv_vec_push(&op.steps, step) < 0)
			return false;
	}
	if (dv_store_begin(store, NULL) < 0)
		return false;
	r = dv_store_lease_set_state(store, 1, DV_LEASE_BROKEN, NULL);
	if (r == 0)
		r = dv_store_op_begin(store, &op, NULL);
	/* It is met while it is written, or only when it is committed. Whoever does not notice the
	 * first is stopped then: nothing is written outside the transaction. */
	good = r == 0 || (r == -EFBIG && op.id == 0);
	r = dv_store_commit(store, NULL);
	good = good && r < 0 && count(store) == n;
	dv_vec_fini(&op.steps);
	return good;
}

static void test_page_limit(void **state)
{
	struct scratch *scratch = *state;
	dv_cleanup(dv_store_freep) struct dv_store *store = NULL;
	struct dv_leases leases = {0};
	int n;

	assert_int_equal(dv_store_open(scratch->path, &store, NULL), 0);
	assert_int_equal(sqlite3_exec(store->db, "PRAGMA max_page_count = 24", NULL, NULL, NULL),
			 SQLITE_OK);
	n = fill(store, 4000);
	assert_true(n > 0);
	assert_int_equal(count(store), n);
	assert_true(whole_or_nothing(store, n));
	assert_int_equal(dv_store_leases(store, &leases, NULL), 0);
	assert_int_equal(leases.items[0].state, DV_LEASE_READY);
	dv_vec_fini(&leases);
	/* With room again it goes on. */
	assert_int_equal(sqlite3_exec(store->db, "PRAGMA max_page_count = 400", NULL, NULL, NULL),
			 SQLITE_OK);
	struct dv_lease lease = sample_lease("more");

	assert_int_equal(dv_store_lease_add(store, &lease, NULL), 0);
	assert_int_equal(count(store), n + 1);
}

/* In a child with mounts of its own: 0 good, 77 not allowed here, else bad. */
static int on_small_disk(const struct scratch *scratch)
{
	struct dv_store *store = NULL;
	struct dv_leases leases = {0};
	int n;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", scratch->dir, "tmpfs", 0, "size=256k") < 0)
		return 77;
	if (dv_store_open(scratch->path, &store, NULL) < 0)
		return 1;
	n = fill(store, 4000);
	if (n <= 0 || count(store) != n || !whole_or_nothing(store, n))
		return 2;
	/* And after a restart, on the same full disk. */
	dv_store_free(store);
	if (dv_store_open(scratch->path, &store, NULL) < 0)
		return 3;
	if (dv_store_leases(store, &leases, NULL) < 0 || (int)leases.len != n ||
	    leases.items[0].state != DV_LEASE_READY)
		return 4;
	dv_vec_fini(&leases);
	dv_store_free(store);
	return 0;
}

static void test_small_disk(void **state)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(on_small_disk(*state));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_page_limit),
		TEST(test_small_disk),
	};

	return cmocka_run_group_tests_name("store/full", tests, NULL, NULL);
}
