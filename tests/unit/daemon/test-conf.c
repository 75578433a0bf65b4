/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/where.h"
#include "model/units.h"

static int parse(const char *text, struct dv_config *ret, struct dv_error *err)
{
	return dv_config_parse(text, strlen(text), "divvyd.yaml", ret, err);
}

static void test_whole(void **state)
{
	static const char text[] =
		"version: 1\n"
		"socket: {group: root, others: read}\n"
		"devices: {cpu: {enabled: false, memory: 3GiB, compute_units: 7}}\n"
		"quotas:\n"
		"  default: {leases: 5, memory: 1GiB}\n"
		"  users:\n"
		"    root: {compute: 250%}\n"
		"    '4000000001': {leases: 9, compute: 50%}\n"
		"  groups:\n"
		"    '4000000002': {leases: 7, memory: 4GiB}\n"
		"    '4000000003': {leases: 8, memory: 2GiB}\n"
		"gate: {quantum: 10ms, linger: 1ms, hold_timeout: 2s, copies: true, away: wait}\n"
		"mig: {drift: report, look: 250ms}\n"
		"unleased: {action: stop, look: 2s}\n"
		"unenforced: warn\n";
	const gid_t groups[] = {4000000003u, 4000000002u, 5};
	struct dv_config config;
	struct dv_quota quota;

	assert_int_equal(parse(text, &config, NULL), 0);
	assert_string_equal(config.group, "root");
	assert_true(config.has_gid);
	assert_int_equal(config.gid, 0);
	assert_true(config.others_read);
	assert_false(config.cpu.enabled);
	assert_int_equal(config.cpu.memory_bytes, 3 * DV_GIB);
	assert_int_equal(config.cpu.compute_units, 7);
	assert_int_equal(config.sched.quantum_ns, 10 * DV_NS_PER_MS);
	assert_int_equal(config.sched.linger_ns, DV_NS_PER_MS);
	assert_int_equal(config.sched.hold_timeout_ns, 2 * DV_NS_PER_S);
	assert_int_equal(config.sched.idle_forget_ns, 50 * DV_NS_PER_MS);
	assert_true(config.gate_copies);
	assert_true(config.away_waits);
	assert_false(config.stop_unenforced);
	assert_true(config.report_drift);
	assert_int_equal(config.mig_look_ns, 250 * DV_NS_PER_MS);
	assert_true(config.end_unleased);
	assert_int_equal(config.unleased_look_ns, 2 * DV_NS_PER_S);

	dv_config_quota_of(&config, 0, groups, 3, &quota); /* its own beats its groups' */
	assert_int_equal(quota.leases, 5);
	assert_int_equal(quota.memory_bytes, DV_GIB);
	assert_int_equal(quota.compute_mpct, 250000);
	dv_config_quota_of(&config, 4000000001u, NULL, 0, &quota);
	assert_int_equal(quota.leases, 9);
	assert_int_equal(quota.compute_mpct, 50000);
	dv_config_quota_of(&config, 77, groups, 3, &quota); /* the most of both */
	assert_int_equal(quota.leases, 8);
	assert_int_equal(quota.memory_bytes, 4 * DV_GIB);
	assert_int_equal(quota.compute_mpct, 0);
	dv_config_quota_of(&config, 77, groups, 1, &quota);
	assert_int_equal(quota.memory_bytes, 2 * DV_GIB);
	dv_config_quota_of(&config, 77, groups + 2, 1, &quota);
	assert_int_equal(quota.leases, 5);
	dv_config_fini(&config);
}

static void test_defaults(void **state)
{
	struct dv_config config;

	assert_int_equal(parse("version: 1\n", &config, NULL), 0);
	assert_string_equal(config.group, "divvy");
	assert_false(config.others_read);
	assert_true(config.cpu.enabled);
	assert_true(config.stop_unenforced);
	assert_false(config.end_unleased);
	assert_int_equal(config.unleased_look_ns, 5 * DV_NS_PER_S);
	assert_int_equal(config.sched.quantum_ns, dv_sched_defaults.quantum_ns);
	dv_config_fini(&config);
}

static void test_faults(void **state)
{
	static const struct {
		const char *text, *rule;
		int line, column;
		const char *words;
	} cases[] = {
		{"socket: {}\n", "F10", 1, 1, "version: 1"},
		{"version: 2\n", "F13", 1, 10, "version 1"},
		{"version: 1\ngates: {}\n", "F05", 2, 1, "gate"},
		{"version: 1\ngate: {quantum: 5}\n", "F07", 2, 17, "ms"},
		{"version: 1\ngate: {quantum: 50ms}\n", "F07", 2, 17, "from 1ms to 20ms"},
		{"version: 1\ngate: {away: stop}\n", "F11", 2, 14, "run or wait"},
		{"version: 1\ngate: [1]\n", "F06", 2, 7, "gate"},
		{"version: 1\nmig: {drift: keep}\n", "F11", 2, 14, "restore or report"},
		{"version: 1\nmig: {look: 1ms}\n", "F07", 2, 13, "from 100ms"},
		{"version: 1\nmig: {drifts: report}\n", "F05", 2, 7, "drift"},
		{"version: 1\nunleased: {action: kill}\n", "F11", 2, 20, "report or stop"},
		{"version: 1\nunleased: {look: 50ms}\n", "F07", 2, 18, "from 100ms"},
		{"version: 1\nunenforced: kill\n", "F11", 2, 13, "warn or stop"},
		{"version: 1\nsocket: {others: write}\n", "F11", 2, 18, "none or read"},
		{"version: 1\nsocket: {group: [a]}\n", "F06", 2, 17, ""},
		{"version: 1\ndevices: {cpu: {memory: 8}}\n", "F07", 2, 25, "memory"},
		{"version: 1\ndevices: {cpu: {enabled: maybe}}\n", "F06", 2, 26, ""},
		{"version: 1\nquotas: {users: {no-such-user-here: {leases: 1}}}\n", "F11", 2, 18,
		 "no user 'no-such-user-here'"},
		{"version: 1\nquotas: {groups: {no-such-group-here: {}}}\n", "F11", 2, 19,
		 "no group"},
		{"version: 1\nquotas: {default: {leases: -1}}\n", "F06", 2, 28, ""},
		{"version: 1\nquotas: {default: {compute: 0%}}\n", "F07", 2, 29, "compute"},
		{"version: 1\nquotas: {default: {compute: 99999999999%}}\n", "F07", 2, 29, ""},
		{"- 1\n", "F06", 1, 1, "list of keys"},
		{"version: 1\nversion: 1\n", "F02", 2, 1, ""},
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(cases); i++) {
		struct dv_config config = {.gate_copies = true};
		struct dv_error err = {0};

		if (parse(cases[i].text, &config, &err) != -EBADMSG)
			fail_msg("accepted: %s", cases[i].text);
		if (strcmp(err.rule, cases[i].rule) != 0 || err.line != cases[i].line ||
		    err.column != cases[i].column || !strstr(err.msg, cases[i].words))
			fail_msg("%s: rule %s at %d:%d: %s", cases[i].text, err.rule, err.line,
				 err.column, err.msg);
		assert_string_equal(err.file, "divvyd.yaml");
		assert_true(config.gate_copies); /* untouched */
	}
}

/* The example shows every key, with the defaults. */
static void test_example(void **state)
{
	struct dv_config config, defaults;
	struct dv_error err = {0};
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/../docs/divvyd.yaml", dv_where(DV_WHERE_DATA));
	if (dv_config_read(path, &config, &err) < 0)
		fail_msg("%s", err.msg);
	dv_config_init(&defaults);
	assert_string_equal(config.group, defaults.group);
	assert_int_equal(config.others_read, defaults.others_read);
	assert_int_equal(config.cpu.enabled, defaults.cpu.enabled);
	assert_int_equal(config.quota.leases, defaults.quota.leases);
	assert_int_equal(config.sched.quantum_ns, defaults.sched.quantum_ns);
	assert_int_equal(config.sched.linger_ns, defaults.sched.linger_ns);
	assert_int_equal(config.sched.hold_timeout_ns, defaults.sched.hold_timeout_ns);
	assert_int_equal(config.sched.idle_forget_ns, defaults.sched.idle_forget_ns);
	assert_int_equal(config.gate_copies, defaults.gate_copies);
	assert_false(config.away_waits);
	assert_int_equal(config.stop_unenforced, defaults.stop_unenforced);
	dv_config_fini(&config);
	dv_config_fini(&defaults);
}

static void test_no_file(void **state)
{
	struct dv_config config;
	struct dv_error err = {0};

	assert_int_equal(dv_config_read("/nonexistent/divvyd.yaml", &config, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/nonexistent/divvyd.yaml"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),	cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_faults),	cmocka_unit_test(test_example),
		cmocka_unit_test(test_no_file),
	};

	return cmocka_run_group_tests_name("daemon/conf", tests, NULL, NULL);
}
