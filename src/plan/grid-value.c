/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/grid-value.h"

#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

/* Found by simulation, see docs/evidence: offers a GPU sees for each that it could serve, and the
 * discount in mean lives of an instance. The result is flat around both. */
#define OFFERS 4.0
#define DISCOUNT 3.0
enum { ITERATIONS = 140 };

struct process {
	const struct dv_grid *grid;
	const struct dv_layouts *layouts;
	double rates[DV_GRID_PROFILES_MOST];  /* of offers, in units of an instance's end */
	double all;			      /* of everything that can happen */
	double *value, *next;		      /* [layout] */
	uint16_t *choices;		      /* [layout * profiles + p]: where an offer leads */
	double *by_profile, *by_profile_next; /* [layout * profiles + p] */
};

static void set_rates(struct process *process, const double *mix)
{
	const struct dv_grid *grid = process->grid;
	double sum = 0, cells = 0;

	for (unsigned p = 0; p < grid->profile_count; p++)
		sum += mix[p];
	for (unsigned p = 0; p < grid->profile_count; p++) {
		process->rates[p] = sum > 0 ? mix[p] / sum : 1.0 / grid->profile_count;
		cells += process->rates[p] * grid->profiles[p].size;
	}
	process->all = DISCOUNT + grid->cells;
	for (unsigned p = 0; p < grid->profile_count; p++) {
		process->rates[p] *= OFFERS * grid->cells / cells;
		process->all += process->rates[p];
	}
}

/* The best that can be done with an offer: where it leads, at what gain over staying. */
static double best_choice(const struct process *process, unsigned at, unsigned p, uint16_t *ret)
{
	const struct dv_grid *grid = process->grid;
	double best = 0;

	*ret = (uint16_t)at;
	for (unsigned i = grid->first_place[p]; i < grid->first_place[p + 1]; i++) {
		uint16_t to = dv_layout_edge(process->layouts, at, i);
		double gain;

		if (to == DV_LAYOUT_NONE || (process->layouts->places[at] >> i & 1))
			continue;
		gain = grid->profiles[p].size + process->value[to] - process->value[at];
		if (gain > best) {
			best = gain;
			*ret = to;
		}
	}
	return best;
}

static void improve(struct process *process)
{
	const struct dv_grid *grid = process->grid;
	const struct dv_layouts *layouts = process->layouts;
	double *swap;

	for (unsigned at = 0; at < layouts->count; at++) {
		double here = process->value[at], sum = (process->all - DISCOUNT) * here;

		for (unsigned p = 0; p < grid->profile_count; p++)
			sum += process->rates[p] *
			       best_choice(process, at, p,
					   &process->choices[at * grid->profile_count + p]);
		for (uint64_t rest = layouts->places[at]; rest; rest &= rest - 1) {
			unsigned i = (unsigned)__builtin_ctzll(rest);

			sum += process->value[dv_layout_edge(layouts, at, i)] - here;
		}
		process->next[at] = sum / process->all;
	}
	swap = process->value;
	process->value = process->next;
	process->next = swap;
}

/* One more look ahead with the choices as they are, each profile for itself. */
static void tell_apart(struct process *process)
{
	const struct dv_layouts *layouts = process->layouts;
	size_t count = process->grid->profile_count;
	double *swap;

	for (unsigned at = 0; at < layouts->count; at++) {
		const double *here = &process->by_profile[at * count];
		double *next = &process->by_profile_next[at * count];
		double stay = process->all - DISCOUNT;

		(void)memset(next, 0, count * sizeof(*next));
		for (unsigned p = 0; p < count; p++) {
			uint16_t to = process->choices[at * count + p];
			const double *there = &process->by_profile[to * count];

			if (to == at)
				continue;
			stay -= process->rates[p];
			next[p] += process->rates[p];
			for (unsigned q = 0; q < count; q++)
				next[q] += process->rates[p] * there[q];
		}
		for (uint64_t rest = layouts->places[at]; rest; rest &= rest - 1) {
			unsigned i = (unsigned)__builtin_ctzll(rest);
			const double *there =
				&process->by_profile[dv_layout_edge(layouts, at, i) * count];

			stay -= 1;
			for (unsigned q = 0; q < count; q++)
				next[q] += there[q];
		}
		for (unsigned q = 0; q < count; q++)
			next[q] = (next[q] + stay * here[q]) / process->all;
	}
	swap = process->by_profile;
	process->by_profile = process->by_profile_next;
	process->by_profile_next = swap;
}

int dv_layouts_value(const struct dv_grid *grid, const struct dv_layouts *layouts,
		     const double *mix, float *values, size_t stride, struct dv_error *err)
{
	struct process process = {.grid = grid, .layouts = layouts};
	size_t pairs = (size_t)layouts->count * grid->profile_count;
	dv_autofree double *room = calloc(2 * (size_t)layouts->count + 2 * pairs, sizeof(*room));
	dv_autofree uint16_t *choices = calloc(pairs, sizeof(*choices));

	if (!room || !choices)
		return dv_error_set(err, -ENOMEM, "no memory for the values of layouts");
	process.value = room;
	process.next = room + layouts->count;
	process.by_profile = room + 2 * (size_t)layouts->count;
	process.by_profile_next = process.by_profile + pairs;
	process.choices = choices;
	set_rates(&process, mix);
	for (unsigned i = 0; i < ITERATIONS; i++)
		improve(&process);
	for (unsigned i = 0; i < ITERATIONS; i++)
		tell_apart(&process);
	for (unsigned at = 0; at < layouts->count; at++)
		for (unsigned p = 0; p < grid->profile_count; p++)
			values[p * stride + at] =
				(float)process.by_profile[at * grid->profile_count + p];
	return 0;
}
