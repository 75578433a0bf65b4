/* SPDX-License-Identifier: Apache-2.0 */
/* One piece of silicon, one owner: random interleavings of take, release, apply, failure, kill
 * -9 and restart by the divvyds of two users on one machine. After each step no node has two
 * owners. */
#include "engine/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "fake.h"
#include "model/tree.h"
#include "model/units.h"
#include "plans.h"
#include "random.h"

enum { INTERLEAVINGS = 10000, ENGINES = 2 };

struct game {
	struct dice dice;
	struct fake_world world;
	struct fake fakes[ENGINES];
	/* That something happened at all. */
	unsigned taken, released, applied, killed, refused, lost, failed;
};

static const struct dv_identity *const users[ENGINES] = {&fake_alice, &fake_bob};

static void fill_request(struct game *game, struct dv_lease_request *request)
{
	static const enum dv_method methods[] = {DV_METHOD_NONE, DV_METHOD_SLICE, DV_METHOD_SLICE,
						 DV_METHOD_PASSTHROUGH, DV_METHOD_PARTITION};
	static const char *const gpus[] = {"", "CPU-0", "GPU-1", "GPU-2"};
	struct dice *dice = &game->dice;

	*request = (struct dv_lease_request){.kind = DV_KIND_PROCESS};
	request->method = methods[dice_roll(dice, DV_ARRAY_LEN(methods))];
	request->policy = (enum dv_policy)dice_roll(dice, DV_POLICY_COUNT);
	request->ephemeral = dice_says(dice, 50);
	(void)dv_copy(request->gpu, sizeof(request->gpu), gpus[dice_roll(dice, 4)]);
	if (dice_says(dice, 60))
		(void)snprintf(request->name, sizeof(request->name), "n%u", dice_roll(dice, 6));
	if (request->method == DV_METHOD_PARTITION)
		request->compute_units = dice_roll(dice, 6);
	if (request->method == DV_METHOD_SLICE && dice_says(dice, 70)) {
		request->memory_bytes = (1 + dice_roll(dice, 9)) * DV_GIB;
		request->compute_mpct = 1 + dice_roll(dice, 60000);
	}
}

static void act_take(struct game *game, unsigned e)
{
	struct dv_lease_request request;
	int r;

	fill_request(game, &request);
	r = fake_take(&game->fakes[e], &request, users[e]);
	if (r == 0)
		game->taken++;
	else if (r < 0)
		game->refused++;
}

static void act_release(struct game *game, unsigned e)
{
	const struct dv_leases *leases = dv_engine_leases(game->fakes[e].engine);
	char name[DV_NAME_SIZE] = "nobody";

	if (leases->len)
		(void)dv_copy(name, sizeof(name),
			      leases->items[dice_roll(&game->dice, (unsigned)leases->len)].name);
	if (fake_release(&game->fakes[e], name, users[e]) == 0)
		game->released++;
}

static void plan_something(struct game *game, const struct fake *fake, struct dv_plan *plan)
{
	struct dice *dice = &game->dice;
	char name[8], node[16];

	(void)snprintf(name, sizeof(name), "p%u", dice_roll(dice, 6));
	switch (dice_roll(dice, 4)) {
	case 0:
		(void)snprintf(node, sizeof(node), "CPU-0/p%u+%u", dice_roll(dice, 8),
			       1 + dice_roll(dice, 3));
		plan_partition(plan, node, name);
		break;
	case 1:
		(void)snprintf(node, sizeof(node), "GPU-%u", 1 + dice_roll(dice, 2));
		plan_whole(plan, node, name);
		break;
	default:
		(void)snprintf(node, sizeof(node), "%s", dice_says(dice, 50) ? "CPU-0" : "GPU-1");
		plan_slice(plan, node, name);
		break;
	}
}

/* End some of what the fleet has, make some more. */
static void act_apply(struct game *game, unsigned e)
{
	struct fake *fake = &game->fakes[e];
	const struct dv_leases *leases = dv_engine_leases(fake->engine);
	const char *fleet = dice_says(&game->dice, 50) ? "lab" : "hall";
	struct dv_plan plan;

	plan_begin(&plan, fake, fleet);
	for (size_t i = 0; i < leases->len; i++)
		if (strcmp(leases->items[i].fleet, fleet) == 0 && dice_says(&game->dice, 60))
			plan_end(&plan, fake, leases->items[i].name);
	for (unsigned n = dice_roll(&game->dice, 4); n > 0; n--)
		plan_something(game, fake, &plan);
	if (plan_apply(&plan, fake, users[e], dice_says(&game->dice, 80)) == 0)
		game->applied++;
}

static void act_answer(struct game *game, unsigned e)
{
	struct fake *fake = &game->fakes[e];
	unsigned which;
	bool good;

	if (!fake->pending_count)
		return;
	which = dice_roll(&game->dice, fake->pending_count);
	good = dice_says(&game->dice, fake->pending[which].undo ? 95 : 80);
	fake->half_done = dice_says(&game->dice, 50);
	if (!good) {
		game->failed++;
		fake->fail_code = dice_says(&game->dice, 10) ? -ETIMEDOUT : -EIO;
	}
	fake_answer(fake, which, good);
}

static void kill_engine(struct game *game, unsigned e)
{
	fake_kill(&game->fakes[e]);
	game->killed++;
}

static void start_engine(struct game *game, unsigned e)
{
	struct fake *fake = &game->fakes[e];
	unsigned was = game->world.abandoned;

	fake->launchers_gone = dice_says(&game->dice, 30);
	/* One start in five is killed on its way. */
	if (fake_start_killed(fake,
			      dice_says(&game->dice, 20) ? 1 + dice_roll(&game->dice, 8) : 0) < 0)
		fake_kill(fake);
	game->lost += game->world.abandoned - was;
}

static void act(struct game *game, unsigned e)
{
	struct fake *fake = &game->fakes[e];
	unsigned what = dice_roll(&game->dice, 100);

	if (!fake->engine) {
		start_engine(game, e);
		return;
	}
	fake->later = dice_says(&game->dice, 60);
	if (!fake->die_at && dice_says(&game->dice, 3)) {
		fake->die_at = fake->events + 1 + dice_roll(&game->dice, 4);
		fake->die_before = dice_says(&game->dice, 50);
	}
	if (dice_says(&game->dice, 3)) {
		fake->fail_commit = 1 + dice_roll(&game->dice, 3);
		fake->fail_commits = dice_roll(&game->dice, 3);
	}
	if (what < 25)
		act_take(game, e);
	else if (what < 35)
		act_apply(game, e);
	else if (what < 60)
		act_release(game, e);
	else if (what < 90)
		act_answer(game, e);
	else if (what < 94)
		kill_engine(game, e);
	else
		dv_engine_retry(fake->engine);
}

/* No node has two owners, whoever they are, and nobody has a lease on a device that he does not
 * own. */
static void check_owners(struct game *game)
{
	struct dv_leases all = {0};
	struct dv_error err = {0};

	for (unsigned e = 0; e < ENGINES; e++) {
		const struct dv_leases *leases;

		if (!game->fakes[e].engine)
			continue;
		leases = dv_engine_leases(game->fakes[e].engine);
		for (size_t i = 0; i < leases->len; i++) {
			/* "CPU-0", "GPU-1", "GPU-2" */
			assert_int_equal(game->world.owner[leases->items[i].gpu_uuid[4] - '0'], e);
			assert_int_equal(dv_vec_push(&all, leases->items[i]), 0);
		}
	}
	if (dv_tree_check(game->world.gpus, game->world.gpu_count, &all, &err) < 0)
		fail_msg("%s", err.msg);
	assert_false(game->world.overlap);
	dv_vec_fini(&all);
}

/* Somebody looks after what is broken, so that the game goes on. Then no GPU is in quarantine:
 * without a lease that is broken there nobody could end it. */
static void repair(struct fake *fake)
{
	const struct dv_leases *leases = dv_engine_leases(fake->engine);
	const struct dv_gpu *gpus;
	size_t count;

	fake->later = false;
	for (size_t i = leases->len; i > 0; i--)
		if (leases->items[i - 1].state == DV_LEASE_BROKEN)
			assert_int_equal(fake_release(fake, leases->items[i - 1].name, &fake_root),
					 0);
	gpus = dv_engine_gpus(fake->engine, &count);
	for (size_t i = 0; i < count; i++)
		assert_string_equal(gpus[i].quarantine, "");
}

/* Let everything come to its end; then leases, store and devices say the same. */
static void check_quiet(struct game *game)
{
	for (unsigned e = 0; e < ENGINES; e++) {
		struct fake *fake = &game->fakes[e];

		fake->fail_commit = fake->fail_commits = 0;
		fake->die_at = 0;
		if (!fake->engine)
			continue;
		dv_engine_retry(fake->engine);
		while (fake->pending_count)
			fake_answer(fake, 0, true);
		assert_true(dv_engine_idle(fake->engine));
		assert_true(fake_consistent(fake));
		repair(fake);
		assert_true(fake_consistent(fake));
	}
}

static void play(bool sticky)
{
	struct game *game = calloc(1, sizeof(*game));

	assert_non_null(game);
	game->dice = dice_start(sticky ? "locks outlive a kill" : "locks end with a kill");
	fake_world_init(&game->world, 3);
	game->world.sticky = sticky;
	for (unsigned e = 0; e < ENGINES; e++)
		fake_init(&game->fakes[e], &game->world, (int)e);
	for (unsigned i = 0; i < INTERLEAVINGS; i++) {
		unsigned actions = 2 + dice_roll(&game->dice, 5);

		for (unsigned a = 0; a < actions; a++) {
			unsigned e = dice_roll(&game->dice, ENGINES);

			act(game, e);
			if (game->fakes[e].dead)
				kill_engine(game, e);
			check_owners(game);
		}
		if (dice_says(&game->dice, 10))
			check_quiet(game);
	}
	check_quiet(game);
	printf("taken %u, applied %u, released %u, refused %u, steps failed %u, killed %u, left "
	       "behind %u\n",
	       game->taken, game->applied, game->released, game->refused, game->failed,
	       game->killed, game->lost);
	assert_true(game->taken > INTERLEAVINGS / 20 && game->released > INTERLEAVINGS / 20);
	assert_true(game->applied > INTERLEAVINGS / 40);
	assert_true(game->killed > INTERLEAVINGS / 20 && game->failed > INTERLEAVINGS / 20);
	if (sticky)
		assert_int_equal(game->lost, 0);
	for (unsigned e = 0; e < ENGINES; e++)
		fake_fini(&game->fakes[e]);
	free(game);
}

static void test_locks_end(void **state)
{
	play(false);
}

static void test_locks_outlive(void **state)
{
	play(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_locks_end),
		cmocka_unit_test(test_locks_outlive),
	};

	return cmocka_run_group_tests_name("engine/one-owner", tests, NULL, NULL);
}
