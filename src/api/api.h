/* SPDX-License-Identifier: Apache-2.0 */
/* JSON <-> model, for daemon and client alike; the only place that knows jansson. Encoders give
 * text that the caller frees; decoders check every type and range (-EPROTO) and ignore members they
 * do not know. docs/api.md lists paths and documents. */
#pragma once

#include "base/str.h"
#include "model/gpu.h"
#include "model/lease.h"
#include "model/measure.h"
#include "model/plan.h"

struct dv_gpus {
	DV_VEC(struct dv_gpu);
};

/* {"schema": "divvy/error/1", ...} */
int dv_api_error_encode(const struct dv_error *error, char **ret_text) DV_MUST_CHECK;
/* Fill `ret` from an error document; -EPROTO when it is none. */
int dv_api_error_decode(const char *text, struct dv_error *ret, struct dv_error *err) DV_MUST_CHECK;

/* divvy/gpus/1: {"gpus": [...]} */
int dv_api_gpus_encode(const struct dv_gpu *gpus, size_t count, char **ret_text,
		       struct dv_error *err) DV_MUST_CHECK;
int dv_api_gpus_decode(const char *text, struct dv_gpus *ret, struct dv_error *err) DV_MUST_CHECK;

/* divvy/leases/1: {"leases": [...]}. The nonce is never encoded here. */
int dv_api_leases_encode(const struct dv_lease *leases, size_t count, char **ret_text,
			 struct dv_error *err) DV_MUST_CHECK;
int dv_api_leases_decode(const char *text, struct dv_leases *ret,
			 struct dv_error *err) DV_MUST_CHECK;

/* divvy/request/1, the body of POST /v1/leases. Unknown members are refused here (-EBADMSG). */
int dv_api_request_encode(const struct dv_lease_request *request, char **ret_text,
			  struct dv_error *err) DV_MUST_CHECK;
int dv_api_request_decode(const char *text, size_t len, struct dv_lease_request *ret,
			  struct dv_error *err) DV_MUST_CHECK;

/* divvy/grant/1, the answer to POST /v1/leases and GET /v1/leases/NAME/attach: the lease and what a
 * process of it needs. Only its owner gets one. */
enum { DV_API_ENV_MOST = 16, DV_API_DEVICES_MOST = 8 };
struct dv_api_grant {
	struct dv_lease lease;
	unsigned env_count;
	char env[DV_API_ENV_MOST][256]; /* "KEY=VALUE" */
	unsigned device_count;
	char devices[DV_API_DEVICES_MOST][64]; /* "/dev/...": those that it needs; 0: not said */
	char note[256];			       /* what is to be done before that, or "" */
	char nvml[256]; /* NVIDIA's library there: a name for the loader, or a path */
	char cgroup[256];
	char cpus[256];
	bool gated;
	bool stop_unenforced; /* a process that goes round the gate is to be ended, not only shown
			       */
};
int dv_api_grant_encode(const struct dv_api_grant *grant, char **ret_text,
			struct dv_error *err) DV_MUST_CHECK;
int dv_api_grant_decode(const char *text, struct dv_api_grant *ret,
			struct dv_error *err) DV_MUST_CHECK;

/* divvy/status/1: GPUs, leases, warnings. */
struct dv_api_status {
	char version[32];
	char socket[192];
	bool system; /* root's divvyd */
	unsigned pid;
	struct dv_gpus gpus;
	struct dv_leases leases;
	DV_VEC(char *) warnings; /* owned */
};
int dv_api_status_encode(const struct dv_api_status *status, char **ret_text,
			 struct dv_error *err) DV_MUST_CHECK;
int dv_api_status_decode(const char *text, struct dv_api_status *ret,
			 struct dv_error *err) DV_MUST_CHECK;
void dv_api_status_fini(struct dv_api_status *status);

/* divvy/log/1: the answer to GET /v1/log, oldest first. */
enum { DV_API_LOG_MOST = 1000, DV_API_WARNINGS_MOST = 256 };
struct dv_api_log_entry {
	int64_t id, time_s;
	uid_t uid;
	pid_t pid;
	char verb[32];
	char subject[DV_NODE_SIZE];
	char text[256];
};
struct dv_api_log {
	DV_VEC(struct dv_api_log_entry);
};
int dv_api_log_encode(const struct dv_api_log *log, char **ret_text,
		      struct dv_error *err) DV_MUST_CHECK;
int dv_api_log_decode(const char *text, struct dv_api_log *ret, struct dv_error *err) DV_MUST_CHECK;

/* divvy/who/1: who holds a GPU right now, with a lease or without. */
enum { DV_API_HOLDERS_MOST = 128 };
struct dv_api_holder {
	pid_t pid;
	uid_t uid;
	char command[64];
	char what[128];
	char lease[DV_NAME_SIZE]; /* or "" */
};
struct dv_api_who {
	char gpu[DV_UUID_SIZE];
	unsigned more;	     /* holders that are not listed */
	unsigned unreadable; /* processes that divvyd may not look into */
	unsigned count;
	struct dv_api_holder holders[DV_API_HOLDERS_MOST];
};
int dv_api_who_encode(const struct dv_api_who *who, char **ret_text,
		      struct dv_error *err) DV_MUST_CHECK;
int dv_api_who_decode(const char *text, struct dv_api_who *ret, struct dv_error *err) DV_MUST_CHECK;

/* divvy/process/1, the body of POST .../unenforced and .../enter: a process of the lease's. A bare
 * {"pid": 7} will do. */
struct dv_api_process {
	pid_t pid;
	char text[128]; /* what it does, for the log, or "" */
};
int dv_api_process_encode(const struct dv_api_process *process, char **ret_text,
			  struct dv_error *err) DV_MUST_CHECK;
int dv_api_process_decode(const char *text, size_t len, struct dv_api_process *ret,
			  struct dv_error *err) DV_MUST_CHECK;

/* divvy/done/1, the answer where there is nothing else to say: what was done to what. */
int dv_api_done_encode(const char *verb, const char *subject, char **ret_text,
		       struct dv_error *err) DV_MUST_CHECK;

/* divvy/fleet/1, the body of POST /v1/plan and /v1/apply: a fleet file as it was written. */
struct dv_api_wish {
	char file[192];	 /* what it is called in messages, or "" */
	char *text;	 /* owned */
	char state[17];	 /* the state it was planned for, or "" for whatever there is */
	bool consent;	 /* somebody may be disturbed */
	bool defragment; /* room that lies in pieces is to be put together */
};
int dv_api_wish_encode(const struct dv_api_wish *wish, char **ret_text,
		       struct dv_error *err) DV_MUST_CHECK;
int dv_api_wish_decode(const char *text, size_t len, struct dv_api_wish *ret,
		       struct dv_error *err) DV_MUST_CHECK;
void dv_api_wish_fini(struct dv_api_wish *wish);

/* divvy/plan/1, see model/plan.h. */
int dv_api_plan_encode(const struct dv_plan *plan, char **ret_text,
		       struct dv_error *err) DV_MUST_CHECK;
int dv_api_plan_decode(const char *text, size_t len, struct dv_plan *ret,
		       struct dv_error *err) DV_MUST_CHECK;

/* divvy/bench/1, see model/measure.h. The caller frees ret->results. */
enum { DV_BENCH_RESULTS_MOST = 4096 };
int dv_api_bench_encode(const struct dv_bench *bench, char **ret_text,
			struct dv_error *err) DV_MUST_CHECK;
int dv_api_bench_decode(const char *text, size_t len, struct dv_bench *ret,
			struct dv_error *err) DV_MUST_CHECK;
