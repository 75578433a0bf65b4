/* SPDX-License-Identifier: Apache-2.0 */
/* Growing arrays: `struct { DV_VEC(struct dv_lease) leases; }`. The vector owns its items' memory,
 * not what the items point to. */
#pragma once

#include <errno.h>
#include <string.h>

#include "base/macro.h"

#define DV_VEC(type)                                                                               \
	struct {                                                                                   \
		type *items;                                                                       \
		size_t len, cap;                                                                   \
	}

/* Make room for one more and return 0, or -ENOMEM with the vector as it was. */
#define dv_vec_reserve(v)                                                                          \
	dv_vec_grow((void **)&(v)->items, (v)->len, &(v)->cap, sizeof(*(v)->items))

/* Append a copy of `item`; 0 or -ENOMEM. */
#define dv_vec_push(v, item)                                                                       \
	(dv_vec_reserve(v) < 0 ? -ENOMEM : ((v)->items[(v)->len++] = (item), 0))

/* Remove item i, keeping the order; `i` is looked at once. */
#define dv_vec_remove(v, i)                                                                        \
	do {                                                                                       \
		size_t at_ = (i);                                                                  \
		(void)memmove(&(v)->items[at_], &(v)->items[at_ + 1],                              \
			      ((v)->len - at_ - 1) * sizeof(*(v)->items));                         \
		(v)->len--;                                                                        \
	} while (0)

#define dv_vec_fini(v)                                                                             \
	do {                                                                                       \
		free((v)->items);                                                                  \
		(v)->items = NULL;                                                                 \
		(v)->len = (v)->cap = 0;                                                           \
	} while (0)

static inline DV_MUST_CHECK int dv_vec_grow(void **items, size_t len, size_t *cap, size_t size)
{
	size_t want;
	void *p;

	if (len < *cap)
		return 0;
	want = *cap ? *cap * 2 : 8;
	p = reallocarray(*items, want, size);
	if (!p)
		return -ENOMEM;
	*items = p;
	*cap = want;
	return 0;
}
