/* SPDX-License-Identifier: Apache-2.0 */
#include "model/fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "model/gpu.h"
#include "model/units.h"
#include "random.h"

static struct dv_fleet parse(const char *text)
{
	struct dv_error err = {0};
	struct dv_fleet fleet = {0};

	if (dv_fleet_parse(text, strlen(text), "lab.yaml", &fleet, &err) < 0)
		fail_msg("%s\n%s", err.msg, text);
	return fleet;
}

static const char *const whole_example =
	"version: 1\n"
	"name: lab\n"
	"defaults:\n"
	"  isolation: memory\n"
	"gpus:\n"
	"  - match: {model: h100-80-sxm}\n"
	"    methods: [mig, slice]\n"
	"tenants:\n"
	"  - name: trainer\n"
	"    kind: vm\n"
	"    gpus: 1\n"
	"    needs: {isolation: dedicated}\n"
	"  - name: tts\n"
	"    kind: container\n"
	"    count: 3\n"
	"    needs: {memory: 9GiB, isolation: hardware, p99: 200ms}\n"
	"  - name: notebook\n"
	"    kind: process\n"
	"    count: 4\n"
	"    method: slice\n"
	"    policy: fixed-share\n"
	"    needs: {memory: 8GiB, compute: 20%}\n"
	"  - name: legacy\n"
	"    kind: container\n"
	"    method: mig\n"
	"    profile: 2g.20gb\n"
	"    start: 4\n";

static void test_example(void **state)
{
	dv_cleanup(dv_fleet_fini) struct dv_fleet fleet = parse(whole_example);
	const struct dv_tenant *t = fleet.tenants.items;

	assert_string_equal(fleet.name, "lab");
	assert_string_equal(fleet.file, "lab.yaml");
	assert_int_equal(fleet.gpu_rules.len, 1);
	assert_string_equal(fleet.gpu_rules.items[0].model, "h100-80-sxm");
	assert_int_equal(fleet.gpu_rules.items[0].index, -1);
	assert_int_equal(fleet.gpu_rules.items[0].methods,
			 1u << DV_METHOD_MIG | 1u << DV_METHOD_SLICE);
	assert_int_equal(fleet.gpu_rules.items[0].line, 6);
	assert_int_equal(fleet.tenants.len, 9);

	assert_string_equal(t[0].name, "trainer");
	assert_int_equal(t[0].kind, DV_KIND_VM);
	assert_int_equal(t[0].gpus, 1);
	assert_int_equal(t[0].needs.isolation, DV_ISOLATION_DEDICATED);
	assert_int_equal(t[0].start, -1);
	assert_int_equal(t[0].line, 9);
	assert_int_equal(t[0].column, 5);

	assert_string_equal(t[1].name, "tts-0");
	assert_string_equal(t[3].name, "tts-2");
	assert_string_equal(t[3].group, "tts");
	assert_int_equal(t[3].needs.memory_bytes, 9 * DV_GIB);
	assert_int_equal(t[3].needs.p99_ns, 200000000);
	assert_int_equal(t[3].method, DV_METHOD_NONE);
	assert_false(t[3].policy_set);

	assert_string_equal(t[7].name, "notebook-3");
	assert_int_equal(t[7].method, DV_METHOD_SLICE);
	assert_int_equal(t[7].policy, DV_POLICY_FIXED_SHARE);
	assert_true(t[7].policy_set);
	assert_int_equal(t[7].needs.compute_mpct, 20000);
	/* From the defaults. */
	assert_true(t[7].needs.isolation_set);
	assert_int_equal(t[7].needs.isolation, DV_ISOLATION_MEMORY);

	assert_string_equal(t[8].name, "legacy");
	assert_string_equal(t[8].profile, "2g.20gb");
	assert_int_equal(t[8].start, 4);
}

static void test_small(void **state)
{
	dv_cleanup(dv_fleet_fini) struct dv_fleet fleet =
		parse("{version: 1, name: x, tenants: [{name: a}]}");
	const struct dv_tenant *t = fleet.tenants.items;

	assert_int_equal(fleet.gpu_rules.len, 0);
	assert_int_equal(fleet.tenants.len, 1);
	assert_string_equal(t->name, "a");
	assert_string_equal(t->group, "a");
	assert_int_equal(t->kind, DV_KIND_PROCESS);
	assert_int_equal(t->gpus, 0);
	assert_false(t->needs.isolation_set);
	assert_int_equal(t->needs.isolation, DV_ISOLATION_NONE);
	assert_int_equal(t->policy, DV_POLICY_BEST_EFFORT);
}

static void test_no_tenants(void **state)
{
	dv_cleanup(dv_fleet_fini) struct dv_fleet fleet =
		parse("version: 1\nname: x\ntenants: []\ngpus: []\n");

	assert_int_equal(fleet.tenants.len, 0);
}

/* One alone keeps its name, however it says so. */
static void test_count_of_one(void **state)
{
	dv_cleanup(dv_fleet_fini) struct dv_fleet fleet =
		parse("version: 1\nname: x\ntenants:\n  - {name: a, count: 1}\n"
		      "  - {name: b, count: 2}\n");

	assert_int_equal(fleet.tenants.len, 3);
	assert_string_equal(fleet.tenants.items[0].name, "a");
	assert_string_equal(fleet.tenants.items[1].name, "b-0");
	assert_string_equal(fleet.tenants.items[2].name, "b-1");
}

static void test_defaults(void **state)
{
	dv_cleanup(dv_fleet_fini) struct dv_fleet fleet =
		parse("version: 1\n"
		      "name: x\n"
		      "defaults: {kind: container, method: slice, policy: fixed-share,\n"
		      "           isolation: memory}\n"
		      "tenants:\n"
		      "  - {name: all, needs: {memory: 1GiB, compute: 10%}}\n"
		      "  - {name: whole, gpus: 1}\n"
		      "  - {name: part, method: mig}\n"
		      "  - {name: own, kind: process, method: slice, policy: equal-share,\n"
		      "     needs: {isolation: none}}\n");
	const struct dv_tenant *t = fleet.tenants.items;

	assert_int_equal(t[0].kind, DV_KIND_CONTAINER);
	assert_int_equal(t[0].method, DV_METHOD_SLICE);
	assert_int_equal(t[0].policy, DV_POLICY_FIXED_SHARE);
	assert_true(t[0].policy_set);
	assert_int_equal(t[0].needs.isolation, DV_ISOLATION_MEMORY);
	/* What cannot be meant is not merged. */
	assert_int_equal(t[1].method, DV_METHOD_NONE);
	assert_false(t[1].policy_set);
	assert_int_equal(t[1].kind, DV_KIND_CONTAINER);
	assert_int_equal(t[2].method, DV_METHOD_MIG);
	assert_false(t[2].policy_set);
	/* A tenant's own word stands. */
	assert_int_equal(t[3].kind, DV_KIND_PROCESS);
	assert_int_equal(t[3].policy, DV_POLICY_EQUAL_SHARE);
	assert_int_equal(t[3].needs.isolation, DV_ISOLATION_NONE);
	assert_true(t[3].needs.isolation_set);
}

/* A default policy that needs a share passes by the tenants that have none and are left to the
 * advisor: those may get what has no policy. */
static void test_default_policy_without_share(void **state)
{
	dv_cleanup(dv_fleet_fini) struct dv_fleet fleet =
		parse("version: 1\n"
		      "name: x\n"
		      "defaults: {policy: latency}\n"
		      "tenants:\n"
		      "  - {name: a, needs: {memory: 1GiB}}\n"
		      "  - {name: b, needs: {compute: 10%}}\n"
		      "  - {name: c, method: slice, policy: best-effort}\n"
		      "  - {name: d, method: vgpu}\n");
	const struct dv_tenant *t = fleet.tenants.items;

	assert_false(t[0].policy_set);
	assert_int_equal(t[0].policy, DV_POLICY_BEST_EFFORT);
	assert_true(t[1].policy_set);
	assert_int_equal(t[1].policy, DV_POLICY_LATENCY);
	assert_int_equal(t[2].policy, DV_POLICY_BEST_EFFORT);
	/* The vendor has no such policy. */
	assert_false(t[3].policy_set);
}

static void test_gpu_rule_matches(void **state)
{
	const struct dv_gpu gpu = {
		.id = "3",
		.uuid = "GPU-aa",
		.model = "h100-80-sxm",
		.product = "NVIDIA H100 80GB HBM3",
		.address = "0000:1b:00.0",
	};
	static const struct {
		const char *match;
		bool matches;
	} cases[] = {
		{"{}", true},
		{"{model: h100-80-sxm}", true},
		{"{model: H100-80}", true},
		{"{model: H200}", false},
		{"{model: '3'}", false},
		{"{model: GPU-aa}", false},
		{"{index: 3}", true},
		{"{index: 0}", false},
		{"{uuid: gpu-AA}", true},
		{"{uuid: GPU-ab}", false},
		{"{address: '0000:1B:00.0'}", true},
		{"{address: '0000:1c:00.0'}", false},
		{"{model: H100, index: 3, uuid: GPU-aa, address: '0000:1b:00.0'}", true},
		{"{model: H100, index: 4}", false},
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(cases); i++) {
		char text[256];

		(void)snprintf(text, sizeof(text),
			       "version: 1\nname: x\ngpus: [{match: %s}]\ntenants: []\n",
			       cases[i].match);
		dv_cleanup(dv_fleet_fini) struct dv_fleet fleet = parse(text);

		assert_int_equal(dv_gpu_rule_matches(&fleet.gpu_rules.items[0], &gpu),
				 cases[i].matches);
	}
}

static void test_most_tenants(void **state)
{
	dv_cleanup(dv_fleet_fini) struct dv_fleet fleet =
		parse("version: 1\nname: x\ntenants:\n  - {name: a, count: 9999}\n  - name: b\n");

	assert_int_equal(fleet.tenants.len, DV_TENANTS_MOST);
	assert_string_equal(fleet.tenants.items[9998].name, "a-9998");
}

static void assert_same_tenant(const struct dv_tenant *a, const struct dv_tenant *b)
{
	assert_string_equal(a->name, b->name);
	assert_string_equal(a->group, b->group);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->gpus, b->gpus);
	assert_int_equal(a->needs.memory_bytes, b->needs.memory_bytes);
	assert_int_equal(a->needs.compute_mpct, b->needs.compute_mpct);
	assert_int_equal(a->needs.isolation, b->needs.isolation);
	assert_int_equal(a->needs.isolation_set, b->needs.isolation_set);
	assert_int_equal(a->needs.p99_ns, b->needs.p99_ns);
	assert_int_equal(a->method, b->method);
	assert_int_equal(a->policy, b->policy);
	assert_int_equal(a->policy_set, b->policy_set);
	assert_string_equal(a->profile, b->profile);
	assert_int_equal(a->own, b->own);
	assert_int_equal(a->own_most, b->own_most);
	assert_int_equal(a->start, b->start);
	assert_string_equal(a->gpu, b->gpu);
}

static void assert_round_trip(const struct dv_fleet *fleet)
{
	dv_autofree char *text = NULL, *twice = NULL;

	assert_int_equal(dv_fleet_print(fleet, &text, NULL), 0);
	dv_cleanup(dv_fleet_fini) struct dv_fleet again = parse(text);

	assert_string_equal(again.name, fleet->name);
	assert_int_equal(again.gpu_rules.len, fleet->gpu_rules.len);
	for (size_t i = 0; i < again.gpu_rules.len; i++) {
		const struct dv_gpu_rule *a = &again.gpu_rules.items[i];
		const struct dv_gpu_rule *b = &fleet->gpu_rules.items[i];

		assert_string_equal(a->model, b->model);
		assert_string_equal(a->uuid, b->uuid);
		assert_string_equal(a->address, b->address);
		assert_int_equal(a->index, b->index);
		assert_int_equal(a->methods, b->methods);
	}
	assert_int_equal(again.tenants.len, fleet->tenants.len);
	for (size_t i = 0; i < again.tenants.len; i++)
		assert_same_tenant(&again.tenants.items[i], &fleet->tenants.items[i]);
	assert_int_equal(dv_fleet_print(&again, &twice, NULL), 0);
	assert_string_equal(text, twice);
}

static void test_print_example(void **state)
{
	dv_cleanup(dv_fleet_fini) struct dv_fleet fleet = parse(whole_example);

	assert_round_trip(&fleet);
}

/* Tenants that no entry with a count would make are printed one by one. */
static void test_print_broken_run(void **state)
{
	dv_cleanup(dv_fleet_fini) struct dv_fleet fleet =
		parse("version: 1\nname: x\ntenants:\n  - {name: a, count: 4}\n");
	dv_autofree char *text = NULL;

	dv_vec_remove(&fleet.tenants, 0);
	fleet.tenants.items[1].gpus = 2;
	assert_int_equal(dv_fleet_print(&fleet, &text, NULL), 0);
	assert_string_equal(text, "version: 1\nname: x\ntenants:\n"
				  "  - name: a-1\n    kind: process\n"
				  "  - name: a-2\n    kind: process\n    gpus: 2\n"
				  "  - name: a-3\n    kind: process\n");
}

static void add_needs(struct dv_buf *buf, bool with_share)
{
	static const char *const isolations[] = {"none", "memory", "hardware", "dedicated"};

	dv_buf_add(buf, "    needs: {");
	if (with_share)
		dv_buf_addf(buf, "compute: %u.%03u%%, ", random_below(100), 1 + random_below(999));
	if (random_below(2))
		dv_buf_addf(buf, "memory: %uKiB, ", 1 + random_below(1u << 30));
	if (random_below(3) == 0)
		dv_buf_addf(buf, "isolation: %s, ", isolations[random_below(4)]);
	if (random_below(3) == 0)
		dv_buf_addf(buf, "p99: %uus, ", 1 + random_below(3000000));
	dv_buf_add(buf, "}\n");
}

/* A tenant of a random kind that contradicts nothing. */
static void add_tenant(struct dv_buf *buf, unsigned number)
{
	static const char *const kinds[] = {"process", "container", "vm"};
	static const char *const profiles[] = {
		"1g.10gb", "1g.10gb+me", "NVIDIA A40-8Q", "\"a \\\"b\\\\ #c\"", "'null'", "1"};
	static const char *const policies[] = {"best-effort", "equal-share", "fixed-share",
					       "latency"};
	static const char *const methods[] = {"mig", "vgpu", "vgpu-mig"};
	static const char *const others[] = {"passthrough", "sriov", "partition"};
	static const char *const gpus[] = {"0", "GPU-1b2c", "RTX 4090", "'null'", "0000:1b:00.0"};

	dv_buf_addf(buf, "  - name: %c%u\n    kind: %s\n", "a_9Z"[random_below(4)], number,
		    kinds[random_below(2)]);
	if (random_below(3) == 0)
		dv_buf_addf(buf, "    count: %u\n", 1 + random_below(12));
	if (random_below(3) == 0)
		dv_buf_addf(buf, "    gpu: %s\n", gpus[random_below(5)]);
	switch (random_below(6)) {
	case 5:
		dv_buf_addf(buf, "    profile: %s\n%s", random_below(2) ? "small" : "q.2",
			    random_below(2) ? "    method: slice\n" : "");
		return;
	case 0:
		dv_buf_addf(buf, "    gpus: %u\n", 1 + random_below(8));
		return;
	case 1:
		dv_buf_addf(buf, "    method: %s\n    profile: %s\n", methods[random_below(3)],
			    profiles[random_below(6)]);
		if (random_below(2))
			dv_buf_addf(buf, "    start: %u\n", random_below(8));
		add_needs(buf, false);
		return;
	case 2:
		dv_buf_addf(buf, "    method: slice\n    policy: %s\n", policies[random_below(4)]);
		add_needs(buf, true);
		return;
	case 3:
		dv_buf_addf(buf, "    method: %s\n", others[random_below(3)]);
		return;
	default:
		add_needs(buf, random_below(2));
	}
}

static char *random_fleet(void)
{
	static const char *const matches[] = {
		"{}",
		"{model: RTX 4090}",
		"{model: 'null', index: 7}",
		"{uuid: GPU-1b2c, address: '0000:1b:00.0'}",
		"{index: 0}",
	};
	struct dv_buf buf = {0};
	unsigned rules = random_below(4), tenants = random_below(12);
	char *text;

	dv_buf_addf(&buf, "version: 1\nname: fleet-%u\n", random_below(1000));
	if (random_below(2))
		dv_buf_add(&buf, "defaults: {isolation: memory, policy: latency}\n");
	dv_buf_addf(&buf,
		    "profiles:\n  - {name: small, memory: 4GiB, compute: 10%%%s}\n"
		    "  - {name: q.2, memory: 512MiB, compute: 2.5%%, policy: fixed-share}\n",
		    random_below(2) ? ", most: 8" : "");
	if (rules)
		dv_buf_add(&buf, "gpus:\n");
	while (rules--)
		dv_buf_addf(&buf, "  - match: %s\n%s", matches[random_below(5)],
			    random_below(2) ? "    methods: [slice, mig, partition]\n" : "");
	dv_buf_add(&buf, tenants ? "tenants:\n" : "tenants: []\n");
	while (tenants--)
		add_tenant(&buf, tenants);
	assert_int_equal(dv_buf_take(&buf, &text), 0);
	return text;
}

static void test_round_trip(void **state)
{
	size_t tenants = 0;

	random_start("model/fleet");
	for (int i = 0; i < 2000; i++) {
		dv_autofree char *text = random_fleet();
		dv_cleanup(dv_fleet_fini) struct dv_fleet fleet = parse(text);

		assert_round_trip(&fleet);
		tenants += fleet.tenants.len;
	}
	assert_true(tenants > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_no_tenants),
		cmocka_unit_test(test_count_of_one),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_default_policy_without_share),
		cmocka_unit_test(test_gpu_rule_matches),
		cmocka_unit_test(test_most_tenants),
		cmocka_unit_test(test_print_example),
		cmocka_unit_test(test_print_broken_run),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests_name("model/fleet", tests, NULL, NULL);
}
