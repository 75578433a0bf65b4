/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/str.h"
#include "model/cdi.h"
#include "model/fleet.h"
#include "model/mig-parted.h"
#include "model/tree.h"
#include "model/units.h"
#include "model/yaml.h"
#include "torture.h"

static const char small[] = "version: 1\n"
			    "name: lab\n"
			    "defaults: {isolation: memory}\n"
			    "gpus:\n"
			    "  - match: {model: h100-80-sxm}\n"
			    "    methods: [mig, slice]\n"
			    "tenants:\n"
			    "  - {name: a, count: 3, needs: {memory: 8GiB, compute: 20%}}\n"
			    "  - {name: b, kind: vm, gpus: 1}\n";

static char *large;

static int set_up(void **state)
{
	struct dv_buf buf = {0};

	/* Enough for vectors to grow, blocks to follow one another and qsort to want memory. */
	dv_buf_add(&buf, "version: 1\nname: lab\ntenants:\n");
	for (unsigned i = 0; i < 15; i++)
		dv_buf_addf(&buf, "  - name: tenant-with-quite-a-long-name-%u\n    count: 10\n", i);
	return dv_buf_take(&buf, &large);
}

static int tear_down(void **state)
{
	free(large);
	return 0;
}

/* -ENOMEM must be said in the record too; a wrong answer is any other. */
static int judge(int r, const struct dv_error *err, bool untouched)
{
	if (r != -ENOMEM)
		return r;
	return err->code == -ENOMEM && err->msg[0] && untouched ? -ENOMEM : -EPROTO;
}

static int parse_yaml(void *arg)
{
	struct dv_yaml *untouched = (struct dv_yaml *)&large, *doc = untouched;
	struct dv_error err = {0};
	const char *text = arg;
	int r = dv_yaml_parse(text, strlen(text), DV_FILE_MOST, "x", &doc, &err);

	if (r < 0)
		return judge(r, &err, doc == untouched);
	r = dv_yaml_get(dv_yaml_root(doc), "name") ? 0 : -EPROTO;
	dv_yaml_free(doc);
	return r;
}

static int parse_fleet(void *arg)
{
	struct dv_fleet fleet = {.name = "untouched"};
	struct dv_error err = {0};
	const char *text = arg;
	int r = dv_fleet_parse(text, strlen(text), "x", &fleet, &err);

	if (r < 0)
		return judge(r, &err,
			     strcmp(fleet.name, "untouched") == 0 && !fleet.tenants.items &&
				     !fleet.gpu_rules.items);
	r = fleet.tenants.len == (text == large ? 150 : 4) ? 0 : -EPROTO;
	dv_fleet_fini(&fleet);
	return r;
}

/* A faulty file stays one when memory runs out; whichever comes first is told. */
static int refuse_fleet(void *arg)
{
	struct dv_fleet fleet = {.name = "untouched"};
	struct dv_error err = {0};
	const char *text = arg;
	int r = dv_fleet_parse(text, strlen(text), "x", &fleet, &err);

	if (r == 0)
		dv_fleet_fini(&fleet);
	if (strcmp(fleet.name, "untouched") != 0 || fleet.tenants.items)
		return -EPROTO;
	return r == -EBADMSG ? 0 : judge(r, &err, true);
}

static int print_fleet(void *arg)
{
	const struct dv_fleet *fleet = arg;
	struct dv_error err = {0};
	char *text = large;
	int r = dv_fleet_print(fleet, &text, &err);

	if (r < 0)
		return judge(r, &err, text == large);
	r = strncmp(text, "version: 1\nname: lab\n", 21) == 0 ? 0 : -EPROTO;
	free(text);
	return r;
}

static int parse_parted(void *arg)
{
	struct dv_mig_parted parted = {.file = "untouched"};
	struct dv_error err = {0};
	const char *text = arg;
	int r = dv_mig_parted_parse(text, strlen(text), "x", &parted, &err);

	if (r < 0)
		return judge(r, &err, strcmp(parted.file, "untouched") == 0 && !parted.configs.len);
	r = parted.configs.len == 20 ? 0 : -EPROTO;
	dv_mig_parted_fini(&parted);
	return r;
}

static int print_parted(void *arg)
{
	struct dv_error err = {0};
	char *text = large;
	int r = dv_mig_parted_print(arg, &text, &err);

	if (r < 0)
		return judge(r, &err, text == large);
	r = strncmp(text, "version: v1\n", 12) == 0 ? 0 : -EPROTO;
	free(text);
	return r;
}

/* A name that is not there is looked for among the others, which wants memory. */
static int find_parted(void *arg)
{
	const struct dv_mig_parted_config *config = arg;
	struct dv_error err = {0};
	int r = dv_mig_parted_find(arg, "config-of-nobody", &config, &err);

	if (r == -EINVAL)
		return 0;
	return judge(r, &err, config == arg);
}

static int check_tree(void *arg)
{
	struct dv_error err = {0};

	return judge(dv_tree_check(NULL, 0, arg, &err), &err, true);
}

static int fill_cdi(struct dv_cdi *cdi)
{
	int r = 0;

	for (int i = 0; r == 0 && i < 10; i++) {
		r = dv_cdi_env(cdi, "KEY", "value");
		r = r < 0 ? r : dv_cdi_node(cdi, "/dev/null");
		r = r < 0 ? r : dv_cdi_mount(cdi, "/from", "/to", i % 2);
	}
	return r;
}

static int make_cdi(void *arg)
{
	char *untouched = large, *text = untouched;
	struct dv_cdi cdi = {.name = "x"};
	struct dv_error err = {0};
	int r = fill_cdi(&cdi);

	if (r == 0)
		r = judge(dv_cdi_print(&cdi, &text, &err), &err, text == untouched);
	if (r == 0) {
		r = strstr(text, "/from") ? 0 : -EPROTO;
		free(text);
	}
	dv_cdi_fini(&cdi);
	return r;
}

static void test_cdi(void **state)
{
	assert_true(torture_run("CDI file", make_cdi, NULL) > 40);
}

static void test_yaml(void **state)
{
	char text[4096] = "name: x\n";
	size_t at = strlen(text);

	/* So many keys that qsort wants memory. */
	for (unsigned i = 0; i < 150; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "key%u: 1\n", i);
	assert_true(torture_run("yaml", parse_yaml, (void *)small) > 2);
	assert_true(torture_run("large yaml", parse_yaml, text) > 3);
}

static void test_fleet(void **state)
{
	assert_true(torture_run("fleet", parse_fleet, (void *)small) > 4);
	assert_true(torture_run("large fleet", parse_fleet, large) > 8);
}

static void test_fleet_refused(void **state)
{
	static const char *const faulty[] = {
		"version: 1\nname: x\ntenants:\n  - {name: a}\n  - {name: a}\n",
		"version: 1\nname: x\ntenants:\n  - {name: a, nme: b}\n",
		"version: 1\nname: x\nname: y\n",
		"version: 1\nname: {x\n",
		"a: &x [b, c]\n",
		"a: !x {b: c}\n",
		"%TAG !e! tag:x,2000:\n---\na: 1\n",
		"? [a, b]\n: c\n",
		"a: \"\\x07\"\n",
		"- - - - - - - - - - - - - - - - - - - - a\n",
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(faulty); i++)
		assert_true(torture_run(faulty[i], refuse_fleet, (void *)faulty[i]) > 0);
}

static void test_print(void **state)
{
	struct dv_fleet fleet;

	assert_int_equal(dv_fleet_parse(large, strlen(large), "x", &fleet, NULL), 0);
	assert_true(torture_run("print", print_fleet, &fleet) > 3);
	dv_fleet_fini(&fleet);
}

static void test_parted(void **state)
{
	char text[8192] = "kind: ConfigMap\ndata:\n  config.yaml: |\n    version: v1\n"
			  "    mig-configs:\n";
	struct dv_mig_parted parted;
	size_t at = strlen(text);

	for (unsigned i = 0; i < 20; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       "      config-%u:\n"
				       "        - device-filter: [\"0x20B010DE\", \"0x20B110DE\"]\n"
				       "          devices: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n"
				       "          mig-enabled: true\n"
				       "          mig-devices: {\"1g.5gb\": 2, \"2g.10gb\": 1}\n",
				       i);
	assert_true(torture_run("mig-parted", parse_parted, text) > 50);
	assert_int_equal(dv_mig_parted_parse(text, strlen(text), "x", &parted, NULL), 0);
	assert_true(torture_run("print mig-parted", print_parted, &parted) > 3);
	assert_int_equal(torture_run("find in mig-parted", find_parted, &parted), 1);
	dv_mig_parted_fini(&parted);
}

static void test_tree(void **state)
{
	struct dv_lease lease = {.gpu_uuid = "CPU-1",
				 .node = "CPU-1/s1",
				 .method = DV_METHOD_SLICE,
				 .memory_bytes = DV_GIB,
				 .compute_mpct = 1};
	struct dv_leases leases = {.items = &lease, .len = 1};

	assert_int_equal(torture_run("tree", check_tree, &leases), 1);
}

/* The tools themselves: an operation that forgets its memory, or hides a failure, is caught. */
#ifndef TORTURE_WRAP
/* Volatile, else the compiler sees that nobody needs the memory. */
static void *volatile kept;

static int leak(void *arg)
{
	void *p = malloc(10);

	if (!p)
		return -ENOMEM;
	kept = p;
	return 0;
}
#endif

static int misreport(void *arg)
{
	void *volatile p = malloc(10);
	bool failed = !p;

	free(p);
	return failed ? -EIO : 0;
}

static void test_torture_catches(void **state)
{
	assert_int_equal(torture_run("misreport (caught as it should be)", misreport, NULL), -1);
	assert_int_equal(
		torture_run("never right (caught as it should be)", refuse_fleet, (void *)small),
		-1);
#ifndef TORTURE_WRAP
	/* With a sanitizer it is the sanitizer that catches it, at the end of the program. */
	assert_int_equal(torture_run("leak (caught as it should be)", leak, NULL), -1);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_yaml),	      cmocka_unit_test(test_fleet),
		cmocka_unit_test(test_fleet_refused), cmocka_unit_test(test_print),
		cmocka_unit_test(test_parted),	      cmocka_unit_test(test_cdi),
		cmocka_unit_test(test_tree),	      cmocka_unit_test(test_torture_catches),
	};

	return cmocka_run_group_tests_name("torture/model", tests, set_up, tear_down);
}
