/* SPDX-License-Identifier: Apache-2.0 */
/* What a mig-parted file says, member by member; golden/mig-parted has every refusal. */
#include "model/mig-parted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static const char text[] = "version: v1\n"
			   "mig-configs:\n"
			   "  all-disabled:\n"
			   "    - devices: all\n"
			   "      mig-enabled: false\n"
			   "  mixed:\n"
			   "    - device-filter: [\"0x20B010DE\", \"0x20B110DE:0x134F10DE\"]\n"
			   "      devices: [0, 3]\n"
			   "      mig-enabled: true\n"
			   "      mig-devices:\n"
			   "        \"1g.5gb\": 2\n"
			   "        \"3g.20gb\": 0\n"
			   "        \"1g.5gb+me\": 1\n"
			   "    - devices: [1]\n"
			   "      mig-enabled: true\n"
			   "      mig-devices: {}\n";

static void test_members(void **state)
{
	dv_cleanup(dv_mig_parted_fini) struct dv_mig_parted parted = {0};
	const struct dv_mig_parted_config *config = NULL;
	const struct dv_mig_parted_entry *entry;

	assert_int_equal(dv_mig_parted_parse(text, strlen(text), "f", &parted, NULL), 0);
	assert_string_equal(parted.file, "f");
	assert_int_equal(parted.configs.len, 2);
	assert_int_equal(dv_mig_parted_find(&parted, "all-disabled", &config, NULL), 0);
	assert_int_equal(config->entries.len, 1);
	entry = &config->entries.items[0];
	assert_true(entry->all && !entry->enabled && !entry->counts.len && !entry->filters.len);
	assert_int_equal(dv_mig_parted_find(&parted, "mixed", &config, NULL), 0);
	assert_int_equal(config->line, 6);
	assert_int_equal(config->entries.len, 2);
	entry = &config->entries.items[0];
	assert_int_equal(entry->line, 7);
	assert_int_equal(entry->filters.len, 2);
	assert_int_equal(entry->filters.items[0].id.device, 0x20b0);
	assert_int_equal(entry->filters.items[0].id.vendor, 0x10de);
	assert_false(entry->filters.items[0].board);
	assert_true(entry->filters.items[1].board);
	assert_int_equal(entry->filters.items[1].id.subdevice, 0x134f);
	assert_int_equal(entry->filters.items[1].id.subvendor, 0x10de);
	assert_false(entry->all);
	assert_int_equal(entry->devices.len, 2);
	assert_int_equal(entry->devices.items[1], 3);
	/* None of a profile is as if it were not there. */
	assert_int_equal(entry->counts.len, 2);
	assert_string_equal(entry->counts.items[1].profile, "1g.5gb+me");
	assert_int_equal(entry->counts.items[0].count, 2);
	assert_int_equal(entry->counts.items[1].line, 13);
	assert_true(config->entries.items[1].enabled && !config->entries.items[1].counts.len);
}

static void test_names(void **state)
{
	static const char one[] =
		"version: v1\nmig-configs: {only: [{devices: all, mig-enabled: false}]}\n";
	dv_cleanup(dv_mig_parted_fini) struct dv_mig_parted parted = {0}, single = {0};
	const struct dv_mig_parted_config *config = NULL;
	struct dv_error err = {0};

	assert_int_equal(dv_mig_parted_parse(text, strlen(text), "f.yaml", &parted, NULL), 0);
	assert_int_equal(dv_mig_parted_find(&parted, "", &config, &err), -EINVAL);
	assert_string_equal(err.rule, "F10");
	assert_non_null(strstr(err.fix, "all-disabled, mixed"));
	dv_error_clear(&err);
	assert_int_equal(dv_mig_parted_find(&parted, "mixd", &config, &err), -EINVAL);
	assert_string_equal(err.rule, "F11");
	assert_non_null(strstr(err.msg, "is 'mixed' meant?"));
	assert_non_null(strstr(err.fix, "all-disabled, mixed"));
	assert_null(config);
	/* The only one need not be named. */
	assert_int_equal(dv_mig_parted_parse(one, strlen(one), "g", &single, NULL), 0);
	assert_int_equal(dv_mig_parted_find(&single, "", &config, NULL), 0);
	assert_string_equal(config->name, "only");
}

/* Of very many names as many are listed as there is room for, and how many more there are. */
static void test_many_names(void **state)
{
	dv_cleanup(dv_mig_parted_fini) struct dv_mig_parted parted = {0};
	const struct dv_mig_parted_config *config = NULL;
	dv_autofree char *many = NULL;
	struct dv_error err = {0};
	struct dv_buf buf = {0};

	dv_buf_add(&buf, "version: v1\nmig-configs:\n");
	for (unsigned i = 0; i < 500; i++)
		dv_buf_addf(&buf, "  config-%03u: [{devices: all, mig-enabled: false}]\n", i);
	assert_int_equal(dv_buf_take(&buf, &many), 0);
	assert_int_equal(dv_mig_parted_parse(many, strlen(many), "f", &parted, NULL), 0);
	assert_int_equal(dv_mig_parted_find(&parted, "zzz", &config, &err), -EINVAL);
	assert_non_null(strstr(err.fix, "config-000, config-001"));
	assert_non_null(strstr(err.fix, " more"));
	assert_int_equal(dv_mig_parted_find(&parted, "config-499", &config, NULL), 0);
}

static void test_is_one(void **state)
{
	static const struct {
		const char *text;
		bool is;
	} cases[] = {
		{"version: v1\nmig-configs:\n", true},
		{"  \"mig-configs\" : {}", true},
		{"'mig-configs': {}\n", true},
		{"{\"version\": \"v1\", \"mig-configs\": {}}", true},
		{"kind: ConfigMap\ndata: {x: \"mig-configs: {}\"}\n", true},
		{"kind: ConfigMap\ndata: {}\n", false},
		{"version: 1\nname: lab\ntenants: []\n", false},
		{"# mig-configs: in a comment\nname: x\n", false},
		{"name: mig-configs\n", false},
		{"mig-configs-old: {}\n", false},
		{"\"mig-configs: {}\n", false},
		{"{\"source\": {\"text\": \"\\\"mig-configs\\\": 1\"}}", false},
		{"", false},
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(cases); i++)
		if (dv_mig_parted_is(cases[i].text, strlen(cases[i].text)) != cases[i].is)
			fail_msg("case %zu: %s", i, cases[i].text);
}

static void test_too_large(void **state)
{
	dv_autofree char *large = malloc(DV_FILE_MOST + 1);
	struct dv_mig_parted parted;
	struct dv_error err = {0};

	assert_non_null(large);
	memset(large, '\n', DV_FILE_MOST + 1);
	assert_int_equal(dv_mig_parted_parse(large, DV_FILE_MOST + 1, "f", &parted, &err), -E2BIG);
	assert_string_equal(err.rule, "F14");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),	   cmocka_unit_test(test_names),
		cmocka_unit_test(test_many_names), cmocka_unit_test(test_is_one),
		cmocka_unit_test(test_too_large),
	};

	return cmocka_run_group_tests_name("model/mig-parted", tests, NULL, NULL);
}
