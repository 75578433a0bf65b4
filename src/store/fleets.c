/* SPDX-License-Identifier: Apache-2.0 */
/* Desired fleets, and the GPUs in quarantine: rows with a name. */
#include <string.h>

#include "store/sql.h"

int dv_store_fleet_put(struct dv_store *store, const char *name, uid_t uid, const char *text,
		       struct dv_error *err)
{
	dv_cleanup(dv_sql_done) sqlite3_stmt *statement = NULL;
	int r = dv_sql_get(store, "INSERT OR REPLACE INTO fleet(name, uid, text) VALUES(?,?,?)",
			   &statement, err);

	if (r < 0)
		return r;
	if (dv_sql_bind_text(statement, 1, name) != SQLITE_OK ||
	    sqlite3_bind_int64(statement, 2, uid) != SQLITE_OK ||
	    dv_sql_bind_text(statement, 3, text) != SQLITE_OK)
		return dv_sql_fail(store, SQLITE_NOMEM, "keeping a fleet", err);
	return dv_sql_step(store, statement, "keeping a fleet", err);
}

/* Borrow a statement with the name as its only parameter. */
static int get_by_name(struct dv_store *store, const char *sql, const char *name,
		       sqlite3_stmt **ret, struct dv_error *err)
{
	int r = dv_sql_get(store, sql, ret, err);

	if (r == 0 && dv_sql_bind_text(*ret, 1, name) != SQLITE_OK)
		r = dv_sql_fail(store, SQLITE_NOMEM, "looking for a name", err);
	return r;
}

int dv_store_fleet_remove(struct dv_store *store, const char *name, struct dv_error *err)
{
	dv_cleanup(dv_sql_done) sqlite3_stmt *statement = NULL;
	int r = get_by_name(store, "DELETE FROM fleet WHERE name = ?", name, &statement, err);

	return r < 0 ? r : dv_sql_step(store, statement, "removing a fleet", err);
}

int dv_store_fleet_get(struct dv_store *store, const char *name, uid_t *ret_uid, char **ret_text,
		       struct dv_error *err)
{
	dv_cleanup(dv_sql_done) sqlite3_stmt *statement = NULL;
	const char *text;
	char *copy;
	int r = get_by_name(store, "SELECT uid, text FROM fleet WHERE name = ?", name, &statement,
			    err);

	if (r == 0)
		r = dv_sql_step(store, statement, "reading a fleet", err);
	if (r < 0)
		return r;
	if (r == 0)
		return dv_error_set(err, -ENOENT, "no fleet '%s' was applied", name);
	text = (const char *)sqlite3_column_text(statement, 1);
	copy = text ? strdup(text) : NULL;
	if (!copy)
		return dv_error_set(err, -ENOMEM, "no memory to read fleet '%s'", name);
	*ret_uid = (uid_t)sqlite3_column_int64(statement, 0);
	*ret_text = copy;
	return 0;
}

int dv_store_quarantine_put(struct dv_store *store, const char *gpu_uuid, const char *why,
			    struct dv_error *err)
{
	dv_cleanup(dv_sql_done) sqlite3_stmt *statement = NULL;
	int r = get_by_name(store, "INSERT OR REPLACE INTO quarantine(gpu_uuid, why) VALUES(?,?)",
			    gpu_uuid, &statement, err);

	if (r < 0)
		return r;
	if (dv_sql_bind_text(statement, 2, why) != SQLITE_OK)
		return dv_sql_fail(store, SQLITE_NOMEM, "keeping a quarantine", err);
	return dv_sql_step(store, statement, "keeping a quarantine", err);
}

int dv_store_quarantine_get(struct dv_store *store, const char *gpu_uuid, char *buf, size_t size,
			    struct dv_error *err)
{
	dv_cleanup(dv_sql_done) sqlite3_stmt *statement = NULL;
	const char *why = "";
	int r = get_by_name(store, "SELECT why FROM quarantine WHERE gpu_uuid = ?", gpu_uuid,
			    &statement, err);

	if (r == 0)
		r = dv_sql_step(store, statement, "reading a quarantine", err);
	if (r < 0)
		return r;
	if (r == 1)
		why = (const char *)sqlite3_column_text(statement, 0);
	if (!why)
		return dv_error_set(err, -ENOMEM, "no memory to read a quarantine");
	(void)dv_copy(buf, size, why);
	return 0;
}

int dv_store_quarantine_remove(struct dv_store *store, const char *gpu_uuid, struct dv_error *err)
{
	dv_cleanup(dv_sql_done) sqlite3_stmt *statement = NULL;
	int r = get_by_name(store, "DELETE FROM quarantine WHERE gpu_uuid = ?", gpu_uuid,
			    &statement, err);

	return r < 0 ? r : dv_sql_step(store, statement, "ending a quarantine", err);
}
