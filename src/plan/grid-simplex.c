/* SPDX-License-Identifier: Apache-2.0 */
/* Revised simplex with an explicit inverse. Rows: one for each type (instances placed and left out
 * are at least the demand), each class (GPUs used are at most those there), each share that is not
 * its type's dearest (at most so many left out), each bound of a column. Leaving everything out is
 * where it starts: always possible, so there is no first phase.
 *
 * The lower bound that is returned is not the simplex's own sum but what its prices prove: for any
 * prices of types and bounds, no GPU of a class can earn more than its best column. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/grid-program.h"

#define EPSILON 1e-9
enum { STALLED = 60 };

struct entry {
	unsigned row;
	double value;
};

enum { ENTRIES_MOST = DV_BATCH_REQUESTS_MOST + 2 };

/* A variable's column in the tableau. */
struct sparse {
	unsigned count;
	struct entry entries[ENTRIES_MOST];
	double cost;
};

struct simplex {
	const struct dv_relaxation *relaxation;
	const struct dv_program *program;
	unsigned rows, variables;
	unsigned row_classes, row_shares, row_bounds; /* first row of each sort */
	unsigned var_shares, var_over, var_slack;     /* first variable of each sort */
	unsigned share_rows[DV_BATCH_REQUESTS_MOST];  /* row of a share, or 0: none */
	unsigned *bound_of;			      /* [column]: number of its bound + 1, or 0 */
	double *inverse;			      /* [row * rows + column] */
	double *values;				      /* of the basic variable of each row */
	double *prices;				      /* of each row */
	double *direction;
	unsigned *basis; /* variable of each row */
	unsigned char *basic;
	unsigned stalled;
};

static void add_entry(struct sparse *sparse, unsigned row, double value)
{
	sparse->entries[sparse->count++] = (struct entry){row, value};
}

static void column_of(const struct simplex *s, unsigned variable, struct sparse *ret)
{
	ret->count = 0;
	ret->cost = 0;
	if (variable < s->var_shares) {
		const struct dv_column *column = &s->program->columns.items[variable];

		for (unsigned t = 0; t < s->program->type_count; t++)
			if (column->counts[t])
				add_entry(ret, t, column->counts[t]);
		add_entry(ret, s->row_classes + column->class, 1);
		if (s->bound_of[variable])
			add_entry(ret, s->row_bounds + s->bound_of[variable] - 1, 1);
		ret->cost = s->program->classes.items[column->class].cost;
	} else if (variable < s->var_over) {
		unsigned share = variable - s->var_shares;

		add_entry(ret, s->program->shares[share].type, 1);
		if (s->share_rows[share])
			add_entry(ret, s->share_rows[share], 1);
		ret->cost = s->program->shares[share].penalty;
	} else if (variable < s->var_slack) {
		add_entry(ret, variable - s->var_over, -1);
	} else {
		add_entry(ret, s->row_classes + variable - s->var_slack, 1);
	}
}

static double reduced_cost(const struct simplex *s, unsigned variable)
{
	struct sparse column;
	double cost;

	if (variable < s->var_shares) {
		const struct dv_column *c = &s->program->columns.items[variable];

		cost = s->program->classes.items[c->class].cost -
		       s->prices[s->row_classes + c->class];
		for (unsigned t = 0; t < s->program->type_count; t++)
			cost -= s->prices[t] * c->counts[t];
		if (s->bound_of[variable])
			cost -= s->prices[s->row_bounds + s->bound_of[variable] - 1];
		return cost;
	}
	column_of(s, variable, &column);
	cost = column.cost;
	for (unsigned e = 0; e < column.count; e++)
		cost -= s->prices[column.entries[e].row] * column.entries[e].value;
	return cost;
}

/* The variable that gains most for each unit; after a long stall the first that gains, which cannot
 * go round in circles. */
static unsigned entering(const struct simplex *s)
{
	unsigned best = s->variables;
	double best_cost = -EPSILON;

	for (unsigned v = 0; v < s->variables; v++) {
		double cost;

		if (s->basic[v] || (v < s->var_shares &&
				    !s->relaxation->counts[s->program->columns.items[v].class]))
			continue;
		cost = reduced_cost(s, v);
		if (cost >= best_cost)
			continue;
		best = v;
		best_cost = cost;
		if (s->stalled > STALLED)
			break;
	}
	return best;
}

/* Which row's variable reaches 0 first. */
static unsigned leaving(const struct simplex *s)
{
	unsigned best = s->rows;
	double best_ratio = INFINITY;

	for (unsigned r = 0; r < s->rows; r++) {
		double ratio;

		if (s->direction[r] <= EPSILON)
			continue;
		ratio = s->values[r] / s->direction[r];
		if (best < s->rows && ratio > best_ratio - EPSILON &&
		    (ratio > best_ratio + EPSILON ||
		     (s->stalled > STALLED ? s->basis[r] >= s->basis[best]
					   : s->direction[r] <= s->direction[best])))
			continue;
		best = r;
		best_ratio = ratio;
	}
	return best;
}

static void pivot(struct simplex *s, unsigned row, unsigned variable, double gain)
{
	double *pivot_row = &s->inverse[(size_t)row * s->rows];
	double scale = 1 / s->direction[row], step = s->values[row] * scale;

	for (unsigned i = 0; i < s->rows; i++)
		pivot_row[i] *= scale;
	for (unsigned r = 0; r < s->rows; r++) {
		double *restrict other = &s->inverse[(size_t)r * s->rows];
		double by = s->direction[r];

		if (r == row || by == 0)
			continue;
		for (unsigned i = 0; i < s->rows; i++)
			other[i] -= by * pivot_row[i];
		s->values[r] -= by * step;
		if (s->values[r] < 0)
			s->values[r] = 0;
	}
	for (unsigned i = 0; i < s->rows; i++)
		s->prices[i] += gain * pivot_row[i];
	s->values[row] = step;
	s->basic[s->basis[row]] = 0;
	s->basic[variable] = 1;
	s->basis[row] = variable;
	s->stalled = step > EPSILON ? 0 : s->stalled + 1;
}

static void run(struct simplex *s)
{
	unsigned most = 200 * s->rows + 1000;

	while (most-- > 0) {
		unsigned variable = entering(s), row;
		struct sparse column;

		if (variable == s->variables)
			return;
		column_of(s, variable, &column);
		for (unsigned r = 0; r < s->rows; r++) {
			double sum = 0;

			for (unsigned e = 0; e < column.count; e++)
				sum += s->inverse[(size_t)r * s->rows + column.entries[e].row] *
				       column.entries[e].value;
			s->direction[r] = fabs(sum) < EPSILON ? 0 : sum;
		}
		row = leaving(s);
		if (row == s->rows)
			return;
		pivot(s, row, variable, reduced_cost(s, variable));
	}
}

/* ---- start and end ---- */

static void number_rows(struct simplex *s)
{
	const struct dv_program *program = s->program;

	s->row_classes = program->type_count;
	s->row_shares = s->row_classes + (unsigned)program->classes.len;
	s->row_bounds = s->row_shares;
	for (unsigned i = 0; i < program->share_count; i++)
		if (i + 1 < program->share_count &&
		    program->shares[i + 1].type == program->shares[i].type)
			s->share_rows[i] = s->row_bounds++;
	s->rows = s->row_bounds + s->relaxation->bound_count;
	s->var_shares = (unsigned)program->columns.len;
	s->var_over = s->var_shares + program->share_count;
	s->var_slack = s->var_over + program->type_count;
	s->variables = s->var_slack + s->rows - s->row_classes;
}

static int allocate(struct simplex *s, struct dv_error *err)
{
	s->bound_of = calloc(s->var_shares + 1, sizeof(*s->bound_of));
	s->inverse = calloc((size_t)s->rows * s->rows, sizeof(*s->inverse));
	s->values = calloc(s->rows, sizeof(*s->values));
	s->prices = calloc(s->rows, sizeof(*s->prices));
	s->direction = calloc(s->rows, sizeof(*s->direction));
	s->basis = calloc(s->rows, sizeof(*s->basis));
	s->basic = calloc(s->variables, sizeof(*s->basic));
	if (!s->bound_of || !s->inverse || !s->values || !s->prices || !s->direction || !s->basis ||
	    !s->basic)
		return dv_error_set(err, -ENOMEM, "no memory for a batch");
	return 0;
}

static void release(struct simplex *s)
{
	free(s->bound_of);
	free(s->inverse);
	free(s->values);
	free(s->prices);
	free(s->direction);
	free(s->basis);
	free(s->basic);
}

/* Everything is left out, at the price of the dearest share of its type. */
static void start(struct simplex *s)
{
	const struct dv_program *program = s->program;
	const struct dv_relaxation *relaxation = s->relaxation;

	for (unsigned r = 0; r < s->rows; r++) {
		s->inverse[(size_t)r * s->rows + r] = 1;
		s->basis[r] = s->var_slack + r - s->row_classes;
	}
	for (unsigned i = 0; i < program->share_count; i++) {
		unsigned type = program->shares[i].type;

		if (s->share_rows[i]) {
			s->values[s->share_rows[i]] = program->shares[i].count;
			continue;
		}
		s->basis[type] = s->var_shares + i;
		s->values[type] = relaxation->demand[type];
		s->prices[type] = program->shares[i].penalty;
	}
	for (size_t k = 0; k < program->classes.len; k++)
		s->values[s->row_classes + k] = relaxation->counts[k];
	for (unsigned b = 0; b < relaxation->bound_count; b++) {
		s->values[s->row_bounds + b] = relaxation->bounds[b].most;
		s->bound_of[relaxation->bounds[b].column] = b + 1;
	}
	for (unsigned r = 0; r < s->rows; r++)
		s->basic[s->basis[r]] = 1;
}

/* What the prices prove. */
static double proven(const struct simplex *s)
{
	const struct dv_program *program = s->program;
	double sum = 0;

	for (unsigned t = 0; t < program->type_count; t++) {
		double price = fmax(s->prices[t], 0);

		sum += price * s->relaxation->demand[t];
	}
	for (unsigned i = 0; i < program->share_count; i++) {
		double price = fmax(s->prices[program->shares[i].type], 0);
		double gain = price - program->shares[i].penalty;

		if (gain > 0)
			sum -= gain * program->shares[i].count;
	}
	for (unsigned b = 0; b < s->relaxation->bound_count; b++)
		sum += fmin(s->prices[s->row_bounds + b], 0) * s->relaxation->bounds[b].most;
	for (size_t k = 0; k < program->classes.len; k++) {
		const struct dv_class *class = &program->classes.items[k];
		double best = 0;

		for (unsigned c = class->first; c < class->first + class->column_count; c++) {
			double gain = -(double)class->cost;

			for (unsigned t = 0; t < program->type_count; t++)
				gain += fmax(s->prices[t], 0) * program->columns.items[c].counts[t];
			if (s->bound_of[c])
				gain += fmin(s->prices[s->row_bounds + s->bound_of[c] - 1], 0);
			best = fmax(best, gain);
		}
		sum -= best * s->relaxation->counts[k];
	}
	return sum;
}

int dv_relaxation_solve(struct dv_relaxation *relaxation, struct dv_error *err)
{
	struct simplex s = {.relaxation = relaxation, .program = relaxation->program};
	int r;

	number_rows(&s);
	r = allocate(&s, err);
	if (r == 0) {
		start(&s);
		run(&s);
		for (unsigned v = 0; v < s.var_shares; v++)
			relaxation->use[v] = 0;
		for (unsigned i = 0; i < s.rows; i++)
			if (s.basis[i] < s.var_shares)
				relaxation->use[s.basis[i]] = s.values[i];
		relaxation->cost = proven(&s);
	}
	release(&s);
	return r;
}
