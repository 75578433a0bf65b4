/* SPDX-License-Identifier: Apache-2.0 */
/* MIG on one GPU, as its driver says it is now. Plain data, copied by value; nothing of a width or
 * a profile is in code, see NVIDIA's MIG User Guide and nvml.h for the terms.
 *
 * A GPU instance is an interval of the grid of memory slices. A compute instance is a part of one,
 * and what a program is given: by the UUID of the device that it makes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/limits.h"

enum {
	DV_MIG_PROFILES_MOST = 32,
	DV_MIG_INSTANCES_MOST = 16, /* GPU instances of one GPU */
	DV_MIG_COMPUTES_MOST = 16,  /* compute instances of one GPU */
	DV_MIG_CELLS_MOST = 32,
	DV_MIG_PARTS_MOST = 8, /* compute slices of an instance that is divided */
};

enum dv_mig_mode {
	DV_MIG_NONE, /* this GPU has no MIG */
	DV_MIG_OFF,
	DV_MIG_ON,
	DV_MIG_TURNING_ON,  /* wanted, and effective only after a reset */
	DV_MIG_TURNING_OFF, /* the same */
	DV_MIG_MODE_COUNT
};

enum dv_mig_engine {
	DV_MIG_COPY,
	DV_MIG_DECODE,
	DV_MIG_ENCODE,
	DV_MIG_JPEG,
	DV_MIG_OPTICAL_FLOW,
	DV_MIG_ENGINE_COUNT
};

/* A way to cut a GPU instance. */
struct dv_mig_profile {
	char name[DV_PROFILE_SIZE]; /* "1g.10gb+me" */
	uint32_t id;		    /* that the driver prints and takes */
	uint32_t memory_mib;
	uint32_t starts; /* bit c: may begin at slice c; 0: not known */
	uint16_t multiprocessors;
	uint8_t size;		/* memory slices */
	uint8_t compute_slices; /* 1 of "1g" */
	uint8_t most;		/* at once on an empty GPU */
	uint8_t engines[DV_MIG_ENGINE_COUNT];
	bool graphics;	     /* graphics interfaces work in it */
	bool memory_derived; /* memory_mib comes from the name less 10 % */
	/* parts[n]: bit s: a compute instance of n slices may begin at compute slice s of an
	 * instance; all 0: not known. A driver says it only of an instance that is there. */
	uint8_t parts[DV_MIG_PARTS_MOST];
	bool parts_derived; /* from the catalogue */
};

/* The right to use it: node /dev/nvidia-caps/nvidia-cap<minor>. */
struct dv_mig_right {
	uint32_t minor; /* 0: not known */
	bool node;	/* is there: the driver does not make it by itself */
};

struct dv_mig_instance {
	char profile[DV_PROFILE_SIZE]; /* its name, or "" where the driver does not say */
	uint32_t id, profile_id;
	uint8_t start, size;
	uint16_t holder_count; /* processes that use it, as far as can be seen */
	struct dv_mig_right right;
};

struct dv_mig_compute {
	char uuid[DV_UUID_SIZE]; /* "MIG-..." */
	uint32_t instance;	 /* id of the GPU instance that it is in */
	uint32_t id, profile_id;
	uint8_t start, size;	   /* compute slices within it */
	struct dv_mig_right right; /* besides that of the GPU instance */
};

struct dv_mig {
	enum dv_mig_mode mode;
	uint32_t minor;		/* N of /dev/nvidiaN: capabilities are counted by it */
	uint8_t cells;		/* width of the grid; 0: not known while the mode is off */
	uint8_t compute_slices; /* of the whole GPU in MIG mode; 0: not known */
	bool profiles_derived;	/* from the catalogue: the driver does not tell them now */
	bool resets;		/* the mode changes only with a reset of the GPU */
	unsigned profile_count, instance_count, compute_count;
	struct dv_mig_profile profiles[DV_MIG_PROFILES_MOST];
	struct dv_mig_instance instances[DV_MIG_INSTANCES_MOST];
	struct dv_mig_compute computes[DV_MIG_COMPUTES_MOST];
};

/* "none", "off", "on", "turning-on", "turning-off" */
const char *dv_mig_mode_name(enum dv_mig_mode mode);
int dv_mig_mode_parse(const char *name, enum dv_mig_mode *ret, struct dv_error *err) DV_MUST_CHECK;

/* The profile of that name or id, or NULL. */
const struct dv_mig_profile *dv_mig_find(const struct dv_mig *mig, const char *name);
const struct dv_mig_profile *dv_mig_find_id(const struct dv_mig *mig, uint32_t id);
/* The instance that begins there with that size, or NULL. */
const struct dv_mig_instance *dv_mig_instance_at(const struct dv_mig *mig, uint32_t start,
						 uint32_t size);
/* "1c.3g.40gb" names a compute instance that is a part of an instance of profile "3g.40gb": how
 * many compute slices it has; 0: the name is of a whole instance. `*ret_whole` (may be NULL) points
 * to the instance's profile within `name`, either way. */
unsigned dv_mig_part_slices(const char *name, const char **ret_whole);

/* The compute instance of that instance which begins there with that size, or NULL. */
const struct dv_mig_compute *dv_mig_compute_at(const struct dv_mig *mig, uint32_t instance,
					       uint32_t start, uint32_t size);
/* The first compute instance in it, or NULL. */
const struct dv_mig_compute *dv_mig_compute_of(const struct dv_mig *mig, uint32_t instance);
/* The compute instance that is all of it, or NULL: it has none, or somebody cut it into parts. */
const struct dv_mig_compute *dv_mig_compute_whole(const struct dv_mig *mig,
						  const struct dv_mig_instance *instance,
						  const char *profile);
/* May it end with a lease that has all of it, on GPU number `gpu`? -EBUSY (rule M05) that names the
 * compute instance in it which is not all of it: that is somebody else's. */
int dv_mig_may_end(const struct dv_mig *mig, const struct dv_mig_instance *instance,
		   const char *profile, const char *gpu, struct dv_error *err) DV_MUST_CHECK;
