/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/sql.h"

#define STEP_COLUMNS                                                                               \
	"id, op_name, gpu, step_gpu_uuid, step_node, profile, start, size, tenant, undo,"          \
	" disturb_count, lease_id"
#define STEP_LEASE_COLUMNS                                                                         \
	"name, fleet, uid, kind, method, policy, state, gpu_uuid, node, memory_bytes,"             \
	" compute_mpct, ephemeral, launcher, launcher_start, created_s, nonce, lease_profile"

static const struct dv_column step_columns[] = {
	DV_COLUMN(DV_COLUMN_U32, struct dv_step, id),
	DV_COLUMN(DV_COLUMN_TEXT, struct dv_step, op),
	DV_COLUMN(DV_COLUMN_TEXT, struct dv_step, gpu),
	DV_COLUMN(DV_COLUMN_TEXT, struct dv_step, gpu_uuid),
	DV_COLUMN(DV_COLUMN_TEXT, struct dv_step, node),
	DV_COLUMN(DV_COLUMN_TEXT, struct dv_step, profile),
	DV_COLUMN(DV_COLUMN_I32, struct dv_step, start),
	DV_COLUMN(DV_COLUMN_I32, struct dv_step, size),
	DV_COLUMN(DV_COLUMN_TEXT, struct dv_step, tenant),
	DV_COLUMN(DV_COLUMN_TEXT, struct dv_step, undo),
	DV_COLUMN(DV_COLUMN_U32, struct dv_step, disturb_count),
	DV_COLUMN(DV_COLUMN_I64, struct dv_step, lease.id),
};
enum { STEP_COLUMN_COUNT = DV_ARRAY_LEN(step_columns) };

/* Parameters of the INSERT and columns of the SELECT, in this order. */
enum { AT_SEQ, AT_PROGRESS, AT_NEEDS, AT_DISTURBS, AT_STEP, AT_LEASE = AT_STEP + 12 };
_Static_assert(STEP_COLUMN_COUNT == AT_LEASE - AT_STEP, "columns of a step");

static const struct dv_column op_columns[] = {
	DV_COLUMN(DV_COLUMN_I64, struct dv_journal_op, id),
	DV_COLUMN(DV_COLUMN_TEXT, struct dv_journal_op, verb),
	DV_COLUMN(DV_COLUMN_TEXT, struct dv_journal_op, fleet),
	DV_COLUMN(DV_COLUMN_U32, struct dv_journal_op, uid),
	DV_COLUMN(DV_COLUMN_I64, struct dv_journal_op, begun_s),
};

enum { NEEDS_SIZE = 96, DISTURBS_SIZE = 4 * (DV_NAME_SIZE + 1) };

/* Both lists as words with a space before each: names and numbers hold none. */
static void print_lists(const struct dv_step *step, char needs[NEEDS_SIZE],
			char disturbs[DISTURBS_SIZE])
{
	size_t len = 0;

	needs[0] = disturbs[0] = '\0';
	for (unsigned i = 0; i < DV_MIN(step->need_count, DV_ARRAY_LEN(step->needs)); i++)
		len += (size_t)snprintf(needs + len, NEEDS_SIZE - len, " %u", step->needs[i]);
	len = 0;
	for (unsigned i = 0; i < DV_MIN(step->disturb_count, DV_ARRAY_LEN(step->disturbs)); i++)
		len += (size_t)snprintf(disturbs + len, DISTURBS_SIZE - len, " %s",
					step->disturbs[i]);
}

static void parse_lists(const char *needs, const char *disturbs, struct dv_step *step)
{
	unsigned names = 0;

	while (*needs == ' ' && step->need_count < DV_ARRAY_LEN(step->needs)) {
		char *end;

		step->needs[step->need_count++] = (unsigned)strtoul(needs + 1, &end, 10);
		needs = end;
	}
	while (*disturbs == ' ' && names < DV_ARRAY_LEN(step->disturbs)) {
		size_t len = strcspn(disturbs + 1, " ");

		(void)snprintf(step->disturbs[names++], DV_NAME_SIZE, "%.*s", (int)len,
			       disturbs + 1);
		disturbs += 1 + len;
	}
}

static int insert_step(struct dv_store *store, int64_t op, unsigned seq,
		       const struct dv_journal_step *entry, struct dv_error *err)
{
	dv_cleanup(dv_sql_done) sqlite3_stmt *statement = NULL;
	char needs[NEEDS_SIZE], disturbs[DISTURBS_SIZE];
	int rc, r = dv_sql_get(store,
			       "INSERT INTO step(op, seq, progress, needs, disturbs, " STEP_COLUMNS
			       ", " STEP_LEASE_COLUMNS ") VALUES(?, ?,?,?,?,"
			       " ?,?,?,?,?,?,?,?,?,?,?,?, ?,?,?,?,?,?,?,?, ?,?,?,?,?,?,?,?, ?)",
			       &statement, err);

	if (r < 0)
		return r;
	print_lists(&entry->step, needs, disturbs);
	rc = sqlite3_bind_int64(statement, 1, op);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(statement, 2 + AT_SEQ, seq);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int(statement, 2 + AT_PROGRESS, (int)entry->state);
	if (rc == SQLITE_OK)
		rc = dv_sql_bind_text(statement, 2 + AT_NEEDS, needs);
	if (rc == SQLITE_OK)
		rc = dv_sql_bind_text(statement, 2 + AT_DISTURBS, disturbs);
	if (rc == SQLITE_OK)
		rc = dv_sql_bind(statement, 2 + AT_STEP, step_columns, STEP_COLUMN_COUNT,
				 &entry->step);
	if (rc == SQLITE_OK)
		rc = dv_sql_bind(statement, 2 + AT_LEASE, dv_lease_columns, DV_LEASE_COLUMN_COUNT,
				 &entry->step.lease);
	if (rc != SQLITE_OK)
		return dv_sql_fail(store, rc, "writing the journal", err);
	return dv_sql_step(store, statement, "writing the journal", err);
}

/* What ended long ago goes, so that the file stays bounded. */
static int prune(struct dv_store *store, int64_t newest, struct dv_error *err)
{
	dv_cleanup(dv_sql_done) sqlite3_stmt *statement = NULL;
	int r = dv_sql_get(store, "DELETE FROM op WHERE id <= ? AND outcome <> ''", &statement,
			   err);

	if (r < 0)
		return r;
	if (sqlite3_bind_int64(statement, 1, newest - DV_JOURNAL_MOST) != SQLITE_OK)
		return dv_sql_fail(store, SQLITE_NOMEM, "pruning the journal", err);
	return dv_sql_step(store, statement, "pruning the journal", err);
}

static int insert_op(struct dv_store *store, const struct dv_journal_op *op, int64_t *ret_id,
		     struct dv_error *err)
{
	dv_cleanup(dv_sql_done) sqlite3_stmt *statement = NULL;
	int rc, r = dv_sql_get(store, "INSERT INTO op(verb, fleet, uid, begun_s) VALUES(?,?,?,?)",
			       &statement, err);

	if (r < 0)
		return r;
	rc = dv_sql_bind(statement, 1, op_columns + 1, DV_ARRAY_LEN(op_columns) - 1, op);
	if (rc != SQLITE_OK)
		return dv_sql_fail(store, rc, "writing the journal", err);
	r = dv_sql_step(store, statement, "writing the journal", err);
	if (r == 0)
		*ret_id = sqlite3_last_insert_rowid(store->db);
	return r;
}

int dv_store_op_begin(struct dv_store *store, struct dv_journal_op *op, struct dv_error *err)
{
	bool own = false;
	int64_t id = 0;
	int r = dv_sql_scope_begin(store, &own, err);

	if (r < 0)
		return r;
	r = insert_op(store, op, &id, err);
	for (size_t i = 0; r == 0 && i < op->steps.len; i++)
		r = insert_step(store, id, (unsigned)i, &op->steps.items[i], err);
	if (r == 0)
		r = prune(store, id, err);
	r = dv_sql_scope_end(store, own, r, err);
	if (r == 0)
		op->id = id;
	return r;
}

static int changed_one(struct dv_store *store, int64_t op, struct dv_error *err)
{
	if (sqlite3_changes(store->db) == 1)
		return 0;
	return dv_error_set(err, -ENOENT, "state file: no open operation %lld, or no such step",
			    (long long)op);
}

int dv_store_op_step(struct dv_store *store, int64_t op, unsigned step, enum dv_journal_state state,
		     struct dv_error *err)
{
	dv_cleanup(dv_sql_done) sqlite3_stmt *statement = NULL;
	int r = dv_sql_get(store, "UPDATE step SET progress = ? WHERE op = ? AND seq = ?",
			   &statement, err);

	if (r < 0)
		return r;
	if (sqlite3_bind_int(statement, 1, (int)state) != SQLITE_OK ||
	    sqlite3_bind_int64(statement, 2, op) != SQLITE_OK ||
	    sqlite3_bind_int64(statement, 3, step) != SQLITE_OK)
		return dv_sql_fail(store, SQLITE_NOMEM, "writing the journal", err);
	r = dv_sql_step(store, statement, "writing the journal", err);
	return r < 0 ? r : changed_one(store, op, err);
}

int dv_store_op_end(struct dv_store *store, int64_t op, const char *outcome, struct dv_error *err)
{
	dv_cleanup(dv_sql_done) sqlite3_stmt *statement = NULL;
	int r = dv_sql_get(store, "UPDATE op SET outcome = ? WHERE id = ? AND outcome = ''",
			   &statement, err);

	if (r < 0)
		return r;
	if (!outcome[0])
		return dv_error_set(err, -EINVAL, "an operation does not end without an outcome");
	if (dv_sql_bind_text(statement, 1, outcome) != SQLITE_OK ||
	    sqlite3_bind_int64(statement, 2, op) != SQLITE_OK)
		return dv_sql_fail(store, SQLITE_NOMEM, "writing the journal", err);
	r = dv_sql_step(store, statement, "writing the journal", err);
	return r < 0 ? r : changed_one(store, op, err);
}

static int read_step(sqlite3_stmt *statement, struct dv_journal_step *ret, struct dv_error *err)
{
	const char *needs = (const char *)sqlite3_column_text(statement, AT_NEEDS);
	const char *disturbs = (const char *)sqlite3_column_text(statement, AT_DISTURBS);
	int progress = sqlite3_column_int(statement, AT_PROGRESS);
	int r;

	if (!needs || !disturbs)
		return dv_error_set(err, -ENOMEM, "no memory to read the journal");
	if (progress < DV_JOURNAL_PLANNED || progress > DV_JOURNAL_FAILED)
		return dv_error_fix(err,
				    dv_error_rule(err, -EUCLEAN, "S07",
						  "state file: unknown progress %d", progress),
				    "use the divvy that wrote it, or another state directory");
	ret->state = (enum dv_journal_state)progress;
	parse_lists(needs, disturbs, &ret->step);
	r = dv_sql_read(statement, AT_STEP, step_columns, STEP_COLUMN_COUNT, &ret->step, err);
	if (r < 0)
		return r;
	return dv_sql_read(statement, AT_LEASE, dv_lease_columns, DV_LEASE_COLUMN_COUNT,
			   &ret->step.lease, err);
}

static int read_steps(struct dv_store *store, struct dv_journal_op *op, struct dv_error *err)
{
	dv_cleanup(dv_sql_done) sqlite3_stmt *statement = NULL;
	int r = dv_sql_get(store,
			   "SELECT seq, progress, needs, disturbs, " STEP_COLUMNS
			   ", " STEP_LEASE_COLUMNS " FROM step WHERE op = ? ORDER BY seq",
			   &statement, err);

	if (r < 0)
		return r;
	if (sqlite3_bind_int64(statement, 1, op->id) != SQLITE_OK)
		return dv_sql_fail(store, SQLITE_NOMEM, "reading the journal", err);
	while (r == 0 && (r = dv_sql_step(store, statement, "reading the journal", err)) == 1) {
		struct dv_journal_step step = {0};

		r = read_step(statement, &step, err);
		if (r == 0 && dv_vec_push(&op->steps, step) < 0)
			r = dv_error_set(err, -ENOMEM, "no memory to read the journal");
	}
	return r;
}

int dv_store_ops_open(struct dv_store *store, struct dv_journal_ops *ret, struct dv_error *err)
{
	dv_cleanup(dv_sql_done) sqlite3_stmt *statement = NULL;
	dv_cleanup(dv_journal_ops_fini) struct dv_journal_ops read = {0};
	int r = dv_sql_get(store,
			   "SELECT id, verb, fleet, uid, begun_s FROM op WHERE outcome = ''"
			   " ORDER BY id",
			   &statement, err);

	while (r == 0 && (r = dv_sql_step(store, statement, "reading the journal", err)) == 1) {
		struct dv_journal_op op = {0};

		r = dv_sql_read(statement, 0, op_columns, DV_ARRAY_LEN(op_columns), &op, err);
		if (r == 0 && dv_vec_push(&read, op) < 0)
			r = dv_error_set(err, -ENOMEM, "no memory to read the journal");
	}
	for (size_t i = 0; r == 0 && i < read.len; i++)
		r = read_steps(store, &read.items[i], err);
	if (r < 0)
		return r;
	*ret = read;
	memset(&read, 0, sizeof(read));
	return 0;
}

void dv_journal_ops_fini(struct dv_journal_ops *ops)
{
	for (size_t i = 0; i < ops->len; i++)
		dv_vec_fini(&ops->items[i].steps);
	dv_vec_fini(ops);
}
