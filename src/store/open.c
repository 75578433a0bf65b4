/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/str.h"
#include "store/sql.h"

enum {
	BUSY_MS = 500, /* somebody looks at the file with another program */
	HEADER_BYTES = 100,
	AT_VERSION = 60, /* big-endian, as the format of the file says */
	AT_APPLICATION = 68,
};

/* Links in the directory's path are the caller's business; the file itself may be none. */
static int resolve(const char *path, char buf[PATH_MAX], struct dv_error *err)
{
	const char *slash = strrchr(path, '/');
	dv_autofree char *dir = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path))
				      : strdup(".");
	dv_autofree char *real = dir ? realpath(dir, NULL) : NULL;
	int most = PATH_MAX - (int)sizeof("-journal");

	if (!dir)
		return dv_error_set(err, -ENOMEM, "no memory to open %s", path);
	if (!real)
		return dv_error_errno(err, errno, "%s", dir);
	if (snprintf(buf, PATH_MAX, "%s/%s", real, slash ? slash + 1 : path) >= most)
		return dv_error_errno(err, ENAMETOOLONG, "%s", path);
	return 0;
}

static int not_private(const char *path, const char *why, struct dv_error *err)
{
	dv_error_rule(err, -EPERM, "S03", "%s %s", path, why);
	return dv_error_fix(err, -EPERM,
			    "let it be a plain file of divvyd's own user, mode 0600, in a "
			    "directory that only this user can write");
}

/* Open or make a file that is ours alone. Returns the descriptor. */
static int open_private(const char *path, struct dv_error *err)
{
	dv_autoclose int fd =
		open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return not_private(path, "is a link", err);
	if (fd < 0 || fstat(fd, &st) < 0)
		return dv_error_errno(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return not_private(path, "is not a plain file", err);
	if (st.st_uid != geteuid())
		return not_private(path, "belongs to another user", err);
	if (st.st_nlink != 1)
		return not_private(path, "has another name too (a hard link)", err);
	if (st.st_mode & 022)
		return not_private(path, "can be written by others", err);
	/* Readable by others is repaired: it holds what proves that a process is a tenant's. */
	if ((st.st_mode & 077) && fchmod(fd, 0600) < 0)
		return dv_error_errno(err, errno, "%s", path);
	return take_fd(fd);
}

/* One divvyd for one state: two would decide without knowing of each other. */
static int lock(const char *path, struct dv_error *err)
{
	char name[PATH_MAX];

	if (snprintf(name, sizeof(name), "%s-lock", path) >= (int)sizeof(name))
		return dv_error_errno(err, ENAMETOOLONG, "%s", path);
	dv_autoclose int fd = open_private(name, err);

	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return take_fd(fd);
	if (errno != EWOULDBLOCK)
		return dv_error_errno(err, errno, "%s", name);
	dv_error_rule(err, -EBUSY, "S16", "another divvyd uses %s", path);
	return dv_error_fix(err, -EBUSY, "stop the other divvyd, or use another state directory");
}

static uint32_t number_at(const unsigned char *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

/* Look at the file before SQLite does: opening it there may already write beside or into it. */
static int look(const char *path, struct dv_error *err)
{
	static const char magic[16] = "SQLite format 3";
	unsigned char header[HEADER_BYTES] = {0};
	dv_autoclose int fd = open_private(path, err);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = pread(fd, header, sizeof(header), 0);
	if (n < 0)
		return dv_error_errno(err, errno, "%s", path);
	if (n == 0)
		return 0; /* new */
	if (n == sizeof(header) && memcmp(header, magic, sizeof(magic)) == 0)
		return dv_store_check_version(path, number_at(header + AT_APPLICATION),
					      number_at(header + AT_VERSION), err);
	dv_error_rule(err, -EUCLEAN, "S07", "%s is not a state file of divvy", path);
	return dv_error_fix(err, -EUCLEAN, "name another state file; this one was left as it is");
}

static int open_database(struct dv_store *store, const char *path, struct dv_error *err)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
		    SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE;
	int rc = sqlite3_open_v2(path, &store->db, flags, NULL);

	if (rc != SQLITE_OK)
		return dv_sql_fail(store, rc, "opening", err);
	(void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	(void)sqlite3_busy_timeout(store->db, BUSY_MS);
	/* Held alone: no memory shared with other processes, so no surprise when it is cut. */
	rc = sqlite3_exec(store->db, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return dv_sql_fail(store, rc, "locking", err);
	return dv_store_migrate(store, path, err);
}

/* Going back must need no memory: its statement is made while there is some. */
static const char rollback_sql[] = "ROLLBACK";

static int prepare_rollback(struct dv_store *store, struct dv_error *err)
{
	sqlite3_stmt *statement = NULL;

	return dv_sql_get(store, rollback_sql, &statement, err);
}

int dv_store_open(const char *path, struct dv_store **ret, struct dv_error *err)
{
	bool memory = strcmp(path, ":memory:") == 0;
	dv_cleanup(dv_store_freep) struct dv_store *store = calloc(1, sizeof(*store));
	char real[PATH_MAX] = ":memory:";
	int r = 0;

	if (!store)
		return dv_error_set(err, -ENOMEM, "no memory to open %s", path);
	store->lock_fd = -1;
	if (!memory)
		r = resolve(path, real, err);
	if (r == 0 && !memory)
		r = store->lock_fd = lock(real, err);
	if (r >= 0 && !memory)
		r = look(real, err);
	if (r >= 0)
		r = open_database(store, real, err);
	if (r >= 0)
		r = prepare_rollback(store, err);
	if (r < 0)
		return r;
	*ret = take_ptr(store);
	return 0;
}

void dv_store_free(struct dv_store *store)
{
	if (!store)
		return;
	for (unsigned i = 0; i < store->cached; i++)
		(void)sqlite3_finalize(store->cache[i].statement);
	(void)sqlite3_close(store->db);
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	free(store);
}

static int run(struct dv_store *store, const char *sql, const char *doing, struct dv_error *err)
{
	dv_cleanup(dv_sql_done) sqlite3_stmt *statement = NULL;
	int r = dv_sql_get(store, sql, &statement, err);

	return r < 0 ? r : dv_sql_step(store, statement, doing, err);
}

static int roll_back(struct dv_store *store, struct dv_error *err)
{
	return run(store, rollback_sql, "going back", err);
}

int dv_store_begin(struct dv_store *store, struct dv_error *err)
{
	int r;

	if (store->in_transaction)
		return dv_error_set(err, -EINVAL, "state file: a transaction is open already");
	/* What could not be rolled back then is rolled back now, or nothing is begun. */
	if (!sqlite3_get_autocommit(store->db)) {
		r = roll_back(store, err);
		if (r < 0)
			return r;
	}
	r = run(store, "BEGIN IMMEDIATE", "beginning a change", err);
	if (r == 0)
		store->in_transaction = true;
	return r;
}

int dv_store_commit(struct dv_store *store, struct dv_error *err)
{
	int r;

	if (!store->in_transaction)
		return dv_error_set(err, -EINVAL, "state file: no transaction is open");
	r = run(store, "COMMIT", "recording a change", err);
	if (r < 0)
		dv_store_rollback(store);
	else
		store->in_transaction = false;
	return r;
}

void dv_store_rollback(struct dv_store *store)
{
	if (!store->in_transaction)
		return;
	store->in_transaction = false;
	if (!sqlite3_get_autocommit(store->db))
		(void)roll_back(store, NULL);
}
