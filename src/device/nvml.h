/* SPDX-License-Identifier: Apache-2.0 */
/* NVIDIA's GPUs through the driver's own library: what there is, how each is partitioned, who
 * computes where, and the changes of partitions. The library is loaded into the calling process and
 * may crash or block; so only the worker calls this. Not for several threads at once.
 *
 * GPUs are named by their UUID, and looked up anew for each call: a change of the MIG mode makes
 * everything that the library gave out before worthless. What the driver says goes before what the
 * catalogue knows. Plain data is the caller's.
 *
 * Failures: the driver's result is err->native (domain DV_DOMAIN_NVML). -EPERM (rule M08, no
 * right), -EBUSY (M05, in use), -ENOSPC (M04, no room there), -EOPNOTSUPP (M02, no MIG, or M07, the
 * driver is too old), -ENOENT, -ENODEV (the GPU is lost), -ETIMEDOUT, -EIO. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/vec.h"
#include "model/mig.h"

#define DV_NVML_LIBRARY "libnvidia-ml.so.1"

struct dv_nvml_gpu {
	unsigned index;
	char uuid[DV_UUID_SIZE];
	char name[96];
	char address[16]; /* "0000:1b:00.0" */
	uint16_t vendor, device, subvendor, subdevice;
	uint64_t memory_bytes;
	int compute_major, compute_minor; /* 0.0: not known */
	bool shows_a_display;
	/* While MIG is off a driver may not tell profiles. A name that it does not tell is made
	 * from the figures. Where this user may not list instances (hidden), those of its devices
	 * are there, without their places. */
	struct dv_mig mig;
	bool hidden;
};

struct dv_nvml_gpus {
	DV_VEC(struct dv_nvml_gpu);
};

struct dv_nvml; /* the library, at work */

/* Load `library` (DV_NVML_LIBRARY, or a path) and begin. -ENODEV when it is not there or no driver
 * answers: there are then no such GPUs. */
int dv_nvml_open(const char *library, struct dv_nvml **ret, struct dv_error *err) DV_MUST_CHECK;
void dv_nvml_close(struct dv_nvml *nvml);
DV_DEFINE_FREEP(struct dv_nvml, dv_nvml_close)

/* The driver's version. */
int dv_nvml_driver(const struct dv_nvml *nvml, char *buf, size_t size,
		   struct dv_error *err) DV_MUST_CHECK;

/* All GPUs, in the driver's order; one that is lost meanwhile is left out. */
int dv_nvml_observe(const struct dv_nvml *nvml, struct dv_nvml_gpus *ret,
		    struct dv_error *err) DV_MUST_CHECK;
int dv_nvml_observe_one(const struct dv_nvml *nvml, const char *uuid, struct dv_nvml_gpu *ret,
			struct dv_error *err) DV_MUST_CHECK;

/* When a wished mode becomes active. */
enum dv_mig_when { DV_MIG_WHEN_NOW, DV_MIG_WHEN_IDLE, DV_MIG_WHEN_RESET };

/* Wish the MIG mode on or off. The call may reset the GPU: observe it again. 0 with *ret_when: for
 * DV_MIG_WHEN_IDLE and DV_MIG_WHEN_RESET nothing has changed yet, and the wish stays with the
 * driver until the other mode is wished. */
int dv_nvml_set_mig(const struct dv_nvml *nvml, const char *uuid, bool on,
		    enum dv_mig_when *ret_when, struct dv_error *err) DV_MUST_CHECK;

/* Make an instance of that profile at that place, or end one. -EOPNOTSUPP (M07) where the driver
 * cannot be told a place. */
int dv_nvml_create(const struct dv_nvml *nvml, const char *uuid, uint32_t profile, uint32_t start,
		   uint32_t *ret_id, struct dv_error *err) DV_MUST_CHECK;
int dv_nvml_destroy(const struct dv_nvml *nvml, const char *uuid, uint32_t id,
		    struct dv_error *err) DV_MUST_CHECK;

/* A compute instance: `slices` compute slices of an instance, from `start`; DV_MIG_ANYWHERE leaves
 * the place to the driver. */
#define DV_MIG_ANYWHERE UINT32_MAX
struct dv_mig_part_wish {
	uint32_t instance, slices, start;
};
int dv_nvml_create_part(const struct dv_nvml *nvml, const char *uuid,
			const struct dv_mig_part_wish *wish, uint32_t *ret_id,
			struct dv_error *err) DV_MUST_CHECK;
int dv_nvml_destroy_part(const struct dv_nvml *nvml, const char *uuid, uint32_t instance,
			 uint32_t id, struct dv_error *err) DV_MUST_CHECK;

/* A process that computes or draws on a GPU. */
struct dv_nvml_user {
	pid_t pid;
	int instance, part;    /* ids; -1: on the whole GPU */
	uint64_t memory_bytes; /* UINT64_MAX: not known */
	bool computes;	       /* else it only draws */
};

/* Those of one GPU; *ret_count is how many there are, at most `most` are filled in. */
int dv_nvml_users(const struct dv_nvml *nvml, const char *uuid, struct dv_nvml_user *ret,
		  unsigned most, unsigned *ret_count, struct dv_error *err) DV_MUST_CHECK;

/* What happens to GPUs, told as it happens. */
struct dv_nvml_watch;
struct dv_nvml_news {
	char uuid[DV_UUID_SIZE]; /* of the GPU, or "" where that cannot be said any more */
	bool mig_changed;	 /* its mode or partitions */
	uint32_t xid;		 /* 0: none */
	int instance, part;	 /* ids, of an Xid; -1: not of one */
};

/* Begin to listen to all GPUs. -EOPNOTSUPP when none of them tells anything. */
int dv_nvml_watch_begin(const struct dv_nvml *nvml, struct dv_nvml_watch **ret,
			struct dv_error *err) DV_MUST_CHECK;
void dv_nvml_watch_end(struct dv_nvml_watch *watch);
DV_DEFINE_FREEP(struct dv_nvml_watch, dv_nvml_watch_end)
/* Wait for the next: 1 with *ret filled in; 0: nothing within the time. Blocks. */
int dv_nvml_watch_next(struct dv_nvml_watch *watch, unsigned timeout_ms, struct dv_nvml_news *ret,
		       struct dv_error *err) DV_MUST_CHECK;
