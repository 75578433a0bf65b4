/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/core/map.h"

#include <errno.h>
#include <string.h>

enum { FIRST_SIZE = 64 };

static size_t home(const struct dv_shim_map *map, uintptr_t address)
{
	/* Allocations are aligned: the low bits say little. */
	return (size_t)((uint64_t)address * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (map->size - 1);
}

static size_t find(const struct dv_shim_map *map, uintptr_t address)
{
	size_t i = home(map, address);

	while (map->entries[i].address && map->entries[i].address != address)
		i = (i + 1) & (map->size - 1);
	return i;
}

void dv_shim_map_fini(struct dv_shim_map *map)
{
	free(map->entries);
	*map = (struct dv_shim_map){0};
}

static int grow(struct dv_shim_map *map)
{
	struct dv_shim_map bigger = {.size = map->size ? map->size * 2 : FIRST_SIZE,
				     .used = map->used};

	bigger.entries = calloc(bigger.size, sizeof(*bigger.entries));
	if (!bigger.entries)
		return -ENOMEM;
	for (size_t i = 0; i < map->size; i++)
		if (map->entries[i].address)
			bigger.entries[find(&bigger, map->entries[i].address)] = map->entries[i];
	free(map->entries);
	*map = bigger;
	return 0;
}

static void place(struct dv_shim_map *map, const struct dv_shim_map_entry *entry)
{
	struct dv_shim_map_entry *is = &map->entries[find(map, entry->address)];

	if (!is->address)
		map->used++;
	*is = *entry;
}

int dv_shim_map_put(struct dv_shim_map *map, const struct dv_shim_map_entry *entry)
{
	if (map->used * 2 >= map->size) {
		int r = grow(map);

		if (r < 0)
			return r;
	}
	place(map, entry);
	return 0;
}

void dv_shim_map_return(struct dv_shim_map *map, const struct dv_shim_map_entry *entry)
{
	/* New ones fill no more than half of the table. One place stays free: it ends a search. */
	if (map->used + 1 < map->size || grow(map) == 0)
		place(map, entry);
}

bool dv_shim_map_take(struct dv_shim_map *map, const void *address, struct dv_shim_map_entry *ret)
{
	size_t hole, mask = map->size - 1;

	if (!map->size || !address)
		return false;
	hole = find(map, (uintptr_t)address);
	if (!map->entries[hole].address)
		return false;
	*ret = map->entries[hole];
	map->entries[hole].address = 0;
	map->used--;
	/* Close the hole: whoever probed past it must be found without it. */
	for (size_t i = (hole + 1) & mask; map->entries[i].address; i = (i + 1) & mask) {
		size_t from = home(map, map->entries[i].address);

		if (((i - from) & mask) >= ((i - hole) & mask)) {
			map->entries[hole] = map->entries[i];
			map->entries[i].address = 0;
			hole = i;
		}
	}
	return true;
}

bool dv_shim_map_spans(const struct dv_shim_map *map, const void *address)
{
	for (size_t i = 0; i < map->size; i++)
		if (map->entries[i].address &&
		    (uintptr_t)address - map->entries[i].address < map->entries[i].bytes)
			return true;
	return false;
}
