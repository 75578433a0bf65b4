/* SPDX-License-Identifier: Apache-2.0 */
/* A machine for the engine: devices on which steps leave something, locks that only one engine can
 * have, answers that come at once or when told, and every failure on demand.
 *
 * The world outlives engines and is shared by several: what an engine made stays when it dies, but
 * for its slices, which live in its process. After `die_at` events (store commits and steps)
 * nothing that an engine does reaches store or device any more: it was killed there. */
#pragma once

#include "engine/engine.h"

enum { FAKE_GPUS = 3, FAKE_ENGINES = 4, FAKE_THINGS = 1024, FAKE_PENDING = 64 };

struct fake_thing {
	int engine; /* who made it */
	char node[DV_NODE_SIZE];
	enum dv_method method;
};

struct fake_world {
	struct dv_gpu gpus[FAKE_GPUS];
	unsigned gpu_count;
	int owner[FAKE_GPUS]; /* engine, or -1 */
	bool alive[FAKE_ENGINES];
	/* A lock outlives the engine that is killed with it, until that one starts again. */
	bool sticky;
	unsigned abandoned; /* things of engines that lost their device while they were dead */
	struct fake_thing things[FAKE_THINGS];
	unsigned thing_count;
	bool overlap; /* two things met on one place: the worst that can happen */
};

struct fake_pending {
	uint64_t token;
	struct dv_step step;
	bool undo;
};

struct fake {
	struct fake_world *world;
	int number; /* of the engine */
	struct dv_store *store;
	struct dv_engine *engine; /* NULL: dead */

	bool later; /* steps are answered by fake_answer */
	struct fake_pending pending[FAKE_PENDING];
	unsigned pending_count;

	unsigned events; /* commits and steps since the start */
	unsigned die_at; /* the event after which it is dead; 0: never */
	bool die_before; /* the last event itself does not happen any more */
	bool dead;
	unsigned fail_commit; /* the commit with that number (1 = next) and `fail_commits` more */
	unsigned fail_commits;
	unsigned fail_step; /* the step with that number from now on fails, and does nothing */
	unsigned fail_steps;
	bool fail_undo;	  /* undos fail too */
	int fail_code;	  /* with what; 0: -EIO */
	bool half_done;	  /* a failing step has done its work all the same */
	bool refuse_step; /* ops->step itself is negative */
	bool fail_own;

	struct dv_quota quota;
	bool report_drift;
	bool launchers_gone;
	const char *in_use; /* name of a lease that somebody is in, unseen as yet; or NULL */
	uint64_t random;
	int64_t now_s;
	char log[4096]; /* "+slice.create CPU-x/s1\n", "-..." for an undo */

	/* Of the last answer. */
	unsigned answers;
	int r;
	struct dv_error err;
	struct dv_lease lease;
	bool has_lease;
};

void fake_world_init(struct fake_world *world, unsigned gpus);
/* A store in memory, no engine yet. */
void fake_init(struct fake *fake, struct fake_world *world, int number);
void fake_fini(struct fake *fake);
/* Make an engine on the store, show it the world and recover. Returns what recover did. */
int fake_start(struct fake *fake);
/* The same, killed after the event with that number; 0: not killed. */
int fake_start_killed(struct fake *fake, unsigned at);
/* kill -9. */
void fake_kill(struct fake *fake);
/* Answer a pending step: it does its work, or fails. */
void fake_answer(struct fake *fake, unsigned which, bool good);

void fake_done(void *arg, int r, const struct dv_lease *lease, const struct dv_error *err);
/* Each returns what came of it, asked at once or answered. */
int fake_take(struct fake *fake, const struct dv_lease_request *request,
	      const struct dv_identity *who);
int fake_release(struct fake *fake, const char *name, const struct dv_identity *who);

/* A request for a slice of that name. */
struct dv_lease_request fake_slice(const char *name);
extern const struct dv_identity fake_alice, fake_bob, fake_root;

/* What the engine's leases say and what is on the devices is the same, and the store has the same
 * leases. Returns false after saying what differs. */
bool fake_consistent(const struct fake *fake);
