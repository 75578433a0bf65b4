/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of long-running programs to standard error, with the "<n>" prefix that journald reads
 * when INVOCATION_ID is set. Nobody both logs and returns an error. */
#pragma once

#include "base/error.h"

enum dv_log_level { DV_LOG_ERROR = 3, DV_LOG_WARNING = 4, DV_LOG_INFO = 6, DV_LOG_DEBUG = 7 };

/* Set the least important level that is shown; DV_LOG_INFO until told. Not thread-safe: at start.
 */
void dv_log_set_level(enum dv_log_level level);

/* Write one line. Thread-safe. */
void dv_log(enum dv_log_level level, const char *fmt, ...) DV_PRINTF(2, 3);

/* Write what an error record says, after `context`. */
void dv_log_error(enum dv_log_level level, const struct dv_error *err, const char *context);
