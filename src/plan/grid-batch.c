/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/grid-batch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/grid-program.h"

/* Of all prices together: beyond it one GPU is lost in rounding. */
#define PRICE_MOST 1e9

/* Nodes of the search: small problems are to be proven, large ones are near enough at once. */
enum { SMALL_GPUS = 64, NODES_SMALL = 2000, NODES_LARGE = 64 };

struct task {
	const struct dv_batch_input *input;
	struct dv_program program;
	uint16_t *class_of; /* of each GPU */
	unsigned type_of[DV_BATCH_REQUESTS_MOST];
	unsigned wanted[DV_BATCH_REQUESTS_MOST]; /* of each request: this time */
	double penalty[DV_BATCH_REQUESTS_MOST];
	unsigned placed[DV_BATCH_REQUESTS_MOST];
	struct {
		DV_VEC(unsigned);
	} use; /* of each column */
	double least;
	bool proven, value_proven;
};

/* ---- the program ---- */

static int check_request(const struct dv_batch_input *input, unsigned i, struct dv_error *err)
{
	const struct dv_batch_request *request = &input->requests[i];

	if (request->count > DV_BATCH_COUNT_MOST)
		return dv_error_set(err, -E2BIG, "request %u is for %u instances", i,
				    request->count);
	for (unsigned g = 0; g < input->grid_count; g++)
		if (request->profile[g] >= (int)input->grids[g]->profile_count)
			return dv_error_set(err, -EINVAL, "request %u is for profile %d of %u", i,
					    request->profile[g], input->grids[g]->profile_count);
	return 0;
}

static int check(const struct dv_batch_input *input, struct dv_error *err)
{
	int r = 0;

	if (input->grid_count > DV_BATCH_GRIDS_MOST ||
	    input->request_count > DV_BATCH_REQUESTS_MOST || input->gpu_count > DV_BATCH_COUNT_MOST)
		return dv_error_set(
			err, -E2BIG, "a batch has at most %d grids, %d requests, %d GPUs",
			DV_BATCH_GRIDS_MOST, DV_BATCH_REQUESTS_MOST, DV_BATCH_COUNT_MOST);
	for (unsigned g = 0; g < input->gpu_count; g++)
		if (input->gpus[g].grid >= input->grid_count)
			return dv_error_set(err, -EINVAL, "GPU %u has grid %u of %u", g,
					    input->gpus[g].grid, input->grid_count);
	for (unsigned i = 0; r == 0 && i < input->request_count; i++)
		r = check_request(input, i, err);
	return r;
}

static bool counts(const struct dv_batch_gpu *gpu)
{
	return gpu->cost == DV_BATCH_COST_ONE ||
	       (gpu->cost == DV_BATCH_COST_IF_EMPTY && gpu->state.cells == 0);
}

static bool same_gpu(const struct dv_class *class, const struct dv_batch_gpu *gpu)
{
	return class->grid == gpu->grid && class->counts == counts(gpu) &&
	       dv_grid_state_same(&class->state, &gpu->state);
}

static int add_classes(struct task *task, struct dv_error *err)
{
	struct dv_program *program = &task->program;

	for (unsigned g = 0; g < task->input->gpu_count; g++) {
		const struct dv_batch_gpu *gpu = &task->input->gpus[g];
		size_t k = g ? task->class_of[g - 1] : 0; /* neighbours are often alike */

		if (k >= program->classes.len || !same_gpu(&program->classes.items[k], gpu))
			for (k = 0; k < program->classes.len; k++)
				if (same_gpu(&program->classes.items[k], gpu))
					break;
		if (k == program->classes.len) {
			struct dv_class class = {.grid = gpu->grid,
						 .state = gpu->state,
						 .counts = counts(gpu),
						 .cost = counts(gpu)};

			if (k == DV_BATCH_CLASSES_MOST)
				return dv_error_set(err, -E2BIG,
						    "GPUs are occupied in more than %d ways",
						    DV_BATCH_CLASSES_MOST);
			if (dv_vec_push(&program->classes, class) < 0)
				return dv_error_set(err, -ENOMEM, "no memory for a batch");
		}
		program->classes.items[k].count++;
		task->class_of[g] = (uint16_t)k;
	}
	return 0;
}

static bool same_type(const struct dv_batch_input *input, const struct dv_type *type,
		      const struct dv_batch_request *request)
{
	const int *a = type->profile, *b = request->profile;

	if (type->starts != request->starts)
		return false;
	for (unsigned g = 0; g < input->grid_count; g++)
		if (a[g] != b[g] && (a[g] >= 0 || b[g] >= 0))
			return false;
	return true;
}

static void add_types(struct task *task)
{
	struct dv_program *program = &task->program;
	const struct dv_batch_input *input = task->input;

	for (unsigned i = 0; i < input->request_count; i++) {
		unsigned t = 0;

		while (t < program->type_count &&
		       !same_type(input, &program->types[t], &input->requests[i]))
			t++;
		if (t == program->type_count)
			program->types[program->type_count++] =
				(struct dv_type){.profile = input->requests[i].profile,
						 .starts = input->requests[i].starts};
		task->type_of[i] = t;
	}
}

/* Each request is a share of its type; the shares of a type by price. */
static void set_demand(struct task *task)
{
	struct dv_program *program = &task->program;

	program->share_count = 0;
	for (unsigned t = 0; t < program->type_count; t++) {
		unsigned first = program->share_count;

		program->types[t].demand = 0;
		for (unsigned i = 0; i < task->input->request_count; i++) {
			struct dv_share share = {t, task->wanted[i], i, task->penalty[i]};
			unsigned at = program->share_count;

			if (task->type_of[i] != t || !task->wanted[i])
				continue;
			for (; at > first && program->shares[at - 1].penalty >= share.penalty; at--)
				program->shares[at] = program->shares[at - 1];
			program->shares[at] = share;
			program->share_count++;
			program->types[t].demand += share.count;
		}
		if (program->share_count == first)
			program->shares[program->share_count++] = (struct dv_share){t, 0, 0, 1};
	}
}

/* ---- solving ---- */

/* Of a type so many are left out: of its cheapest requests. */
static void count_placed(struct task *task)
{
	struct dv_program *program = &task->program;
	unsigned left[DV_BATCH_REQUESTS_MOST];

	for (unsigned t = 0; t < program->type_count; t++) {
		unsigned have = 0;

		for (size_t c = 0; c < program->columns.len; c++)
			have += task->use.items[c] * program->columns.items[c].counts[t];
		left[t] = program->types[t].demand - DV_MIN(have, program->types[t].demand);
	}
	for (unsigned i = 0; i < task->input->request_count; i++)
		task->placed[i] = task->wanted[i];
	for (unsigned s = 0; s < program->share_count; s++) {
		const struct dv_share *share = &program->shares[s];
		unsigned out = DV_MIN(left[share->type], share->count);

		left[share->type] -= out;
		task->placed[share->request] -= out;
	}
}

/* What the columns' use leaves out, at the prices there are. */
static double left_out(const struct task *task, const unsigned *use)
{
	const struct dv_program *program = &task->program;
	double sum = 0;

	for (unsigned t = 0; t < program->type_count; t++) {
		unsigned have = 0;

		for (size_t c = 0; c < program->columns.len; c++)
			have += use[c] * program->columns.items[c].counts[t];
		sum += dv_program_penalty(program, t,
					  program->types[t].demand -
						  DV_MIN(have, program->types[t].demand));
	}
	return sum;
}

/* What is counted: GPUs opened and, dearer than all of them, instances left out; or only these, by
 * their value. Always from the prices as they were: to multiply back would not give the same. */
static void set_costs(struct task *task, bool count_gpus)
{
	struct dv_program *program = &task->program;
	double unit = count_gpus ? 1 : task->input->gpu_count + 1.0;

	for (size_t k = 0; k < program->classes.len; k++)
		program->classes.items[k].cost = count_gpus && program->classes.items[k].counts;
	for (unsigned i = 0; i < program->share_count; i++)
		if (program->shares[i].count)
			program->shares[i].penalty = task->penalty[program->shares[i].request] /
						     unit;
}

/* Not all fit, and nothing is proven: prices of instances are so much above those of GPUs that the
 * bound is blunt. Leave the GPUs aside: how much value can be placed at all? */
static int solve_value(struct task *task, unsigned nodes, struct dv_error *err)
{
	struct dv_program *program = &task->program;
	dv_autofree unsigned *use = calloc(program->columns.len + 1, sizeof(*use));
	struct dv_solution solution = {.use = use};
	int r;

	if (!use)
		return dv_error_set(err, -ENOMEM, "no memory for a batch");
	set_costs(task, false);
	r = dv_program_solve(program, nodes, &solution, err);
	set_costs(task, true);
	if (r < 0)
		return r;
	task->value_proven = task->value_proven && solution.proven;
	if (left_out(task, use) < left_out(task, task->use.items) - 0.5)
		(void)memcpy(task->use.items, use, program->columns.len * sizeof(*use));
	return 0;
}

static int solve(struct task *task, struct dv_error *err)
{
	struct dv_program *program = &task->program;
	struct dv_solution solution = {0};
	unsigned nodes = task->input->gpu_count <= SMALL_GPUS ? NODES_SMALL : NODES_LARGE;
	int r;

	set_demand(task);
	r = dv_program_columns(program, err);
	if (r < 0)
		return r;
	free(task->use.items);
	task->use.items = calloc(program->columns.len + 1, sizeof(*task->use.items));
	if (!task->use.items)
		return dv_error_set(err, -ENOMEM, "no memory for a batch");
	solution.use = task->use.items;
	r = dv_program_solve(program, nodes, &solution, err);
	if (r < 0)
		return r;
	task->proven = task->proven && solution.proven;
	task->least = solution.least;
	if (!solution.proven && left_out(task, task->use.items) > 0) {
		r = solve_value(task, nodes, err);
		if (r < 0)
			return r;
	}
	count_placed(task);
	return 0;
}

static double value_of(const struct task *task, unsigned request)
{
	const struct dv_batch_request *r = &task->input->requests[request];

	if (r->value)
		return r->value;
	for (unsigned g = 0; g < task->input->grid_count; g++)
		if (r->profile[g] >= 0)
			return task->input->grids[g]->profiles[r->profile[g]].size;
	return 1;
}

/* To leave out one costs more than all GPUs. */
static void want_all(struct task *task)
{
	for (unsigned i = 0; i < task->input->request_count; i++) {
		task->wanted[i] = task->input->requests[i].count;
		task->penalty[i] = value_of(task, i) * (task->input->gpu_count + 1.0);
	}
}

/* The highest priority below `below` that somebody has; false: none. */
static bool next_level(const struct dv_batch_input *input, uint64_t below, uint64_t *ret)
{
	bool found = false;

	for (unsigned i = 0; i < input->request_count; i++)
		if (input->requests[i].priority < below &&
		    (!found || input->requests[i].priority > *ret)) {
			*ret = input->requests[i].priority;
			found = true;
		}
	return found;
}

static double sum_of_level(const struct task *task, uint64_t level)
{
	double sum = 0;

	for (unsigned i = 0; i < task->input->request_count; i++)
		if (task->input->requests[i].priority == level)
			sum += task->input->requests[i].count * value_of(task, i);
	return sum;
}

/* What one of this priority counts: more than all of the lower ones together. */
static double scale_of(const struct task *task, uint64_t level)
{
	uint64_t below = level, next = 0;
	double scale = 1;

	for (; next_level(task->input, below, &next); below = next)
		scale *= 1 + sum_of_level(task, next);
	return scale;
}

/* Not all fit: all priorities at once. Of two ways that are the same to a higher one, a lower one
 * may need the one. False: the prices are too far apart for that. */
static bool price_by_priority(struct task *task)
{
	uint64_t top = 0;

	if (!next_level(task->input, UINT64_MAX, &top) ||
	    scale_of(task, top) * (1 + sum_of_level(task, top)) * (task->input->gpu_count + 1.0) >
		    PRICE_MOST)
		return false;
	want_all(task);
	for (unsigned i = 0; i < task->input->request_count; i++)
		task->penalty[i] *= scale_of(task, task->input->requests[i].priority);
	return true;
}

/* One priority after the other. What a higher one got it keeps: leaving it out costs more than all
 * of the lower one. That is not always the best for a lower one, so nothing is proven. */
static int solve_one_by_one(struct task *task, struct dv_error *err)
{
	uint64_t level = 0, below = UINT64_MAX;
	int r = 0;

	(void)memset(task->placed, 0, sizeof(task->placed));
	while (r == 0 && next_level(task->input, below, &level)) {
		double sum = 1;

		want_all(task);
		for (unsigned i = 0; i < task->input->request_count; i++)
			if (task->input->requests[i].priority == level)
				sum += task->wanted[i] * value_of(task, i);
		for (unsigned i = 0; i < task->input->request_count; i++) {
			if (task->input->requests[i].priority > level) {
				task->wanted[i] = task->placed[i];
				task->penalty[i] = sum * (task->input->gpu_count + 1.0);
			} else if (task->input->requests[i].priority < level) {
				task->wanted[i] = 0;
			}
		}
		r = solve(task, err);
		below = level;
	}
	task->proven = task->value_proven = false;
	return r;
}

static int solve_by_priority(struct task *task, struct dv_error *err)
{
	task->proven = task->value_proven = true;
	return price_by_priority(task) ? solve(task, err) : solve_one_by_one(task, err);
}

static bool several_priorities(const struct dv_batch_input *input)
{
	for (unsigned i = 1; i < input->request_count; i++)
		if (input->requests[i].priority != input->requests[0].priority)
			return true;
	return false;
}

/* ---- the result ---- */

static int compare_items(const void *a, const void *b)
{
	const struct dv_batch_item *x = a, *y = b;

	if (x->request != y->request)
		return x->request < y->request ? -1 : 1;
	if (x->gpu != y->gpu)
		return x->gpu < y->gpu ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

/* A request of the type that still waits, dearest first: lower numbers first. */
static int waiting(struct task *task, unsigned type)
{
	int best = -1;

	for (unsigned i = 0; i < task->input->request_count; i++)
		if (task->type_of[i] == type && task->placed[i] &&
		    (best < 0 || task->penalty[i] > task->penalty[best]))
			best = (int)i;
	if (best >= 0)
		task->placed[best]--;
	return best;
}

/* Put the column's instances onto the GPU, but for those that nobody wants any more. */
static int use_gpu(struct task *task, const struct dv_column *column, unsigned gpu,
		   struct dv_batch *batch)
{
	const struct dv_batch_gpu *g = &task->input->gpus[gpu];
	bool any = false;

	for (unsigned n = 0; n < column->place_count; n++) {
		int request = waiting(task, column->types[n]);
		struct dv_batch_item item = {.gpu = gpu};

		if (request < 0)
			continue;
		any = true;
		item.request = (unsigned)request;
		item.start = task->input->grids[g->grid]->places[column->places[n]].start;
		if (dv_vec_push(&batch->items, item) < 0)
			return -ENOMEM;
	}
	batch->opened += any && counts(g);
	return 0;
}

static int fill_result(struct task *task, struct dv_batch *batch, struct dv_error *err)
{
	const struct dv_batch_input *input = task->input;
	struct dv_program *program = &task->program;
	double left = 0;
	int r = 0;

	for (unsigned i = 0; i < input->request_count; i++) {
		batch->left[i] = input->requests[i].count - task->placed[i];
		if (task->wanted[i])
			left += (task->wanted[i] - task->placed[i]) * task->penalty[i];
	}
	/* GPUs in order, each takes a column of its class that has uses left */
	for (unsigned g = 0; r == 0 && g < input->gpu_count; g++) {
		const struct dv_class *class = &program->classes.items[task->class_of[g]];
		unsigned c = class->first, end = c + class->column_count;

		while (c < end && !task->use.items[c])
			c++;
		if (c == end)
			continue;
		task->use.items[c]--;
		r = use_gpu(task, &program->columns.items[c], g, batch);
	}
	if (r < 0)
		return dv_error_set(err, r, "no memory for a batch");
	if (batch->items.len)
		qsort(batch->items.items, batch->items.len, sizeof(*batch->items.items),
		      compare_items);
	batch->bound = task->proven	    ? DV_BATCH_PROVEN
		       : task->value_proven ? DV_BATCH_VALUE
					    : DV_BATCH_GAP;
	batch->least = batch->opened;
	if (!task->proven)
		batch->least =
			(unsigned)fmin(fmax(ceil(task->least - left - 1e-6), 0), batch->opened);
	/* The search may have come to its end between the two, and they have met all the same. */
	if (task->value_proven && batch->least == batch->opened)
		batch->bound = DV_BATCH_PROVEN;
	return 0;
}

static void task_fini(struct task *task)
{
	dv_vec_fini(&task->program.classes);
	dv_vec_fini(&task->program.columns);
	dv_vec_fini(&task->use);
	free(task->class_of);
}

static int make(struct task *task, struct dv_error *err)
{
	int r;

	task->class_of = calloc(task->input->gpu_count + 1, sizeof(*task->class_of));
	if (!task->class_of)
		return dv_error_set(err, -ENOMEM, "no memory for a batch");
	task->proven = task->value_proven = true;
	r = add_classes(task, err);
	if (r < 0)
		return r;
	add_types(task);
	want_all(task);
	r = solve(task, err);
	if (r == 0 && several_priorities(task->input))
		for (unsigned i = 0; i < task->input->request_count; i++)
			if (task->placed[i] < task->input->requests[i].count)
				return solve_by_priority(task, err);
	return r;
}

int dv_batch_make(const struct dv_batch_input *input, struct dv_batch *ret, struct dv_error *err)
{
	struct task task = {.input = input};
	struct dv_batch batch = {0};
	int r = check(input, err);

	task.program.input = input;
	if (r == 0)
		r = make(&task, err);
	if (r == 0)
		r = fill_result(&task, &batch, err);
	task_fini(&task);
	if (r < 0)
		dv_batch_fini(&batch);
	else
		*ret = batch;
	return r;
}

void dv_batch_fini(struct dv_batch *batch)
{
	dv_vec_fini(&batch->items);
}

/* ---- does it fit? ---- */

/* Large ones first, each where least is free: if that works, no more is to be asked. */
static bool fits_at_once(const struct dv_grid *grid, const unsigned *counts, unsigned gpu_count)
{
	dv_autofree struct dv_grid_state *states = calloc(gpu_count, sizeof(*states));
	uint8_t done[DV_GRID_PROFILES_MOST] = {0};

	for (unsigned n = 0; states && n < grid->profile_count; n++) {
		unsigned p = 0, g = 0;

		for (unsigned q = 0; q < grid->profile_count; q++)
			if (!done[q] &&
			    (done[p] || grid->profiles[q].size > grid->profiles[p].size))
				p = q;
		done[p] = 1;
		for (unsigned k = 0; k < counts[p]; k++) {
			uint32_t starts = 0;

			while (g < gpu_count && !(starts = dv_grid_starts(grid, &states[g], p)))
				g++;
			if (g == gpu_count)
				return false;
			dv_grid_take(grid, &states[g],
				     (unsigned)dv_grid_place_at(
					     grid, p, 31u - (unsigned)__builtin_clz(starts)));
		}
	}
	return states;
}

int dv_batch_fits(const struct dv_grid *grid, const unsigned *counts, unsigned gpu_count,
		  struct dv_error *err)
{
	const struct dv_grid *grids[] = {grid};
	struct dv_batch_request requests[DV_GRID_PROFILES_MOST] = {0};
	struct dv_batch_input input = {.grids = grids, .grid_count = 1, .requests = requests};
	struct task task = {.input = &input, .proven = true};
	struct dv_class class = {.count = gpu_count, .counts = true};
	uint64_t cells = 0;
	int r = 0;

	for (unsigned p = 0; p < grid->profile_count; p++)
		cells += (uint64_t)counts[p] * grid->profiles[p].size;
	if (cells > (uint64_t)gpu_count * grid->cells)
		return 1;
	if (fits_at_once(grid, counts, gpu_count))
		return 0;
	for (unsigned p = 0; p < grid->profile_count; p++) {
		if (!counts[p])
			continue;
		requests[input.request_count].profile[0] = (int)p;
		requests[input.request_count++].count = counts[p];
	}
	if (dv_vec_push(&task.program.classes, class) < 0)
		r = dv_error_set(err, -ENOMEM, "no memory for a batch");
	task.program.input = &input;
	add_types(&task);
	want_all(&task);
	if (r == 0)
		r = solve(&task, err);
	for (unsigned i = 0; r == 0 && i < input.request_count; i++)
		r = task.placed[i] < requests[i].count;
	task_fini(&task);
	return r;
}
