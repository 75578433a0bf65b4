/* SPDX-License-Identifier: Apache-2.0 */
/* Opening: what is made, what is refused, and that what is refused is left as it was. */
#include "store/store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/file.h"
#include "scratch.h"
#include "store/sql.h"

static void write_file(const char *path, const void *data, size_t len)
{
	assert_int_equal(dv_file_write(path, data, len, 0600, NULL), 0);
}

static void sql(const char *path, const char *text)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(chmod(path, 0600), 0);
}

/* Opening is refused with that code and rule, and not a byte of the file changes. */
static void refused(const char *path, int code, const char *rule)
{
	dv_autofree char *before = NULL, *after = NULL;
	size_t before_len = 0, after_len = 0;
	struct dv_store *store = NULL;
	struct dv_error err = {0};
	struct stat was, is;

	assert_int_equal(dv_file_read(path, 1 << 20, &before, &before_len, NULL), 0);
	assert_int_equal(stat(path, &was), 0);
	assert_int_equal(dv_store_open(path, &store, &err), code);
	assert_string_equal(err.rule, rule);
	assert_true(err.msg[0] && err.fix[0]);
	assert_null(store);
	assert_int_equal(dv_file_read(path, 1 << 20, &after, &after_len, NULL), 0);
	assert_int_equal(stat(path, &is), 0);
	assert_int_equal(before_len, after_len);
	assert_memory_equal(before, after, before_len);
	assert_int_equal(was.st_mode, is.st_mode);
	assert_true(was.st_mtim.tv_sec == is.st_mtim.tv_sec &&
		    was.st_mtim.tv_nsec == is.st_mtim.tv_nsec);
}

static void test_new_file(void **state)
{
	struct scratch *scratch = *state;
	struct dv_lease lease = sample_lease("a");
	struct dv_store *store = NULL;
	struct dv_leases leases = {0};
	struct stat st;

	assert_int_equal(dv_store_open(scratch->path, &store, NULL), 0);
	assert_int_equal(dv_store_lease_add(store, &lease, NULL), 0);
	assert_int_equal(stat(scratch->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	dv_store_free(store);
	assert_int_equal(dv_store_open(scratch->path, &store, NULL), 0);
	assert_int_equal(dv_store_leases(store, &leases, NULL), 0);
	assert_int_equal(leases.len, 1);
	assert_true(same_lease(&leases.items[0], &lease));
	dv_vec_fini(&leases);
	dv_store_free(store);
}

static int64_t pragma(struct dv_store *store, const char *text)
{
	sqlite3_stmt *statement = NULL;
	int64_t n;

	assert_int_equal(sqlite3_prepare_v2(store->db, text, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	n = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return n;
}

static void test_settings(void **state)
{
	struct scratch *scratch = *state;
	dv_cleanup(dv_store_freep) struct dv_store *store = NULL;
	sqlite3_stmt *statement = NULL;

	assert_int_equal(dv_store_open(scratch->path, &store, NULL), 0);
	assert_int_equal(pragma(store, "PRAGMA synchronous"), 2);
	assert_int_equal(pragma(store, "PRAGMA foreign_keys"), 1);
	assert_int_equal(pragma(store, "PRAGMA user_version"), dv_store_newest());
	assert_int_equal(pragma(store,
				"SELECT count(*) FROM pragma_table_list WHERE schema = 'main'"
				" AND name NOT LIKE 'sqlite%' AND NOT strict"),
			 0);
	assert_int_equal(sqlite3_prepare_v2(store->db, "PRAGMA journal_mode", -1, &statement, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(statement, 0), "wal");
	sqlite3_finalize(statement);
}

static void test_newer(void **state)
{
	struct scratch *scratch = *state;
	struct dv_store *store = NULL;

	assert_int_equal(dv_store_open(scratch->path, &store, NULL), 0);
	dv_store_free(store);
	sql(scratch->path, "PRAGMA user_version = 99");
	refused(scratch->path, -EUCLEAN, "S06");
}

/* The newer version is known only from the log beside the file, as after a crash. */
static void test_newer_in_log(void **state)
{
	struct scratch *scratch = *state;
	struct dv_store *store = NULL;
	char log[128];
	int status = 0;
	pid_t pid;
	struct stat st;

	assert_int_equal(dv_store_open(scratch->path, &store, NULL), 0);
	dv_store_free(store);
	pid = fork();
	if (pid == 0) {
		sqlite3 *db = NULL;

		sqlite3_open(scratch->path, &db);
		sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL);
		_exit(0); /* without closing */
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)snprintf(log, sizeof(log), "%s-wal", scratch->path);
	assert_int_equal(stat(log, &st), 0);
	assert_true(st.st_size > 0);
	refused(scratch->path, -EUCLEAN, "S06");
	assert_int_equal(stat(log, &st), 0);
	assert_true(st.st_size > 0);
}

static void test_not_a_database(void **state)
{
	struct scratch *scratch = *state;
	char bytes[4096];

	write_file(scratch->path, "hello\n", 6);
	refused(scratch->path, -EUCLEAN, "S07");
	memset(bytes, 'x', sizeof(bytes));
	write_file(scratch->path, bytes, sizeof(bytes));
	refused(scratch->path, -EUCLEAN, "S07");
}

/* The header is right, the rest is not. */
static void test_damaged(void **state)
{
	struct scratch *scratch = *state;
	struct dv_store *store = NULL;
	struct dv_error err = {0};
	char bytes[4096];
	int fd;

	assert_int_equal(dv_store_open(scratch->path, &store, NULL), 0);
	dv_store_free(store);
	memset(bytes, 0xa5, sizeof(bytes));
	fd = open(scratch->path, O_WRONLY);
	assert_int_equal(pwrite(fd, bytes, sizeof(bytes) - 100, 100), sizeof(bytes) - 100);
	close(fd);
	assert_int_equal(dv_store_open(scratch->path, &store, &err), -EUCLEAN);
	assert_string_equal(err.rule, "S07");
	assert_true(err.fix[0]);
}

static void test_foreign(void **state)
{
	struct scratch *scratch = *state;

	sql(scratch->path, "CREATE TABLE t(x)");
	refused(scratch->path, -EUCLEAN, "S07");
	sql(scratch->path, "PRAGMA application_id = 1234");
	refused(scratch->path, -EUCLEAN, "S07");
}

static void test_links(void **state)
{
	struct scratch *scratch = *state;
	char other[128];

	(void)snprintf(other, sizeof(other), "%s/other", scratch->dir);
	write_file(other, "", 0);
	assert_int_equal(symlink(other, scratch->path), 0);
	refused(scratch->path, -EPERM, "S03");
	assert_int_equal(unlink(scratch->path), 0);
	assert_int_equal(link(other, scratch->path), 0);
	refused(scratch->path, -EPERM, "S03");
}

static void test_modes(void **state)
{
	struct scratch *scratch = *state;
	struct dv_store *store = NULL;
	struct dv_error err = {0};
	struct stat st;

	write_file(scratch->path, "", 0);
	assert_int_equal(chmod(scratch->path, 0620), 0);
	refused(scratch->path, -EPERM, "S03");
	assert_int_equal(chmod(scratch->path, 0644), 0);
	assert_int_equal(dv_store_open(scratch->path, &store, NULL), 0);
	dv_store_free(store);
	assert_int_equal(stat(scratch->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(dv_store_open(scratch->dir, &store, &err), -EIO);
}

static void test_no_directory(void **state)
{
	struct dv_store *store = NULL;
	struct dv_error err = {0};

	assert_int_equal(dv_store_open("/nonexistent/state.db", &store, &err), -ENOENT);
	assert_true(err.msg[0]);
}

/* A second divvyd is refused at once, whoever was first; and gets it when the first one ended. */
static void test_held_alone(void **state)
{
	struct scratch *scratch = *state;
	struct dv_store *store = NULL, *second = NULL;
	struct dv_error err = {0};
	int status = 0;
	pid_t pid;

	assert_int_equal(dv_store_open(scratch->path, &store, NULL), 0);
	assert_int_equal(dv_store_open(scratch->path, &second, &err), -EBUSY);
	assert_string_equal(err.rule, "S16");
	pid = fork();
	if (pid == 0)
		_exit(dv_store_open(scratch->path, &second, NULL) == -EBUSY ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	dv_store_free(store);
	assert_int_equal(dv_store_open(scratch->path, &second, NULL), 0);
	dv_store_free(second);
}

/* Somebody else's open transaction is waited for a moment, then said to be in the way. */
static void test_busy(void **state)
{
	struct scratch *scratch = *state;
	struct dv_store *store = NULL;
	struct dv_error err = {0};
	sqlite3 *db = NULL;

	assert_int_equal(dv_store_open(scratch->path, &store, NULL), 0);
	dv_store_free(store);
	assert_int_equal(sqlite3_open(scratch->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(dv_store_open(scratch->path, &store, &err), -EBUSY);
	assert_string_equal(err.rule, "S16");
	sqlite3_close(db);
}

/* Opened, killed between two writes, opened again: what was committed is there. */
static void test_killed(void **state)
{
	struct scratch *scratch = *state;
	dv_cleanup(dv_store_freep) struct dv_store *store = NULL;
	struct dv_leases leases = {0};
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct dv_lease a = sample_lease("a"), b = sample_lease("b");

		if (dv_store_open(scratch->path, &store, NULL) < 0 ||
		    dv_store_lease_add(store, &a, NULL) < 0 || dv_store_begin(store, NULL) < 0 ||
		    dv_store_lease_add(store, &b, NULL) < 0)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(dv_store_open(scratch->path, &store, NULL), 0);
	assert_int_equal(dv_store_leases(store, &leases, NULL), 0);
	assert_int_equal(leases.len, 1);
	assert_string_equal(leases.items[0].name, "a");
	dv_vec_fini(&leases);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_new_file),	 TEST(test_settings),	    TEST(test_newer),
		TEST(test_newer_in_log), TEST(test_not_a_database), TEST(test_damaged),
		TEST(test_foreign),	 TEST(test_links),	    TEST(test_modes),
		TEST(test_no_directory), TEST(test_held_alone),	    TEST(test_busy),
		TEST(test_killed),
	};

	return cmocka_run_group_tests_name("store/open", tests, NULL, NULL);
}
