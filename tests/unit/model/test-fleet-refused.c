/* SPDX-License-Identifier: Apache-2.0 */
/* What a fleet file may not say: every rule F01 to F14 and G06, with its place. */
#include "model/fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct refusal {
	const char *text;
	const char *rule;
	int line, column;
	const char *says;
};

static void refuse_code(const char *text, const struct refusal *wanted, int code)
{
	struct dv_fleet fleet = {.name = "untouched"};
	struct dv_error err = {0};
	int r = dv_fleet_parse(text, strlen(text), "lab.yaml", &fleet, &err);
	char place[64];

	if (r != code || strcmp(err.rule, wanted->rule) != 0 || err.line != wanted->line ||
	    err.column != wanted->column || !strstr(err.msg, wanted->says))
		fail_msg("wanted %s at %d:%d with '%s',\ngot %d %s at %d:%d: %s\nfor:\n%s",
			 wanted->rule, wanted->line, wanted->column, wanted->says, r, err.rule,
			 err.line, err.column, err.msg, text);
	(void)snprintf(place, sizeof(place), "lab.yaml:%d:%d: ", wanted->line, wanted->column);
	assert_int_equal(strncmp(err.msg, place, strlen(place)), 0);
	assert_int_equal(err.domain, DV_DOMAIN_FILE);
	assert_string_equal(err.file, "lab.yaml");
	assert_string_not_equal(err.fix, "");
	assert_string_equal(fleet.name, "untouched");
	assert_null(fleet.tenants.items);
}

/* The text is the whole file. */
static void refuse_files(const struct refusal *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
		refuse_code(cases[i].text, &cases[i], -EBADMSG);
}

/* The text is one tenant, in flow style, in line 4 behind "  - ". */
static void refuse_tenants(const struct refusal *cases, size_t count)
{
	char text[1024];

	for (size_t i = 0; i < count; i++) {
		(void)snprintf(text, sizeof(text), "version: 1\nname: x\ntenants:\n  - %s\n",
			       cases[i].text);
		refuse_code(text, &cases[i], -EBADMSG);
	}
}

static void test_root(void **state)
{
	static const struct refusal cases[] = {
		{"[version, 1]\n", "F06", 1, 1, "wanted a map with: version, name"},
		{"name: x\ntenants: []\n", "F10", 1, 1, "begins with 'version: 1'"},
		{"version: 2\nname: x\ntenants: []\n", "F13", 1, 10, "reads version 1"},
		{"version: '1'\nname: x\ntenants: []\n", "F06", 1, 10, "not a whole number"},
		{"version: 1\ntenants: []\n", "F10", 1, 1, "a fleet needs a name"},
		{"version: 1\nname: x\n", "F10", 1, 1, "a fleet needs tenants"},
		{"version: 1\nname: x\ntenants: {a: 1}\n", "F06", 3, 10, "a list of tenants"},
		{"version: 1\nname: x\ntenants:\n", "F06", 3, 9, "a list of tenants"},
		{"version: 1\nname: x/y\ntenants: []\n", "F08", 2, 7, "name 'x/y' is not allowed"},
		{"version: 1\nname: [x]\ntenants: []\n", "F06", 2, 7, "here is a list"},
		{"version: 1\nname: x\ntenant: []\n", "F05", 3, 1, "did you mean 'tenants'?"},
		{"version: 1\nname: x\nname: y\n", "F02", 3, 1, "first in line 2"},
		{"version: 1\nname: x\ntenants: []\ndefaults: {p99: 1s}\n", "F05", 4, 12,
		 "allowed: kind, method, policy, isolation"},
		{"version: 1\nname: x\ntenants: []\ndefaults: memory\n", "F06", 4, 11, "a map"},
		{"version: 1\nname: x\ntenants: []\ndefaults: {isolation: strong}\n", "F11", 4, 23,
		 "allowed: none, memory, hardware, dedicated"},
	};

	refuse_files(cases, DV_ARRAY_LEN(cases));
}

static void test_gpus(void **state)
{
	static const struct refusal cases[] = {
		{"{version: 1, name: x, tenants: [],\ngpus: {}}", "F06", 2, 7, "a list of GPUs"},
		{"{version: 1, name: x, tenants: [],\ngpus: [a]}", "F06", 2, 8, "match, methods"},
		{"{version: 1, name: x, tenants: [],\ngpus: [{}]}", "F10", 2, 8, "say which GPUs"},
		{"{version: 1, name: x, tenants: [],\ngpus: [{match: {modell: a}}]}", "F05", 2, 17,
		 "did you mean 'model'?"},
		{"{version: 1, name: x, tenants: [],\ngpus: [{match: {index: -1}}]}", "F06", 2, 24,
		 "not a whole number"},
		{"{version: 1, name: x, tenants: [],\ngpus: [{match: {index: 4096}}]}", "F07", 2,
		 24, "0 to 4095"},
		{"{version: 1, name: x, tenants: [],\ngpus: [{match: {model: ''}}]}", "F08", 2, 24,
		 "empty"},
		{"{version: 1, name: x, tenants: [],\ngpus: [{match: {model: \"\\xe9\"}}]}", "F08",
		 2, 24, "printable ASCII"},
		{"{version: 1, name: x, tenants: [],\ngpus: [{match: {uuid: a/b}}]}", "F08", 2, 23,
		 "'a/b' is not allowed"},
		{"{version: 1, name: x, tenants: [],\ngpus: [{match: {address: x}}]}", "F08", 2, 26,
		 "'x' is not allowed"},
		{"{version: 1, name: x, tenants: [],\ngpus: [{methods: []}]}", "F06", 2, 18,
		 "leave 'methods' out"},
		{"{version: 1, name: x, tenants: [],\ngpus: [{methods: mig}]}", "F06", 2, 18,
		 "a list of methods"},
		{"{version: 1, name: x, tenants: [],\ngpus: [{methods: [mig, mps]}]}", "F11", 2, 24,
		 "advice only"},
		{"{version: 1, name: x, tenants: [],\ngpus: [{methods: [none]}]}", "F11", 2, 19,
		 "unknown method 'none'"},
	};

	refuse_files(cases, DV_ARRAY_LEN(cases));
}

static void test_tenant_keys(void **state)
{
	static const struct refusal cases[] = {
		{"a", "F06", 4, 5, "wanted a map with: name, kind"},
		{"{kind: vm}", "F10", 4, 5, "a tenant needs a name"},
		{"{name: }", "F06", 4, 12, "here is nothing"},
		{"{name: a b}", "F08", 4, 12, "name 'a b' is not allowed"},
		{"{name: ../etc}", "F08", 4, 12, "not allowed"},
		{"{name: -a}", "F08", 4, 12, "not beginning with '.' or '-'"},
		{"{name: a, kind: docker}", "F11", 4, 21, "allowed: process, container, vm"},
		{"{name: a, kind: [vm]}", "F06", 4, 21, "here is a list"},
		{"{name: a, knd: vm}", "F05", 4, 15, "did you mean 'kind'?"},
		{"{name: a, count: 0}", "F07", 4, 22, "1 to 10000"},
		{"{name: a, count: three}", "F06", 4, 22, "whole number"},
		{"{name: a, gpus: 0}", "F07", 4, 21, "1 to 4096"},
		{"{name: a, gpus: 0.5}", "F06", 4, 21, "whole number"},
		{"{name: a, needs: 8GiB}", "F06", 4, 22, "memory, compute, isolation, p99"},
		{"{name: a, needs: {memry: 8GiB}}", "F05", 4, 23,
		 "unknown key 'memry'; did you mean 'memory'? allowed: memory, compute, isolation, "
		 "p99"},
		{"{name: a, needs: {memory: 8}}", "F07", 4, 31, "size '8' has no unit"},
		{"{name: a, needs: {memory: 8GB}}", "F07", 4, 31, "unknown unit"},
		{"{name: a, needs: {memory: [8GiB]}}", "F06", 4, 31, "here is a list"},
		{"{name: a, needs: {compute: 20}}", "F07", 4, 32, "share '20' has no unit"},
		{"{name: a, needs: {compute: 101%}}", "F07", 4, 32, "at most 100%"},
		{"{name: a, needs: {isolation: mem}}", "F11", 4, 34, "did you mean 'memory'?"},
		{"{name: a, needs: {p99: 200}}", "F07", 4, 28, "time '200' has no unit"},
		{"{name: a, needs: {p99: 2h}}", "F07", 4, 28, "unknown unit"},
		{"{name: a, method: miq}", "F11", 4, 23, "did you mean 'mig'?"},
		{"{name: a, method: [mig]}", "F06", 4, 23, "here is a list"},
		{"{name: a, method: {mig: 1}}", "F06", 4, 23, "here is a map"},
		{"{name: a, needs: [memory]}", "F06", 4, 22, "here is a list"},
		{"{name: a, needs: }", "F06", 4, 22, "here is nothing"},
		{"{name: a, policy: ~}", "F06", 4, 23, "here is nothing"},
		{"{name: a, method: none}", "F11", 4, 23, "unknown method 'none'"},
		{"{name: a, method: mps}", "F11", 4, 23, "advice only"},
		{"{name: a, method: timeslice}", "F11", 4, 23, "allowed: passthrough, mig, slice"},
		{"{name: a, policy: fair}", "F11", 4, 23,
		 "allowed: best-effort, equal-share, fixed-share, latency"},
		{"{name: a, method: mig, profile: ''}", "F08", 4, 37, "empty"},
		{"{name: a, method: mig, profile: 12345678901234567890123456789012}", "F14", 4, 37,
		 "31 bytes"},
		{"{name: a, method: mig, profile: x, start: -1}", "F06", 4, 47, "whole number"},
		{"{name: a, method: mig, profile: x, start: 5000}", "F07", 4, 47, "0 to 4096"},
		{"{name: a, gpu: ''}", "F08", 4, 20, "empty"},
		{"{name: a, gpu: [0]}", "F06", 4, 20, "here is a list"},
		{"{name: a, gpu: é}", "F08", 4, 20, "printable"},
	};

	refuse_tenants(cases, DV_ARRAY_LEN(cases));
}

static void test_tenant_contradictions(void **state)
{
	static const struct refusal cases[] = {
		{"{name: a, gpus: 1, needs: {memory: 1GiB}}", "F12", 4, 40, "whole GPUs"},
		{"{name: a, gpus: 1, needs: {compute: 1%}}", "F12", 4, 41, "whole GPUs"},
		{"{name: a, gpus: 1, method: slice}", "F12", 4, 32, "passthrough, or no method"},
		{"{name: a, gpus: 1, policy: latency}", "F12", 4, 32, "'policy' is of a part"},
		{"{name: a, gpus: 1, profile: x}", "F12", 4, 33, "'profile' is of a part"},
		{"{name: a, gpus: 1, start: 1}", "F12", 4, 31, "'start' is of a part"},
		{"{name: a, kind: vm, method: slice}", "G06", 4, 33, "virtual machine"},
		{"{name: a, profile: x}", "F10", 4, 24,
		 "mig, slice (of a MIG partition), vgpu or vgpu-mig"},
		{"{name: a, method: slice, profile: 1c.3g.40gb}", "F12", 4, 39,
		 "allowed here is '3g.40gb'"},
		{"{name: a, method: passthrough, profile: x}", "F12", 4, 45,
		 "'passthrough' has no profiles"},
		{"{name: a, method: sriov, profile: x}", "F12", 4, 39, "'sriov' has no profiles"},
		{"{name: a, method: mig, start: 4}", "F10", 4, 35, "name the profile too"},
		{"{name: a, method: mig, policy: best-effort}", "F12", 4, 36, "slice, vgpu"},
		{"{name: a, method: partition, policy: equal-share}", "F12", 4, 42, "slice, vgpu"},
		{"{name: a, method: vgpu, policy: latency}", "F12", 4, 37, "vgpu has no policy"},
		{"{name: a, method: slice, policy: fixed-share}", "F10", 4, 38, "compute: 25%"},
		{"{name: a, policy: latency, needs: {memory: 1G}}", "F10", 4, 23, "compute: 25%"},
	};

	refuse_tenants(cases, DV_ARRAY_LEN(cases));
}

/* What comes from the defaults is refused at the tenant that it does not fit. */
static void test_contradicting_defaults(void **state)
{
	static const struct refusal cases[] = {
		{"version: 1\nname: x\ndefaults: {method: slice}\ntenants:\n  - {name: a, kind: "
		 "vm}\n",
		 "G06", 5, 5, "virtual machine"},
		{"version: 1\nname: x\ndefaults: {kind: vm}\ntenants:\n  - {name: a, method: "
		 "slice}\n",
		 "G06", 5, 23, "virtual machine"},
		{"version: 1\nname: x\ndefaults: {policy: latency}\ntenants:\n  - {name: a, "
		 "method: slice}\n",
		 "F10", 5, 5, "policy 'latency'"},
		{"version: 1\nname: x\nprofiles: [{name: s, memory: 1GiB}]\ntenants: []\n", "F10",
		 3, 12, "a name, memory and compute"},
		{"version: 1\nname: x\nprofiles: [{name: s, memory: 1GiB, compute: "
		 "120%}]\ntenants: "
		 "[]\n",
		 "F07", 3, 45, "100"},
		{"version: 1\nname: x\nprofiles:\n  - {name: s, memory: 1GiB, compute: 5%}\n  - "
		 "{name: "
		 "s, memory: 2GiB, compute: 5%}\ntenants: []\n",
		 "F09", 5, 5, "'s' already"},
		{"version: 1\nname: x\nprofiles: [{name: s, memory: 1GiB, compute: 5%}]\ntenants:\n"
		 "  - {name: a, profile: s, needs: {memory: 1GiB}}\n",
		 "F12", 5, 43, "leave 'memory' out"},
		{"version: 1\nname: x\nprofiles: [{name: s, memory: 1GiB, compute: 5%, policy: "
		 "latency}]\ntenants:\n  - {name: a, profile: s, policy: fixed-share}\n",
		 "F12", 5, 35, "leave 'policy' out"},
		{"version: 1\nname: x\nprofiles: [{name: s, memory: 1GiB, compute: 5%}]\ntenants:\n"
		 "  - {name: a, method: mig, profile: s}\n",
		 "F12", 5, 37, "a profile of slices"},
		{"version: 1\nname: x\nprofiles: [{name: s, memory: 1GiB, compute: 5%}]\ntenants:\n"
		 "  - {name: a, kind: vm, profile: s}\n",
		 "G06", 5, 5, "virtual machine"},
		{"version: 1\nname: x\nprofiles: [{name: s, memory: 1GiB, compute: 5%, most: 0}]\n"
		 "tenants: []\n",
		 "F07", 3, 55, ""},
		{"version: 1\nname: x\ndefaults: {method: passthrough}\ntenants:\n  - {name: a, "
		 "profile: x}\n",
		 "F12", 5, 24, "'passthrough' has no profiles"},
	};

	refuse_files(cases, DV_ARRAY_LEN(cases));
}

static void test_doubled_names(void **state)
{
	static const struct refusal cases[] = {
		{"version: 1\nname: x\ntenants:\n  - name: a\n  - name: b\n  - name: a\n", "F09", 6,
		 5, "name 'a' is used twice, first by the tenant in line 4"},
		{"version: 1\nname: x\ntenants:\n  - {name: a, count: 3}\n  - name: a-1\n", "F09",
		 5, 5, "name 'a-1' is used twice, first by the tenant in line 4"},
		{"version: 1\nname: x\ntenants:\n  - name: a-2\n  - {name: a, count: 3}\n", "F09",
		 5, 5, "name 'a-2' is used twice, first by the tenant in line 4"},
		{"version: 1\nname: x\ntenants:\n  - {name: b}\n  - {name: a}\n  - {name: b}\n"
		 "  - {name: a}\n",
		 "F09", 6, 5, "name 'b'"},
	};

	refuse_files(cases, DV_ARRAY_LEN(cases));
}

/* Also what the names become: a long one that fits alone, and not with a number behind. */
static void test_long_names(void **state)
{
	static const char sixty_three[] =
		"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk";
	struct refusal unfolded = {NULL, "F08", 4, 5, "is longer than 63 characters"};
	struct refusal alone = {NULL, "F08", 4, 11, "1 to 63 letters"};
	struct dv_fleet fleet;
	char text[256];

	assert_int_equal(strlen(sixty_three), DV_NAME_MOST);
	(void)snprintf(text, sizeof(text), "version: 1\nname: x\ntenants:\n  - name: %s\n",
		       sixty_three);
	assert_int_equal(dv_fleet_parse(text, strlen(text), "x", &fleet, NULL), 0);
	dv_fleet_fini(&fleet);
	(void)snprintf(text, sizeof(text),
		       "version: 1\nname: x\ntenants:\n  - name: %s\n    count: 2\n", sixty_three);
	refuse_code(text, &unfolded, -EBADMSG);
	(void)snprintf(text, sizeof(text), "version: 1\nname: x\ntenants:\n  - name: %sl\n",
		       sixty_three);
	refuse_code(text, &alone, -EBADMSG);
}

static void test_too_many(void **state)
{
	static const struct refusal cases[] = {
		{"version: 1\nname: x\ntenants:\n  - {name: a, count: 10000}\n  - name: b\n", "F14",
		 5, 5, "more than the limit of 10000 tenants"},
		{"version: 1\nname: x\ntenants:\n  - {name: a, count: 6000}\n"
		 "  - {name: b, count: 6000}\n",
		 "F14", 5, 5, "more than the limit of 10000 tenants"},
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(cases); i++)
		refuse_code(cases[i].text, &cases[i], -E2BIG);
}

static void test_too_many_gpu_rules(void **state)
{
	static char text[DV_FILE_MOST];
	static const struct refusal wanted = {NULL, "F14", 4, 1, "more than the limit of 4096"};
	size_t at = (size_t)snprintf(text, sizeof(text), "version: 1\nname: x\ngpus:\n");

	for (unsigned i = 0; i <= DV_GPUS_MOST; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "- match: {index: 1}\n");
	(void)snprintf(text + at, sizeof(text) - at, "tenants: []\n");
	refuse_code(text, &wanted, -E2BIG);
}

static void test_too_large(void **state)
{
	static char text[DV_FILE_MOST + 2];
	struct dv_fleet fleet;
	struct dv_error err = {0};

	memset(text, '#', sizeof(text) - 1);
	assert_int_equal(dv_fleet_parse(text, sizeof(text) - 1, "lab.yaml", &fleet, &err), -E2BIG);
	assert_string_equal(err.rule, "F14");
	assert_string_equal(err.msg, "lab.yaml is larger than the limit of 1024 KiB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_gpus),
		cmocka_unit_test(test_tenant_keys),
		cmocka_unit_test(test_tenant_contradictions),
		cmocka_unit_test(test_contradicting_defaults),
		cmocka_unit_test(test_doubled_names),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_too_many_gpu_rules),
		cmocka_unit_test(test_too_large),
	};

	return cmocka_run_group_tests_name("model/fleet-refused", tests, NULL, NULL);
}
