/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "store/sql.h"

static const struct dv_column columns[] = {
	DV_COLUMN(DV_COLUMN_I64, struct dv_audit, id),
	DV_COLUMN(DV_COLUMN_I64, struct dv_audit, time_s),
	DV_COLUMN(DV_COLUMN_U32, struct dv_audit, uid),
	DV_COLUMN(DV_COLUMN_I32, struct dv_audit, pid),
	DV_COLUMN(DV_COLUMN_TEXT, struct dv_audit, verb),
	DV_COLUMN(DV_COLUMN_TEXT, struct dv_audit, subject),
	DV_COLUMN(DV_COLUMN_TEXT, struct dv_audit, text),
};

static int insert(struct dv_store *store, const struct dv_audit *entry, struct dv_error *err)
{
	dv_cleanup(dv_sql_done) sqlite3_stmt *statement = NULL;
	int rc, r = dv_sql_get(store,
			       "INSERT INTO audit(time_s, uid, pid, verb, subject, text)"
			       " VALUES(?,?,?,?,?,?)",
			       &statement, err);

	if (r < 0)
		return r;
	rc = dv_sql_bind(statement, 1, columns + 1, DV_ARRAY_LEN(columns) - 1, entry);
	if (rc != SQLITE_OK)
		return dv_sql_fail(store, rc, "writing the audit", err);
	return dv_sql_step(store, statement, "writing the audit", err);
}

static int prune(struct dv_store *store, struct dv_error *err)
{
	dv_cleanup(dv_sql_done) sqlite3_stmt *statement = NULL;
	int64_t newest = sqlite3_last_insert_rowid(store->db);
	int r = dv_sql_get(store, "DELETE FROM audit WHERE id <= ?", &statement, err);

	if (r < 0)
		return r;
	if (sqlite3_bind_int64(statement, 1, newest - DV_AUDIT_MOST) != SQLITE_OK)
		return dv_sql_fail(store, SQLITE_NOMEM, "pruning the audit", err);
	return dv_sql_step(store, statement, "pruning the audit", err);
}

int dv_store_audit_add(struct dv_store *store, const struct dv_audit *entry, struct dv_error *err)
{
	bool own = false;
	int r = dv_sql_scope_begin(store, &own, err);

	if (r < 0)
		return r;
	r = insert(store, entry, err);
	if (r == 0)
		r = prune(store, err);
	return dv_sql_scope_end(store, own, r, err);
}

#define AUDITS_OF(where)                                                                           \
	"SELECT id, time_s, uid, pid, verb, subject, text FROM (SELECT * FROM audit WHERE " where  \
	" ORDER BY id DESC LIMIT ?2) ORDER BY id"

int dv_store_audits(struct dv_store *store, const uid_t *only, int64_t after, unsigned most,
		    struct dv_audits *ret, struct dv_error *err)
{
	dv_cleanup(dv_sql_done) sqlite3_stmt *statement = NULL;
	struct dv_audits read = {0};
	int r = dv_sql_get(store, only ? AUDITS_OF("id > ?1 AND uid = ?3") : AUDITS_OF("id > ?1"),
			   &statement, err);

	if (r < 0)
		return r;
	if (sqlite3_bind_int64(statement, 1, after) != SQLITE_OK ||
	    sqlite3_bind_int64(statement, 2, most) != SQLITE_OK ||
	    (only && sqlite3_bind_int64(statement, 3, *only) != SQLITE_OK))
		return dv_sql_fail(store, SQLITE_NOMEM, "reading the audit", err);
	while (r == 0 && (r = dv_sql_step(store, statement, "reading the audit", err)) == 1) {
		struct dv_audit entry = {0};

		r = dv_sql_read(statement, 0, columns, DV_ARRAY_LEN(columns), &entry, err);
		if (r == 0 && dv_vec_push(&read, entry) < 0)
			r = dv_error_set(err, -ENOMEM, "no memory to read the audit");
	}
	if (r < 0) {
		dv_vec_fini(&read);
		return r;
	}
	*ret = read;
	return 0;
}
