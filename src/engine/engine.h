/* SPDX-License-Identifier: Apache-2.0 */
/* Observe, compare, step by step with a journal, commit or undo. The only place where a lease is
 * made or ends; the only caller of methods (through ops->step). The engine owns its copy of leases
 * and GPUs and borrows the store. Single-threaded and without a loop of its own: steps may finish
 * later, and then ops' user calls dv_engine_step_done.
 *
 * Two operations never work on one GPU at a time: a later one waits its turn. kill -9 at any
 * moment, then dv_engine_recover: the old or the new state, never a third. */
#pragma once

#include "model/fleet.h"
#include "model/gpu.h"
#include "model/lease.h"
#include "model/plan.h"
#include "store/store.h"

struct dv_engine;

/* Who asks, as the socket's peer says. */
struct dv_identity {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	uint64_t pid_start; /* what makes pid unique, see dv_lease.launcher_start; 0: unknown */
	bool admin;	    /* root, or the user of a per-user divvyd */
	bool allowed;	    /* may take leases (a member of the configured groups, or admin) */
};

/* What one user may hold at once; 0: no limit. Over it: -EDQUOT, rule S08. */
struct dv_quota {
	unsigned leases;
	uint64_t memory_bytes;
	uint32_t compute_mpct; /* summed over devices, each 100 % */
};

struct dv_engine_ops {
	/* Begin a step or, with `undo`, its reverse. Answers through dv_engine_step_done with the
	 * token, before it returns or later, exactly once; negative: it could not even begin, and
	 * no answer follows. Both ways must be idempotent, and right after the other was cut off
	 * anywhere. -ETIMEDOUT says that it may still be going on: it is not undone then, but its
	 * GPU quarantined. The GPU is only lent for the call. */
	int (*step)(void *data, const struct dv_step *step, const struct dv_gpu *gpu, bool undo,
		    uint64_t token, struct dv_error *err);
	/* Own a device (its lock file) before its first lease; -EBUSY with rule S05 and who has it.
	 */
	int (*own)(void *data, const struct dv_gpu *gpu, struct dv_error *err);
	void (*disown)(void *data, const struct dv_gpu *gpu);
	/* 16 random bytes for a nonce. */
	int (*random)(void *data, void *buf, size_t size);
	int64_t (*now_s)(void *data);
	/* The quota of a user. */
	void (*quota)(void *data, uid_t uid, struct dv_quota *ret);
	/* Is the launcher of this ephemeral lease still the process it was? Asked at recovery. */
	bool (*launcher_alive)(void *data, const struct dv_lease *lease);
	/* Is anybody in the lease right now? Then who, for a message. Asked before an apply ends
	 * it; NULL: what dv_engine_lease_seen said holds. */
	bool (*in_use)(void *data, const struct dv_lease *lease, char *who, size_t size);
};

/* `r` is 0 or the negative code; `lease` is NULL on failure, for apply and for recover, and is
 * valid during the call only. Called exactly once, perhaps before the asking function returns;
 * never when that function's own answer is negative. */
typedef void (*dv_engine_done_fn)(void *arg, int r, const struct dv_lease *lease,
				  const struct dv_error *err);

int dv_engine_new(struct dv_store *store, const struct dv_engine_ops *ops, void *data,
		  struct dv_engine **ret, struct dv_error *err) DV_MUST_CHECK;
void dv_engine_free(struct dv_engine *engine);
DV_DEFINE_FREEP(struct dv_engine, dv_engine_free)

/* What the probe found. Divisions are derived from leases; quarantine from the store. Leases on a
 * GPU that is gone stay, and are said to be so: the GPU stays too, in quarantine. When a
 * GPU that was gone at recovery is back, its leases are brought back as recovery does it. */
int dv_engine_set_gpus(struct dv_engine *engine, const struct dv_gpu *gpus, size_t count,
		       struct dv_error *err) DV_MUST_CHECK;
/* What becomes of a lease whose MIG partition is not there any more (a reboot, a new driver,
 * somebody else): it is made again, or, with `report`, only said to be missing. At first it is made
 * again. Either way it is audited when it is seen. */
void dv_engine_set_drift(struct dv_engine *engine, bool report);
const struct dv_gpu *dv_engine_gpus(const struct dv_engine *engine, size_t *ret_count);
const struct dv_leases *dv_engine_leases(const struct dv_engine *engine);
const struct dv_lease *dv_engine_lease(const struct dv_engine *engine, const char *name);
/* Hash over GPUs, leases and partitions, 16 hex digits: the state a plan was made for. */
void dv_engine_state(const struct dv_engine *engine, char ret[17]);

/* At start, after set_gpus, once: own the devices that have leases, bring back leases that stand
 * (the step that made them again, so that the gate opens), undo takes and applies and finish
 * releases that a crash left. Ephemeral leases whose launcher is gone are released. Leases on a
 * device that another divvyd owns by now are lost: audited and dropped, nothing is done to the
 * device, and its quarantine ends with them. `done` is called when all of it is over, with the
 * first failure if there was one; the engine can be used then, and what failed is in quarantine. On
 * a negative answer nothing was begun, and it may be called again. */
int dv_engine_recover(struct dv_engine *engine, dv_engine_done_fn done, void *arg,
		      struct dv_error *err) DV_MUST_CHECK;

/* Take a lease: the GPU that is named, or the first where it fits. A lease without a name gets one
 * (`run-1`, `lease-1`, ...). A slice that does not say its memory or its share gets half of what is
 * left (of the share at least 5 %); a partition that says nothing, half of the free CPUs.
 * Refusals: -EPERM (S17), -EINVAL (F07, F08, F12), -EEXIST (S13), -EOPNOTSUPP (G06, G08, G09),
 * -ENODEV (S18), -EBUSY (S01, S02, S05, S11, S19), -ENOSPC (G01, G02, S04), -EDQUOT (S08). */
int dv_engine_take(struct dv_engine *engine, const struct dv_lease_request *request,
		   const struct dv_identity *who, dv_engine_done_fn done, void *arg,
		   struct dv_error *err) DV_MUST_CHECK;
/* Only the owner or an admin may; -ENOENT (rule S09), -EPERM (rule S10). Of a broken lease this
 * tries the step again; the last one that goes well ends the GPU's quarantine. */
int dv_engine_release(struct dv_engine *engine, const char *name, const struct dv_identity *who,
		      dv_engine_done_fn done, void *arg, struct dv_error *err) DV_MUST_CHECK;
/* As dv_engine_release, but of this lease alone, even if another gets its name meanwhile. */
int dv_engine_release_id(struct dv_engine *engine, int64_t id, const struct dv_identity *who,
			 dv_engine_done_fn done, void *arg, struct dv_error *err) DV_MUST_CHECK;
/* A plan to be carried out. Its assignments are not looked at, only its steps. */
struct dv_apply {
	const struct dv_plan *plan; /* read during the call only */
	const char *fleet_text;	    /* kept as what is desired, when it went well */
	bool consent;		    /* tenants that run may be disturbed */
};

/* Carry out a plan, whole or not at all: when a step fails, what was done is undone. It changes
 * only what an earlier apply of that fleet's name made; the fleet and its leases are the caller's,
 * or remain their owner's when an admin applies. Every step is checked against what is, first.
 *
 * A step that makes a lease takes all but its id, owner, nonce and time from step.lease; the node
 * of a slice is "" for the device itself, or the partition that it is to lie in.
 *
 * Refusals: -ESTALE (S12) when dv_engine_state is not the plan's any more; -ENOSPC and the rule of
 * the first tenant that could not be placed; -EBUSY (S14) without consent; -EPERM (S10, S15, S17);
 * and those of a take. */
int dv_engine_apply(struct dv_engine *engine, const struct dv_apply *apply,
		    const struct dv_identity *who, dv_engine_done_fn done, void *arg,
		    struct dv_error *err) DV_MUST_CHECK;
/* Observed by the gate: the first process attached (ACTIVE), the last one left (READY), or a
 * process goes round it (UNENFORCED). Not journalled. */
void dv_engine_lease_seen(struct dv_engine *engine, int64_t id, enum dv_lease_state state);

void dv_engine_step_done(struct dv_engine *engine, uint64_t token, int r,
			 const struct dv_error *err);
/* Try again what stalled because the store could not be written (a full disk): now and then, as
 * long as dv_engine_stalled. Every other call tries too. */
void dv_engine_retry(struct dv_engine *engine);
bool dv_engine_stalled(const struct dv_engine *engine);
/* No operation is under way or waiting. */
bool dv_engine_idle(const struct dv_engine *engine);
