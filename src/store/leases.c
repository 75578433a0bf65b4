/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sql.h"

#define LEASE_COLUMNS                                                                              \
	"name, fleet, uid, kind, method, policy, state, gpu_uuid, node, memory_bytes,"             \
	" compute_mpct, ephemeral, launcher, launcher_start, created_s, nonce, lease_profile"

const struct dv_column dv_lease_columns[DV_LEASE_COLUMN_COUNT] = {
	DV_COLUMN(DV_COLUMN_TEXT, struct dv_lease, name),
	DV_COLUMN(DV_COLUMN_TEXT, struct dv_lease, fleet),
	DV_COLUMN(DV_COLUMN_U32, struct dv_lease, uid),
	DV_COLUMN(DV_COLUMN_KIND, struct dv_lease, kind),
	DV_COLUMN(DV_COLUMN_METHOD, struct dv_lease, method),
	DV_COLUMN(DV_COLUMN_POLICY, struct dv_lease, policy),
	DV_COLUMN(DV_COLUMN_LEASE_STATE, struct dv_lease, state),
	DV_COLUMN(DV_COLUMN_TEXT, struct dv_lease, gpu_uuid),
	DV_COLUMN(DV_COLUMN_TEXT, struct dv_lease, node),
	DV_COLUMN(DV_COLUMN_U64, struct dv_lease, memory_bytes),
	DV_COLUMN(DV_COLUMN_U32, struct dv_lease, compute_mpct),
	DV_COLUMN(DV_COLUMN_BOOL, struct dv_lease, ephemeral),
	DV_COLUMN(DV_COLUMN_I32, struct dv_lease, launcher),
	DV_COLUMN(DV_COLUMN_U64, struct dv_lease, launcher_start),
	DV_COLUMN(DV_COLUMN_I64, struct dv_lease, created_s),
	DV_COLUMN(DV_COLUMN_TEXT, struct dv_lease, nonce),
	DV_COLUMN(DV_COLUMN_TEXT, struct dv_lease, profile),
};

_Static_assert(sizeof(uid_t) == 4 && sizeof(pid_t) == 4, "columns hold them as 32 bits");

int dv_store_lease_ids(struct dv_store *store, unsigned count, int64_t *ret_first,
		       struct dv_error *err)
{
	dv_cleanup(dv_sql_done) sqlite3_stmt *statement = NULL;
	int64_t first;
	int r = dv_sql_get(
		store, "UPDATE sequence SET next = next + ? WHERE name = 'lease' RETURNING next",
		&statement, err);

	if (r < 0)
		return r;
	if (sqlite3_bind_int64(statement, 1, count) != SQLITE_OK)
		return dv_sql_fail(store, SQLITE_NOMEM, "numbering a lease", err);
	r = dv_sql_step(store, statement, "numbering a lease", err);
	if (r < 0)
		return r;
	first = sqlite3_column_int64(statement, 0) - count;
	/* The change is whole only when the statement has run to its end. */
	r = dv_sql_step(store, statement, "numbering a lease", err);
	if (r < 0)
		return r;
	*ret_first = first;
	return 0;
}

static int insert(struct dv_store *store, const struct dv_lease *lease, struct dv_error *err)
{
	dv_cleanup(dv_sql_done) sqlite3_stmt *statement = NULL;
	int rc, r = dv_sql_get(store,
			       "INSERT INTO lease(id, " LEASE_COLUMNS
			       ") VALUES(?, ?,?,?,?,?,?,?,?, ?,?,?,?,?,?,?,?, ?)",
			       &statement, err);

	if (r < 0)
		return r;
	rc = sqlite3_bind_int64(statement, 1, lease->id);
	if (rc == SQLITE_OK)
		rc = dv_sql_bind(statement, 2, dv_lease_columns, DV_LEASE_COLUMN_COUNT, lease);
	if (rc != SQLITE_OK)
		return dv_sql_fail(store, rc, "adding a lease", err);
	rc = sqlite3_step(statement);
	if (rc == SQLITE_DONE)
		return 0;
	if (rc != SQLITE_CONSTRAINT_UNIQUE)
		return dv_sql_fail(store, rc, "adding a lease", err);
	dv_error_rule(err, -EEXIST, "S13", "there is a lease '%s' already", lease->name);
	return dv_error_fix(err, -EEXIST, "choose another name, or release that lease");
}

int dv_store_lease_add(struct dv_store *store, struct dv_lease *lease, struct dv_error *err)
{
	struct dv_lease added = *lease;
	bool own = false;
	int r = dv_sql_scope_begin(store, &own, err);

	if (r < 0)
		return r;
	if (added.id == 0)
		r = dv_store_lease_ids(store, 1, &added.id, err);
	if (r == 0)
		r = insert(store, &added, err);
	r = dv_sql_scope_end(store, own, r, err);
	if (r == 0)
		lease->id = added.id;
	return r;
}

/* Run a statement that changes one lease: `text` is its first parameter, or there is none. */
static int change_one(struct dv_store *store, const char *sql, const char *text, int64_t id,
		      struct dv_error *err)
{
	dv_cleanup(dv_sql_done) sqlite3_stmt *statement = NULL;
	int rc = SQLITE_OK, r = dv_sql_get(store, sql, &statement, err);

	if (r < 0)
		return r;
	if (text)
		rc = dv_sql_bind_text(statement, 1, text);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(statement, text ? 2 : 1, id);
	if (rc != SQLITE_OK)
		return dv_sql_fail(store, rc, "changing a lease", err);
	r = dv_sql_step(store, statement, "changing a lease", err);
	if (r < 0)
		return r;
	if (sqlite3_changes(store->db) != 1)
		return dv_error_fix(err,
				    dv_error_rule(err, -ENOENT, "S09",
						  "there is no lease number %lld", (long long)id),
				    "`divvy leases` lists them");
	return 0;
}

int dv_store_lease_set_state(struct dv_store *store, int64_t id, enum dv_lease_state state,
			     struct dv_error *err)
{
	return change_one(store, "UPDATE lease SET state = ? WHERE id = ?",
			  dv_lease_state_name(state), id, err);
}

int dv_store_lease_set_node(struct dv_store *store, int64_t id, const char *node,
			    struct dv_error *err)
{
	return change_one(store, "UPDATE lease SET node = ? WHERE id = ?", node, id, err);
}

int dv_store_lease_remove(struct dv_store *store, int64_t id, struct dv_error *err)
{
	return change_one(store, "DELETE FROM lease WHERE id = ?", NULL, id, err);
}

int dv_store_leases(struct dv_store *store, struct dv_leases *ret, struct dv_error *err)
{
	dv_cleanup(dv_sql_done) sqlite3_stmt *statement = NULL;
	struct dv_leases read = {0};
	int r = dv_sql_get(store, "SELECT id, " LEASE_COLUMNS " FROM lease ORDER BY id", &statement,
			   err);

	while (r == 0 && (r = dv_sql_step(store, statement, "reading leases", err)) == 1) {
		struct dv_lease lease = {.id = sqlite3_column_int64(statement, 0)};

		r = dv_sql_read(statement, 1, dv_lease_columns, DV_LEASE_COLUMN_COUNT, &lease, err);
		if (r == 0 && dv_vec_push(&read, lease) < 0)
			r = dv_error_set(err, -ENOMEM, "no memory to read the leases");
	}
	if (r < 0) {
		dv_vec_fini(&read);
		return r;
	}
	*ret = read;
	return 0;
}
