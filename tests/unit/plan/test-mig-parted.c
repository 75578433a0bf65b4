/* SPDX-License-Identifier: Apache-2.0 */
/* A config of mig-parted on a machine: whose entry, what differs, which fleet, and back again. */
#include "plan/mig-parted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "model/tree.h"
#include "random.h"
#include "world.h"

static struct world world;
static struct dv_mig_parted parted;
static struct dv_parted_match match;
static struct dv_fleet fleet;
static struct dv_differences differences;
static struct dv_plan plan;
static struct dv_error err;

static void forget(void)
{
	dv_parted_match_fini(&match);
	dv_mig_parted_fini(&parted);
	dv_fleet_fini(&fleet);
	dv_vec_fini(&differences);
	dv_plan_fini(&plan);
	memset(&match, 0, sizeof(match));
	memset(&plan, 0, sizeof(plan));
	memset(&fleet, 0, sizeof(fleet));
	memset(&err, 0, sizeof(err));
}

static int tear_down(void **state)
{
	forget();
	world_fini(&world);
	return 0;
}

static struct dv_gpu *gpu(size_t i)
{
	return &world.gpus.items[i];
}

static void machine(unsigned count, enum dv_mig_mode mode)
{
	for (unsigned i = 0; i < count; i++) {
		char uuid[32];
		struct dv_gpu *added;

		(void)snprintf(uuid, sizeof(uuid), "GPU-%u", i);
		added = world_mig(&world, uuid, mode);
		(void)snprintf(added->address, sizeof(added->address), "0000:%02x:00.0", 16 + i);
		added->pci = (struct dv_pci_id){0x10de, 0x2330, 0x10de, 0x16c1};
	}
}

static const struct dv_parted_machine *machine_now(void)
{
	static struct dv_parted_machine now;

	now = (struct dv_parted_machine){world.gpus.items, world.gpus.len, &world.leases};
	return &now;
}

/* The config "x" with these entries, one on each line. */
static int read_entries(const char *entries)
{
	char text[8192];

	forget();
	(void)snprintf(text, sizeof(text), "version: v1\nmig-configs:\n  x:\n%s", entries);
	if (dv_mig_parted_parse(text, strlen(text), "f", &parted, &err) < 0)
		fail_msg("%s", err.msg);
	return dv_parted_match(&parted, &parted.configs.items[0], machine_now(), &match, &err);
}

static void need_entries(const char *entries)
{
	if (read_entries(entries) < 0)
		fail_msg("%s", err.msg);
}

#define ALL(devices) "    - {devices: all, mig-enabled: true, mig-devices: {" devices "}}\n"

/* ---- whose entry ---- */

static void test_whose(void **state)
{
	world_cpu(&world, "CPU-0", 1 << 30, 4);
	machine(3, DV_MIG_OFF);
	/* The order is that of the addresses. */
	(void)dv_copy(gpu(1)->address, sizeof(gpu(1)->address), "0000:99:00.0");
	gpu(2)->pci.device = 0x20b0;
	need_entries("    - {devices: [0], mig-enabled: false}\n"
		     "    - {devices: [2], mig-enabled: true, mig-devices: {}}\n");
	assert_null(match.entries[0]);
	assert_int_equal(match.entries[2]->line, 4);
	assert_int_equal(match.entries[1]->line, 5);
	assert_null(match.entries[3]);
	assert_int_equal(match.note_count, 1);
	assert_string_equal(match.notes[0], "GPU 3: config 'x' has no entry for it; left as it is");
	need_entries("    - {device-filter: [\"0x20B010DE\"], devices: all, mig-enabled: false}\n"
		     "    - {device-filter: \"0x233010DE:0x16C110DE\", devices: [1, 2], "
		     "mig-enabled: false}\n");
	assert_int_equal(match.entries[2]->line, 4);
	assert_int_equal(match.entries[1]->line, 5);
	assert_int_equal(match.entries[3]->line, 5);
	assert_int_equal(match.note_count, 0);
	need_entries("    - {device-filter: \"0x233010DE:0x000110DE\", devices: all, mig-enabled: "
		     "false}\n    - {devices: all, mig-enabled: false}\n");
	assert_int_equal(match.entries[1]->line, 5);
	assert_string_equal(match.notes[0], "1 of 2 entries of config 'x' is for GPUs that this "
					    "machine does not have");
}

static void test_last_one_counts(void **state)
{
	machine(2, DV_MIG_ON);
	need_entries("    - {devices: all, mig-enabled: false}\n"
		     "    - {devices: [1], mig-enabled: true, mig-devices: {\"3g.40gb\": 2}}\n");
	assert_int_equal(match.entries[0]->line, 4);
	assert_int_equal(match.entries[1]->line, 5);
	assert_int_equal(match.note_count, 1);
	assert_non_null(strstr(match.notes[0], "GPU 1: config 'x' has several entries for it, and "
					       "the last one counts"));
	/* Of one mind there is nothing to tell. */
	need_entries(ALL("\"3g.40gb\": 1, \"1g.10gb\": 2") ALL("\"1g.10gb\": 2, \"3g.40gb\": 1"));
	assert_int_equal(match.note_count, 0);
	need_entries(ALL("\"3g.40gb\": 1, \"1g.10gb\": 2") ALL("\"3g.40gb\": 1, \"2g.20gb\": 2"));
	assert_int_equal(match.note_count, 1);
	assert_non_null(strstr(match.notes[0], "GPU 0, 1: "));
}

static void refused_match(const char *entries, const char *rule, const char *what)
{
	assert_int_equal(read_entries(entries), -ENOENT);
	assert_string_equal(err.rule, rule);
	assert_true(err.line > 0 && err.fix[0]);
	if (!strstr(err.msg, what))
		fail_msg("'%s' does not say '%s'", err.msg, what);
}

static void test_no_such_gpu(void **state)
{
	refused_match("    - {devices: all, mig-enabled: false}\n", "S18", "there is none here");
	machine(2, DV_MIG_OFF);
	refused_match("    - {devices: [0, 2], mig-enabled: false}\n", "S18",
		      "names GPU 2, and this machine has 2 NVIDIA GPUs");
	refused_match("    - {device-filter: \"0x20B010DE\", devices: [9], mig-enabled: false}\n",
		      "S18", "no entry of config 'x' is for any");
	refused_match("    - {devices: [], mig-enabled: false}\n", "S18", "no entry");
	/* Numbers of a machine with other GPUs are none of ours. */
	need_entries("    - {device-filter: \"0x20B010DE\", devices: [9], mig-enabled: false}\n"
		     "    - {devices: all, mig-enabled: false}\n");
}

/* Very many GPUs are not all named. */
static void test_many_are_counted(void **state)
{
	machine(100, DV_MIG_OFF);
	need_entries("    - {devices: [7], mig-enabled: false}\n");
	assert_non_null(strstr(match.notes[0], "GPU 0, 1, 2"));
	assert_non_null(strstr(match.notes[0], " more: config 'x' has no entry for them"));
}

/* ---- what differs ---- */

static void add_instance(size_t i, const char *profile, unsigned start, unsigned parts)
{
	struct dv_mig *mig = &gpu(i)->mig;
	const struct dv_mig_profile *is = dv_mig_find(mig, profile);
	struct dv_mig_instance *instance = &mig->instances[mig->instance_count++];

	*instance = (struct dv_mig_instance){
		.id = 10 + start, .profile_id = is->id, .start = (uint8_t)start, .size = is->size};
	(void)dv_copy(instance->profile, sizeof(instance->profile), profile);
	for (unsigned part = 0; part < parts; part++)
		mig->computes[mig->compute_count++] =
			(struct dv_mig_compute){.instance = instance->id,
						.id = part,
						.size = (uint8_t)(is->compute_slices / parts)};
}

static void compare(const char *entries)
{
	need_entries(entries);
	assert_int_equal(dv_parted_diff(&match, &differences, &err), 0);
}

static void check_difference(size_t i, const char *gpu_name, const char *what, const char *wanted,
			     const char *actual)
{
	assert_true(i < differences.len);
	assert_string_equal(differences.items[i].tenant, gpu_name);
	assert_string_equal(differences.items[i].what, what);
	assert_string_equal(differences.items[i].wanted, wanted);
	assert_string_equal(differences.items[i].actual, actual);
}

static void test_differences(void **state)
{
	machine(2, DV_MIG_ON);
	add_instance(0, "1g.10gb", 6, 1);
	add_instance(0, "3g.40gb", 0, 1);
	compare(ALL("\"3g.40gb\": 1, \"1g.10gb\": 2"));
	assert_int_equal(differences.len, 3);
	check_difference(0, "GPU 0", "1g.10gb", "2", "1");
	check_difference(1, "GPU 1", "3g.40gb", "1", "0");
	check_difference(2, "GPU 1", "1g.10gb", "2", "0");
	compare("    - {devices: [0], mig-enabled: false}\n");
	assert_int_equal(differences.len, 3);
	check_difference(0, "GPU 0", "mig mode", "off", "on");
	check_difference(1, "GPU 0", "1g.10gb", "0", "1");
	compare("    - {devices: [1], mig-enabled: true, mig-devices: {}}\n");
	assert_int_equal(differences.len, 0);
	gpu(1)->mig.mode = DV_MIG_TURNING_ON;
	compare("    - {devices: [1], mig-enabled: true, mig-devices: {}}\n");
	check_difference(0, "GPU 1", "mig mode", "on", "off");
	gpu(1)->mig.mode = DV_MIG_NONE;
	compare("    - {devices: [1], mig-enabled: true, mig-devices: {}}\n");
	check_difference(0, "GPU 1", "mig mode", "on", "none");
	compare("    - {devices: [1], mig-enabled: false}\n");
	assert_int_equal(differences.len, 0);
}

/* Devices count, not GPU instances: parts of one, and one that nobody can use. */
static void test_parts(void **state)
{
	machine(1, DV_MIG_ON);
	add_instance(0, "3g.40gb", 0, 3);
	add_instance(0, "2g.20gb", 4, 0);
	compare(ALL("\"1c.3g.40gb\": 3"));
	assert_int_equal(differences.len, 0);
	compare(ALL("\"3g.40gb\": 1"));
	assert_int_equal(differences.len, 2);
	check_difference(0, "GPU 0", "3g.40gb", "1", "0");
	check_difference(1, "GPU 0", "1c.3g.40gb", "0", "3");
	/* What divvy has just made has no known device yet, and is whole. */
	gpu(0)->mig.instances[1].id = UINT32_MAX;
	compare(ALL("\"1c.3g.40gb\": 3, \"2g.20gb\": 1"));
	assert_int_equal(differences.len, 0);
}

/* ---- the fleet ---- */

static int make_fleet(const char *entries)
{
	need_entries(entries);
	return dv_parted_fleet(&match, &fleet, &err);
}

static void need_fleet(const char *entries)
{
	if (make_fleet(entries) < 0)
		fail_msg("%s", err.msg);
}

static void refused(const char *entries, const char *rule, const char *what, bool placed)
{
	assert_true(make_fleet(entries) < 0);
	assert_string_equal(err.rule, rule);
	assert_int_equal(dv_error_exit(&err), 3);
	assert_true(err.fix[0]);
	assert_int_equal(err.line > 0, placed);
	if (!strstr(err.msg, what))
		fail_msg("'%s' does not say '%s'", err.msg, what);
	assert_null(fleet.tenants.items);
}

static const struct dv_tenant *tenant(const char *name)
{
	for (size_t i = 0; i < fleet.tenants.len; i++)
		if (strcmp(fleet.tenants.items[i].name, name) == 0)
			return &fleet.tenants.items[i];
	fail_msg("there is no tenant %s", name);
	abort(); /* for the compiler: nothing returns from there */
}

/* The partitions of the leases are there, as a driver would say. */
static void settle_lease(size_t i, const struct dv_lease *lease)
{
	struct dv_mig *mig = &gpu(i)->mig;
	const struct dv_mig_instance *there;
	struct dv_node node;
	const char *whole;

	assert_int_equal(dv_node_parse(lease->node, &node, NULL), 0);
	if (lease->method != DV_METHOD_MIG || strcmp(lease->gpu_uuid, gpu(i)->uuid) != 0)
		return;
	(void)dv_mig_part_slices(lease->profile, &whole);
	there = dv_mig_instance_at(mig, node.start, node.size);
	if (!there)
		add_instance(i, whole, node.start, node.has_part ? 0 : 1);
	if (node.has_part)
		mig->computes[mig->compute_count++] =
			(struct dv_mig_compute){.instance = 10 + node.start,
						.id = node.part_start,
						.start = (uint8_t)node.part_start,
						.size = (uint8_t)node.part_size};
}

static void settle(void)
{
	for (size_t i = 0; i < world.gpus.len; i++) {
		gpu(i)->mig.instance_count = gpu(i)->mig.compute_count = 0;
		for (size_t k = 0; k < world.leases.len; k++)
			settle_lease(i, &world.leases.items[k]);
	}
}

/* Through a fleet file, a plan and its steps; returns how many leases ended. */
static unsigned carry_out(const char *entries)
{
	unsigned ended = 0;
	char *text;

	need_fleet(entries);
	assert_int_equal(dv_fleet_print(&fleet, &text, NULL), 0);
	dv_fleet_fini(&world.fleet);
	memset(&world.fleet, 0, sizeof(world.fleet));
	if (dv_fleet_parse(text, strlen(text), "y", &world.fleet, &err) < 0)
		fail_msg("%s in\n%s", err.msg, text);
	free(text);
	world_plan(&world, &plan);
	assert_int_equal(plan.unplaced.len, 0);
	for (size_t i = 0; i < plan.steps.len; i++)
		ended += strstr(plan.steps.items[i].op, "destroy") != NULL;
	world_apply(&world, &plan, NULL);
	settle();
	return ended;
}

static struct dv_lease *lease(const char *name, const char *of_fleet, const char *node,
			      const char *profile)
{
	struct dv_lease *added = world_lease(&world, name, of_fleet, node, 0, 0);

	added->method = DV_METHOD_MIG;
	(void)dv_copy(added->profile, sizeof(added->profile), profile);
	return added;
}

static void test_modes_alone(void **state)
{
	machine(3, DV_MIG_OFF);
	need_fleet("    - {devices: [0], mig-enabled: true, mig-devices: {}}\n"
		   "    - {devices: [1], mig-enabled: false}\n");
	assert_string_equal(fleet.name, "mig-parted");
	assert_int_equal(fleet.tenants.len, 0);
	assert_int_equal(fleet.gpu_rules.len, 2);
	assert_int_equal(fleet.gpu_rules.items[0].mig, DV_MIG_WISH_ON);
	assert_int_equal(fleet.gpu_rules.items[0].methods, 1u << DV_METHOD_MIG);
	assert_string_equal(fleet.gpu_rules.items[1].uuid, "GPU-1");
	assert_int_equal(fleet.gpu_rules.items[1].mig, DV_MIG_WISH_OFF);
	assert_int_equal(carry_out(ALL("")), 0);
	assert_int_equal(plan.steps.len, 3);
	assert_int_equal(gpu(2)->mig.mode, DV_MIG_ON);
	carry_out("    - {devices: all, mig-enabled: false}\n");
	assert_int_equal(plan.steps.len, 3);
	assert_int_equal(gpu(0)->mig.mode, DV_MIG_OFF);
	/* Where it can be neither on nor off it is off. */
	gpu(0)->mig.mode = DV_MIG_NONE;
	carry_out("    - {devices: all, mig-enabled: false}\n");
	assert_int_equal(plan.steps.len, 0);
}

/* From seven small ones to a mix only those end that must, those in use last. */
static void test_least_ends(void **state)
{
	machine(1, DV_MIG_OFF);
	assert_int_equal(carry_out(ALL("\"1g.10gb\": 7")), 0);
	assert_int_equal(plan.steps.len, 8);
	assert_int_equal(tenant("gpu0-1g.10gb-0")->start, 0);
	for (size_t i = 0; i < world.leases.len; i++)
		if (strcmp(world.leases.items[i].name, "gpu0-1g.10gb-5") == 0 ||
		    strcmp(world.leases.items[i].name, "gpu0-1g.10gb-6") == 0)
			world.leases.items[i].pid_count = 1;
	need_fleet(ALL("\"1g.10gb\": 2, \"3g.40gb\": 1"));
	assert_int_equal(fleet.tenants.len, 3);
	(void)tenant("gpu0-1g.10gb-5");
	(void)tenant("gpu0-1g.10gb-6");
	(void)tenant("gpu0-3g.40gb-0");
	assert_true(carry_out(ALL("\"1g.10gb\": 2, \"3g.40gb\": 1")) == 5);
	/* And what is as wanted stays, whatever else there is. */
	assert_int_equal(carry_out(ALL("\"1g.10gb\": 3, \"3g.40gb\": 1")), 0);
	assert_int_equal(plan.steps.len, 1);
}

/* What others made counts where it is wanted, and is never ended. */
static void test_strangers(void **state)
{
	machine(1, DV_MIG_ON);
	add_instance(0, "3g.40gb", 4, 1);
	lease("theirs", "lab", "GPU-0/p0+1", "1g.10gb");
	add_instance(0, "1g.10gb", 0, 1);
	need_fleet(ALL("\"3g.40gb\": 1, \"1g.10gb\": 2"));
	assert_int_equal(fleet.tenants.len, 1);
	assert_string_equal(fleet.tenants.items[0].profile, "1g.10gb");
	assert_true(fleet.tenants.items[0].start >= 1 && fleet.tenants.items[0].start <= 3);
	refused(ALL("\"1g.10gb\": 2"), "S01",
		"GPU 0: config 'x' does not want 3g.40gb at 4, which divvy did not make", false);
	assert_non_null(strstr(err.fix, "nvidia-smi mig -dgi -i 0"));
	refused(ALL("\"3g.40gb\": 1"), "S01",
		"does not want 1g.10gb at 0, which lease 'theirs' has", false);
	refused(ALL(""), "S01", "does not want", false);
	/* Two halves of one kind, where a quarter is another's. */
	refused(ALL("\"3g.40gb\": 2, \"1g.10gb\": 1"), "M04", "config 'x', GPU 0: ", true);
	/* One that no program can use, or that is cut, is not what is wanted. */
	gpu(0)->mig.compute_count = 0;
	refused(ALL("\"3g.40gb\": 1, \"1g.10gb\": 1"), "S01", "3g.40gb at 4", false);
}

static void test_unknown_profile_there(void **state)
{
	machine(1, DV_MIG_ON);
	add_instance(0, "3g.40gb", 4, 1);
	gpu(0)->mig.instances[0].profile_id = 77;
	gpu(0)->mig.instances[0].profile[0] = '\0';
	refused(ALL("\"3g.40gb\": 1"), "S01", "does not want a partition at 4", false);
}

/* A lease whose partition is gone for the moment keeps its place; a broken one is named. */
static void test_leases_without_partition(void **state)
{
	struct dv_lease *one;

	machine(1, DV_MIG_ON);
	one = lease("mine", "mig-parted", "GPU-0/p4+4", "3g.40gb");
	need_fleet(ALL("\"3g.40gb\": 1, \"1g.10gb\": 1"));
	assert_int_equal(tenant("mine")->start, 4);
	assert_int_equal(fleet.tenants.len, 2);
	one->state = DV_LEASE_BROKEN;
	refused(ALL("\"1g.10gb\": 1"), "S01", "the lease 'mine' of 3g.40gb at 4 is broken", false);
	assert_non_null(strstr(err.fix, "divvy release mine"));
}

static unsigned count_leases(const char *profile)
{
	unsigned count = 0;

	for (size_t i = 0; i < world.leases.len; i++)
		count += strcmp(world.leases.items[i].profile, profile) == 0;
	return count;
}

/* Parts fill as few partitions as can be, beside whole ones; those that stand stay. */
static void test_parts_of_partitions(void **state)
{
	machine(1, DV_MIG_OFF);
	assert_int_equal(carry_out(ALL("\"1c.3g.40gb\": 4, \"1g.10gb\": 0")), 0);
	assert_int_equal(gpu(0)->mig.instance_count, 2);
	assert_int_equal(count_leases("1c.3g.40gb"), 4);
	compare(ALL("\"1c.3g.40gb\": 4"));
	assert_int_equal(differences.len, 0);
	/* One of the two is enough for what is left of them: the other becomes a whole one. */
	assert_int_equal(carry_out(ALL("\"1c.3g.40gb\": 2, \"3g.40gb\": 1")), 2);
	assert_int_equal(count_leases("1c.3g.40gb"), 2);
	assert_int_equal(count_leases("3g.40gb"), 1);
	/* A larger part beside: a new one comes into the same partition. */
	assert_int_equal(carry_out(ALL("\"1c.3g.40gb\": 3, \"3g.40gb\": 1")), 0);
	assert_int_equal(plan.steps.len, 1);
	assert_int_equal(gpu(0)->mig.instance_count, 2);
	/* Where those that stand are in the way of a larger one all are made anew. */
	carry_out(ALL("\"1c.3g.40gb\": 1, \"2c.3g.40gb\": 1, \"3g.40gb\": 1"));
	compare(ALL("\"1c.3g.40gb\": 1, \"2c.3g.40gb\": 1, \"3g.40gb\": 1"));
	assert_int_equal(differences.len, 0);
	assert_int_equal(gpu(0)->mig.instance_count, 2);
	refused(ALL("\"1c.3g.40gb\": 7"), "M04", "need 12 memory slices", true);
}

/* A partition in which another has parts is not this fleet's, and none that is wanted whole. */
static void test_parts_of_others(void **state)
{
	machine(1, DV_MIG_ON);
	lease("theirs", "lab", "GPU-0/p4+4/c0+1", "1c.3g.40gb");
	settle();
	refused(ALL("\"3g.40gb\": 1"), "S01", "3g.40gb at 4, which lease 'theirs' has", false);
	compare(ALL("\"1c.3g.40gb\": 1"));
	assert_int_equal(differences.len, 0);
	/* No probe has seen it yet: its lease says it. */
	gpu(0)->mig.compute_count = 0;
	gpu(0)->mig.instances[0].id = UINT32_MAX;
	compare(ALL("\"1c.3g.40gb\": 1"));
	assert_int_equal(differences.len, 0);
	refused(ALL("\"3g.40gb\": 1"), "S01", "which lease 'theirs' has", false);
}

/* Nor is one with slices; it counts where it is wanted whole, also while it is not there. */
static void test_slices_of_others(void **state)
{
	machine(1, DV_MIG_ON);
	add_instance(0, "3g.40gb", 4, 1);
	for (int there = 1; there >= 0; there--) {
		lease("theirs", "lab", "GPU-0/p4+4/s1", "3g.40gb")->method = DV_METHOD_SLICE;
		refused(ALL("\"1g.10gb\": 1"), "S01", "3g.40gb at 4, which lease 'theirs' has",
			false);
		need_fleet(ALL("\"3g.40gb\": 1, \"1g.10gb\": 1"));
		assert_int_equal(fleet.tenants.len, 1);
		assert_true(fleet.tenants.items[0].start < 4);
		gpu(0)->mig.instance_count = gpu(0)->mig.compute_count = 0;
		world.leases.len = 0;
	}
}

/* GPUs without an entry keep what this fleet has there. */
static void test_unlisted_stay(void **state)
{
	machine(2, DV_MIG_OFF);
	carry_out(ALL("\"3g.40gb\": 2"));
	assert_int_equal(
		carry_out(
			"    - {devices: [0], mig-enabled: true, mig-devices: {\"7g.80gb\": 1}}\n"),
		2);
	assert_int_equal(world.leases.len, 3);
	(void)tenant("gpu1-3g.40gb-4");
	carry_out("    - {devices: [0], mig-enabled: false}\n");
	assert_int_equal(world.leases.len, 2);
	assert_int_equal(gpu(0)->mig.mode, DV_MIG_OFF);
	assert_int_equal(gpu(1)->mig.mode, DV_MIG_ON);
}

/* Names of leases stay when GPUs get other numbers, and no two are the same. */
static void test_names(void **state)
{
	machine(2, DV_MIG_ON);
	lease("gpu0-3g.40gb-0", "mig-parted", "GPU-1/p0+4", "3g.40gb");
	lease("gpu0-3g.40gb-4", "", "GPU-0/p4+4", "3g.40gb");
	settle();
	need_fleet(ALL("\"3g.40gb\": 2"));
	assert_int_equal(fleet.tenants.len, 3);
	assert_string_equal(tenant("gpu0-3g.40gb-0")->gpu, "GPU-1");
	assert_string_equal(tenant("gpu0-3g.40gb-0.1")->gpu, "GPU-0");
	(void)tenant("gpu1-3g.40gb-4");
	world.leases.len = 0;
	settle();
	need_fleet(ALL("\"1g.10gb+me\": 1"));
	assert_true(strncmp(fleet.tenants.items[0].name, "gpu0-1g.10gb.me-", 16) == 0);
}

static void test_refusals(void **state)
{
	machine(1, DV_MIG_ON);
	refused(ALL("\"1g.5gb\": 7"), "M01", "GPU 0 has no profile '1g.5gb'", true);
	assert_non_null(strstr(err.fix, "1g.10gb, 1g.10gb+me, 1g.20gb"));
	refused(ALL("\"1c.5g.50gb\": 2"), "M01", "GPU 0 has no profile '1c.5g.50gb'", true);
	refused(ALL("\"3c.4g.40gb\": 1"), "M01",
		"4g.40gb of GPU 0 has no such part as '3c.4g.40gb'", true);
	assert_string_equal(err.fix, "it has 1c.4g.40gb, 2c.");
	refused(ALL("\"1c.1g.20gb+me\": 1"), "M01", "no profile", true);
	refused(ALL("\"1c.7g.80gb\": 255"), "M04", "the parts of 7g.80gb need more than 16", false);
	memset(gpu(0)->mig.profiles[4].parts, 0, sizeof(gpu(0)->mig.profiles[4].parts));
	refused(ALL("\"1c.3g.40gb\": 1"), "M03", "which parts 3g.40gb of GPU 0 has is not known",
		true);
	assert_non_null(strstr(err.fix, "'3g.40gb' undivided"));
	refused(ALL("\"1g.10gb\": 9"), "M04", "need 9 memory slices, the GPU has 8", true);
	refused(ALL("\"1g.10gb+me\": 2"), "M04", "2 of 1", true);
	refused(ALL("\"3g.40gb\": 2, \"1g.10gb\": 1"), "M04", "config 'x', GPU 0", true);
	refused(ALL("\"1g.10gb\": 255"), "M04", "need", true);
	gpu(0)->mig.profile_count = 0;
	refused(ALL("\"1g.10gb\": 1"), "M03", "not known", false);
	need_fleet(ALL(""));
	gpu(0)->mig.mode = DV_MIG_NONE;
	refused(ALL(""), "M02", "has no MIG", true);
}

/* ---- and back ---- */

static void export(const char *name, struct dv_mig_parted *ret, char **ret_text)
{
	assert_int_equal(dv_parted_export(name, machine_now(), ret, &err), 0);
	assert_int_equal(dv_mig_parted_print(ret, ret_text, &err), 0);
}

static void test_export(void **state)
{
	dv_cleanup(dv_mig_parted_fini) struct dv_mig_parted out = {0}, again = {0};
	dv_autofree char *text = NULL, *mixed = NULL;

	assert_int_equal(dv_parted_export("c", machine_now(), &out, &err), -ENOENT);
	memset(&err, 0, sizeof(err));
	world_cpu(&world, "CPU-0", 1 << 30, 4);
	machine(3, DV_MIG_OFF);
	export("current", &out, &text);
	assert_string_equal(text, "version: v1\nmig-configs:\n  current:\n    - devices: all\n"
				  "      mig-enabled: false\n");
	gpu(2)->mig.mode = gpu(3)->mig.mode = DV_MIG_ON;
	add_instance(2, "3g.40gb", 0, 1);
	add_instance(2, "1g.10gb", 6, 1);
	add_instance(2, "1g.10gb", 5, 1);
	add_instance(3, "2g.20gb", 0, 2);
	/* The numbers are those of the addresses. */
	(void)dv_copy(gpu(1)->address, sizeof(gpu(1)->address), "0000:99:00.0");
	export("c", &again, &mixed);
	assert_string_equal(mixed, "version: v1\nmig-configs:\n  c:\n"
				   "    - devices: [0]\n      mig-enabled: true\n"
				   "      mig-devices:\n        \"1g.10gb\": 2\n"
				   "        \"3g.40gb\": 1\n"
				   "    - devices: [1]\n      mig-enabled: true\n"
				   "      mig-devices:\n        \"1c.2g.20gb\": 2\n"
				   "    - devices: [2]\n      mig-enabled: false\n");
}

/* Any config that can be: made so it differs in nothing, its export neither, and there is nothing
 * left to do. One that cannot is refused, by rule, and nothing is touched. */
static void test_random(void **state)
{
	static const char *const profiles[] = {
		"1g.10gb", "1g.10gb+me", "1g.20gb",    "2g.20gb",    "3g.40gb",	   "4g.40gb",
		"7g.80gb", "1c.2g.20gb", "1c.3g.40gb", "2c.3g.40gb", "1c.4g.40gb", "3c.7g.80gb"};
	unsigned made = 0;

	random_start("plan/mig-parted");
	machine(3, DV_MIG_OFF);
	for (unsigned round = 0; round < 400; round++) {
		dv_cleanup(dv_mig_parted_fini) struct dv_mig_parted out = {0};
		dv_autofree char *text = NULL;
		char entries[1024];
		size_t at = 0;

		for (unsigned g = 0; g < 3; g++) {
			bool on = random_u64() % 4;

			at += (size_t)snprintf(entries + at, sizeof(entries) - at,
					       "    - {devices: [%u], mig-enabled: %s, "
					       "mig-devices: {",
					       g, on ? "true" : "false");
			for (unsigned p = 0; on && p < DV_ARRAY_LEN(profiles); p++)
				at += (size_t)snprintf(
					entries + at, sizeof(entries) - at, "\"%s\": %u, ",
					profiles[p],
					random_u64() % 6 ? 0 : (unsigned)(random_u64() % 4));
			at += (size_t)snprintf(entries + at, sizeof(entries) - at, "}}\n");
		}
		for (size_t i = 0; i < world.leases.len; i++)
			world.leases.items[i].pid_count = random_u64() % 2;
		if (make_fleet(entries) < 0) {
			assert_string_equal(err.rule, "M04");
			continue;
		}
		made++;
		carry_out(entries);
		compare(entries);
		assert_int_equal(differences.len, 0);
		carry_out(entries);
		assert_int_equal(plan.steps.len, 0);
		export("x", &out, &text);
		dv_parted_match_fini(&match);
		assert_int_equal(
			dv_parted_match(&out, &out.configs.items[0], machine_now(), &match, NULL),
			0);
		dv_vec_fini(&differences);
		assert_int_equal(dv_parted_diff(&match, &differences, NULL), 0);
		assert_int_equal(differences.len, 0);
	}
	assert_true(made > 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_whose, tear_down),
		cmocka_unit_test_teardown(test_last_one_counts, tear_down),
		cmocka_unit_test_teardown(test_no_such_gpu, tear_down),
		cmocka_unit_test_teardown(test_many_are_counted, tear_down),
		cmocka_unit_test_teardown(test_differences, tear_down),
		cmocka_unit_test_teardown(test_parts, tear_down),
		cmocka_unit_test_teardown(test_modes_alone, tear_down),
		cmocka_unit_test_teardown(test_least_ends, tear_down),
		cmocka_unit_test_teardown(test_strangers, tear_down),
		cmocka_unit_test_teardown(test_unknown_profile_there, tear_down),
		cmocka_unit_test_teardown(test_leases_without_partition, tear_down),
		cmocka_unit_test_teardown(test_unlisted_stay, tear_down),
		cmocka_unit_test_teardown(test_parts_of_partitions, tear_down),
		cmocka_unit_test_teardown(test_parts_of_others, tear_down),
		cmocka_unit_test_teardown(test_slices_of_others, tear_down),
		cmocka_unit_test_teardown(test_names, tear_down),
		cmocka_unit_test_teardown(test_refusals, tear_down),
		cmocka_unit_test_teardown(test_export, tear_down),
		cmocka_unit_test_teardown(test_random, tear_down),
	};

	return cmocka_run_group_tests_name("plan/mig-parted", tests, NULL, NULL);
}
