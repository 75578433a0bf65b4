/* SPDX-License-Identifier: Apache-2.0 */
/* Branch and bound over the use of columns, depth first: a column that the relaxation uses k.f
 * times is used at least k + 1 times, or at most k times. The first way down is the rounding
 * heuristic. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/grid-program.h"

enum { BOUNDS_MOST = 256, DEPTH_MOST = 4000 };
#define WHOLE 1e-6

struct search {
	const struct dv_program *program;
	unsigned nodes; /* left */
	unsigned demand[DV_BATCH_REQUESTS_MOST];
	int short_of[DV_BATCH_REQUESTS_MOST]; /* demand less what is used: may be below 0 */
	unsigned *counts;		      /* GPUs left of each class */
	unsigned *use, *best;		      /* of each column */
	double cost, best_cost;		      /* of GPUs opened; of all of the best */
	struct dv_column_bound bounds[BOUNDS_MOST];
	unsigned bound_count;
	bool complete; /* nothing was left out */
};

double dv_program_penalty(const struct dv_program *program, unsigned type, unsigned left)
{
	double sum = 0;

	for (unsigned i = 0; i < program->share_count && left; i++) {
		unsigned count;

		if (program->shares[i].type != type)
			continue;
		count = DV_MIN(left, program->shares[i].count);
		sum += count * program->shares[i].penalty;
		left -= count;
	}
	return sum;
}

/* Use a column so many times more, or less. */
static void use(struct search *search, unsigned column, int times)
{
	const struct dv_column *c = &search->program->columns.items[column];

	search->use[column] = (unsigned)((int)search->use[column] + times);
	search->counts[c->class] = (unsigned)((int)search->counts[c->class] - times);
	search->cost += times * (double)search->program->classes.items[c->class].cost;
	for (unsigned t = 0; t < search->program->type_count; t++) {
		search->short_of[t] -= times * c->counts[t];
		search->demand[t] = (unsigned)DV_MAX(search->short_of[t], 0);
	}
}

static void remember(struct search *search)
{
	double cost = search->cost;

	for (unsigned t = 0; t < search->program->type_count; t++)
		cost += dv_program_penalty(search->program, t, search->demand[t]);
	if (cost >= search->best_cost - WHOLE)
		return;
	search->best_cost = cost;
	(void)memcpy(search->best, search->use,
		     search->program->columns.len * sizeof(*search->best));
}

/* The column that the relaxation uses in part; more is better. Whole parts are used at once when
 * nothing needs to be proven. */
static unsigned split_on(const struct search *search, const double *wanted, double *ret_part)
{
	unsigned best = UINT32_MAX;
	double best_part = WHOLE;

	for (unsigned c = 0; c < search->program->columns.len; c++) {
		double part = wanted[c] - floor(wanted[c] + WHOLE);

		if (part > best_part) {
			best_part = part;
			best = c;
		}
	}
	*ret_part = best_part;
	return best;
}

/* The relaxation is whole: use it as it is, see what comes of it, and take it back. */
static void take_whole(struct search *search, const double *wanted, bool keep)
{
	for (unsigned c = 0; c < search->program->columns.len; c++) {
		int times = (int)floor(wanted[c] + WHOLE);

		if (times)
			use(search, c, times);
	}
	remember(search);
	for (unsigned c = 0; !keep && c < search->program->columns.len; c++) {
		int times = (int)floor(wanted[c] + WHOLE);

		if (times)
			use(search, c, -times);
	}
}

static int relax(const struct search *search, double *wanted, double *ret_cost,
		 struct dv_error *err)
{
	struct dv_relaxation relaxation = {
		.program = search->program,
		.demand = search->demand,
		.counts = search->counts,
		.bounds = search->bounds,
		.bound_count = search->bound_count,
		.use = wanted,
	};
	int r = dv_relaxation_solve(&relaxation, err);

	*ret_cost = relaxation.cost;
	return r;
}

/* All that is left, in the way of the relaxation: whole parts, then the largest part, again and
 * again. */
static int dive(struct search *search, double *wanted, struct dv_error *err)
{
	for (;;) {
		double cost, part;
		unsigned column;
		int r = relax(search, wanted, &cost, err);

		if (r < 0)
			return r;
		column = split_on(search, wanted, &part);
		take_whole(search, wanted, true);
		if (column == UINT32_MAX)
			return 0;
		use(search, column, 1);
		remember(search);
	}
}

/* Costs are whole numbers: what is above best - 1 cannot be better than the best. */
static bool hopeless(const struct search *search, double least)
{
	double slack = WHOLE + 1e-10 * fabs(least);

	return ceil(least - slack) >= search->best_cost - slack;
}

static int branch(struct search *search, unsigned depth, struct dv_error *err);

static int split(struct search *search, unsigned column, unsigned whole, unsigned depth,
		 struct dv_error *err)
{
	int r;

	use(search, column, (int)whole + 1);
	remember(search);
	r = branch(search, depth + 1, err);
	use(search, column, -(int)whole - 1);
	if (r < 0)
		return r;
	if (search->bound_count == BOUNDS_MOST) {
		search->complete = false;
		return 0;
	}
	search->bounds[search->bound_count++] = (struct dv_column_bound){column, whole};
	r = branch(search, depth + 1, err);
	search->bound_count--;
	return r;
}

static bool bounded(const struct search *search, unsigned column, unsigned *ret)
{
	for (unsigned b = 0; b < search->bound_count; b++)
		if (search->bounds[b].column == column) {
			*ret = b;
			return true;
		}
	return false;
}

/* `use` of a bounded column goes off its bound. */
static int split_bounded(struct search *search, unsigned b, unsigned whole, unsigned depth,
			 struct dv_error *err)
{
	struct dv_column_bound old = search->bounds[b];
	int r = 0;

	if (old.most > whole) {
		search->bounds[b].most = old.most - whole - 1;
		use(search, old.column, (int)whole + 1);
		remember(search);
		r = branch(search, depth + 1, err);
		use(search, old.column, -(int)whole - 1);
	}
	search->bounds[b].most = DV_MIN(old.most, whole);
	if (r == 0)
		r = branch(search, depth + 1, err);
	search->bounds[b] = old;
	return r;
}

static int branch(struct search *search, unsigned depth, struct dv_error *err)
{
	dv_autofree double *wanted = NULL;
	double least, part;
	unsigned column, whole, b;
	int r;

	if (search->nodes == 0 || depth == DEPTH_MOST) {
		search->complete = false;
		return 0;
	}
	search->nodes--;
	wanted = calloc(search->program->columns.len + 1, sizeof(*wanted));
	if (!wanted)
		return dv_error_set(err, -ENOMEM, "no memory for a batch");
	r = relax(search, wanted, &least, err);
	if (r < 0 || hopeless(search, search->cost + least))
		return r;
	column = split_on(search, wanted, &part);
	take_whole(search, wanted, false);
	if (column == UINT32_MAX || hopeless(search, search->cost + least))
		return 0;
	whole = (unsigned)floor(wanted[column] + WHOLE);
	if (bounded(search, column, &b))
		return split_bounded(search, b, whole, depth, err);
	return split(search, column, whole, depth, err);
}

static void reset(struct search *search)
{
	const struct dv_program *program = search->program;

	search->cost = 0;
	(void)memset(search->use, 0, program->columns.len * sizeof(*search->use));
	for (size_t k = 0; k < program->classes.len; k++)
		search->counts[k] = program->classes.items[k].count;
	for (unsigned t = 0; t < program->type_count; t++) {
		search->demand[t] = program->types[t].demand;
		search->short_of[t] = (int)search->demand[t];
	}
}

int dv_program_solve(const struct dv_program *program, unsigned nodes, struct dv_solution *ret,
		     struct dv_error *err)
{
	struct search search = {
		.program = program, .nodes = nodes, .best = ret->use, .best_cost = INFINITY};
	dv_autofree unsigned *counts = calloc(program->classes.len + 1, sizeof(*counts));
	dv_autofree unsigned *used = calloc(program->columns.len + 1, sizeof(*used));
	dv_autofree double *wanted = calloc(program->columns.len + 1, sizeof(*wanted));
	int r;

	if (!counts || !used || !wanted)
		return dv_error_set(err, -ENOMEM, "no memory for a batch");
	search.counts = counts;
	search.use = used;
	search.complete = true;
	reset(&search);
	remember(&search);
	r = relax(&search, wanted, &ret->least, err);
	if (r == 0)
		r = dive(&search, wanted, err);
	if (r == 0 && !hopeless(&search, ret->least)) {
		reset(&search);
		r = branch(&search, 0, err);
	}
	if (r < 0)
		return r;
	ret->cost = search.best_cost;
	ret->proven = search.complete || hopeless(&search, ret->least);
	if (ret->proven)
		ret->least = search.best_cost;
	return 0;
}
