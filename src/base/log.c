/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum dv_log_level shown = DV_LOG_INFO;

void dv_log_set_level(enum dv_log_level level)
{
	shown = level;
}

void dv_log(enum dv_log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list args;
	int at = 0;

	if (level > shown)
		return;
	if (getenv("INVOCATION_ID"))
		at = snprintf(line, sizeof(line), "<%d>", (int)level);
	va_start(args, fmt);
	(void)vsnprintf(line + at, sizeof(line) - (size_t)at - 1, fmt, args);
	va_end(args);
	/* One write for one line, so that lines of several threads stay whole. */
	at = (int)strlen(line);
	line[at] = '\n';
	(void)!write(STDERR_FILENO, line, (size_t)at + 1);
}

void dv_log_error(enum dv_log_level level, const struct dv_error *err, const char *context)
{
	dv_log(level, "%s: %s%s%s%s", context, err->msg, err->rule[0] ? " (rule " : "", err->rule,
	       err->rule[0] ? ")" : "");
}
