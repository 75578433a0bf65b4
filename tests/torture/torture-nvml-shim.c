/* SPDX-License-Identifier: Apache-2.0 */
/* A program that asks NVML in a slice, while the shim's own allocations fail: each in turn, alone
 * and with all that follow. Every call is answered rightly or says that there is no memory, and
 * nothing of a neighbour gets out instead.
 *
 * DIVVY_TEST_SHIM is the shim with torture_arm and torture_disarm inside (meson.build). */
#include "tests/unit/shim/nvml-program.h"

enum { ROOM = 4, ALLOCATIONS_MOST = 1000 };

static const struct fake_config config = {
	.limit_bytes = GIB,
	.compute_mpct = 50000,
	.use = {1000 * MIB, 250 * MIB, 0},
	.processes = {{.pid = GAME, .own_pid = 1, .bytes = 100, .launches = 1, .ever = 1},
		      {.pid = TRAINS, .own_pid = 2, .bytes = GIB, .launches = 3, .ever = 9}},
};

static void (*arm)(unsigned long nth, bool onward);
static unsigned long (*disarm)(void);
static unsigned refused;

/* True: it was answered. */
static bool answered(enum dv_nvml_result r)
{
	CHECK(r == OK || r == DV_NVML_MEMORY);
	refused += r == DV_NVML_MEMORY;
	return r == OK;
}

static void lists(struct dv_nvml_device *device)
{
	struct dv_nvml_process list[ROOM] = {{0}};
	struct dv_nvml_process_v1 old[ROOM] = {{0}};
	struct dv_nvml_process_detail details[ROOM] = {{0}};
	struct dv_nvml_process_list all = {
		.version = DV_NVML_PROCESS_LIST, .count = ROOM, .processes = details};
	uint32_t count = ROOM;

	if (answered(ML(nvmlDeviceGetComputeRunningProcesses_v3)(device, &count, list)))
		CHECK(count == 2 && list[1].memory_bytes == GIB);
	count = ROOM;
	memset(list, 0, sizeof(list));
	if (answered(ML(nvmlDeviceGetGraphicsRunningProcesses_v3)(device, &count, list)))
		CHECK(count == 1 && list[0].pid == 1);
	/* Nobody else's is left in the caller's room. */
	for (int i = 0; i < ROOM; i++)
		CHECK(list[i].pid != XORG && list[i].pid != STRANGER);
	count = ROOM;
	if (answered(ML(nvmlDeviceGetGraphicsRunningProcesses)(device, &count, old)))
		CHECK(count == 1 && old[0].pid == 1);
	if (answered(ML(nvmlDeviceGetRunningProcessDetailList)(device, &all)))
		CHECK(all.count == 2 && details[1].pid == 2);
}

static void of_each(struct dv_nvml_device *device)
{
	struct dv_nvml_process_utilization use[ROOM] = {{0}};
	struct dv_nvml_process_use info[ROOM] = {{0}};
	struct dv_nvml_processes_use all = {
		.version = DV_NVML_PROCESSES_USE, .count = ROOM, .processes = info};
	struct dv_nvml_accounting stats[2] = {{2}, {0}};
	uint32_t count = ROOM, pids[ROOM];
	char name[32] = "";

	if (answered(ML(nvmlDeviceGetProcessUtilization)(device, use, &count, 0)))
		CHECK(count == 2 && use[1].pid == 2);
	if (answered(ML(nvmlDeviceGetProcessesUtilizationInfo)(device, &all)))
		CHECK(all.count == 2 && info[1].pid == 2);
	count = ROOM;
	if (answered(ML(nvmlDeviceGetAccountingPids)(device, &count, pids)))
		CHECK(count == 2 && pids[1] == 2);
	if (answered(ML(nvmlDeviceGetAccountingStats_v2)(device, stats)))
		CHECK(stats[1].pid == TRAINS);
	CHECK(stats[0].pid == 2);
	if (answered(ML(nvmlSystemGetProcessName)(2, name, sizeof(name))))
		CHECK(strcmp(name, "trains") == 0);
}

static void asks(void)
{
	struct dv_nvml_device *device = gpu();
	struct dv_nvml_memory memory;

	CHECK(ML(nvmlDeviceGetMemoryInfo)(device, &memory) == OK && memory.total == GIB);
	lists(device);
	of_each(device);
}

/* Returns how many there were to fail. */
static unsigned each(bool onward)
{
	for (unsigned long nth = 1; nth < ALLOCATIONS_MOST; nth++) {
		refused = 0;
		arm(nth, onward);
		asks();
		if (disarm() == 0) {
			CHECK(!refused);
			return (unsigned)nth - 1;
		}
		/* With memory again everything is as before. */
		refused = 0;
		asks();
		CHECK(!refused);
	}
	return ALLOCATIONS_MOST;
}

static void program(void)
{
	struct fake *fake = begin(config);
	unsigned alone, all;

	arm = (void (*)(unsigned long, bool))nvml_entry("torture_arm");
	disarm = (unsigned long (*)(void))nvml_entry("torture_disarm");
	alone = each(false);
	all = each(true);
	fprintf(stderr, "%u and %u allocations\n", alone, all);
	CHECK(alone >= 10 && alone < ALLOCATIONS_MOST && all > 0 && all <= alone);
	fake_stop(fake);
}

TEST(program)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_program),
	};

	return cmocka_run_group_tests_name("torture/nvml-shim", tests, NULL, NULL);
}
