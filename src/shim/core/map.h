/* SPDX-License-Identifier: Apache-2.0 */
/* Pointers that a program holds and what each was charged, for allocations that have no destructor
 * callback. A map owns its table; callers lock. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

struct dv_shim_map_entry {
	uintptr_t address; /* 0: empty */
	uint64_t bytes;
	void *charge;
};

struct dv_shim_map {
	struct dv_shim_map_entry *entries;
	size_t size, used; /* size: a power of two, or 0 */
};

void dv_shim_map_fini(struct dv_shim_map *map);
/* -ENOMEM, with nothing changed. An address that is there already is replaced. */
int dv_shim_map_put(struct dv_shim_map *map, const struct dv_shim_map_entry *entry) DV_MUST_CHECK;
/* Put back what was taken a moment ago, by one of fewer threads than a table has free places: needs
 * no memory. */
void dv_shim_map_return(struct dv_shim_map *map, const struct dv_shim_map_entry *entry);
/* Remove and return. False: not there. */
bool dv_shim_map_take(struct dv_shim_map *map, const void *address, struct dv_shim_map_entry *ret);
/* Does an entry span this address? Looks at all of them. */
bool dv_shim_map_spans(const struct dv_shim_map *map, const void *address);
