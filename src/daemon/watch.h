/* SPDX-License-Identifier: Apache-2.0 */
/* The worker that listens to NVIDIA's driver as long as divvyd lives. One that ends is started
 * again, later each time; one that cannot listen says why, once. Owns its process. */
#pragma once

#include "daemon/worker.h"

struct dv_watch;

/* Called from the loop for each message but DV_WORKER_DEAF. */
typedef void (*dv_watch_fn)(void *arg, const struct dv_worker_news *news);

/* Borrows the loop and the workers. Nothing runs until dv_watch_start. */
int dv_watch_new(sd_event *event, const struct dv_workers *workers, dv_watch_fn fn, void *arg,
		 struct dv_watch **ret, struct dv_error *err) DV_MUST_CHECK;
/* Ends the worker. */
void dv_watch_free(struct dv_watch *watch);
DV_DEFINE_FREEP(struct dv_watch, dv_watch_free)
/* Start it, unless it runs or waits to be started again. */
void dv_watch_start(struct dv_watch *watch);
