/* SPDX-License-Identifier: Apache-2.0 */
/* Who computes on an NVIDIA GPU, by the driver's own list: those that are processes of this machine
 * which have the GPU open. The list has the numbers of the driver's namespace, which may be
 * another; so a number alone means nobody. */
#pragma once

#include "method/method.h"
#include "worker/act.h"

/* Into ret->holders. -ENODEV, -EIO: the driver does not say. */
int dv_worker_users(const struct dv_method_env *env, const struct dv_gpu *gpu,
		    struct dv_worker_result *ret, struct dv_error *err) DV_MUST_CHECK;
/* 0 also where it computes there no more. -EPERM: it is another user's. */
int dv_worker_end_user(const struct dv_method_env *env, const struct dv_gpu *gpu, pid_t pid,
		       bool hard, struct dv_error *err) DV_MUST_CHECK;
