/* SPDX-License-Identifier: Apache-2.0 */
/* A simulated device and tenants around the real scheduler, on a clock of their own. The device
 * runs one kernel after another and never interrupts one. A tenant behaves as a shim does: it
 * launches while it holds a grant and the work it put on the device is little enough, drains at
 * the end or when revoked, hands back when idle for the linger, and wants again when it has work.
 * Messages in both directions take `message_ns`. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sched/sched.h"

enum { SIM_TENANTS_MOST = 64, SIM_DEPTH_MOST = 16 };

struct sim_kind {
	enum dv_policy policy;
	uint32_t share_mpct;
	uint64_t kernel_min_ns, kernel_max_ns;
	uint64_t think_min_ns, think_max_ns; /* between a kernel's end and the next of that slot */
	unsigned depth;			     /* kernels that may be under way; 1: synchronous */
	uint64_t arrives_ns;
};

struct sim_mail {
	uint64_t at_ns;
	struct dv_decision decision;
	unsigned epoch;
	bool want, more; /* to the scheduler: WANT, else DRAINED */
	uint64_t idle_since_ns;
};

struct sim_box {
	struct sim_mail mails[16];
	unsigned first, count;
};

struct sim_tenant {
	struct sim_kind kind;
	/* The process. */
	bool here, stopped, held, revoked, wanted;
	unsigned epoch;
	uint64_t until_ns;
	uint64_t ready_ns[SIM_DEPTH_MOST]; /* of each slot; UINT64_MAX: on the device */
	uint64_t end_ns[SIM_DEPTH_MOST];   /* on the device: when it ends */
	uint64_t work_ns[SIM_DEPTH_MOST];
	uint64_t last_ns; /* when it last had something on the device, or was granted */
	struct sim_box in, out;
	/* What the scheduler's side knows. */
	unsigned held_epoch;
	/* Results. */
	uint64_t busy_ns, kernels, evictions, revocations;
	uint64_t overrun_max_ns, wait_max_ns, grants;
	double behind_min, behind_max; /* of got - share * total, ns */
	double cap_least, cap_rise;    /* of got - share * time: least so far, most it rose since */
};

struct sim {
	struct dv_sched *sched;
	struct dv_sched_config config;
	uint64_t now_ns, message_ns, random, inflight_ns;
	uint64_t device_free_ns, idle_wanted_ns, busy_ns, hand_backs;
	uint64_t events;
	unsigned count;
	bool measure; /* the range of each one's error against its share of all that was used */
	struct sim_tenant tenants[SIM_TENANTS_MOST];
};

void sim_init(struct sim *sim, const struct dv_sched_config *config, uint64_t seed);
void sim_fini(struct sim *sim);
unsigned sim_add(struct sim *sim, const struct sim_kind *kind);
void sim_remove(struct sim *sim, unsigned i);
/* Go on until that time. */
void sim_run(struct sim *sim, uint64_t until_ns);
uint64_t sim_random(struct sim *sim, uint64_t from, uint64_t to);
uint64_t sim_used(const struct sim *sim, unsigned i);
/* Share of all that the tenants used, in percent. */
double sim_share(const struct sim *sim, unsigned i);
/* DV_TEST_SEED, or one of the clock; printed. */
uint64_t sim_seed(void);
