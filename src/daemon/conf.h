/* SPDX-License-Identifier: Apache-2.0 */
/* divvyd's configuration file, /etc/divvy/divvyd.yaml; every key is in docs/divvyd.yaml. The record
 * owns its list of quotas. Reading it does no name look-ups but for the names it holds. */
#pragma once

#include "base/vec.h"
#include "engine/engine.h"
#include "sched/sched.h"
#include "worker/message.h"

#define DV_CONFIG_FILE "/etc/divvy/divvyd.yaml"

enum { DV_CONFIG_QUOTAS_MOST = 1024 };

/* What one user, or each member of a group, may hold. */
struct dv_config_quota {
	bool group;
	uint32_t id; /* uid or gid */
	struct dv_quota quota;
};

struct dv_config {
	char group[DV_NAME_SIZE]; /* whose members may take leases, or "" */
	bool has_gid;		  /* there is such a group */
	gid_t gid;
	bool others_read; /* users who are no members may look */
	struct dv_cpu_config cpu;
	struct dv_quota quota; /* of everybody without one of their own */
	DV_VEC(struct dv_config_quota) quotas;
	struct dv_sched_config sched;
	bool gate_copies;
	bool away_waits;      /* launches wait for a divvyd that is away, else they pass */
	bool report_drift;    /* a MIG partition that is not there any more is only said to be so */
	uint64_t mig_look_ns; /* how often that is looked for */
	bool end_unleased;    /* a process that computes on a shared GPU without a lease is ended */
	uint64_t unleased_look_ns; /* how often that is looked for */
	bool stop_unenforced; /* a process that goes round the gate is ended, else only shown */
};

/* What holds without a file. */
void dv_config_init(struct dv_config *config);
void dv_config_fini(struct dv_config *config);

/* Parse `len` bytes called `file` over the defaults. -EBADMSG with line and column. */
int dv_config_parse(const char *text, size_t len, const char *file, struct dv_config *ret,
		    struct dv_error *err) DV_MUST_CHECK;
/* Read `path`; NULL is DV_CONFIG_FILE, which need not exist. */
int dv_config_read(const char *path, struct dv_config *ret, struct dv_error *err) DV_MUST_CHECK;

/* The quota of a user in these groups: its own, else the most generous of its groups', else the
 * default. */
void dv_config_quota_of(const struct dv_config *config, uid_t uid, const gid_t *groups,
			unsigned group_count, struct dv_quota *ret);
