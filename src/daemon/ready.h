/* SPDX-License-Identifier: Apache-2.0 */
/* To whom divvyd says that it is up, or why not: systemd (NOTIFY_SOCKET), and whoever started it
 * with --ready-fd. On that descriptor comes "ready\n", "taken\n" (another divvyd was faster) or an
 * error document; then it is closed. */
#pragma once

#include "base/error.h"

/* Go to the background: a new session, the process that was started ends with 0. Call before there
 * is a thread. */
int dv_ready_detach(struct dv_error *err) DV_MUST_CHECK;

/* Each closes `*fd` and makes it -1; -1 is none. */
void dv_ready_up(int *fd);
void dv_ready_taken(int *fd);
void dv_ready_failed(int *fd, const struct dv_error *err);
