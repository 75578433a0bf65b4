/* SPDX-License-Identifier: Apache-2.0 */
/* Machine files: each of data/machines is read; what is wrong in one is said with its place. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"
#include "sim/driver.h"
#include "sim/load.h"

#include "tests/unit/catalog/load.h"

static struct dv_catalog *catalog;
static struct dv_sim_machine machine;
static struct dv_sim_state state;

static int load(void **test_state)
{
	catalog = load_catalog();
	return catalog ? 0 : -1;
}

static int unload(void **test_state)
{
	dv_catalog_free(catalog);
	return 0;
}

static int parse(const char *text, struct dv_error *err)
{
	dv_error_clear(err);
	return dv_sim_machine_parse(text, strlen(text), "m.yaml", catalog, &machine, err);
}

static void refused(const char *text, const char *rule, int line, const char *words)
{
	struct dv_error err = {0};

	assert_true(parse(text, &err) < 0);
	if (!strstr(err.msg, words) || strcmp(err.rule, rule) != 0 || err.line != line)
		fail_msg("%s:%d %s", err.rule, err.line, err.msg);
}

static void test_all_there(void **test_state)
{
	struct dv_error err = {0};
	DIR *dir = opendir(DV_SOURCE_DIR "/data/machines");
	struct dirent *entry;
	unsigned count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		char name[64];
		size_t len = strlen(entry->d_name);

		if (len < 6 || strcmp(entry->d_name + len - 5, ".yaml") != 0)
			continue;
		(void)snprintf(name, sizeof(name), "%.*s", (int)len - 5, entry->d_name);
		if (dv_sim_load(DV_SOURCE_DIR "/data", name, &machine, &err) < 0)
			fail_msg("%s: %s", name, err.msg);
		assert_string_equal(machine.name, name);
		assert_true(machine.gpu_count > 0);
		assert_int_equal(dv_sim_start(&machine, &state, &err), 0);
		count++;
	}
	(void)closedir(dir);
	assert_true(count >= 8);
	assert_int_equal(dv_sim_load(DV_SOURCE_DIR "/data", "nowhere", &machine, &err), -ENOENT);
	assert_non_null(strstr(err.fix, "dgx-h100"));
	assert_int_equal(dv_sim_load(DV_SOURCE_DIR "/data", "..", &machine, NULL), -ENOENT);
}

/* The example of the manual. */
static void test_instances(void **test_state)
{
	struct dv_sim sim = {&machine, &state};
	struct dv_error err = {0};

	assert_int_equal(parse("name: two-h100\n"
			       "gpus:\n"
			       "  - {model: h100-80-sxm, driver: 580.95.05, mig: on,\n"
			       "     instances: [{profile: 3g.40gb, start: 4, owner: old, in_use: "
			       "true}]}\n"
			       "  - {model: h100-80-sxm, mig: off}\n",
			       &err),
			 0);
	assert_int_equal(machine.gpu_count, 2);
	assert_string_equal(machine.driver, "580.95.05");
	assert_string_not_equal(machine.gpus[0].uuid, machine.gpus[1].uuid);
	assert_string_not_equal(machine.gpus[0].address, machine.gpus[1].address);
	assert_int_equal(dv_sim_start(&machine, &state, &err), 0);
	assert_true(state.gpus[0].mig && !state.gpus[1].mig);
	assert_int_equal(state.gpus[0].gis[0].start, 4);
	assert_string_equal(state.holders[0].name, "old");
	assert_int_equal(dv_sim_gi_destroy(&sim, 0, state.gpus[0].gis[0].id), DV_NVML_IN_USE);
}

static void test_refused(void **test_state)
{
	struct dv_error err = {0};

	refused("name: x\ngpus:\n  - {model: h101}\n", "F15", 3, "h101");
	refused("name: x\ngpus:\n  - {model: h100-80-sxm, colour: red}\n", "F05", 3, "colour");
	refused("name: x\n", "F10", 1, "gpus");
	refused("name: x\ngpus:\n  - {model: a30-24, address: here}\n", "F06", 3, "PCI");
	refused("name: x\ngpus:\n  - {model: a30-24, mig: perhaps}\n", "F11", 3, "mig");
	refused("name: x\ngpus:\n  - {model: a30-24, unknown: [9g.1gb]}\n", "M01", 3, "profile");
	refused("name: x\ndriver: 1.2\ngpus:\n  - {model: a30-24}\n"
		"  - {model: a30-24, driver: 3.4}\n",
		"F06", 5, "one driver");
	refused("name: x\ngpus:\n  - {model: a30-24}\nfaults:\n  - {do: nothing}\n", "F11", 5,
		"do");
	refused("name: x\ngpus:\n  - {model: a30-24, count: 17}\n", "F07", 3, "16");
	/* What cannot stand is said when the machine starts. */
	assert_int_equal(parse("name: x\ngpus:\n  - {model: a30-24, mig: on,\n"
			       "     instances: [{profile: 2g.12gb, start: 1}]}\n",
			       &err),
			 0);
	assert_int_equal(dv_sim_start(&machine, &state, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "2g.12gb"));
}

/* A driver older than the GPU's MIG has none to offer. */
static void test_old_driver(void **test_state)
{
	struct dv_error err = {0};

	assert_int_equal(
		parse("name: x\ngpus:\n  - {model: h100-80-sxm, driver: 515.65.01}\n", &err), 0);
	assert_false(machine.models[0].has_mig);
	assert_int_equal(
		parse("name: x\ngpus:\n  - {model: h100-80-sxm, driver: 525.85.12}\n", &err), 0);
	assert_true(machine.models[0].has_mig);
	/* Whose number on the bus is not known is NVIDIA's still. */
	assert_int_equal(parse("name: x\ngpus:\n  - {model: gb200-189, driver: 580.95.05}\n", &err),
			 0);
	assert_int_equal(machine.models[0].vendor, 0x10de);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_there),
		cmocka_unit_test(test_instances),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_old_driver),
	};

	return cmocka_run_group_tests_name("sim/machine", tests, load, unload);
}
