/* SPDX-License-Identifier: Apache-2.0 */
/* What the worker gives up before it touches anything; docs/privileges.md has the table. */
#pragma once

#include "base/error.h"
#include "worker/message.h"

/* Give up every privilege that this (checked) request does not need, for good. Called once, before
 * the request is acted on. */
int dv_worker_drop(const struct dv_worker_request *request, struct dv_error *err) DV_MUST_CHECK;
