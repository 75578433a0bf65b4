/* SPDX-License-Identifier: Apache-2.0 */
/* What went wrong, for a person and for a program. The caller owns the record; it is set once, by
 * whoever refuses or fails first, and prefixed with context on its way up.
 *
 * Functions return 0 for success, a positive documented answer of their own, or a negative code of
 * the closed list below. Outputs are untouched on failure. `err` may be NULL everywhere. */
#pragma once

#include <errno.h>
#include <stdbool.h>

#include "base/macro.h"

enum dv_domain {
	DV_DOMAIN_NONE,
	DV_DOMAIN_SYSTEM, /* native is an errno */
	DV_DOMAIN_FILE,	  /* something a person wrote: file, line and column are set */
	DV_DOMAIN_RULE,	  /* refused by the rule in `rule` */
	DV_DOMAIN_OPENCL, /* native is a cl_int */
	DV_DOMAIN_NVML,	  /* native is an nvmlReturn_t */
	DV_DOMAIN_CUDA,	  /* native is a CUresult */
	DV_DOMAIN_SQLITE, /* native is an extended result code */
	DV_DOMAIN_HTTP,	  /* native is a status */
};

struct dv_error {
	int code; /* negative, of the list in error.c; 0: nothing set */
	enum dv_domain domain;
	int native;
	int line, column; /* 1-based; 0: unknown */
	char rule[24];	  /* id of data/rules/ids, or "" */
	char file[192];
	char msg[464]; /* what and why, one line, no full stop needed */
	char fix[464]; /* what to do about it, or "" */
};

/* The one table from code to name, exit status, HTTP and gRPC status. */
struct dv_error_class {
	int code;
	const char *name; /* "invalid", "refused", ... the "code" of an error document */
	int exit_status;  /* see man divvy; of a record: dv_error_exit */
	int http_status;
	int grpc_status;
};

/* Return the class of a negative code; an unlisted code answers the class of -EIO. */
const struct dv_error_class *dv_error_class(int code);

/* Return the class with that name, or NULL. */
const struct dv_error_class *dv_error_class_by_name(const char *name);

/* The exit status of a set record: that of its class, but 3 where a rule refused what would else be
 * a plain failure (1): no such lease, no such GPU, a name that is taken. */
int dv_error_exit(const struct dv_error *err);

/* Set a record (once: a set record is kept) and return `code`. */
int dv_error_set(struct dv_error *err, int code, const char *fmt, ...) DV_PRINTF(3, 4);

/* Refuse by rule: -EBUSY, -EPERM, -ENOSPC, ... with an id that `divvy explain` knows. */
int dv_error_rule(struct dv_error *err, int code, const char *rule, const char *fmt, ...)
	DV_PRINTF(4, 5);

/* Report an errno (positive) of a call on `what`. Returns a code of the closed list. */
int dv_error_errno(struct dv_error *err, int errnum, const char *fmt, ...) DV_PRINTF(3, 4);

/* Put "context: " before the message; returns `code` so that it can be forwarded in one line. */
int dv_error_prefix(struct dv_error *err, int code, const char *fmt, ...) DV_PRINTF(3, 4);

/* Say what to do about it. Returns `code`. */
int dv_error_fix(struct dv_error *err, int code, const char *fmt, ...) DV_PRINTF(3, 4);

/* Say where in which file (domain becomes DV_DOMAIN_FILE). Returns `code`. */
int dv_error_at(struct dv_error *err, int code, const char *file, int line, int column);

/* Forget what was set. */
void dv_error_clear(struct dv_error *err);

#if defined(__clang_analyzer__) && !defined(DV_ERROR_IMPLEMENTATION)
/* The analyzer does not look into error.c: what goes in as the code comes out, and is negative. */
static inline int dv_error_analyzed(int code)
{
	if (code >= 0)
		__builtin_unreachable();
	return code;
}
void dv_error_used(const void *first, ...);
#define dv_error_set(err, code, ...) (dv_error_used(err, __VA_ARGS__), dv_error_analyzed(code))
#define dv_error_rule(err, code, ...) (dv_error_used(err, __VA_ARGS__), dv_error_analyzed(code))
#define dv_error_prefix(err, code, ...) (dv_error_used(err, __VA_ARGS__), dv_error_analyzed(code))
#define dv_error_fix(err, code, ...) (dv_error_used(err, __VA_ARGS__), dv_error_analyzed(code))
#endif
