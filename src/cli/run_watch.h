/* SPDX-License-Identifier: Apache-2.0 */
/* Looks for processes of a tenant that use the OpenCL device round the gate: a driver of OpenCL or
 * CUDA is mapped into them, and divvy's layer is not, or never reported to divvyd.
 *
 * Only what a process of the same user can see is looked at, so this finds mistakes and tricks, not
 * an enemy who hides; what is held against whom is said by `divvy explain`. The watch owns its
 * memory; it borrows the root. No clock of its own, no threads. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/root.h"
#include "base/vec.h"

enum {
	DV_WATCH_DRIVERS_MOST = 16,
	DV_WATCH_PROCESSES_MOST = 4096, /* of one tenant; more are not looked at */
	DV_WATCH_MAPS_MOST =
		16 << 20, /* bytes of one process's maps; what comes after is not seen */
};

struct dv_watched {
	pid_t pid, parent;
	uint64_t start;	   /* makes pid unique */
	uint64_t since_ns; /* when it was first seen with the driver and without a report; 0: it is
			      not */
	bool found;	   /* by the present look */
	bool driver, layer;
	bool attached; /* divvyd knew it, or the process it was forked from */
	bool told;     /* was an offender before */
};

struct dv_watch {
	const struct dv_root *root;
	pid_t top; /* whose descendants are watched */
	/* A process may need a moment from loading the driver to its report. */
	uint64_t patience_ns;
	char layer[64]; /* file name of the layer */
	bool cuda;
	ino_t inode; /* of it */
	/* Process numbers are divvyd's, too (not so when divvyd is in another pid namespace). */
	bool same_pids;
	char drivers[DV_WATCH_DRIVERS_MOST][64]; /* beginnings of file names */
	unsigned driver_count;
	DV_VEC(struct dv_watched) processes;
};

/* Asks divvyd whether this process reported; 1, 0, or negative when it can't be asked now. */
typedef int (*dv_watch_ask_fn)(void *data, pid_t pid);

/* `top` is this process. Drivers of OpenCL are read from /etc/OpenCL/vendors; under a layer of CUDA
 * it is CUDA's, and NVIDIA's own of OpenCL, which knows no layer of CUDA. */
struct dv_watch_layer {
	const char *path;
	bool cuda;
	ino_t inode; /* of the layer of CUDA, which may stand under the driver's name; 0: not known
		      */
};
void dv_watch_init(struct dv_watch *watch, const struct dv_root *root, pid_t top,
		   const struct dv_watch_layer *layer, unsigned patience_ms);
void dv_watch_fini(struct dv_watch *watch);

/* Look once. Returns 1 and the process in *ret when one goes round the gate for longer than the
 * patience (each is returned once; call again for more), 0 when none does, -EOPNOTSUPP when this
 * kernel does not list children, or -ENOMEM. */
int dv_watch_look(struct dv_watch *watch, uint64_t now_ns, dv_watch_ask_fn ask, void *data,
		  struct dv_watched *ret, struct dv_error *err) DV_MUST_CHECK;

/* Living descendants of `top`, all generations: as the last look found them. */
int dv_watch_descendants(struct dv_watch *watch, struct dv_error *err) DV_MUST_CHECK;
