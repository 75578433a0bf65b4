/* SPDX-License-Identifier: Apache-2.0 */
/* The few macros every floor uses: ownership by cleanup attribute, checked results, sizes.
 * libc only, no state: also included by the code that lives in tenants' processes. */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define DV_MUST_CHECK __attribute__((warn_unused_result))
#define DV_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define DV_UNUSED __attribute__((unused))
#define DV_EXPORT __attribute__((visibility("default")))

#define DV_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define DV_MIN(a, b) ((a) < (b) ? (a) : (b))
#define DV_MAX(a, b) ((a) > (b) ? (a) : (b))

/* An owning local is declared and initialised in one statement: `dv_autofree char *s = NULL;`. */
#define dv_cleanup(f) __attribute__((cleanup(f)))
#define dv_autofree dv_cleanup(dv_freep)
#define dv_autoclose dv_cleanup(dv_closep)

static inline void dv_freep(void *p)
{
	free(*(void **)p);
}

static inline void dv_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* Define `void f##p(T **p)`, the cleanup function of a destructor that takes NULL. */
#define DV_DEFINE_FREEP(type, f)                                                                   \
	static inline DV_UNUSED void f##p(type **p)                                                \
	{                                                                                          \
		f(*p);                                                                             \
	}

/* Hand an owned pointer or descriptor on; the local no longer owns it. */
#define take_ptr(p)                                                                                \
	({                                                                                         \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})

#define take_fd(fd)                                                                                \
	({                                                                                         \
		int taken_ = (fd);                                                                 \
		(fd) = -1;                                                                         \
		taken_;                                                                            \
	})
