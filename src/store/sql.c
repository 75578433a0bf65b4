/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sql.h"

#include <string.h>

#include "base/str.h"

static int fold(sqlite3 *db, int rc)
{
	if (rc == SQLITE_IOERR_NOMEM)
		return -ENOMEM;
	switch (rc & 0xff) {
	case SQLITE_FULL:
		return -EFBIG;
	case SQLITE_IOERR:
		return db && (sqlite3_system_errno(db) == ENOSPC ||
			      sqlite3_system_errno(db) == EDQUOT)
			       ? -EFBIG
			       : -EIO;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
	case SQLITE_AUTH:
		return -EPERM;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_TOOBIG:
		return -E2BIG;
	default:
		return -EIO;
	}
}

static const char *rule_of(int code)
{
	return code == -EBUSY ? "S16" : code == -EUCLEAN ? "S07" : "";
}

static void say_fix(int code, struct dv_error *err)
{
	switch (code) {
	case -EFBIG:
		dv_error_fix(err, code, "free space where the state file lies, then try again");
		break;
	case -EBUSY:
		dv_error_fix(err, code, "stop the other divvyd, or use another state directory");
		break;
	case -EUCLEAN:
		dv_error_fix(err, code,
			     "move the file away and start again, or repair a copy of it "
			     "with `sqlite3 FILE .recover`");
		break;
	case -EPERM:
		dv_error_fix(err, code, "let divvyd's user read and write the state directory");
		break;
	default:
		break;
	}
}

int dv_sql_fail(struct dv_store *store, int rc, const char *doing, struct dv_error *err)
{
	bool fresh = err && !err->code;
	int code = fold(store->db, rc);

	dv_error_rule(err, code, rule_of(code), "state file: %s: %s", doing, sqlite3_errstr(rc));
	if (fresh) {
		err->domain = DV_DOMAIN_SQLITE;
		err->native = rc;
		say_fix(code, err);
	}
	return code;
}

/* SQLite ends a transaction by itself after some failures (a full disk). What follows would then
 * be written alone, as if it were the whole. */
static int check_transaction(struct dv_store *store, struct dv_error *err)
{
	if (store->in_transaction && sqlite3_get_autocommit(store->db))
		return dv_error_set(err, -EIO,
				    "state file: an earlier failure ended the transaction");
	return 0;
}

int dv_sql_get(struct dv_store *store, const char *sql, sqlite3_stmt **ret, struct dv_error *err)
{
	sqlite3_stmt *statement = NULL;
	int r = check_transaction(store, err);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < store->cached; i++) {
		if (store->cache[i].sql == sql) {
			*ret = store->cache[i].statement;
			return 0;
		}
	}
	if (store->cached == DV_SQL_CACHE_MOST)
		return dv_error_set(err, -EIO, "state file: more statements than are kept");
	r = sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
	if (r != SQLITE_OK)
		return dv_sql_fail(store, r, "preparing", err);
	store->cache[store->cached].sql = sql;
	store->cache[store->cached++].statement = statement;
	*ret = statement;
	return 0;
}

void dv_sql_done(sqlite3_stmt **statement)
{
	if (!*statement)
		return;
	(void)sqlite3_reset(*statement);
	(void)sqlite3_clear_bindings(*statement);
}

int dv_sql_step(struct dv_store *store, sqlite3_stmt *statement, const char *doing,
		struct dv_error *err)
{
	int rc = sqlite3_step(statement);

	if (rc == SQLITE_ROW)
		return 1;
	(void)sqlite3_reset(statement);
	return rc == SQLITE_DONE ? 0 : dv_sql_fail(store, rc, doing, err);
}

int dv_sql_bind_text(sqlite3_stmt *statement, int at, const char *text)
{
	return sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

static int bind_one(sqlite3_stmt *statement, int at, const struct dv_column *column,
		    const void *member)
{
	switch (column->type) {
	case DV_COLUMN_TEXT:
		return dv_sql_bind_text(statement, at, member);
	case DV_COLUMN_I64:
		return sqlite3_bind_int64(statement, at, *(const int64_t *)member);
	case DV_COLUMN_U64:
		return sqlite3_bind_int64(statement, at, (int64_t) * (const uint64_t *)member);
	case DV_COLUMN_U32:
		return sqlite3_bind_int64(statement, at, *(const uint32_t *)member);
	case DV_COLUMN_I32:
		return sqlite3_bind_int64(statement, at, *(const int32_t *)member);
	case DV_COLUMN_BOOL:
		return sqlite3_bind_int(statement, at, *(const bool *)member);
	case DV_COLUMN_KIND:
		return dv_sql_bind_text(statement, at, dv_kind_name(*(const enum dv_kind *)member));
	case DV_COLUMN_METHOD:
		return dv_sql_bind_text(statement, at,
					dv_method_name(*(const enum dv_method *)member));
	case DV_COLUMN_POLICY:
		return dv_sql_bind_text(statement, at,
					dv_policy_name(*(const enum dv_policy *)member));
	case DV_COLUMN_LEASE_STATE:
		return dv_sql_bind_text(statement, at,
					dv_lease_state_name(*(const enum dv_lease_state *)member));
	}
	return SQLITE_MISUSE;
}

int dv_sql_bind(sqlite3_stmt *statement, int first, const struct dv_column *columns, unsigned count,
		const void *record)
{
	for (unsigned i = 0; i < count; i++) {
		int rc = bind_one(statement, first + (int)i, &columns[i],
				  (const char *)record + columns[i].offset);

		if (rc != SQLITE_OK)
			return rc;
	}
	return SQLITE_OK;
}

static int damaged(sqlite3_stmt *statement, int at, struct dv_error *err)
{
	dv_error_rule(err, -EUCLEAN, "S07", "state file: column '%s' holds what divvy never writes",
		      sqlite3_column_name(statement, at));
	say_fix(-EUCLEAN, err);
	return -EUCLEAN;
}

static int read_word(const struct dv_column *column, const char *word, void *member)
{
	switch (column->type) {
	case DV_COLUMN_KIND:
		return dv_kind_parse(word, member, NULL);
	case DV_COLUMN_METHOD:
		return strcmp(word, dv_method_name(DV_METHOD_NONE)) == 0
			       ? (*(enum dv_method *)member = DV_METHOD_NONE, 0)
			       : dv_method_parse(word, member, NULL);
	case DV_COLUMN_POLICY:
		return dv_policy_parse(word, member, NULL);
	case DV_COLUMN_LEASE_STATE:
		return dv_lease_state_parse(word, member, NULL);
	default:
		return dv_copy(member, column->size, word) ? 0 : -EUCLEAN;
	}
}

static int read_number(const struct dv_column *column, int64_t value, void *member)
{
	switch (column->type) {
	case DV_COLUMN_U64:
		*(uint64_t *)member = (uint64_t)value;
		return 0;
	case DV_COLUMN_U32:
		*(uint32_t *)member = (uint32_t)value;
		return value < 0 || value > UINT32_MAX ? -EUCLEAN : 0;
	case DV_COLUMN_I32:
		*(int32_t *)member = (int32_t)value;
		return value < INT32_MIN || value > INT32_MAX ? -EUCLEAN : 0;
	case DV_COLUMN_BOOL:
		*(bool *)member = value != 0;
		return value < 0 || value > 1 ? -EUCLEAN : 0;
	default:
		*(int64_t *)member = value;
		return 0;
	}
}

static bool is_word(enum dv_column_type type)
{
	return type == DV_COLUMN_TEXT || type == DV_COLUMN_KIND || type == DV_COLUMN_METHOD ||
	       type == DV_COLUMN_POLICY || type == DV_COLUMN_LEASE_STATE;
}

int dv_sql_read(sqlite3_stmt *statement, int first, const struct dv_column *columns, unsigned count,
		void *record, struct dv_error *err)
{
	for (unsigned i = 0; i < count; i++) {
		int at = first + (int)i, r;
		void *member = (char *)record + columns[i].offset;

		if (is_word(columns[i].type)) {
			const char *word = (const char *)sqlite3_column_text(statement, at);

			if (!word)
				return dv_error_set(err, -ENOMEM,
						    "no memory to read the state file");
			r = read_word(&columns[i], word, member);
		} else {
			r = read_number(&columns[i], sqlite3_column_int64(statement, at), member);
		}
		if (r < 0)
			return damaged(statement, at, err);
	}
	return 0;
}

int dv_sql_scope_begin(struct dv_store *store, bool *ret_own, struct dv_error *err)
{
	bool own = !store->in_transaction;
	int r = own ? dv_store_begin(store, err) : 0;

	if (r == 0)
		*ret_own = own;
	return r;
}

int dv_sql_scope_end(struct dv_store *store, bool own, int r, struct dv_error *err)
{
	if (!own)
		return r;
	if (r == 0)
		return dv_store_commit(store, err);
	dv_store_rollback(store);
	return r;
}
