/* SPDX-License-Identifier: Apache-2.0 */
/* A simulated machine, as its file (data/machines) and the catalogue say: constant facts, all
 * bounds fixed, so that it is written to a file as it is. What changes is struct dv_sim_state's. */
#pragma once

#include "base/limits.h"
#include "catalog/catalog.h"

enum {
	DV_SIM_MODELS_MOST = 4,
	DV_SIM_GPUS_MOST = 16,
	DV_SIM_PROFILES_MOST = 24,
	DV_SIM_STARTS_MOST = 16,
	DV_SIM_GIS_MOST = 15, /* GPU instance ids are 0 to 14 */
	DV_SIM_CIS_MOST = 8,
	DV_SIM_CI_SETS_MOST = 6,
	DV_SIM_HOLDERS_MOST = 512,
	DV_SIM_FAULTS_MOST = 32,
	DV_SIM_INSTANCES_MOST = 64,
	DV_SIM_NAME_SIZE = 96,
};

/* A kind of GPU instance. Engines may be DV_CAT_UNKNOWN. */
struct dv_sim_profile {
	char name[32];	     /* "1g.10gb+me" */
	uint32_t id, number; /* number: in the driver's own list */
	uint32_t slices, size, start_count;
	uint8_t starts[DV_SIM_STARTS_MOST];
	uint32_t most, memory_mib, multiprocessors;
	struct dv_cat_engines engines;
	bool graphics, doubled; /* doubled: more memory than others of as many slices */
	bool unknown;		/* to this machine's driver */
	bool invented;		/* some figure is in no source */
};

struct dv_sim_model {
	char id[DV_MODEL_SIZE];
	uint32_t
		architecture; /* DV_NVML... of nvml.h: 7 Ampere, 8 Ada, 9 Hopper, 10 Blackwell; 0 */
	int compute_major, compute_minor;
	uint16_t vendor, device, subvendor, subdevice;
	uint32_t memory_mib, multiprocessors;
	bool has_mig; /* and this driver is new enough for it */
	uint32_t grid, most;
	bool reset_to_toggle, mode_survives_reboot, peer_to_peer;
	uint32_t profile_count;
	struct dv_sim_profile profiles[DV_SIM_PROFILES_MOST];
};

/* A kind of compute instance. */
struct dv_sim_ci_profile {
	char name[8]; /* "2c" */
	uint32_t id, number, size, start_count, most;
	uint8_t starts[DV_SIM_CIS_MOST];
};

/* Those of a GPU instance with so many compute slices. */
struct dv_sim_ci_set {
	uint32_t of, count;
	struct dv_sim_ci_profile profiles[DV_SIM_CIS_MOST];
};

struct dv_sim_gpu {
	uint32_t model; /* index of models[] */
	char name[DV_SIM_NAME_SIZE];
	char uuid[DV_UUID_SIZE], serial[16], address[16]; /* "0000:1b:00.0" */
	int numa_node;					  /* -1: not known */
	bool mig_on;					  /* at first */
	bool in_vm; /* a GPU that was passed to this (virtual) machine: it cannot be reset */
};

/* An instance that is there at first, with one compute instance that fills it. */
struct dv_sim_instance {
	uint32_t gpu;
	char profile[32];
	int start;	/* -1: where the driver puts it */
	char owner[32]; /* its process, if in_use */
	bool in_use;
};

enum dv_sim_use { DV_SIM_OPEN, DV_SIM_COMPUTE, DV_SIM_GRAPHICS, DV_SIM_MPS, DV_SIM_USE_COUNT };

/* A process that has GPUs open, or computes on one. */
struct dv_sim_holder {
	char name[32]; /* "" : no holder */
	uint32_t pid, uid;
	enum dv_sim_use use;
	uint32_t gpus; /* bit i: GPU i */
	int gi, ci;    /* ids; -1: the whole GPU */
	uint64_t memory_bytes;
	bool live; /* a real process that computes (sim/cuda/share.h): not of the state's file */
};

enum dv_sim_action {
	DV_SIM_RETURN,
	DV_SIM_KILL_BEFORE, /* the process that calls: it dies */
	DV_SIM_KILL_AFTER,
	DV_SIM_STOP_BEFORE, /* it stops, until somebody lets it go on */
	DV_SIM_STOP_AFTER,
	DV_SIM_DELAY, /* by as many ms as `result` says */
	DV_SIM_ACTION_COUNT
};

/* Something to go wrong: the nth call of that name ("*": of any name) from now on. */
struct dv_sim_fault {
	char call[64]; /* "" : no fault */
	uint32_t nth;  /* counts down to 1 */
	enum dv_sim_action action;
	uint32_t result; /* of RETURN; ms of DELAY */
};

struct dv_sim_machine {
	char name[DV_NAME_SIZE];
	char driver[32];
	uint32_t driver_release;   /* 580 of "580.95.05" */
	uint32_t cuda;		   /* 13000 */
	bool old_calls;		   /* the library of the driver lacks the later calls */
	bool root_only;		   /* changes need root */
	bool minors_stay;	   /* toggling the mode keeps the device's minor number */
	bool counts_wrong;	   /* a profile's instance count is wrong, as on A30 */
	bool profiles_without_mig; /* profiles are listed with MIG off, too */
	uint32_t links;		   /* NVLink of each GPU */
	bool fabric;		   /* and they lead to a switch */
	uint32_t model_count, gpu_count, ci_set_count;
	uint32_t instance_count, holder_count, fault_count;
	struct dv_sim_model models[DV_SIM_MODELS_MOST];
	struct dv_sim_gpu gpus[DV_SIM_GPUS_MOST];
	struct dv_sim_ci_set ci_sets[DV_SIM_CI_SETS_MOST];
	struct dv_sim_instance instances[DV_SIM_INSTANCES_MOST];
	struct dv_sim_holder holders[DV_SIM_HOLDERS_MOST];
	struct dv_sim_fault faults[DV_SIM_FAULTS_MOST];
};

/* Parse a machine's text, called `file` in messages, with facts from a sealed catalogue. -EBADMSG
 * with line and column; -ENOMEM. */
int dv_sim_machine_parse(const char *text, size_t len, const char *file,
			 const struct dv_catalog *catalog, struct dv_sim_machine *ret,
			 struct dv_error *err) DV_MUST_CHECK;

/* Take a GPU's facts over. What no source knows is invented, by rule: memory from the name, SMs in
 * proportion; the row's profile is marked. -E2BIG when something does not fit. */
int dv_sim_model_take(const struct dv_cat_gpu *gpu, const char *driver, struct dv_sim_model *ret,
		      struct dv_error *err) DV_MUST_CHECK;
