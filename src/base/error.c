/* SPDX-License-Identifier: Apache-2.0 */
#define DV_ERROR_IMPLEMENTATION
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FAILED = 1, REFUSED = 3 };

/* Closed: whoever adds a code adds a row here. Readers of an error document know it by its name;
 * what stands behind a refusal is its rule, which `divvy explain` explains. */
static const struct dv_error_class classes[] = {
	/* code, name, exit, HTTP, gRPC */
	{-EINVAL, "invalid", 2, 400, 3},
	{-EBADMSG, "unreadable", 2, 400, 3},
	{-E2BIG, "too-big", 2, 413, 8},
	{-EBUSY, "refused", 3, 409, 9},
	{-ENOSPC, "does-not-fit", 3, 409, 8},
	{-EDQUOT, "over-quota", 3, 409, 8},
	{-EPERM, "not-permitted", 3, 403, 7},
	{-ESTALE, "stale", 3, 409, 10},
	{-EOPNOTSUPP, "not-supported", 3, 501, 12},
	{-ENODEV, "no-device", 1, 404, 5},
	{-ENOENT, "not-found", 1, 404, 5},
	{-EEXIST, "exists", 1, 409, 6},
	{-ENOMEM, "out-of-memory", 1, 503, 8},
	{-EFBIG, "disk-full", 1, 507, 8},
	{-EUCLEAN, "bad-state", 1, 500, 15},
	{-ETIMEDOUT, "timed-out", 1, 504, 4},
	{-EPROTO, "bad-answer", 1, 502, 13},
	{-EIO, "failed", 1, 500, 13},
	{-ECONNREFUSED, "unreachable", 5, 503, 14},
};

const struct dv_error_class *dv_error_class(int code)
{
	const struct dv_error_class *failed = NULL;

	for (size_t i = 0; i < DV_ARRAY_LEN(classes); i++) {
		if (classes[i].code == code)
			return &classes[i];
		if (classes[i].code == -EIO)
			failed = &classes[i];
	}
	return failed;
}

const struct dv_error_class *dv_error_class_by_name(const char *name)
{
	for (size_t i = 0; i < DV_ARRAY_LEN(classes); i++)
		if (strcmp(classes[i].name, name) == 0)
			return &classes[i];
	return NULL;
}

int dv_error_exit(const struct dv_error *err)
{
	int status = dv_error_class(err->code)->exit_status;

	return status == FAILED && err->rule[0] ? REFUSED : status;
}

DV_PRINTF(4, 0)
static int set_va(struct dv_error *err, int code, enum dv_domain domain, const char *fmt,
		  va_list args)
{
	if (!err || err->code)
		return code;
	err->code = code;
	err->domain = domain;
	(void)vsnprintf(err->msg, sizeof(err->msg), fmt, args);
	return code;
}

int dv_error_set(struct dv_error *err, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	set_va(err, code, DV_DOMAIN_NONE, fmt, args);
	va_end(args);
	return code;
}

int dv_error_rule(struct dv_error *err, int code, const char *rule, const char *fmt, ...)
{
	bool fresh = err && !err->code;
	va_list args;

	va_start(args, fmt);
	set_va(err, code, DV_DOMAIN_RULE, fmt, args);
	va_end(args);
	if (fresh)
		(void)snprintf(err->rule, sizeof(err->rule), "%s", rule);
	return code;
}

/* Fold the kernel's many numbers into the closed list. */
static int fold_errno(int errnum)
{
	switch (errnum) {
	case EACCES:
	case EROFS:
		return -EPERM;
	case ENOSPC:
		return -EFBIG; /* of a disk; -ENOSPC is a tenant that does not fit */
	case ENOTDIR:
	case ENXIO:
		return -ENOENT;
	case EPIPE:
	case ECONNRESET:
		return -ECONNREFUSED;
	default:
		break;
	}
	for (size_t i = 0; i < DV_ARRAY_LEN(classes); i++)
		if (classes[i].code == -errnum)
			return -errnum;
	return -EIO;
}

int dv_error_errno(struct dv_error *err, int errnum, const char *fmt, ...)
{
	bool fresh = err && !err->code;
	int code = fold_errno(errnum);
	va_list args;
	size_t len;

	va_start(args, fmt);
	set_va(err, code, DV_DOMAIN_SYSTEM, fmt, args);
	va_end(args);
	if (fresh) {
		err->native = errnum;
		len = strlen(err->msg);
		(void)snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", strerror(errnum));
	}
	return code;
}

int dv_error_prefix(struct dv_error *err, int code, const char *fmt, ...)
{
	char was[sizeof(err->msg)];
	va_list args;
	size_t len;

	if (!err)
		return code;
	memcpy(was, err->msg, sizeof(was));
	va_start(args, fmt);
	(void)vsnprintf(err->msg, sizeof(err->msg), fmt, args);
	va_end(args);
	len = strlen(err->msg);
	(void)snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", was);
	return code;
}

int dv_error_fix(struct dv_error *err, int code, const char *fmt, ...)
{
	va_list args;

	if (!err || err->fix[0])
		return code;
	va_start(args, fmt);
	(void)vsnprintf(err->fix, sizeof(err->fix), fmt, args);
	va_end(args);
	return code;
}

int dv_error_at(struct dv_error *err, int code, const char *file, int line, int column)
{
	if (!err || err->line)
		return code;
	err->domain = DV_DOMAIN_FILE;
	(void)snprintf(err->file, sizeof(err->file), "%s", file);
	err->line = line;
	err->column = column;
	return code;
}

void dv_error_clear(struct dv_error *err)
{
	if (err)
		memset(err, 0, sizeof(*err));
}
