/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the store only: prepared statements, columns bound to members of a struct, SQLite's
 * results as error records. The store owns the statements; a caller borrows one and gives it back
 * by dv_sql_done, which its cleanup attribute does. */
#pragma once

#include <sqlite3.h>

#include "store/store.h"

enum { DV_SQL_CACHE_MOST = 48 };

struct dv_store {
	sqlite3 *db;
	int lock_fd;	     /* held locked while the store is open; -1: in memory */
	bool in_transaction; /* between dv_store_begin and its end */
	unsigned cached;
	struct {
		const char *sql; /* a literal: compared by address */
		sqlite3_stmt *statement;
	} cache[DV_SQL_CACHE_MOST];
};

/* How a member of a struct is kept in a column. Words are kept as words, so that a number of an
 * enum may change. */
enum dv_column_type {
	DV_COLUMN_TEXT, /* char[size] */
	DV_COLUMN_I64,
	DV_COLUMN_U64, /* as its bits */
	DV_COLUMN_U32,
	DV_COLUMN_I32,
	DV_COLUMN_BOOL,
	DV_COLUMN_KIND,
	DV_COLUMN_METHOD,
	DV_COLUMN_POLICY,
	DV_COLUMN_LEASE_STATE,
};

struct dv_column {
	enum dv_column_type type;
	size_t offset, size;
};

#define DV_COLUMN(TYPE, record, member)                                                            \
	{                                                                                          \
		TYPE, offsetof(record, member), sizeof(((record *)NULL)->member)                   \
	}

/* The columns of a lease, from its name to its nonce (LEASE_COLUMNS); its id goes before them. */
extern const struct dv_column dv_lease_columns[];
enum { DV_LEASE_COLUMN_COUNT = 17 };

/* Report a failing result of SQLite; `doing` says what was tried. */
int dv_sql_fail(struct dv_store *store, int rc, const char *doing, struct dv_error *err);

/* Borrow the statement of `sql`, a string literal. Refused when the transaction that the caller
 * believes in has been rolled back by SQLite. */
int dv_sql_get(struct dv_store *store, const char *sql, sqlite3_stmt **ret,
	       struct dv_error *err) DV_MUST_CHECK;
void dv_sql_done(sqlite3_stmt **statement);

/* 1: a row; 0: done, and the statement may be bound and run again. */
int dv_sql_step(struct dv_store *store, sqlite3_stmt *statement, const char *doing,
		struct dv_error *err) DV_MUST_CHECK;

/* Bind members from parameter `first` on. These two return SQLite's result; the text must live
 * until the statement is done. */
int dv_sql_bind(sqlite3_stmt *statement, int first, const struct dv_column *columns, unsigned count,
		const void *record) DV_MUST_CHECK;
int dv_sql_bind_text(sqlite3_stmt *statement, int at, const char *text) DV_MUST_CHECK;

/* Read columns from `first` on into members; -EUCLEAN (rule S07) when one does not fit. */
int dv_sql_read(sqlite3_stmt *statement, int first, const struct dv_column *columns, unsigned count,
		void *record, struct dv_error *err) DV_MUST_CHECK;

/* Run several statements as one: a transaction of its own, or part of the caller's. `end` commits
 * when `r` is 0 and rolls back otherwise, and returns the result of the whole. */
int dv_sql_scope_begin(struct dv_store *store, bool *ret_own, struct dv_error *err) DV_MUST_CHECK;
int dv_sql_scope_end(struct dv_store *store, bool own, int r, struct dv_error *err) DV_MUST_CHECK;

/* Bring an open database to the newest version; -EUCLEAN with rule S06 (newer) or S07 (another
 * program's), and then nothing was written. */
int dv_store_migrate(struct dv_store *store, const char *path, struct dv_error *err) DV_MUST_CHECK;

/* The same question about two numbers of the file's header, asked before SQLite opens it. */
int dv_store_check_version(const char *path, uint32_t application, uint32_t version,
			   struct dv_error *err) DV_MUST_CHECK;

#define DV_STORE_APPLICATION 0x44565659 /* "DVVY", in the file's header */
/* The version this program writes. */
int dv_store_newest(void);
