/* SPDX-License-Identifier: Apache-2.0 */
/* The integer program of a batch: columns are sets of instances for a class of GPUs. Inside of
 * grid-batch.c (problem and result), grid-column.c (which sets there are), grid-simplex.c (linear
 * relaxation), grid-bound.c (branch and bound). */
#pragma once

#include "base/vec.h"
#include "plan/grid-batch.h"

/* A set of instances that a GPU of the class has room for. */
struct dv_column {
	uint16_t class;
	uint8_t place_count;
	uint8_t counts[DV_BATCH_REQUESTS_MOST]; /* of each type */
	uint8_t types[DV_GRID_CELLS_MOST];	/* of each place */
	uint16_t places[DV_GRID_CELLS_MOST];	/* of the grid: one way to have it */
};

/* GPUs that are alike. */
struct dv_class {
	unsigned grid;
	struct dv_grid_state state;
	unsigned count;
	bool counts;		      /* using one is opening one */
	unsigned cost;		      /* of using one, in what is solved now */
	unsigned first, column_count; /* its columns follow each other */
};

/* Requests for the same profiles are one type: instances of it are alike but for what it costs to
 * leave them out. */
struct dv_type {
	const int *profile; /* in each grid */
	uint32_t starts;    /* where it may begin; 0: wherever its profile may */
	unsigned demand;
};

/* The instances of a request, and what each costs that is left out; sorted by type, then price,
 * then the last request first: the order in which a type's instances are left out. A type that
 * nobody wants has one share of none. */
struct dv_share {
	unsigned type, count, request;
	double penalty;
};

struct dv_program {
	const struct dv_batch_input *input;
	struct {
		DV_VEC(struct dv_class);
	} classes;
	struct {
		DV_VEC(struct dv_column);
	} columns;
	unsigned type_count, share_count;
	struct dv_type types[DV_BATCH_REQUESTS_MOST];
	struct dv_share shares[DV_BATCH_REQUESTS_MOST];
};

/* Columns of all classes, for the types that have a demand: only sets that no other holds. -E2BIG;
 * -ENOMEM. */
int dv_program_columns(struct dv_program *program, struct dv_error *err) DV_MUST_CHECK;

/* A column is used so many times at most. */
struct dv_column_bound {
	unsigned column, most;
};

/* The linear relaxation of what is left. */
struct dv_relaxation {
	const struct dv_program *program;
	const unsigned *demand; /* left of each type */
	const unsigned *counts; /* GPUs left of each class */
	const struct dv_column_bound *bounds;
	unsigned bound_count;
	double *use; /* out: of each column */
	double cost; /* out: a lower bound, by prices: true whatever the rounding errors were */
};

/* -ENOMEM. */
int dv_relaxation_solve(struct dv_relaxation *relaxation, struct dv_error *err) DV_MUST_CHECK;

/* What it costs to leave out so many instances of a type: the cheapest first. */
double dv_program_penalty(const struct dv_program *program, unsigned type, unsigned left);

struct dv_solution {
	unsigned *use;	    /* of each column; the caller's array */
	double cost, least; /* penalties and GPUs opened; `least`: proven */
	bool proven;
};

/* The best use of columns; looks at so many `nodes` at most. -ENOMEM. */
int dv_program_solve(const struct dv_program *program, unsigned nodes, struct dv_solution *ret,
		     struct dv_error *err) DV_MUST_CHECK;
