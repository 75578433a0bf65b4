/* SPDX-License-Identifier: Apache-2.0 */
/* What the worker does for each kind of request. Outputs are the caller's. */
#pragma once

#include "base/root.h"
#include "base/vec.h"
#include "method/method.h"
#include "worker/message.h"

struct dv_worker_result {
	DV_VEC(struct dv_gpu) gpus;	  /* of PROBE */
	DV_VEC(struct dv_holder) holders; /* of HOLDERS */
	struct dv_proc_found found;
};

void dv_worker_result_fini(struct dv_worker_result *result);

/* Is the request one that a worker of this build can take as it is? Everything in it that is text
 * ends, every enum is in its range. -EPROTO. */
int dv_worker_check(const struct dv_worker_request *request, struct dv_error *err) DV_MUST_CHECK;

/* Find the GPUs on the bus, then the CPU device; with what each method says of each. */
int dv_worker_probe(const struct dv_method_env *env, const struct dv_cpu_config *config,
		    struct dv_worker_result *ret, struct dv_error *err) DV_MUST_CHECK;

/* Do what a checked request asks. */
int dv_worker_act(const struct dv_method_env *env, const struct dv_worker_request *request,
		  struct dv_worker_result *ret, struct dv_error *err) DV_MUST_CHECK;
