/* SPDX-License-Identifier: Apache-2.0 */
/* What a program sees of the GPU: its slice, and nothing of its neighbours. */
#include "nvml-program.h"
#include "shim/nvml/hooks.h"

/* --- memory --- */

static void memory(void)
{
	struct fake *fake = begin((struct fake_config){.limit_bytes = 2 * GIB});
	struct dv_nvml_memory_v2 v2 = {.version = DV_NVML_MEMORY_V2};
	struct dv_nvml_memory v1;
	struct dv_nvml_bar1 bar1;

	CHECK(ML(nvmlDeviceGetMemoryInfo)(gpu(), &v1) == OK);
	CHECK(v1.total == 2 * GIB && v1.used == 0 && v1.free == 2 * GIB);
	CHECK(ML(nvmlDeviceGetMemoryInfo_v2)(gpu(), &v2) == OK);
	CHECK(v2.total == 2 * GIB && v2.used == 0 && v2.free == 2 * GIB && !v2.reserved);
	CHECK(v2.version == DV_NVML_MEMORY_V2);
	v2.version = 1;
	CHECK(ML(nvmlDeviceGetMemoryInfo_v2)(gpu(), &v2) == DV_NVML_ARGUMENT_VERSION_MISMATCH);
	CHECK(ML(nvmlDeviceGetMemoryInfo)(gpu(), NULL) == DV_NVML_INVALID_ARGUMENT);
	/* The card's: it is nobody's slice. */
	CHECK(ML(nvmlDeviceGetBAR1MemoryInfo)(gpu(), &bar1) == OK && bar1.total >= 24 * GIB);
	fake_stop(fake);
}

/* What its programs hold comes by the lease's page, at once. */
static void memory_used(void)
{
	struct fake *fake = begin((struct fake_config){.limit_bytes = 100});
	struct dv_nvml_memory v1;

	fake_use(fake, 30);
	CHECK(ML(nvmlDeviceGetMemoryInfo)(gpu(), &v1) == OK);
	CHECK(v1.total == 100 && v1.used == 30 && v1.free == 70);
	fake_use(fake, 130);
	CHECK(ML(nvmlDeviceGetMemoryInfo)(gpu(), &v1) == OK);
	CHECK(v1.total == 100 && v1.used == 100 && v1.free == 0);
	fake_stop(fake);
}

/* Never more than the card has; and what is free of it, where there is no limit. */
static void memory_of_the_card(void)
{
	struct fake *fake = begin((struct fake_config){.device_bytes = 500 * GIB});
	struct dv_nvml_memory v1, real;
	nvmlDeviceGetMemoryInfo_fn *ask =
		(nvmlDeviceGetMemoryInfo_fn *)driver_entry("nvmlDeviceGetMemoryInfo");

	CHECK(ask(gpu(), &real) == OK && real.total > 20 * GIB && real.used > 7 * GIB);
	CHECK(ML(nvmlDeviceGetMemoryInfo)(gpu(), &v1) == OK);
	CHECK(v1.total == real.total && v1.free == real.free && v1.used == 0);
	fake_stop(fake);
}

/* --- devices --- */

static void devices(void)
{
	struct fake *fake = begin((struct fake_config){.limit_bytes = GIB});
	struct dv_nvml_device *device = NULL, *own = gpu();
	char uuid[DV_NVML_UUID_SIZE];
	uint32_t count = 9, index = 9;

	CHECK(ML(nvmlDeviceGetCount_v2)(&count) == OK && count == 1);
	count = 9;
	CHECK(ML(nvmlDeviceGetCount)(&count) == OK && count == 1);
	CHECK(ML(nvmlDeviceGetCount_v2)(NULL) == DV_NVML_INVALID_ARGUMENT);
	CHECK(ML(nvmlDeviceGetUUID)(own, uuid, sizeof(uuid)) == OK && strcmp(uuid, OWN) == 0);
	CHECK(ML(nvmlDeviceGetIndex)(own, &index) == OK && index == 0);
	CHECK(ML(nvmlDeviceGetIndex)(own, NULL) == DV_NVML_INVALID_ARGUMENT);
	CHECK(ML(nvmlDeviceGetHandleByIndex)(0, &device) == OK && device == own);
	CHECK(ML(nvmlDeviceGetHandleByIndex_v2)(1, &device) == DV_NVML_INVALID_ARGUMENT);
	CHECK(ML(nvmlDeviceGetHandleByIndex)(1, &device) == DV_NVML_INVALID_ARGUMENT);
	CHECK(ML(nvmlDeviceGetHandleByIndex_v2)(0, NULL) == DV_NVML_INVALID_ARGUMENT);
	fake_stop(fake);
}

/* What the driver says of the neighbour, and that it is not found here. */
static void by_name(void)
{
	struct fake *fake = begin((struct fake_config){.limit_bytes = GIB});
	nvmlDeviceGetHandleByIndex_v2_fn *real_by_index =
		(nvmlDeviceGetHandleByIndex_v2_fn *)driver_entry("nvmlDeviceGetHandleByIndex_v2");
	struct dv_nvml_uuid uuid = {DV_NVML_VERSION(struct dv_nvml_uuid, 1), 1, {OWN}};
	struct dv_nvml_device *real[2], *device;
	char serial[2][DV_NVML_SERIAL_SIZE];
	struct dv_nvml_pci pci[2];

	for (uint32_t i = 0; i < 2; i++) {
		CHECK(real_by_index(i, &real[i]) == OK);
		CHECK(ML(nvmlDeviceGetSerial)(real[i], serial[i], sizeof(serial[i])) == OK);
		CHECK(ML(nvmlDeviceGetPciInfo_v3)(real[i], &pci[i]) == OK);
	}
	CHECK(real[1] == gpu());
#define FINDS(symbol, argument)                                                                    \
	(device = NULL, ML(symbol)(argument, &device) == OK && device == real[1])
#define FINDS_NOT(symbol, argument)                                                                \
	(device = NULL, ML(symbol)(argument, &device) == DV_NVML_NOT_FOUND && !device)
	CHECK(FINDS(nvmlDeviceGetHandleByUUID, OWN));
	CHECK(FINDS(nvmlDeviceGetHandleByUUIDV, &uuid));
	CHECK(FINDS(nvmlDeviceGetHandleBySerial, serial[1]));
	CHECK(FINDS(nvmlDeviceGetHandleByPciBusId, pci[1].address_short));
	CHECK(FINDS(nvmlDeviceGetHandleByPciBusId_v2, pci[1].address));
	memcpy(uuid.text, OTHER, sizeof(OTHER));
	CHECK(FINDS_NOT(nvmlDeviceGetHandleByUUID, OTHER));
	CHECK(FINDS_NOT(nvmlDeviceGetHandleByUUID, "GPU-not-there"));
	CHECK(FINDS_NOT(nvmlDeviceGetHandleByUUIDV, &uuid));
	CHECK(FINDS_NOT(nvmlDeviceGetHandleBySerial, serial[0]));
	CHECK(FINDS_NOT(nvmlDeviceGetHandleByPciBusId, pci[0].address_short));
	CHECK(FINDS_NOT(nvmlDeviceGetHandleByPciBusId_v2, pci[0].address));
	CHECK(ML(nvmlDeviceGetHandleByUUID)(NULL, &device) == DV_NVML_INVALID_ARGUMENT);
	CHECK(ML(nvmlDeviceGetHandleByUUID)(OWN, NULL) == DV_NVML_INVALID_ARGUMENT);
	fake_stop(fake);
}

static void neighbourhood(void)
{
	struct fake *fake = begin((struct fake_config){.limit_bytes = GIB});
	struct dv_nvml_device *devices[4] = {NULL};
	struct dv_nvml_pci pci;
	uint32_t count = 4;
	static const struct dv_nvml_pci nothing;

	CHECK(ML(nvmlDeviceGetTopologyNearestGpus)(gpu(), 50, &count, devices) == OK);
	CHECK(count == 0 && !devices[0]);
	CHECK(ML(nvmlDeviceGetTopologyNearestGpus)(gpu(), 50, NULL, devices) ==
	      DV_NVML_INVALID_ARGUMENT);
	count = 0;
	CHECK(ML(nvmlSystemGetTopologyGpuSet)(0, &count, NULL) == OK && count == 1);
	count = 4;
	CHECK(ML(nvmlSystemGetTopologyGpuSet)(0, &count, devices) == OK && count == 1);
	CHECK(devices[0] == gpu() && !devices[1]);
	/* A link to a neighbour tells no address; one to a switch does. */
	memset(&pci, 7, sizeof(pci));
	CHECK(ML(nvmlDeviceGetNvLinkRemotePciInfo_v2)(gpu(), 0, &pci) == DV_NVML_NOT_SUPPORTED);
	CHECK(memcmp(&pci, &nothing, sizeof(pci)) == 0);
	CHECK(ML(nvmlDeviceGetNvLinkRemotePciInfo_v2)(gpu(), 1, &pci) == OK);
	CHECK(strcmp(pci.address, "00000000:F0:00.0") == 0);
	memset(&pci, 7, sizeof(pci));
	CHECK(ML(nvmlDeviceGetNvLinkRemotePciInfo)(gpu(), 0, &pci) == DV_NVML_NOT_SUPPORTED);
	CHECK(memcmp(&pci, &nothing, offsetof(struct dv_nvml_pci, address)) == 0);
	CHECK(pci.address[0] == 7);
	CHECK(ML(nvmlUnitGetCount)(&count) == OK && count == 0);
	CHECK(ML(nvmlGetExcludedDeviceCount)(&count) == OK && count == 0);
	count = 9;
	CHECK(ML(nvmlGetBlacklistDeviceCount)(&count) == OK && count == 0);
	fake_stop(fake);
}

/* --- processes --- */

/* One that computes, one that only renders as far as the driver knows, one that has only begun. */
static const struct fake_config tenant = {
	.limit_bytes = 4 * GIB,
	.compute_mpct = 50000,
	.processes = {{.pid = GAME, .own_pid = 1, .bytes = 100, .launches = 1, .ever = 1},
		      {.pid = TRAINS, .own_pid = 2, .bytes = GIB, .launches = 3, .ever = 9},
		      {.pid = 703, .own_pid = 3}},
};

static void computing(void)
{
	struct fake *fake = begin(tenant);
	struct dv_nvml_process list[4] = {{0}};
	struct dv_nvml_process_v1 old[4] = {{0}};
	uint32_t count = 0;

	CHECK(ML(nvmlDeviceGetComputeRunningProcesses_v3)(gpu(), &count, NULL) ==
	      DV_NVML_INSUFFICIENT_SIZE);
	CHECK(count == 2);
	count = 4;
	CHECK(ML(nvmlDeviceGetComputeRunningProcesses_v3)(gpu(), &count, list) == OK && count == 2);
	CHECK(list[0].pid == 1 && list[0].memory_bytes == 100);
	CHECK(list[1].pid == 2 && list[1].memory_bytes == GIB);
	CHECK(list[1].gi_id == DV_NVML_NO_INSTANCE && list[1].ci_id == DV_NVML_NO_INSTANCE);
	CHECK(list[2].pid == 0);
	memset(list, 0, sizeof(list));
	count = 1;
	CHECK(ML(nvmlDeviceGetComputeRunningProcesses_v2)(gpu(), &count, list) ==
	      DV_NVML_INSUFFICIENT_SIZE);
	CHECK(count == 2 && list[0].pid == 1 && list[1].pid == 0);
	count = 4;
	CHECK(ML(nvmlDeviceGetComputeRunningProcesses)(gpu(), &count, old) == OK && count == 2);
	CHECK(old[1].pid == 2 && old[1].memory_bytes == GIB && old[2].pid == 0);
	CHECK(ML(nvmlDeviceGetComputeRunningProcesses_v3)(gpu(), NULL, list) ==
	      DV_NVML_INVALID_ARGUMENT);
	CHECK(ML(nvmlDeviceGetComputeRunningProcesses_v3)(gpu(), &count, NULL) ==
	      DV_NVML_INVALID_ARGUMENT);
	CHECK(ML(nvmlDeviceGetComputeRunningProcesses_v3)(NULL, &count, list) ==
	      DV_NVML_INVALID_ARGUMENT);
	fake_stop(fake);
}

/* Of what renders the driver alone knows: what of it is not the tenant's is left out. */
static void rendering(void)
{
	struct fake *fake = begin(tenant);
	struct dv_nvml_process list[4] = {{0}};
	struct dv_nvml_process_v1 old[4] = {{0}};
	uint32_t count = 0;

	CHECK(ML(nvmlDeviceGetGraphicsRunningProcesses_v3)(gpu(), &count, NULL) ==
	      DV_NVML_INSUFFICIENT_SIZE);
	CHECK(count == 1);
	CHECK(ML(nvmlDeviceGetGraphicsRunningProcesses_v3)(gpu(), &count, list) == OK);
	CHECK(count == 1 && list[0].pid == 1 && list[0].memory_bytes == 300 * MIB);
	count = 4;
	CHECK(ML(nvmlDeviceGetGraphicsRunningProcesses_v2)(gpu(), &count, list) == OK);
	CHECK(count == 1 && list[1].pid == 0);
	count = 4;
	CHECK(ML(nvmlDeviceGetGraphicsRunningProcesses)(gpu(), &count, old) == OK);
	CHECK(count == 1 && old[0].pid == 1 && old[0].memory_bytes == 300 * MIB && !old[1].pid);
	count = 4;
	CHECK(ML(nvmlDeviceGetMPSComputeRunningProcesses_v3)(gpu(), &count, list) == OK && !count);
	count = 4;
	CHECK(ML(nvmlDeviceGetMPSComputeRunningProcesses_v2)(gpu(), &count, list) == OK && !count);
	count = 4;
	CHECK(ML(nvmlDeviceGetMPSComputeRunningProcesses)(gpu(), &count, old) == OK && !count);
	CHECK(ML(nvmlDeviceGetGraphicsRunningProcesses_v3)(gpu(), NULL, NULL) ==
	      DV_NVML_INVALID_ARGUMENT);
	fake_stop(fake);
}

static void process_list(void)
{
	struct fake *fake = begin(tenant);
	struct dv_nvml_process_detail details[4] = {{0}};
	struct dv_nvml_process_list list = {.version = DV_NVML_PROCESS_LIST};

	CHECK(ML(nvmlDeviceGetRunningProcessDetailList)(gpu(), &list) == DV_NVML_INSUFFICIENT_SIZE);
	CHECK(list.count == 2);
	list.processes = details;
	CHECK(ML(nvmlDeviceGetRunningProcessDetailList)(gpu(), &list) == OK && list.count == 2);
	CHECK(details[1].pid == 2 && details[1].memory_bytes == GIB && !details[2].pid);
	list.mode = DV_NVML_PROCESSES_GRAPHICS;
	list.count = 4;
	CHECK(ML(nvmlDeviceGetRunningProcessDetailList)(gpu(), &list) == OK && list.count == 1);
	CHECK(details[0].pid == 1 && details[0].memory_bytes == 300 * MIB);
	list.mode = DV_NVML_PROCESSES_MPS;
	list.count = 4;
	CHECK(ML(nvmlDeviceGetRunningProcessDetailList)(gpu(), &list) == OK && list.count == 0);
	list.mode = 9;
	CHECK(ML(nvmlDeviceGetRunningProcessDetailList)(gpu(), &list) == DV_NVML_INVALID_ARGUMENT);
	list.version = 1;
	CHECK(ML(nvmlDeviceGetRunningProcessDetailList)(gpu(), &list) ==
	      DV_NVML_ARGUMENT_VERSION_MISMATCH);
	CHECK(ML(nvmlDeviceGetRunningProcessDetailList)(gpu(), NULL) == DV_NVML_INVALID_ARGUMENT);
	fake_stop(fake);
}

static void of_one_process(void)
{
	struct fake *fake = begin(tenant);
	struct dv_nvml_accounting stats[2] = {{2}, {0}};
	uint32_t count = 0, pids[4] = {0}, got = 0;
	char name[32] = "";

	CHECK(ML(nvmlSystemGetProcessName)(2, name, sizeof(name)) == OK);
	CHECK(strcmp(name, "trains") == 0);
	CHECK(ML(nvmlSystemGetProcessName)(STRANGER, name, sizeof(name)) == DV_NVML_NOT_FOUND);
	CHECK(ML(nvmlSystemGetProcessName)(TRAINS, name, sizeof(name)) == DV_NVML_NOT_FOUND);
	CHECK(ML(nvmlDeviceGetAccountingPids)(gpu(), &count, NULL) == DV_NVML_INSUFFICIENT_SIZE);
	CHECK(count == 2);
	count = 4;
	CHECK(ML(nvmlDeviceGetAccountingPids)(gpu(), &count, pids) == OK && count == 2);
	CHECK(pids[0] == 1 && pids[1] == 2 && pids[2] == 0);
	/* The driver is asked by its own number. */
	CHECK(ML(nvmlDeviceGetAccountingStats)(gpu(), 2, &got) == OK && got == TRAINS);
	CHECK(ML(nvmlDeviceGetAccountingStats)(gpu(), XORG, &got) == DV_NVML_NOT_FOUND);
	CHECK(ML(nvmlDeviceGetAccountingStats_v2)(gpu(), stats) == OK);
	CHECK(stats[0].pid == 2 && stats[1].pid == TRAINS);
	stats[0].pid = STRANGER;
	CHECK(ML(nvmlDeviceGetAccountingStats_v2)(gpu(), stats) == DV_NVML_NOT_FOUND);
	fake_stop(fake);
}

/* --- use --- */

/* The simulated card says 63 % and 21 % while anybody computes. */
static void how_busy(void)
{
	static const struct {
		uint64_t window, timed, endless;
		uint32_t mpct, gpu, memory;
	} rows[] = {
		{1000, 0, 0, 50000, 0, 0},	  /* idle, whatever the neighbour does */
		{1000, 250, 0, 50000, 50, 11},	  /* half of its half */
		{1000, 500, 0, 50000, 100, 21},	  /* all of it */
		{1000, 800, 0, 50000, 100, 34},	  /* and what others did not want */
		{1000, 0, 1000, 0, 63, 21},	  /* alone: as the card says */
		{1000, 0, 1000, 70000, 90, 30},	  /* of its share */
		{1000, 100, 500, 100000, 42, 13}, /* some of both */
		{0, 0, 0, 50000, 0, 0},		  /* it has only begun */
	};
	struct fake_config config = tenant;
	struct fake *fake = begin(config);

	for (size_t i = 0; i < DV_ARRAY_LEN(rows); i++) {
		struct dv_nvml_utilization use = {777, 777};

		config.compute_mpct = rows[i].mpct;
		config.use.window_ns = rows[i].window * MIB;
		config.use.timed_ns = rows[i].timed * MIB;
		config.use.endless_ns = rows[i].endless * MIB;
		fake_set_told(fake, &config);
		CHECK(ML(nvmlDeviceGetUtilizationRates)(gpu(), &use) == OK);
		if (use.gpu != rows[i].gpu || use.memory != rows[i].memory)
			fprintf(stderr, "row %zu: %u %u\n", i, use.gpu, use.memory);
		CHECK(use.gpu == rows[i].gpu && use.memory == rows[i].memory);
	}
	CHECK(ML(nvmlDeviceGetUtilizationRates)(gpu(), NULL) == DV_NVML_INVALID_ARGUMENT);
	CHECK(ML(nvmlDeviceGetUtilizationRates)(NULL, NULL) == DV_NVML_INVALID_ARGUMENT);
	fake_stop(fake);
}

static struct fake_config busy(uint64_t timed_ms, uint64_t endless_ms)
{
	struct fake_config config = tenant;

	config.use.window_ns = 1000 * MIB;
	config.use.timed_ns = timed_ms * MIB;
	config.use.endless_ns = endless_ms * MIB;
	return config;
}

static void samples(void)
{
	struct fake *fake = begin(busy(250, 0));
	struct dv_nvml_sample sample = {0};
	uint32_t type = 9, count = 0;
	uint64_t at_us;

	CHECK(ML(nvmlDeviceGetSamples)(gpu(), DV_NVML_SAMPLES_GPU, 0, &type, &count, NULL) == OK);
	CHECK(count == 1 && type == DV_NVML_VALUE_UINT);
	CHECK(ML(nvmlDeviceGetSamples)(gpu(), DV_NVML_SAMPLES_GPU, 0, &type, &count, &sample) ==
	      OK);
	CHECK(count == 1 && sample.uint_value == 50 && sample.time_us > 1600000000000000);
	at_us = sample.time_us;
	CHECK(ML(nvmlDeviceGetSamples)(gpu(), DV_NVML_SAMPLES_GPU, at_us + 60000000, &type, &count,
				       &sample) == DV_NVML_NOT_FOUND);
	CHECK(count == 0);
	CHECK(ML(nvmlDeviceGetSamples)(gpu(), DV_NVML_SAMPLES_GPU, 0, &type, &count, &sample) ==
	      DV_NVML_INVALID_ARGUMENT);
	count = 1;
	CHECK(ML(nvmlDeviceGetSamples)(gpu(), DV_NVML_SAMPLES_MEMORY, 0, &type, &count, &sample) ==
	      OK);
	CHECK(sample.uint_value == 11);
	CHECK(ML(nvmlDeviceGetSamples)(gpu(), DV_NVML_SAMPLES_ENCODER, 0, &type, &count, &sample) ==
	      DV_NVML_NOT_SUPPORTED);
	/* Power is the card's. */
	CHECK(ML(nvmlDeviceGetSamples)(gpu(), 0, 0, &type, &count, &sample) == OK);
	CHECK(sample.uint_value == 77);
	fake_stop(fake);
}

static void processes_use(void)
{
	struct fake *fake = begin(busy(0, 500));
	struct dv_nvml_process_utilization list[4] = {{0}};
	struct dv_nvml_process_use info[4] = {{0}};
	struct dv_nvml_processes_use use = {.version = DV_NVML_PROCESSES_USE};
	struct fake_config config = busy(200, 0);
	uint32_t count = 0;

	/* 63 % of the card in half of the time, of a half: parted by launches, 1 to 3. */
	CHECK(ML(nvmlDeviceGetProcessUtilization)(gpu(), NULL, &count, 0) ==
	      DV_NVML_INSUFFICIENT_SIZE);
	CHECK(count == 2);
	CHECK(ML(nvmlDeviceGetProcessUtilization)(gpu(), list, &count, 0) == OK && count == 2);
	CHECK(list[0].pid == 1 && list[0].sm == 16 && list[1].pid == 2 && list[1].sm == 47);
	CHECK(list[1].time_us > 1600000000000000 && list[1].memory == 15 && !list[2].pid);
	count = 4;
	CHECK(ML(nvmlDeviceGetProcessUtilization)(gpu(), list, &count,
						  list[1].time_us + 60000000) == DV_NVML_NOT_FOUND);
	CHECK(count == 0);
	CHECK(ML(nvmlDeviceGetProcessesUtilizationInfo)(gpu(), &use) == DV_NVML_INSUFFICIENT_SIZE);
	CHECK(use.count == 2);
	use.processes = info;
	CHECK(ML(nvmlDeviceGetProcessesUtilizationInfo)(gpu(), &use) == OK && use.count == 2);
	CHECK(info[0].pid == 1 && info[0].sm == 16 && info[1].pid == 2 && info[1].sm == 47);
	/* Where turns have an end, by the time that each was busy in them. */
	config.processes[0].busy_ns = 300;
	config.processes[1].busy_ns = 100;
	fake_set_told(fake, &config);
	count = 4;
	CHECK(ML(nvmlDeviceGetProcessUtilization)(gpu(), list, &count, 0) == OK && count == 2);
	CHECK(list[0].sm == 30 && list[1].sm == 10);
	/* Who did nothing is not in the list. */
	config.processes[0].busy_ns = 0;
	fake_set_told(fake, &config);
	count = 4;
	CHECK(ML(nvmlDeviceGetProcessUtilization)(gpu(), list, &count, 0) == OK && count == 1);
	CHECK(list[0].pid == 2 && list[0].sm == 40);
	config = busy(0, 0);
	fake_set_told(fake, &config);
	CHECK(ML(nvmlDeviceGetProcessUtilization)(gpu(), list, &count, 0) == DV_NVML_NOT_FOUND);
	use.count = 4;
	CHECK(ML(nvmlDeviceGetProcessesUtilizationInfo)(gpu(), &use) == DV_NVML_NOT_FOUND);
	use.version = 3;
	CHECK(ML(nvmlDeviceGetProcessesUtilizationInfo)(gpu(), &use) ==
	      DV_NVML_ARGUMENT_VERSION_MISMATCH);
	CHECK(ML(nvmlDeviceGetProcessUtilization)(gpu(), list, NULL, 0) ==
	      DV_NVML_INVALID_ARGUMENT);
	fake_stop(fake);
}

/* --- in a MIG partition --- */

static const char two_partitions[] =
	"name: two\n"
	"gpus:\n"
	"  - {model: h100-80-sxm, driver: 580.95.05, compute_capability: \"9.0\", mig: on,\n"
	"     instances: [{profile: 3g.40gb, start: 0}, {profile: 3g.40gb, start: 4}]}\n";

/* The UUID of a partition, by the driver alone. */
static void partition_uuid(uint32_t index, char *buf, uint32_t size)
{
	struct dv_nvml_device *gpu, *part;
	void *library = dlopen(getenv("DIVVY_TEST_DRIVER"), RTLD_NOW);

#define DRIVERS(symbol) ((symbol##_fn *)dlsym(library, #symbol))
	CHECK(library && DRIVERS(nvmlInit_v2)() == OK);
	CHECK(DRIVERS(nvmlDeviceGetHandleByIndex_v2)(0, &gpu) == OK);
	CHECK(DRIVERS(nvmlDeviceGetMigDeviceHandleByIndex)(gpu, index, &part) == OK);
	CHECK(DRIVERS(nvmlDeviceGetUUID)(part, buf, size) == OK);
	CHECK(DRIVERS(nvmlShutdown)() == OK);
	CHECK(strncmp(buf, "MIG-", 4) == 0);
}

static void in_partition(void)
{
	char own[DV_NVML_UUID_SIZE], other[DV_NVML_UUID_SIZE], uuid[DV_NVML_UUID_SIZE];
	struct dv_nvml_device *gpu = NULL, *part = NULL, *found = NULL;
	struct fake_config config = tenant;
	struct dv_nvml_process list[4];
	struct dv_nvml_memory memory;
	uint32_t count = 0, id = 0;
	struct fake *fake;

	machine_text = two_partitions;
	nvml_place(getenv("DIVVY_TEST_DRIVER"));
	partition_uuid(0, other, sizeof(other));
	partition_uuid(1, own, sizeof(own));
	config.device = own;
	fake = lease(config);
	nvml_open();
	CHECK(ML(nvmlInit_v2)() == OK);
	/* The GPU, and on it the one partition. */
	CHECK(ML(nvmlDeviceGetCount_v2)(&count) == OK && count == 1);
	CHECK(ML(nvmlDeviceGetHandleByIndex_v2)(0, &gpu) == OK);
	CHECK(ML(nvmlDeviceGetUUID)(gpu, uuid, sizeof(uuid)) == OK);
	CHECK(strncmp(uuid, "GPU-", 4) == 0);
	CHECK(ML(nvmlDeviceGetHandleByUUID)(uuid, &found) == OK && found == gpu);
	CHECK(ML(nvmlDeviceGetMaxMigDeviceCount)(gpu, &count) == OK && count == 1);
	CHECK(ML(nvmlDeviceGetMigDeviceHandleByIndex)(gpu, 0, &part) == OK);
	CHECK(ML(nvmlDeviceGetUUID)(part, uuid, sizeof(uuid)) == OK && strcmp(uuid, own) == 0);
	CHECK(ML(nvmlDeviceGetMigDeviceHandleByIndex)(gpu, 1, &found) == DV_NVML_NOT_FOUND);
	CHECK(ML(nvmlDeviceGetMigDeviceHandleByIndex)(gpu, 99, &found) == DV_NVML_INVALID_ARGUMENT);
	CHECK(ML(nvmlDeviceGetHandleByUUID)(own, &found) == OK && found == part);
	found = NULL;
	CHECK(ML(nvmlDeviceGetHandleByUUID)(other, &found) == DV_NVML_NOT_FOUND && !found);
	CHECK(ML(nvmlDeviceGetDeviceHandleFromMigDeviceHandle)(part, &found) == OK && found == gpu);
	/* The slice, whichever of the two is asked. */
	CHECK(ML(nvmlDeviceGetMemoryInfo)(gpu, &memory) == OK && memory.total == 4 * GIB);
	CHECK(ML(nvmlDeviceGetMemoryInfo)(part, &memory) == OK && memory.total == 4 * GIB);
	CHECK(ML(nvmlDeviceGetGpuInstanceId)(part, &id) == OK);
	count = 4;
	CHECK(ML(nvmlDeviceGetComputeRunningProcesses_v3)(part, &count, list) == OK && count == 2);
	CHECK(list[0].pid == 1 && list[0].gi_id == id && list[0].ci_id == 0);
	CHECK(ML(nvmlDeviceGetGpuInstances)(gpu, 9, NULL, &count) == DV_NVML_NO_PERMISSION);
	fake_stop(fake);
}

/* --- what is not for a tenant --- */

static void denied(void)
{
	struct fake *fake = begin(tenant);
	struct dv_nvml_gpm_support support = {.supported = 9};

#define IS_DENIED(symbol)                                                                          \
	CHECK(((any_call_fn *)nvml_entry(#symbol))(gpu(), 1) == DV_NVML_NO_PERMISSION);
#define IS_HIDDEN(symbol)                                                                          \
	CHECK(((any_call_fn *)nvml_entry(#symbol))(gpu(), 1) == DV_NVML_NOT_SUPPORTED);
	DV_NVML_HOOKS_DENIED(IS_DENIED)
	DV_NVML_HOOKS_HIDDEN(IS_HIDDEN)
	CHECK(((fake_nvml_changes_fn *)nvml_entry("nvmlFakeChanges"))() == 0);
	/* The driver would have done it. */
	CHECK(((any_call_fn *)driver_entry("nvmlDeviceSetComputeMode"))(gpu(), 1) == OK);
	CHECK(((fake_nvml_changes_fn *)nvml_entry("nvmlFakeChanges"))() == 1);
	CHECK(ML(nvmlGpmQueryDeviceSupport)(gpu(), &support) == OK && support.supported == 0);
	fake_stop(fake);
}

TEST(memory)
TEST(memory_used)
TEST(memory_of_the_card)
TEST(devices)
TEST(by_name)
TEST(neighbourhood)
TEST(computing)
TEST(rendering)
TEST(process_list)
TEST(of_one_process)
TEST(how_busy)
TEST(samples)
TEST(processes_use)
TEST(in_partition)
TEST(denied)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_memory_used),
		cmocka_unit_test(test_memory_of_the_card),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_by_name),
		cmocka_unit_test(test_neighbourhood),
		cmocka_unit_test(test_computing),
		cmocka_unit_test(test_rendering),
		cmocka_unit_test(test_process_list),
		cmocka_unit_test(test_of_one_process),
		cmocka_unit_test(test_how_busy),
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_processes_use),
		cmocka_unit_test(test_in_partition),
		cmocka_unit_test(test_denied),
	};

	return cmocka_run_group_tests_name("shim/nvml-slice", tests, NULL, NULL);
}
