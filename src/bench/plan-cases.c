/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/plan-cases.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "bench/plan-sim.h"
#include "catalog/catalog.h"
#include "plan/grid-batch.h"
#include "plan/grid-layout.h"
#include "plan/grid-repartition.h"

enum { GPUS = 100 };

/* Of 1g, 1g with two cells, 2g, 3g, 4g, 7g. */
static const struct {
	const char *name;
	double parts[6];
} mixes[] = {
	{"uniform", {1 / 6., 1 / 6., 1 / 6., 1 / 6., 1 / 6., 1 / 6.}},
	{"skew-small", {.30, .25, .20, .10, .10, .05}},
	{"skew-big", {.05, .10, .10, .20, .25, .30}},
	{"bimodal", {.30, .15, .05, .05, .15, .30}},
};

static const double loads[] = {0.85, 1.0, 1.2};

/* ---- grids ---- */

static int grid_of(const struct dv_cat_gpu *gpu, const char *const *shapes, struct dv_grid *ret,
		   struct dv_error *err)
{
	struct dv_grid_source source, chosen;
	int r = dv_grid_source_of(&gpu->mig, 0, &source, err);

	if (r < 0)
		return dv_error_prefix(err, r, "%s", gpu->id);
	chosen = source;
	chosen.profile_count = 0;
	for (; *shapes; shapes++)
		for (size_t i = 0; i < gpu->mig.profiles.len; i++)
			if (strcmp(gpu->mig.profiles.items[i].shape, *shapes) == 0)
				for (unsigned p = 0; p < source.profile_count; p++)
					if (source.profiles[p].id == gpu->mig.profiles.items[i].id)
						chosen.profiles[chosen.profile_count++] =
							source.profiles[p];
	return dv_grid_make(&chosen, ret, err);
}

int dv_plan_grids_of(const struct dv_cat_gpu *gpu, struct dv_plan_grids *ret, struct dv_error *err)
{
	static const char *const five[] = {"1g", "2g", "3g", "4g", "7g", NULL};
	static const char *const six[] = {"1g", "1g*2", "2g", "3g", "4g", "7g", NULL};
	int r = grid_of(gpu, five, &ret->five, err);

	return r < 0 ? r : grid_of(gpu, six, &ret->six, err);
}

/* ---- results ---- */

static int add_result(const struct dv_plan_case *c, struct dv_bench *bench, const char *metric,
		      const char *unit, double value, struct dv_error *err)
{
	struct dv_result result = {.value = value, .n = 1};

	(void)dv_copy(result.name, sizeof(result.name), c->name);
	(void)dv_copy(result.metric, sizeof(result.metric), metric);
	(void)dv_copy(result.unit, sizeof(result.unit), unit);
	return dv_vec_push(&bench->results, result) < 0
		       ? dv_error_set(err, -ENOMEM, "no memory for results")
		       : 0;
}

static struct dv_result *last(struct dv_bench *bench)
{
	return &bench->results.items[bench->results.len - 1];
}

/* ---- repartition: every pair of a layout and a set that can be ---- */

struct repartition {
	const struct dv_grid *grid;
	struct dv_layouts layouts;
	unsigned long existing, destroyed, pairs;
};

static void counts_of(const struct repartition *r, unsigned layout, uint8_t *counts)
{
	(void)memset(counts, 0, DV_GRID_PROFILES_MOST);
	for (uint64_t rest = r->layouts.places[layout]; rest; rest &= rest - 1)
		counts[r->grid->places[__builtin_ctzll(rest)].profile]++;
}

static int one_pair(struct repartition *r, unsigned layout, const uint8_t *wanted,
		    struct dv_error *err)
{
	struct dv_grid_instance instances[DV_GRID_INSTANCES_MOST];
	struct dv_grid_change change;
	unsigned count = 0;
	int ret;

	for (uint64_t rest = r->layouts.places[layout]; rest; rest &= rest - 1) {
		const struct dv_grid_place *place = &r->grid->places[__builtin_ctzll(rest)];

		instances[count++] = (struct dv_grid_instance){
			.profile = place->profile,
			.start = place->start,
			.size = r->grid->profiles[place->profile].size,
			.weight = 1,
		};
	}
	ret = dv_grid_repartition(r->grid, instances, count, wanted, &change, err);
	if (ret < 0)
		return ret;
	r->pairs++;
	r->existing += count;
	r->destroyed += change.destroyed;
	return 0;
}

/* The first layout of each set of counts speaks for it. */
static bool is_first(const struct repartition *r, unsigned layout, const uint8_t *counts)
{
	uint8_t other[DV_GRID_PROFILES_MOST];

	for (unsigned at = 0; at < layout; at++) {
		counts_of(r, at, other);
		if (memcmp(counts, other, sizeof(other)) == 0)
			return false;
	}
	return true;
}

static bool can_be(const struct repartition *r, const uint8_t *counts)
{
	return is_first(r, r->layouts.count, counts) == false;
}

enum { ADD_ONE, REMOVE_ONE, ANY };

static int pairs_of(struct repartition *r, unsigned layout, unsigned what, struct dv_error *err)
{
	uint8_t counts[DV_GRID_PROFILES_MOST];
	int ret = 0;

	if (what == ANY) {
		for (unsigned to = 0; ret == 0 && to < r->layouts.count; to++) {
			counts_of(r, to, counts);
			if (is_first(r, to, counts))
				ret = one_pair(r, layout, counts, err);
		}
		return ret;
	}
	counts_of(r, layout, counts);
	for (unsigned p = 0; ret == 0 && layout && p < r->grid->profile_count; p++) {
		uint8_t old = counts[p];

		counts[p] = (uint8_t)(what == ADD_ONE ? old + 1 : old - 1);
		if ((what == ADD_ONE || old) && can_be(r, counts))
			ret = one_pair(r, layout, counts, err);
		counts[p] = old;
	}
	return ret;
}

static int run_repartition(const struct dv_plan_case *c, const struct dv_plan_grids *grids,
			   unsigned seeds, struct dv_bench *bench, struct dv_error *err)
{
	struct repartition r = {.grid = &grids->five};
	int ret = dv_layouts_make(r.grid, 0, &r.layouts, err);

	for (unsigned layout = 0; ret == 0 && layout < r.layouts.count; layout++)
		ret = pairs_of(&r, layout, c->size, err);
	dv_layouts_fini(&r.layouts);
	if (ret == 0)
		ret = add_result(c, bench, "destroyed_pct", "%",
				 100.0 * (double)r.destroyed / (double)r.existing, err);
	if (ret == 0)
		last(bench)->n = (unsigned)r.pairs;
	return ret;
}

/* ---- online ---- */

double dv_plan_half_width(const double *values, unsigned count)
{
	static const double t[] = {12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23,
				   2.20,  2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10, 2.09};
	double mean = 0, square = 0;

	if (count < 2)
		return 0;
	for (unsigned i = 0; i < count; i++)
		mean += values[i] / count;
	for (unsigned i = 0; i < count; i++)
		square += (values[i] - mean) * (values[i] - mean);
	return t[DV_MIN(count - 2, DV_ARRAY_LEN(t) - 1)] * sqrt(square / (count - 1) / count);
}

static int add_mean(const struct dv_plan_case *c, struct dv_bench *bench, const char *metric,
		    const double *values, unsigned count, struct dv_error *err)
{
	double sum = 0;
	char name[40];
	int r;

	for (unsigned i = 0; i < count; i++)
		sum += values[i];
	r = add_result(c, bench, metric, "of 1", sum / count, err);
	if (r < 0)
		return r;
	last(bench)->n = count;
	(void)snprintf(name, sizeof(name), "%s_ci95", metric);
	r = add_result(c, bench, name, "of 1", dv_plan_half_width(values, count), err);
	if (r == 0)
		last(bench)->n = count;
	return r;
}

int dv_plan_case_once(const struct dv_plan_case *c, const struct dv_plan_grids *grids,
		      unsigned seed, struct dv_plan_sim_result *ret, struct dv_error *err)
{
	struct dv_plan_sim sim = {
		.grid = &grids->six,
		.gpu_count = GPUS,
		.mix = mixes[c->mix].parts,
		.load = loads[c->load],
		.seed = 1000003u * (seed + 1) + 101 * c->mix + c->load,
	};

	return dv_plan_sim_run(&sim, (enum dv_policy_kind)c->policy, ret, err);
}

static int run_online(const struct dv_plan_case *c, const struct dv_plan_grids *grids,
		      unsigned seeds, struct dv_bench *bench, struct dv_error *err)
{
	double accepted[DV_PLAN_SEEDS_MOST], memory[DV_PLAN_SEEDS_MOST], moves = 0;
	int r = 0;

	for (unsigned s = 0; r == 0 && s < seeds; s++) {
		struct dv_plan_sim_result result;

		r = dv_plan_case_once(c, grids, s, &result, err);
		if (r < 0)
			break;
		accepted[s] = result.accepted;
		memory[s] = result.accepted_memory;
		moves += result.moves / seeds;
	}
	if (r == 0)
		r = add_mean(c, bench, "accepted", accepted, seeds, err);
	if (r == 0)
		r = add_mean(c, bench, "accepted_memory", memory, seeds, err);
	if (r == 0 && c->policy == DV_BENCH_DIVVY_MOVE1)
		r = add_result(c, bench, "moves", "1/arrival", moves, err);
	return r;
}

/* ---- speed ---- */

/* Of this process: what others do on the machine does not count. */
static double seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

struct held {
	unsigned gpu, profile, start;
};

/* Fill the cluster until `share` of its cells are taken; returns how many instances there are. */
static size_t fill_online(struct dv_online *online, const struct dv_grid *grid, unsigned gpus,
			  double share, struct held *held)
{
	double cells = 0;
	uint64_t random = 1;
	size_t count = 0;

	while (cells < share * gpus * grid->cells) {
		unsigned p = (unsigned)(next_random(&random) % grid->profile_count);
		struct dv_online_choice choice;

		if (dv_online_place(online, p, &choice) != 0)
			break;
		(void)dv_online_take(online, choice.gpu, p, choice.start);
		held[count++] = (struct held){choice.gpu, p, choice.start};
		cells += grid->profiles[p].size;
	}
	return count;
}

/* A decision, with what was decided and what ended counted in: nine of ten cells taken, one ends
 * for each that comes. */
static int run_speed(const struct dv_plan_case *c, const struct dv_plan_grids *grids,
		     unsigned seeds, struct dv_bench *bench, struct dv_error *err)
{
	enum { ROUNDS = 200000 };
	const struct dv_grid *grid = &grids->six;
	dv_cleanup(dv_online_freep) struct dv_online *online = NULL;
	dv_autofree struct held *held = calloc((size_t)c->size * grid->cells + 1, sizeof(*held));
	uint64_t random = 2;
	double begin, decided = 0;
	size_t count;
	int r;

	if (!held)
		return dv_error_set(err, -ENOMEM, "no memory for a cluster");
	r = dv_online_new(grid, NULL, c->size, &online, err);
	if (r < 0)
		return r;
	count = fill_online(online, grid, c->size, 0.9, held);
	begin = seconds();
	for (unsigned i = 0; count > 0 && i < ROUNDS; i++) {
		unsigned p = (unsigned)(next_random(&random) % grid->profile_count);
		size_t out = next_random(&random) % count;
		struct dv_online_choice choice;

		(void)dv_online_give(online, held[out].gpu, held[out].profile, held[out].start);
		held[out] = held[--count];
		if (dv_online_place(online, p, &choice) != 0) {
			count++;
			(void)dv_online_take(online, held[count - 1].gpu, held[count - 1].profile,
					     held[count - 1].start);
			continue;
		}
		decided++;
		(void)dv_online_take(online, choice.gpu, p, choice.start);
		held[count++] = (struct held){choice.gpu, p, choice.start};
	}
	r = add_result(c, bench, "decision", "ns", (seconds() - begin) / ROUNDS * 1e9, err);
	return r;
}

/* ---- batch ---- */

/* Small ones are far more: then so many requests fit at all. */
static void random_requests(const struct dv_grid *grid, unsigned count, uint64_t *random,
			    struct dv_batch_request *requests)
{
	static const unsigned parts[] = {70, 82, 92, 96, 98, 100};

	for (unsigned p = 0; p < grid->profile_count; p++)
		requests[p] = (struct dv_batch_request){.profile = {(int)p}};
	for (unsigned i = 0; grid->profile_count && i < count; i++) {
		unsigned at = (unsigned)(next_random(random) % 100), p = 0;

		while (p + 1 < DV_MIN(DV_ARRAY_LEN(parts), grid->profile_count) && at >= parts[p])
			p++;
		requests[p].count++;
	}
}

/* In each GPU up to `most` instances. */
static void random_gpus(const struct dv_grid *grid, unsigned count, unsigned most, uint64_t *random,
			struct dv_batch_gpu *gpus)
{
	for (unsigned g = 0; g < count; g++) {
		gpus[g] = (struct dv_batch_gpu){0};
		for (unsigned n = (unsigned)(next_random(random) % (most + 1)); n > 0; n--) {
			unsigned i = (unsigned)(next_random(random) % grid->place_count);

			if (dv_grid_fits(grid, &gpus[g].state, i))
				dv_grid_take(grid, &gpus[g].state, i);
		}
	}
}

static int run_batch(const struct dv_plan_case *c, const struct dv_plan_grids *grids,
		     unsigned seeds, struct dv_bench *bench, struct dv_error *err)
{
	const struct dv_grid *grid = &grids->six;
	dv_autofree struct dv_batch_gpu *gpus = calloc(c->size, sizeof(*gpus));
	struct dv_batch_request requests[DV_GRID_PROFILES_MOST];
	struct dv_batch_input input = {.grids = &grid,
				       .grid_count = 1,
				       .gpus = gpus,
				       .gpu_count = c->size,
				       .requests = requests,
				       .request_count = grid->profile_count};
	double took = 0, worst = 0, proven = 0;
	int r = 0;

	if (!gpus)
		return dv_error_set(err, -ENOMEM, "no memory for a batch");
	for (unsigned s = 0; r == 0 && s < seeds; s++) {
		uint64_t random = s + 1;
		struct dv_batch batch = {0};
		double begin;

		random_gpus(grid, c->size, c->mix, &random, gpus);
		random_requests(grid, c->load, &random, requests);
		begin = seconds();
		r = dv_batch_make(&input, &batch, err);
		if (r < 0)
			break;
		took = fmax(took, seconds() - begin);
		worst = fmax(worst, 100.0 * (batch.opened - batch.least) / DV_MAX(batch.least, 1u));
		proven += batch.bound == DV_BATCH_PROVEN;
		dv_batch_fini(&batch);
	}
	if (r == 0)
		r = add_result(c, bench, "gap_pct", "%", worst, err);
	if (r == 0)
		r = add_result(c, bench, "proven", "of 1", proven / seeds, err);
	if (r == 0)
		r = add_result(c, bench, "time", "ms", took * 1e3, err);
	for (size_t i = bench->results.len - 3; r == 0 && i < bench->results.len; i++)
		bench->results.items[i].n = seeds;
	return r;
}

/* ---- the table ---- */

static const struct dv_plan_case fixed[] = {
	{"plan/repartition/add-one", "one profile more on a GPU: instances that end", true,
	 run_repartition, .size = ADD_ONE},
	{"plan/repartition/remove-one", "one profile less", true, run_repartition,
	 .size = REMOVE_ONE},
	{"plan/repartition/any", "from any layout to any set", true, run_repartition, .size = ANY},
	{"plan/batch/16-gpus", "60 requests onto 16 GPUs, up to 2 instances on each before", true,
	 run_batch, .size = 16, .load = 60, .mix = 2},
	{"plan/batch/64-gpus", "250 requests onto 64 GPUs, the same", true, run_batch, .size = 64,
	 .load = 250, .mix = 2},
	{"plan/batch/5000-requests", "onto 2,000 GPUs, the same", true, run_batch, .size = 2000,
	 .load = 5000, .mix = 2},
	{"plan/batch/10000-requests", "onto 2,000 empty GPUs", true, run_batch, .size = 2000,
	 .load = 10000},
	{"plan/online/speed/100-gpus", "one arrival and one end", true, run_speed, .size = 100},
	{"plan/online/speed/10000-gpus", "the same", true, run_speed, .size = 10000},
};

bool dv_plan_case(unsigned i, struct dv_plan_case *ret)
{
	unsigned n = DV_ARRAY_LEN(mixes) * DV_ARRAY_LEN(loads) * DV_BENCH_POLICY_COUNT;

	if (i < DV_ARRAY_LEN(fixed)) {
		*ret = fixed[i];
		return true;
	}
	i -= DV_ARRAY_LEN(fixed);
	if (i >= n)
		return false;
	*ret = (struct dv_plan_case){.run = run_online,
				     .what = "100 GPUs, one arrival a slot",
				     .policy = i % DV_BENCH_POLICY_COUNT};
	i /= DV_BENCH_POLICY_COUNT;
	ret->load = i % DV_ARRAY_LEN(loads);
	ret->mix = i / DV_ARRAY_LEN(loads);
	(void)snprintf(ret->name, sizeof(ret->name), "plan/online/%s/%.*f/%s", mixes[ret->mix].name,
		       ret->load == 0 ? 2 : 1, loads[ret->load],
		       dv_bench_policy_name((enum dv_policy_kind)ret->policy));
	return true;
}

bool dv_plan_case_is_online(const struct dv_plan_case *c)
{
	return c->run == run_online;
}

bool dv_plan_case_chosen(const struct dv_plan_case *c, const char *const *prefixes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strncmp(c->name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return count == 0;
}

int dv_plan_case_run(const struct dv_plan_case *c, const struct dv_plan_grids *grids,
		     unsigned seeds, struct dv_bench *bench, struct dv_error *err)
{
	int r = c->run(c, grids, DV_MAX(1u, DV_MIN(seeds, (unsigned)DV_PLAN_SEEDS_MOST)), bench,
		       err);

	return r < 0 ? dv_error_prefix(err, r, "%s", c->name) : 0;
}
