/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated driver's habits, each as the facts have it, and its invariants under chance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"
#include "sim/driver.h"
#include "sim/load.h"

#include "tests/unit/catalog/random.h"

static struct dv_sim_machine machine;
static struct dv_sim_state state;
static const struct dv_sim sim = {&machine, &state};

/* The machine, with MIG on where it can be. */
static void start(const char *name)
{
	struct dv_error err = {0};

	if (dv_sim_load(DV_SOURCE_DIR "/data", name, &machine, &err) < 0 ||
	    dv_sim_start(&machine, &state, &err) < 0)
		fail_msg("%s", err.msg);
	memset(state.holders, 0, sizeof(state.holders));
	for (uint32_t i = 0; i < machine.gpu_count; i++) {
		enum dv_nvml_result activation;

		(void)dv_sim_set_mode(&sim, i, true, &activation);
	}
}

static uint32_t id_of(const char *profile)
{
	const struct dv_sim_model *model = dv_sim_model_of(&sim, 0);

	for (uint32_t i = 0; i < model->profile_count; i++)
		if (strcmp(model->profiles[i].name, profile) == 0)
			return model->profiles[i].id;
	fail_msg("no %s", profile);
	return 0;
}

static enum dv_nvml_result create(const char *profile, int start_at, uint32_t *ret_id)
{
	return dv_sim_gi_create(&sim, 0, id_of(profile), start_at, ret_id);
}

/* Where the driver puts the next of that profile. */
static int put(const char *profile)
{
	uint32_t id;

	if (create(profile, -1, &id) != DV_NVML_SUCCESS)
		return -1;
	return (int)dv_sim_gi_find(&sim, 0, id)->start;
}

static void test_own_order(void **test_state)
{
	static const int order[] = {6, 4, 5, 0, 1, 2, 3};

	start("dgx-a100");
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(put("1g.5gb"), order[i]);
	assert_int_equal(put("1g.5gb"), -1);
	assert_int_equal(dv_sim_gi_room(&sim, 0, dv_sim_profile_by_id(&sim, 0, 19)), 0);
}

/* The guide's known issue: with the driver's own places one order fails, another works; with places
 * given, both do. */
static void test_dead_end(void **test_state)
{
	uint32_t id;

	start("dgx-a100");
	assert_int_equal(put("1g.5gb"), 6);
	assert_int_equal(put("1g.5gb"), 4);
	assert_int_equal(put("2g.10gb"), 0);
	assert_int_equal(create("3g.20gb", -1, &id), DV_NVML_INSUFFICIENT_RESOURCES);

	start("dgx-a100");
	assert_int_equal(put("3g.20gb"), 4);
	assert_int_equal(put("1g.5gb"), 0);
	assert_int_equal(put("2g.10gb"), 2);
	assert_int_equal(put("1g.5gb"), 1);

	start("dgx-a100");
	assert_int_equal(create("1g.5gb", 0, &id), DV_NVML_SUCCESS);
	assert_int_equal(create("1g.5gb", 1, &id), DV_NVML_SUCCESS);
	assert_int_equal(create("2g.10gb", 2, &id), DV_NVML_SUCCESS);
	assert_int_equal(create("3g.20gb", 4, &id), DV_NVML_SUCCESS);
	assert_int_equal(create("2g.10gb", 1, &id), DV_NVML_INVALID_ARGUMENT);
}

static void test_ids_tell_the_size(void **test_state)
{
	uint32_t id = 99;

	start("dgx-a100");
	assert_int_equal(create("1g.5gb", 6, &id), DV_NVML_SUCCESS);
	assert_true(id >= 7 && id <= 14);
	assert_int_equal(create("2g.10gb", 0, &id), DV_NVML_SUCCESS);
	assert_true(id >= 3 && id <= 6);
	start("dgx-a100");
	assert_int_equal(create("3g.20gb", 4, &id), DV_NVML_SUCCESS);
	assert_int_equal(id, 1);
	assert_int_equal(create("4g.20gb", 0, &id), DV_NVML_SUCCESS);
	assert_int_equal(id, 2);
	start("rtx-pro-6000x8");
	assert_int_equal(create("4g.96gb", 0, &id), DV_NVML_SUCCESS);
	assert_int_equal(id, 0);
}

/* Engines beside the grid. */
static void test_media(void **test_state)
{
	uint32_t id;

	start("dgx-a100");
	assert_int_equal(create("1g.5gb+me", 0, &id), DV_NVML_SUCCESS);
	assert_int_equal(create("1g.5gb+me", 1, &id), DV_NVML_INSUFFICIENT_RESOURCES);
	start("rtx-pro-6000x8");
	assert_int_equal(create("1g.24gb+me.all", 0, &id), DV_NVML_SUCCESS);
	assert_int_equal(create("1g.24gb", 3, &id), DV_NVML_INSUFFICIENT_RESOURCES);
	assert_int_equal(create("1g.24gb-me", 3, &id), DV_NVML_SUCCESS);
	assert_int_equal(create("2g.48gb-me", 6, &id), DV_NVML_SUCCESS);
}

static void test_old_driver(void **test_state)
{
	uint32_t id;

	start("dgx-a100-r460");
	assert_null(dv_sim_profile_by_id(&sim, 0, 20));
	assert_null(dv_sim_profile_by_number(&sim, 0, 9));
	assert_int_equal(create("4g.20gb", 0, &id), DV_NVML_SUCCESS);
	assert_int_equal(create("3g.20gb", 4, &id), DV_NVML_INSUFFICIENT_RESOURCES);
	start("hgx-b200");
	assert_int_equal(dv_sim_profile_numbers(&sim, 0), 19);
	assert_non_null(dv_sim_profile_by_number(&sim, 0, 18));
}

static void test_order_of_destroying(void **test_state)
{
	struct dv_sim_holder holder = {.name = "python3", .use = DV_SIM_COMPUTE, .gpus = 1};
	uint32_t gi, ci, pid;

	start("dgx-h100");
	assert_int_equal(create("3g.40gb", 0, &gi), DV_NVML_SUCCESS);
	assert_int_equal(dv_sim_ci_create(&sim, 0, gi, 0, -1, &ci), DV_NVML_SUCCESS);
	assert_int_equal(ci, 0);
	assert_int_equal(dv_sim_ci_create(&sim, 0, gi, 2, -1, &ci), DV_NVML_INSUFFICIENT_RESOURCES);
	assert_int_equal(dv_sim_ci_create(&sim, 0, gi, 0, 2, &ci), DV_NVML_SUCCESS);
	assert_int_equal(ci, 1);
	assert_int_equal(dv_sim_ci_create(&sim, 0, gi, 4, -1, &ci), DV_NVML_NOT_SUPPORTED);
	assert_int_equal(dv_sim_gi_destroy(&sim, 0, gi), DV_NVML_IN_USE);
	holder.gi = (int)gi;
	holder.ci = 0;
	assert_int_equal(dv_sim_hold(&sim, &holder, &pid, NULL), 0);
	assert_int_equal(dv_sim_ci_destroy(&sim, 0, gi, 0), DV_NVML_IN_USE);
	assert_int_equal(dv_sim_ci_destroy(&sim, 0, gi, 1), DV_NVML_SUCCESS);
	assert_true(dv_sim_let_go(&sim, pid));
	assert_false(dv_sim_let_go(&sim, pid));
	assert_int_equal(dv_sim_ci_destroy(&sim, 0, gi, 0), DV_NVML_SUCCESS);
	assert_int_equal(dv_sim_gi_destroy(&sim, 0, gi), DV_NVML_SUCCESS);
	assert_int_equal(dv_sim_gi_destroy(&sim, 0, gi), DV_NVML_INVALID_ARGUMENT);
	/* The one slice of a double-memory instance has a number of its own. */
	assert_int_equal(create("1g.20gb", 6, &gi), DV_NVML_SUCCESS);
	assert_int_equal(dv_sim_ci_create(&sim, 0, gi, 0, -1, &ci), DV_NVML_NOT_SUPPORTED);
	assert_int_equal(dv_sim_ci_create(&sim, 0, gi, 7, -1, &ci), DV_NVML_SUCCESS);
}

static void test_modes(void **test_state)
{
	struct dv_sim_holder holder = {.name = "nvsm_core", .gpus = 1, .gi = -1, .ci = -1};
	enum dv_nvml_result activation;
	uint32_t id, pid, minor, generation;

	start("dgx-a100");
	minor = state.gpus[0].minor;
	generation = state.gpus[0].generation;
	assert_int_equal(create("7g.40gb", 0, &id), DV_NVML_SUCCESS);
	/* Success, and yet nothing is active. */
	assert_int_equal(dv_sim_set_mode(&sim, 0, false, &activation), DV_NVML_SUCCESS);
	assert_int_equal(activation, DV_NVML_IN_USE);
	assert_true(state.gpus[0].mig && !state.gpus[0].pending);
	assert_int_equal(dv_sim_gi_destroy(&sim, 0, id), DV_NVML_SUCCESS);
	assert_int_equal(dv_sim_hold(&sim, &holder, &pid, NULL), 0);
	assert_int_equal(dv_sim_set_mode(&sim, 0, false, &activation), DV_NVML_SUCCESS);
	assert_int_equal(activation, DV_NVML_IN_USE);
	assert_int_equal(dv_sim_reset(&sim, 0), DV_NVML_IN_USE);
	assert_true(dv_sim_let_go(&sim, pid));
	assert_int_equal(dv_sim_reset(&sim, 0), DV_NVML_SUCCESS);
	assert_false(state.gpus[0].mig);
	assert_true(state.gpus[0].minor != minor && state.gpus[0].generation != generation);
	assert_int_equal(create("7g.40gb", 0, &id), DV_NVML_NOT_SUPPORTED);
	start("lab-4090");
	assert_int_equal(dv_sim_set_mode(&sim, 0, true, &activation), DV_NVML_NOT_SUPPORTED);
}

/* Layouts are gone after a boot; the mode is kept by the chip or it is not. */
static void test_boots(void **test_state)
{
	uint32_t id;

	start("dgx-a100");
	assert_int_equal(create("7g.40gb", 0, &id), DV_NVML_SUCCESS);
	dv_sim_reboot(&sim);
	assert_true(state.gpus[0].mig);
	assert_null(dv_sim_gi_find(&sim, 0, id));
	start("dgx-h100");
	assert_int_equal(create("7g.80gb", 0, &id), DV_NVML_SUCCESS);
	assert_int_equal(dv_sim_reload(&sim), DV_NVML_SUCCESS);
	assert_false(state.gpus[0].mig);
	assert_null(dv_sim_gi_find(&sim, 0, id));
	for (uint32_t i = 0; i < machine.gpu_count; i++)
		assert_int_equal(state.gpus[i].minor, i);
}

static void test_passed_through(void **test_state)
{
	enum dv_nvml_result activation;

	start("dgx-a100");
	machine.gpus[0].in_vm = true;
	assert_int_equal(dv_sim_set_mode(&sim, 0, false, &activation), DV_NVML_SUCCESS);
	assert_int_equal(activation, DV_NVML_RESET_REQUIRED);
	assert_int_equal(dv_sim_reset(&sim, 0), DV_NVML_NOT_SUPPORTED);
	dv_sim_reboot(&sim);
	assert_false(state.gpus[0].mig);
}

/* Every place that the catalogue lists can be taken on an empty GPU, and no media engine keeps
 * plain profiles from standing where the grid lets them. */
static void test_every_place(void **test_state)
{
	static const char *const machines[] = {"dgx-a100", "dgx-h100",	     "hgx-h200",
					       "hgx-b200", "rtx-pro-6000x8", "a30x4"};

	for (size_t m = 0; m < DV_ARRAY_LEN(machines); m++) {
		const struct dv_sim_model *model;

		start(machines[m]);
		model = dv_sim_model_of(&sim, 0);
		for (uint32_t i = 0; i < model->profile_count; i++) {
			const struct dv_sim_profile *profile = &model->profiles[i];
			uint32_t made = 0, id;

			memset(state.gpus[0].gis, 0, sizeof(state.gpus[0].gis));
			for (uint32_t j = 0; j < profile->start_count; j++)
				made += dv_sim_gi_create(&sim, 0, profile->id, profile->starts[j],
							 &id) == DV_NVML_SUCCESS;
			if (made != DV_MIN(profile->most, profile->start_count))
				fail_msg("%s: %u of %s, not %u", machines[m], made, profile->name,
					 profile->most);
		}
	}
}

/* Whatever is done: instances do not overlap, ids and device indexes are there once, room is true.
 */
static void check_invariants(uint32_t gpu)
{
	const struct dv_sim_model *model = dv_sim_model_of(&sim, gpu);
	uint64_t grid = 0, ids = 0, indexes = 0;

	for (unsigned i = 0; i < DV_SIM_GIS_MOST; i++) {
		const struct dv_sim_gi *gi = &state.gpus[gpu].gis[i];
		uint64_t mask, slices = 0;

		if (!gi->used)
			continue;
		mask = ((UINT64_C(1) << model->profiles[gi->profile].size) - 1) << gi->start;
		assert_false(grid & mask);
		grid |= mask;
		assert_false(ids & UINT64_C(1) << gi->id);
		ids |= UINT64_C(1) << gi->id;
		for (unsigned j = 0; j < DV_SIM_CIS_MOST; j++) {
			const struct dv_sim_ci *ci = &gi->cis[j];

			if (!ci->used)
				continue;
			mask = ((UINT64_C(1) << ci->size) - 1) << ci->start;
			assert_false(slices & mask);
			slices |= mask;
			assert_false(indexes & UINT64_C(1) << ci->index);
			indexes |= UINT64_C(1) << ci->index;
		}
	}
	assert_false(grid >> model->grid);
}

static void step(struct chance *c, uint32_t gpu)
{
	const struct dv_sim_model *model = dv_sim_model_of(&sim, gpu);
	const struct dv_sim_profile *profile =
		&model->profiles[chance_below(c, model->profile_count)];
	const struct dv_sim_gi *some = &state.gpus[gpu].gis[chance_below(c, DV_SIM_GIS_MOST)];
	enum dv_nvml_result result, activation;
	uint32_t id, room;

	switch (chance_below(c, 8)) {
	case 0:
	case 1:
	case 2:
		room = dv_sim_gi_room(&sim, gpu, profile);
		result = dv_sim_gi_create(&sim, gpu, profile->id, -1, &id);
		if (state.gpus[gpu].mig)
			assert_int_equal(room > 0, result == DV_NVML_SUCCESS);
		break;
	case 3:
		(void)dv_sim_gi_create(&sim, gpu, profile->id,
				       profile->starts[chance_below(c, profile->start_count)], &id);
		break;
	case 4:
		(void)dv_sim_gi_destroy(&sim, gpu, some->id);
		break;
	case 5:
		(void)dv_sim_ci_create(&sim, gpu, some->id, chance_below(c, 8), -1, &id);
		break;
	case 6:
		(void)dv_sim_ci_destroy(&sim, gpu, some->id, chance_below(c, 8));
		break;
	default:
		if (chance_one_in(c, 40))
			(void)dv_sim_set_mode(&sim, gpu, chance_one_in(c, 2), &activation);
		if (chance_one_in(c, 200))
			dv_sim_reboot(&sim);
	}
}

static void test_chance(void **test_state)
{
	static const char *const machines[] = {"dgx-a100", "rtx-pro-6000x8", "a30x4", "hgx-b200"};
	struct chance c = chance_begin(11);

	for (size_t m = 0; m < DV_ARRAY_LEN(machines); m++) {
		start(machines[m]);
		for (unsigned n = 0; n < 20000; n++) {
			uint32_t gpu = chance_below(&c, machine.gpu_count);

			step(&c, gpu);
			check_invariants(gpu);
		}
	}
}

static void test_faults(void **test_state)
{
	start("lab-4090");
	state.faults[0] = (struct dv_sim_fault){.call = "a", .nth = 2, .result = 15};
	state.faults[1] = (struct dv_sim_fault){.call = "*", .nth = 4, .result = 16};
	assert_null(dv_sim_call(&sim, "a"));
	assert_null(dv_sim_call(&sim, "b"));
	assert_int_equal(dv_sim_call(&sim, "a")->result, 15);
	assert_int_equal(dv_sim_call(&sim, "b")->result, 16);
	assert_null(dv_sim_call(&sim, "a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_order),
		cmocka_unit_test(test_dead_end),
		cmocka_unit_test(test_ids_tell_the_size),
		cmocka_unit_test(test_media),
		cmocka_unit_test(test_old_driver),
		cmocka_unit_test(test_order_of_destroying),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_boots),
		cmocka_unit_test(test_passed_through),
		cmocka_unit_test(test_every_place),
		cmocka_unit_test(test_chance),
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests_name("sim/driver", tests, NULL, NULL);
}
