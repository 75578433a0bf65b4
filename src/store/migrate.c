/* SPDX-License-Identifier: Apache-2.0 */
/* The versions of the state file. A published version is never edited: a change is a new row, run
 * in a transaction of its own, so that a cut leaves the version before it whole. */
#include <stdio.h>

#include "store/sql.h"

#define LEASE_TABLE_COLUMNS                                                                        \
	" name TEXT NOT NULL, fleet TEXT NOT NULL, uid INTEGER NOT NULL, kind TEXT NOT NULL,"      \
	" method TEXT NOT NULL, policy TEXT NOT NULL, state TEXT NOT NULL,"                        \
	" gpu_uuid TEXT NOT NULL, node TEXT NOT NULL, memory_bytes INTEGER NOT NULL,"              \
	" compute_mpct INTEGER NOT NULL, ephemeral INTEGER NOT NULL, launcher INTEGER NOT NULL,"   \
	" launcher_start INTEGER NOT NULL, created_s INTEGER NOT NULL, nonce TEXT NOT NULL"

static const char *const migrations[] = {
	/* 1 */
	"CREATE TABLE sequence(name TEXT PRIMARY KEY, next INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"INSERT INTO sequence VALUES('lease', 1);"
	"CREATE TABLE lease(id INTEGER PRIMARY KEY," LEASE_TABLE_COLUMNS ", UNIQUE(name)) STRICT;"
	"CREATE TABLE op(id INTEGER PRIMARY KEY AUTOINCREMENT, verb TEXT NOT NULL,"
	" fleet TEXT NOT NULL, uid INTEGER NOT NULL, begun_s INTEGER NOT NULL,"
	" outcome TEXT NOT NULL DEFAULT '') STRICT;"
	"CREATE INDEX op_open ON op(id) WHERE outcome = '';"
	"CREATE TABLE step(op INTEGER NOT NULL REFERENCES op(id) ON DELETE CASCADE,"
	" seq INTEGER NOT NULL, progress INTEGER NOT NULL,"
	" id INTEGER NOT NULL, op_name TEXT NOT NULL, gpu TEXT NOT NULL, step_gpu_uuid TEXT NOT "
	"NULL,"
	" step_node TEXT NOT NULL, profile TEXT NOT NULL, start INTEGER NOT NULL,"
	" size INTEGER NOT NULL, tenant TEXT NOT NULL, undo TEXT NOT NULL,"
	" disturbs TEXT NOT NULL, disturb_count INTEGER NOT NULL, needs TEXT NOT NULL,"
	" lease_id INTEGER NOT NULL," LEASE_TABLE_COLUMNS
	", PRIMARY KEY(op, seq)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE fleet(name TEXT PRIMARY KEY, uid INTEGER NOT NULL, text TEXT NOT NULL) "
	"STRICT;"
	"CREATE TABLE quarantine(gpu_uuid TEXT PRIMARY KEY, why TEXT NOT NULL) STRICT, WITHOUT "
	"ROWID;"
	"CREATE TABLE audit(id INTEGER PRIMARY KEY AUTOINCREMENT, time_s INTEGER NOT NULL,"
	" uid INTEGER NOT NULL, pid INTEGER NOT NULL, verb TEXT NOT NULL, subject TEXT NOT NULL,"
	" text TEXT NOT NULL) STRICT;",
	/* 2: a user's own entries, however many of others lie between */
	"CREATE INDEX audit_uid ON audit(uid, id);",
	/* 3: the profile of a partition, to make it again */
	("ALTER TABLE lease ADD COLUMN lease_profile TEXT NOT NULL DEFAULT '';"
	 "ALTER TABLE step ADD COLUMN lease_profile TEXT NOT NULL DEFAULT '';"),
};

int dv_store_newest(void)
{
	return (int)DV_ARRAY_LEN(migrations);
}

static int pragma_number(struct dv_store *store, const char *sql, int64_t *ret,
			 struct dv_error *err)
{
	dv_cleanup(dv_sql_done) sqlite3_stmt *statement = NULL;
	int r = dv_sql_get(store, sql, &statement, err);

	if (r == 0)
		r = dv_sql_step(store, statement, "reading its version", err);
	if (r < 0)
		return r;
	*ret = sqlite3_column_int64(statement, 0);
	return 0;
}

static int foreign(const char *path, struct dv_error *err)
{
	dv_error_rule(err, -EUCLEAN, "S07", "%s is a database, but not one of divvy's", path);
	return dv_error_fix(err, -EUCLEAN, "name another state file; this one was left as it is");
}

int dv_store_check_version(const char *path, uint32_t application, uint32_t version,
			   struct dv_error *err)
{
	if (application != 0 && application != DV_STORE_APPLICATION)
		return foreign(path, err);
	if (version <= (uint32_t)dv_store_newest())
		return 0;
	dv_error_rule(err, -EUCLEAN, "S06",
		      "%s was written by a newer divvy (version %u; this one knows up to %d)", path,
		      version, dv_store_newest());
	return dv_error_fix(err, -EUCLEAN,
			    "use the newer divvy, or another state directory; the file was left as "
			    "it is");
}

static int migrate_one(struct dv_store *store, int version, struct dv_error *err)
{
	char pragma[96];
	int rc;

	(void)snprintf(pragma, sizeof(pragma), "PRAGMA application_id=%d; PRAGMA user_version=%d",
		       DV_STORE_APPLICATION, version);
	rc = sqlite3_exec(store->db, "BEGIN EXCLUSIVE", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(store->db, migrations[version - 1], NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(store->db, pragma, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		return 0;
	rc = dv_sql_fail(store, rc, "bringing it to this version", err);
	(void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

/* Before anything is written: is it ours, and not newer? */
static int examine(struct dv_store *store, const char *path, int64_t *ret_version,
		   struct dv_error *err)
{
	int64_t application = 0, version = 0, things = 0;
	int r = pragma_number(store, "PRAGMA application_id", &application, err);

	if (r == 0)
		r = pragma_number(store, "PRAGMA user_version", &version, err);
	if (r == 0)
		r = pragma_number(store, "SELECT count(*) FROM sqlite_schema", &things, err);
	if (r < 0)
		return r;
	r = dv_store_check_version(path, (uint32_t)application, (uint32_t)version, err);
	if (r < 0)
		return r;
	if (application == 0 && (version != 0 || things != 0))
		return foreign(path, err);
	*ret_version = version;
	return 0;
}

int dv_store_migrate(struct dv_store *store, const char *path, struct dv_error *err)
{
	int64_t version = 0;
	int rc, r = examine(store, path, &version, err);

	if (r < 0)
		return r;
	/* Until here nothing may have been written, not even at close. */
	(void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	rc = sqlite3_exec(store->db,
			  "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
			  "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;",
			  NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return dv_sql_fail(store, rc, "setting it up", err);
	for (int next = (int)version + 1; next <= dv_store_newest(); next++) {
		r = migrate_one(store, next, err);
		if (r < 0)
			return r;
	}
	return 0;
}
