/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "plan/grid-program.h"

enum { SETS_MOST = 1 << 15, COLUMNS_MOST = 1 << 17 };

/* The walk through the sets of one class. A set is reached in many ways: it is kept once. */
struct walk {
	const struct dv_program *program;
	const struct dv_grid *grid;
	const struct dv_class *class;
	struct dv_grid_state state;
	struct dv_column now;
	struct {
		DV_VEC(struct dv_column);
	} sets;
	uint32_t *table; /* [hash]: number of a set + 1, or 0 */
	size_t table_size;
	bool too_many, no_memory;
};

static uint64_t hash_of(const uint8_t *counts)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325), word;

	for (unsigned i = 0; i < DV_BATCH_REQUESTS_MOST; i += 8) {
		(void)memcpy(&word, &counts[i], sizeof(word));
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	return hash;
}

static int grow_table(struct walk *walk)
{
	size_t size = walk->table_size ? walk->table_size * 2 : 256;
	uint32_t *table = calloc(size, sizeof(*table));

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < walk->sets.len; i++) {
		size_t at = hash_of(walk->sets.items[i].counts) & (size - 1);

		while (table[at])
			at = (at + 1) & (size - 1);
		table[at] = (uint32_t)i + 1;
	}
	free(walk->table);
	walk->table = table;
	walk->table_size = size;
	return 0;
}

/* Keep the set with the first way to have it; false: no memory. */
static bool keep(struct walk *walk)
{
	size_t at;

	if (walk->sets.len * 2 >= walk->table_size && grow_table(walk) < 0)
		return false;
	at = hash_of(walk->now.counts) & (walk->table_size - 1);
	while (walk->table[at]) {
		if (memcmp(walk->sets.items[walk->table[at] - 1].counts, walk->now.counts,
			   sizeof(walk->now.counts)) == 0)
			return true;
		at = (at + 1) & (walk->table_size - 1);
	}
	walk->table[at] = (uint32_t)walk->sets.len + 1;
	return dv_vec_push(&walk->sets, walk->now) == 0;
}

/* From the cell on: nothing begins there, or an instance of a type. Each layout is walked once. */
static void visit(struct walk *walk, unsigned cell)
{
	const struct dv_program *program = walk->program;

	if (walk->no_memory || walk->too_many)
		return;
	while (cell < walk->grid->cells && (walk->state.cells >> cell & 1))
		cell++;
	if (cell >= walk->grid->cells) {
		walk->no_memory = !keep(walk);
		walk->too_many = walk->sets.len > SETS_MOST;
		return;
	}
	for (unsigned t = 0; t < program->type_count; t++) {
		int profile = program->types[t].profile[walk->class->grid], place;

		if (profile < 0 || walk->now.counts[t] >= program->types[t].demand ||
		    (program->types[t].starts && !(program->types[t].starts >> cell & 1)))
			continue;
		place = dv_grid_place_at(walk->grid, (unsigned)profile, cell);
		if (place < 0 || !dv_grid_fits(walk->grid, &walk->state, (unsigned)place))
			continue;
		dv_grid_take(walk->grid, &walk->state, (unsigned)place);
		walk->now.counts[t]++;
		walk->now.types[walk->now.place_count] = (uint8_t)t;
		walk->now.places[walk->now.place_count++] = (uint16_t)place;
		visit(walk, cell + walk->grid->profiles[profile].size);
		walk->now.place_count--;
		walk->now.counts[t]--;
		dv_grid_give(walk->grid, &walk->state, (unsigned)place);
	}
	visit(walk, cell + 1);
}

static bool holds(const struct dv_column *a, const struct dv_column *b, unsigned types)
{
	for (unsigned t = 0; t < types; t++)
		if (a->counts[t] < b->counts[t])
			return false;
	return true;
}

static int compare_columns(const void *a, const void *b)
{
	const struct dv_column *x = a, *y = b;

	if (x->place_count != y->place_count)
		return x->place_count > y->place_count ? -1 : 1;
	return memcmp(y->counts, x->counts, sizeof(x->counts));
}

/* The sets that no other set of the class holds, with more instances first. */
static int add_maximal(struct dv_program *program, struct walk *walk, struct dv_class *class)
{
	unsigned types = program->type_count;

	qsort(walk->sets.items, walk->sets.len, sizeof(*walk->sets.items), compare_columns);
	class->first = (unsigned)program->columns.len;
	for (size_t i = 0; i < walk->sets.len; i++) {
		const struct dv_column *set = &walk->sets.items[i];
		bool held = set->place_count == 0;

		for (size_t k = class->first; k < program->columns.len && !held; k++)
			held = holds(&program->columns.items[k], set, types);
		if (!held && dv_vec_push(&program->columns, *set) < 0)
			return -ENOMEM;
	}
	class->column_count = (unsigned)program->columns.len - class->first;
	return 0;
}

int dv_program_columns(struct dv_program *program, struct dv_error *err)
{
	struct walk walk = {.program = program};
	int r = 0;

	program->columns.len = 0;
	for (size_t k = 0; r == 0 && k < program->classes.len; k++) {
		struct dv_class *class = &program->classes.items[k];

		walk.grid = program->input->grids[class->grid];
		walk.class = class;
		walk.state = class->state;
		walk.now = (struct dv_column){.class = (uint16_t)k};
		walk.sets.len = 0;
		if (walk.table)
			(void)memset(walk.table, 0, walk.table_size * sizeof(*walk.table));
		visit(&walk, 0);
		if (walk.no_memory || (!walk.too_many && add_maximal(program, &walk, class) < 0))
			r = dv_error_set(err, -ENOMEM, "no memory for a batch");
		else if (walk.too_many || program->columns.len > COLUMNS_MOST)
			r = dv_error_set(
				err, -E2BIG,
				"the GPUs can be divided in too many ways to plan a batch");
	}
	dv_vec_fini(&walk.sets);
	free(walk.table);
	return r;
}
