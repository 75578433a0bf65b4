/* SPDX-License-Identifier: Apache-2.0 */
/* Where a divvyd lives: the system's (root's) in fixed places, a user's in the user's own. The
 * client that starts a divvyd and the divvyd that starts must find the same place. */
#pragma once

#include <stddef.h>

#include "base/error.h"

#define DV_SYSTEM_RUN_DIR "/run/divvy"
#define DV_SYSTEM_STATE_DIR "/var/lib/divvy"
#define DV_SOCKET_NAME "divvyd.sock"

/* Print the run directory of the caller's divvyd: root's is DV_SYSTEM_RUN_DIR, a user's is
 * $XDG_RUNTIME_DIR/divvy where that directory is the user's, else /tmp/divvy-<uid>. Nothing is
 * made; see dv_dir_private. -E2BIG. */
int dv_dirs_run(char *buf, size_t size, struct dv_error *err) DV_MUST_CHECK;

/* Print the state directory: root's is DV_SYSTEM_STATE_DIR, a user's is $XDG_STATE_HOME/divvy, else
 * ~/.local/state/divvy, else (no home) the run directory. */
int dv_dirs_state(char *buf, size_t size, struct dv_error *err) DV_MUST_CHECK;
