/* SPDX-License-Identifier: Apache-2.0 */
/* The fleet file: what each tenant needs. Parsed and validated here, owned by the caller.
 *
 * Of a tenant only the name must be there; its kind is process unless said. `defaults` (kind,
 * method, policy, isolation) are merged into the tenants, each where it can be meant: a tenant of
 * whole GPUs takes neither method nor policy, one of MIG no policy. Contradictions that concern the
 * keys alone are refused here; whether a wish can be met is for the plan to say. */
#pragma once

#include "base/vec.h"
#include "model/lease.h"
#include "model/method.h"

enum { DV_SLICE_PROFILES_MOST = 16 };

/* When a tenant that stands as wanted may change its place to make room for others. */
enum dv_move {
	DV_MOVE_IDLE, /* while nobody uses it */
	DV_MOVE_NEVER,
	DV_MOVE_RUNNING, /* also while somebody does */
	DV_MOVE_COUNT
};

const char *dv_move_name(enum dv_move move);
int dv_move_parse(const char *name, enum dv_move *ret, struct dv_error *err) DV_MUST_CHECK;

struct dv_needs {
	uint64_t memory_bytes;	     /* 0: not said */
	uint32_t compute_mpct;	     /* 0: not said */
	enum dv_isolation isolation; /* the least it accepts */
	bool isolation_set;
	uint64_t p99_ns; /* 0: not said */
};

/* What is wanted of a GPU's MIG mode, whether or not a tenant has a partition there. */
enum dv_mig_wish {
	DV_MIG_WISH_NONE, /* as it is; on where a tenant is to have a partition */
	DV_MIG_WISH_ON,
	DV_MIG_WISH_OFF, /* and so nobody gets a partition there */
	DV_MIG_WISH_COUNT
};

/* Which GPUs, and what may be done with them. Empty members match all. */
struct dv_gpu_rule {
	char model[DV_MODEL_SIZE];
	int index; /* -1: not said */
	char uuid[DV_UUID_SIZE];
	char address[16];
	uint32_t methods; /* bits 1u << enum dv_method; 0: every method */
	enum dv_mig_wish mig;
	int line; /* in the file, for messages */
};

/* A slice of a size with a name: the fleet's own vGPU profile. */
struct dv_slice_profile {
	char name[DV_PROFILE_SIZE];
	uint64_t memory_bytes;
	uint32_t compute_mpct;
	enum dv_policy policy;
	bool policy_set;
	unsigned most; /* of this fleet on one GPU; 0: as many as fit */
};

/* One tenant after `count` was unfolded ("tts" with count 3: tts-0, tts-1, tts-2). */
struct dv_tenant {
	char name[DV_NAME_SIZE];
	char group[DV_NAME_SIZE]; /* the name in the file */
	enum dv_kind kind;
	unsigned gpus; /* whole GPUs; 0: a part of one */
	struct dv_needs needs;
	enum dv_method method; /* DV_METHOD_NONE: advised */
	enum dv_policy policy;
	bool policy_set;
	char profile[DV_PROFILE_SIZE]; /* an exact profile, or "" */
	unsigned own;		       /* number + 1 of the fleet's profile that it has; 0: none.
					  Memory, share and policy are that one's then */
	unsigned own_most;	       /* and so many of it may be on a GPU; 0: no limit */
	int start;		       /* an exact place of the profile, or -1 */
	char gpu[DV_MODEL_SIZE];       /* only on GPUs of this name (dv_gpu_matches), or "" */
	enum dv_move move;
	int line, column; /* of the tenant in the file */
};

struct dv_fleet {
	char name[DV_NAME_SIZE];
	char file[192]; /* for messages */
	unsigned moves; /* so many tenants that stand as wanted may a plan move; 0: none */
	DV_VEC(struct dv_gpu_rule) gpu_rules;
	DV_VEC(struct dv_slice_profile) profiles;
	DV_VEC(struct dv_tenant) tenants;
};

/* Parse `len` bytes of text called `file`. -EBADMSG with file, line, column, a rule F.. and what is
 * allowed; -E2BIG over a limit. */
int dv_fleet_parse(const char *text, size_t len, const char *file, struct dv_fleet *ret_fleet,
		   struct dv_error *err) DV_MUST_CHECK;
void dv_fleet_fini(struct dv_fleet *fleet);

/* Print as a fleet file that parses to the same fleet; the caller frees. */
int dv_fleet_print(const struct dv_fleet *fleet, char **ret_text,
		   struct dv_error *err) DV_MUST_CHECK;

/* "on", "off"; "" for no wish */
const char *dv_mig_wish_name(enum dv_mig_wish wish);

/* Does this rule speak of that GPU? */
struct dv_gpu;
bool dv_gpu_rule_matches(const struct dv_gpu_rule *rule, const struct dv_gpu *gpu);
