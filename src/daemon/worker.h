/* SPDX-License-Identifier: Apache-2.0 */
/* divvyd's side of the worker: start one for each probe or step, hear its answer in the event loop,
 * and end it when it is late. One that cannot be ended (it hangs in the kernel) is left behind and
 * said to be so; the loop never waits. The pool owns its jobs; a job's answer belongs to the
 * caller's function only while that runs. */
#pragma once

#include <systemd/sd-event.h>

#include "worker/message.h"

struct dv_workers;

enum { DV_WORKERS_MOST = 16, DV_WORKERS_WAITING_MOST = 1024 };

struct dv_workers_config {
	const char *program;   /* its path; the file that is there at dv_workers_new is run */
	const char *root;      /* under which the worker looks for devices */
	const char *nvml;      /* NVIDIA's library */
	const char *cache_dir; /* for the OpenCL library's compiled kernels */
	unsigned probe_ms, step_ms;
	unsigned kill_ms; /* how long an ended one may take to be gone */
};

/* What came of a job. `r` is the worker's answer, or why there is none: -ETIMEDOUT, -EPROTO (it
 * died or spoke wrongly). */
struct dv_worker_outcome {
	int r;
	const struct dv_error *err;
	bool left_behind; /* it could not be ended; what it does is unknown */
	const struct dv_gpu *gpus;
	unsigned gpu_count;
	const struct dv_holder *holders;
	unsigned holder_count, holders_more, holders_unreadable;
};

/* Called exactly once for each job, from the event loop, never from dv_workers_start. */
typedef void (*dv_worker_fn)(void *arg, const struct dv_worker_outcome *outcome);

/* Borrows the config's texts and the event loop. */
int dv_workers_new(sd_event *event, const struct dv_workers_config *config, struct dv_workers **ret,
		   struct dv_error *err) DV_MUST_CHECK;
/* Ends the workers that run; their functions are not called. */
void dv_workers_free(struct dv_workers *workers);
DV_DEFINE_FREEP(struct dv_workers, dv_workers_free)

/* Start a worker, or let it wait for a free place. `request->build`, `root` and `nvml` are filled
 * in. -EBUSY (rule S19) when too many wait. */
int dv_workers_start(struct dv_workers *workers, const struct dv_worker_request *request,
		     dv_worker_fn fn, void *arg, struct dv_error *err) DV_MUST_CHECK;
/* Jobs that run or wait. */
unsigned dv_workers_busy(const struct dv_workers *workers);

/* For a worker that is not a job (daemon/watch.h): fill in build, root and nvml of a request; start
 * the process and send it. It leads a process group; pid and socket are the caller's. */
void dv_workers_address(const struct dv_workers *workers, struct dv_worker_request *request);
int dv_workers_spawn(const struct dv_workers *workers, const struct dv_worker_request *request,
		     pid_t *ret_pid, int *ret_fd, struct dv_error *err) DV_MUST_CHECK;
