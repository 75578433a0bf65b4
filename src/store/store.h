/* SPDX-License-Identifier: Apache-2.0 */
/* What survives a crash: leases, desired fleets, partitions, the journal of operations, audit,
 * quarantine. SQLite (WAL, STRICT tables, user_version migrations, full sync). One thread.
 *
 * A full disk is -EFBIG and leaves the store as it was; a file of a newer version is refused
 * (-EUCLEAN, rule S06) and not touched; one that is not a database too (rule S07). */
#pragma once

#include "base/str.h"
#include "model/lease.h"
#include "model/plan.h"

struct dv_store;

/* `path` is a file (made when it is not there, mode 0600; its directory must exist), or ":memory:".
 * The file is held alone until the store is freed: -EBUSY (rule S16) when another divvyd has it.
 * -EPERM (rule S03) when it is a link, another user's, or can be written by others. */
int dv_store_open(const char *path, struct dv_store **ret, struct dv_error *err) DV_MUST_CHECK;
void dv_store_free(struct dv_store *store);
DV_DEFINE_FREEP(struct dv_store, dv_store_free)

/* Several changes as one. Each change below is whole by itself when no transaction is open; inside
 * one, the caller rolls back after a failure. A commit that fails has rolled back. */
int dv_store_begin(struct dv_store *store, struct dv_error *err) DV_MUST_CHECK;
int dv_store_commit(struct dv_store *store, struct dv_error *err) DV_MUST_CHECK;
/* Does nothing when no transaction is open. */
void dv_store_rollback(struct dv_store *store);

/* Reserve `count` ids that follow each other; an id is never given twice. */
int dv_store_lease_ids(struct dv_store *store, unsigned count, int64_t *ret_first,
		       struct dv_error *err) DV_MUST_CHECK;
/* Add a lease under lease->id, a reserved one; 0: reserve one and fill it in. -EEXIST (rule S13)
 * when the name is taken. What is observed of a lease is not stored. */
int dv_store_lease_add(struct dv_store *store, struct dv_lease *lease,
		       struct dv_error *err) DV_MUST_CHECK;
/* These three: -ENOENT (rule S09) when there is no such lease. */
int dv_store_lease_set_state(struct dv_store *store, int64_t id, enum dv_lease_state state,
			     struct dv_error *err) DV_MUST_CHECK;
int dv_store_lease_set_node(struct dv_store *store, int64_t id, const char *node,
			    struct dv_error *err) DV_MUST_CHECK;
int dv_store_lease_remove(struct dv_store *store, int64_t id, struct dv_error *err) DV_MUST_CHECK;
/* All of them by id; the caller frees with dv_vec_fini. */
int dv_store_leases(struct dv_store *store, struct dv_leases *ret,
		    struct dv_error *err) DV_MUST_CHECK;

/* Journal: an operation and its steps. A step is `begun` before it is tried; an operation that is
 * open at start is what a crash left. Ended operations are kept for a while (DV_JOURNAL_MOST). */
enum dv_journal_state {
	DV_JOURNAL_PLANNED,
	DV_JOURNAL_BEGUN,
	DV_JOURNAL_DONE,
	DV_JOURNAL_UNDONE,
	DV_JOURNAL_FAILED, /* its undo failed too */
};

struct dv_journal_step {
	enum dv_journal_state state;
	struct dv_step step;
};

struct dv_journal_op {
	int64_t id;
	char verb[32]; /* "take", "release", "apply" */
	char fleet[DV_NAME_SIZE];
	uid_t uid;
	int64_t begun_s;
	DV_VEC(struct dv_journal_step) steps;
};

int dv_store_op_begin(struct dv_store *store, struct dv_journal_op *op,
		      struct dv_error *err) DV_MUST_CHECK; /* fills op->id, stores all steps */
/* `step` is its place in steps, from 0. */
int dv_store_op_step(struct dv_store *store, int64_t op, unsigned step, enum dv_journal_state state,
		     struct dv_error *err) DV_MUST_CHECK;
int dv_store_op_end(struct dv_store *store, int64_t op, const char *outcome,
		    struct dv_error *err) DV_MUST_CHECK; /* "done", "undone: why", "failed: why" */
/* The open operations, oldest first; the caller frees with dv_journal_ops_fini. */
struct dv_journal_ops {
	DV_VEC(struct dv_journal_op);
};
int dv_store_ops_open(struct dv_store *store, struct dv_journal_ops *ret,
		      struct dv_error *err) DV_MUST_CHECK;
void dv_journal_ops_fini(struct dv_journal_ops *ops);

/* Desired fleets, as the text that was applied. */
int dv_store_fleet_put(struct dv_store *store, const char *name, uid_t uid, const char *text,
		       struct dv_error *err) DV_MUST_CHECK;
int dv_store_fleet_remove(struct dv_store *store, const char *name,
			  struct dv_error *err) DV_MUST_CHECK;
int dv_store_fleet_get(struct dv_store *store, const char *name, uid_t *ret_uid, char **ret_text,
		       struct dv_error *err) DV_MUST_CHECK; /* -ENOENT; the caller frees */

/* A GPU on which nothing new is placed, and why. */
int dv_store_quarantine_put(struct dv_store *store, const char *gpu_uuid, const char *why,
			    struct dv_error *err) DV_MUST_CHECK;
int dv_store_quarantine_get(struct dv_store *store, const char *gpu_uuid, char *buf, size_t size,
			    struct dv_error *err) DV_MUST_CHECK; /* "" when free */
int dv_store_quarantine_remove(struct dv_store *store, const char *gpu_uuid,
			       struct dv_error *err) DV_MUST_CHECK;

/* Audit: who did what, and journal outcomes; never rewritten. */
struct dv_audit {
	int64_t id, time_s;
	uid_t uid;
	pid_t pid;
	char verb[32];
	char subject[DV_NODE_SIZE];
	char text[256];
};
struct dv_audits {
	DV_VEC(struct dv_audit);
};
int dv_store_audit_add(struct dv_store *store, const struct dv_audit *entry,
		       struct dv_error *err) DV_MUST_CHECK;
/* The last `most` entries with id > `after`, oldest first; with `only` the last `most` of that
 * user's. The caller frees with dv_vec_fini. The newest DV_AUDIT_MOST are kept. */
int dv_store_audits(struct dv_store *store, const uid_t *only, int64_t after, unsigned most,
		    struct dv_audits *ret, struct dv_error *err) DV_MUST_CHECK;
