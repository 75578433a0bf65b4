/* SPDX-License-Identifier: Apache-2.0 */
/* Every way in comes to the same functions, what is not hooked is the driver's, every call of the
 * simulated library is one or the other by intent, and the lease alone says what is shown. */
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "nvml-program.h"
#include "shim/nvml/hooks.h"

/* --- ways in --- */

/* Sanitizers refuse RTLD_DEEPBIND and another namespace. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define NOT_UNDER_SANITIZERS()                                                                     \
	do {                                                                                       \
		fprintf(stderr, "skipped under a sanitizer: %s\n", __func__);                      \
		return;                                                                            \
	} while (0)
#else
#define NOT_UNDER_SANITIZERS() (void)0
#endif

static void by_name_again(void)
{
	struct fake *fake = begin((struct fake_config){.limit_bytes = 77});
	void *again = dlopen("libnvidia-ml.so.1", RTLD_NOW);

	/* By the bare name it is the one that is there. */
	CHECK(again &&
	      dlsym(again, "nvmlDeviceGetMemoryInfo") == dlsym(nvml, "nvmlDeviceGetMemoryInfo"));
	fake_stop(fake);
}

static void by_handle(void)
{
	struct dv_nvml_memory memory;
	void *deep, *apart;
	nvmlDeviceGetMemoryInfo_fn *ask;
	struct fake *fake;

	NOT_UNDER_SANITIZERS();
	fake = begin((struct fake_config){.limit_bytes = 77});
	deep = dlopen(nvml_path, RTLD_NOW | RTLD_DEEPBIND);
	CHECK(deep);
	ask = (nvmlDeviceGetMemoryInfo_fn *)dlsym(deep, "nvmlDeviceGetMemoryInfo");
	CHECK(ask && ask(gpu(), &memory) == OK && memory.total == 77);
	/* Another namespace has its own of everything, the lease's client included. */
	apart = dlmopen(LM_ID_NEWLM, nvml_path, RTLD_NOW);
	CHECK(apart);
	nvml = apart;
	CHECK(ML(nvmlInit_v2)() == OK);
	CHECK(ML(nvmlDeviceGetMemoryInfo)(gpu(), &memory) == OK && memory.total == 77);
	fake_stop(fake);
}

static void not_invented_yet(void)
{
	struct fake *fake = begin((struct fake_config){.limit_bytes = 77});
	char version[DV_NVML_VERSION_SIZE];

	CHECK(((fake_nvml_new_thing_fn *)nvml_entry("nvmlNewThing"))() == 4242);
	CHECK(!dlsym(nvml, "nvmlNoSuchThing"));
	CHECK(ML(nvmlSystemGetDriverVersion)(version, sizeof(version)) == OK);
	CHECK(strcmp(version, "580.95.05") == 0);
	fake_stop(fake);
}

/* Above the plain simulated library, which lacks what later drivers have. */
static void what_the_driver_lacks(void)
{
	struct dv_nvml_device *device = NULL;
	struct fake *fake = lease((struct fake_config){.limit_bytes = 77});
	uint32_t count = 5;

	nvml_place(getenv("DIVVY_TEST_SIM"));
	nvml_open();
	CHECK(ML(nvmlDeviceGetCount_v2)(&count) == DV_NVML_UNINITIALIZED);
	CHECK(ML(nvmlDeviceGetHandleByIndex_v2)(0, &device) == DV_NVML_UNINITIALIZED);
	CHECK(ML(nvmlInit)() == OK);
	CHECK(ML(nvmlInitWithFlags)(0) == OK);
	CHECK(ML(nvmlUnitGetCount)(&count) == DV_NVML_FUNCTION_NOT_FOUND);
	CHECK(ML(nvmlGpmQueryDeviceSupport)(gpu(), NULL) == DV_NVML_FUNCTION_NOT_FOUND);
	/* As often as it was begun. */
	CHECK(ML(nvmlShutdown)() == OK && ML(nvmlShutdown)() == OK);
	CHECK(ML(nvmlDeviceGetCount_v2)(&count) == DV_NVML_UNINITIALIZED);
	fake_stop(fake);
}

/* --- every call of the simulated library, list by list --- */

#define NAME(symbol) #symbol,
static const char *const hooked[] = {DV_NVML_HOOKS_SLICE(NAME) DV_NVML_HOOKS_DENIED(NAME)
					     DV_NVML_HOOKS_HIDDEN(NAME)};

/* The driver's own, as they are: none of them tells of another tenant or device, or changes the
 * card. */
static const char *const passed[] = {
	/* the library and the machine's driver */
	"nvmlShutdown", "nvmlErrorString", "nvmlSystemGetDriverVersion", "nvmlSystemGetNVMLVersion",
	"nvmlSystemGetCudaDriverVersion", "nvmlSystemGetCudaDriverVersion_v2",
	/* what the GPU is */
	"nvmlDeviceGetName", "nvmlDeviceGetUUID", "nvmlDeviceGetSerial",
	"nvmlDeviceGetVbiosVersion", "nvmlDeviceGetMinorNumber", "nvmlDeviceGetBrand",
	"nvmlDeviceGetArchitecture", "nvmlDeviceGetCudaComputeCapability",
	"nvmlDeviceGetNumGpuCores", "nvmlDeviceGetPciInfo", "nvmlDeviceGetPciInfo_v2",
	"nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetNumaNodeId", "nvmlDeviceGetVirtualizationMode",
	"nvmlDeviceGetAttributes", "nvmlDeviceGetAttributes_v2", "nvmlDeviceGetGpuFabricInfo",
	/* the card's state, which all of its tenants share */
	"nvmlDeviceGetBAR1MemoryInfo", "nvmlDeviceGetPersistenceMode", "nvmlDeviceGetComputeMode",
	"nvmlDeviceGetDisplayMode", "nvmlDeviceGetDisplayActive", "nvmlDeviceGetEccMode",
	"nvmlDeviceGetTemperature", "nvmlDeviceGetTemperatureThreshold", "nvmlDeviceGetFanSpeed",
	"nvmlDeviceGetPowerUsage", "nvmlDeviceGetEnforcedPowerLimit",
	"nvmlDeviceGetPowerManagementLimit", "nvmlDeviceGetPerformanceState",
	"nvmlDeviceGetClockInfo", "nvmlDeviceGetMaxClockInfo",
	"nvmlDeviceGetCurrPcieLinkGeneration", "nvmlDeviceGetCurrPcieLinkWidth",
	"nvmlDeviceGetMaxPcieLinkGeneration", "nvmlDeviceGetMaxPcieLinkWidth",
	"nvmlDeviceGetPcieThroughput", "nvmlDeviceGetNvLinkState", "nvmlDeviceGetFieldValues",
	"nvmlDeviceGetSupportedEventTypes", "nvmlEventSetCreate", "nvmlDeviceRegisterEvents",
	"nvmlEventSetWait_v2", "nvmlEventSetFree",
	/* MIG: what a GPU can be divided in, and what one says of a part by its handle */
	"nvmlDeviceGetMigMode", "nvmlDeviceIsMigDeviceHandle", "nvmlDeviceGetGpuInstanceId",
	"nvmlDeviceGetComputeInstanceId", "nvmlDeviceGetDeviceHandleFromMigDeviceHandle",
	"nvmlDeviceGetGpuInstanceProfileInfo", "nvmlDeviceGetGpuInstanceProfileInfoV",
	"nvmlDeviceGetGpuInstanceProfileInfoByIdV", "nvmlDeviceGetGpuInstancePossiblePlacements",
	"nvmlDeviceGetGpuInstancePossiblePlacements_v2", "nvmlGpuInstanceGetInfo",
	"nvmlGpuInstanceGetComputeInstanceProfileInfo",
	"nvmlGpuInstanceGetComputeInstanceProfileInfoV",
	"nvmlGpuInstanceGetComputeInstancePossiblePlacements", "nvmlComputeInstanceGetInfo",
	"nvmlComputeInstanceGetInfo_v2"};

static unsigned times_in(const char *name, const char *const *list, size_t count)
{
	unsigned times = 0;

	for (size_t i = 0; i < count; i++)
		times += strcmp(list[i], name) == 0;
	return times;
}

/* Call `see` for each function that a library's file exports; returns how many. */
static unsigned exports(const char *path, void (*see)(const char *name))
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	const char *file;
	const Elf64_Ehdr *header;
	const Elf64_Shdr *sections;
	unsigned count = 0;

	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(file != MAP_FAILED);
	header = (const void *)file;
	sections = (const void *)(file + header->e_shoff);
	for (unsigned i = 0; i < header->e_shnum; i++) {
		const Elf64_Sym *symbols = (const void *)(file + sections[i].sh_offset);
		const char *names = file + sections[sections[i].sh_link].sh_offset;

		if (sections[i].sh_type != SHT_DYNSYM)
			continue;
		for (size_t k = 0; k < sections[i].sh_size / sizeof(symbols[0]); k++) {
			if (ELF64_ST_TYPE(symbols[k].st_info) != STT_FUNC || !symbols[k].st_shndx)
				continue;
			see(names + symbols[k].st_name);
			count++;
		}
	}
	close(fd);
	return count;
}

static void see_one(const char *name)
{
	const unsigned hooks = times_in(name, hooked, DV_ARRAY_LEN(hooked));
	const unsigned passes = times_in(name, passed, DV_ARRAY_LEN(passed));
	void *here = nvml_entry(name), *drivers = driver_entry(name);
	Dl_info info;

	if (hooks + passes != 1)
		fprintf(stderr, "%s: in %u lists of hooks and %u that pass\n", name, hooks, passes);
	CHECK(hooks + passes == 1);
	CHECK(drivers && dladdr(here, &info) && info.dli_fname);
	if ((here == drivers) != (passes == 1))
		fprintf(stderr, "%s comes to %s\n", name, info.dli_fname);
	CHECK((here == drivers) == (passes == 1));
	CHECK((strcmp(info.dli_fname, nvml_path) == 0) == (hooks == 1));
}

static void every_call(void)
{
	struct fake *fake = lease((struct fake_config){.limit_bytes = 77});

	nvml_place(getenv("DIVVY_TEST_SIM"));
	nvml_open();
	CHECK(exports(getenv("DIVVY_TEST_SIM"), see_one) > 90);
	/* Nothing stands in the lists that is not there. */
	for (size_t i = 0; i < DV_ARRAY_LEN(passed); i++)
		CHECK(driver_entry(passed[i]));
	for (size_t i = 0; i < DV_ARRAY_LEN(hooked); i++)
		CHECK(times_in(hooked[i], hooked, DV_ARRAY_LEN(hooked)) == 1);
	fake_stop(fake);
}

/* --- the lease --- */

static void no_lease(void)
{
	uint32_t count = 5;
	void *device = &count;

	unsetenv("DIVVY_LEASE_SOCKET");
	nvml_place(getenv("DIVVY_TEST_DRIVER"));
	nvml_open();
	CHECK(ML(nvmlInit_v2)() == DV_NVML_NO_PERMISSION);
	CHECK(ML(nvmlInit)() == DV_NVML_NO_PERMISSION);
	CHECK(ML(nvmlInitWithFlags)(0) == DV_NVML_NO_PERMISSION);
	/* Not even for one who gets the driver going by another way. */
	CHECK(((nvmlInit_v2_fn *)driver_entry("nvmlInit_v2"))() == OK);
	CHECK(ML(nvmlDeviceGetCount_v2)(&count) == DV_NVML_NO_PERMISSION && count == 0);
	CHECK(ML(nvmlDeviceGetHandleByIndex_v2)(0, (struct dv_nvml_device **)&device) ==
	      DV_NVML_NO_PERMISSION);
	CHECK(device == &count);
}

static void refused(void)
{
	struct fake *fake = lease((struct fake_config){.limit_bytes = 77});

	fake_refuse(fake, DV_REFUSAL_PEER);
	nvml_place(getenv("DIVVY_TEST_DRIVER"));
	nvml_open();
	CHECK(ML(nvmlInit_v2)() == DV_NVML_NO_PERMISSION);
	fake_stop(fake);
}

static bool has_clients(const struct fake_stats *stats, uint64_t count)
{
	return stats->clients == count;
}

/* It only looks, is one client, and what the environment says does not matter to it. */
static void who_it_is(void)
{
	struct fake_stats stats;
	struct dv_nvml_memory memory;
	struct fake *fake;

	setenv("CUDA_VISIBLE_DEVICES", OTHER, 1);
	setenv("NVIDIA_VISIBLE_DEVICES", OTHER, 1);
	setenv("DIVVY_MEMORY_LIMIT", "999", 1);
	fake = begin((struct fake_config){.limit_bytes = 77});
	fake_stats(fake, &stats);
	CHECK(stats.last_layer == DV_LAYER_NVML && stats.last_held == 0 && stats.hellos == 1);
	CHECK(ML(nvmlDeviceGetMemoryInfo)(gpu(), &memory) == OK && memory.total == 77);
	CHECK(stats.reserves == 0 && stats.wants == 0);
	fake_stop(fake);
}

static void divvyd_away(void)
{
	struct fake_config config = {.limit_bytes = 77,
				     .processes = {{.pid = 5, .own_pid = 5, .bytes = 1}}};
	struct fake *fake = begin(config);
	struct dv_nvml_utilization use;
	struct dv_nvml_process list[2];
	struct dv_nvml_memory memory;
	struct dv_nvml_device *device = gpu();
	uint32_t count = 2;

	fake_die(fake);
	/* The limit is what it was; what changes is not known now, and nobody waits. */
	CHECK(ML(nvmlDeviceGetMemoryInfo)(device, &memory) == OK && memory.total == 77);
	CHECK(ML(nvmlDeviceGetComputeRunningProcesses_v3)(device, &count, list) ==
	      DV_NVML_NOT_READY);
	CHECK(ML(nvmlDeviceGetUtilizationRates)(device, &use) == DV_NVML_NOT_READY);
	CHECK(gpu() == device);
	fake_revive(fake);
	CHECK(fake_wait(fake, has_clients, 1));
	for (int i = 0; i < 500; i++) {
		count = 2;
		if (ML(nvmlDeviceGetComputeRunningProcesses_v3)(device, &count, list) == OK)
			break;
		usleep(10000);
	}
	CHECK(count == 1 && list[0].pid == 5);
	CHECK(gpu() == device);
	fake_stop(fake);
}

static void lease_ends(void)
{
	struct fake *fake = begin((struct fake_config){.limit_bytes = 77});
	struct dv_nvml_memory memory = {1, 1, 1};
	struct dv_nvml_device *device = gpu(), *found = NULL;
	struct dv_nvml_utilization use;
	enum dv_nvml_result r = OK;

	fake_end_lease(fake);
	for (int i = 0; i < 500 && r != DV_NVML_NO_PERMISSION; i++) {
		r = ML(nvmlDeviceGetHandleByIndex_v2)(0, &found);
		usleep(10000);
	}
	CHECK(r == DV_NVML_NO_PERMISSION);
	CHECK(ML(nvmlDeviceGetMemoryInfo)(device, &memory) == DV_NVML_NO_PERMISSION);
	CHECK(memory.total == 0 && memory.used == 0 && memory.free == 0);
	CHECK(ML(nvmlDeviceGetUtilizationRates)(device, &use) == DV_NVML_NO_PERMISSION);
	CHECK(ML(nvmlDeviceGetHandleByUUID)(OWN, &found) == DV_NVML_NO_PERMISSION);
	CHECK(ML(nvmlShutdown)() == OK);
	fake_stop(fake);
}

/* --- a good guest --- */

static void child_of_a_fork(void)
{
	struct dv_nvml_memory memory;
	struct fake *fake;
	pid_t pid;

	NOT_UNDER_TSAN();
	fake = begin((struct fake_config){.limit_bytes = 77});
	pid = fork();
	if (pid == 0) {
		CHECK(ML(nvmlDeviceGetMemoryInfo)(gpu(), &memory) == OK && memory.total == 77);
		_exit(0);
	}
	CHECK(ended_well(pid));
	CHECK(ML(nvmlDeviceGetMemoryInfo)(gpu(), &memory) == OK && memory.total == 77);
	fake_stop(fake);
}

/* Calls that succeed and calls that fail; nothing of it is to be seen but their answers. */
static void leaves_no_trace(void)
{
	struct fake *fake = begin((struct fake_config){.limit_bytes = 77});
	struct dv_nvml_process list[2];
	struct dv_nvml_device *device;
	struct dv_nvml_utilization use;
	uint32_t count = 2;
	int said[2], before = dup(2);
	char buf;

	CHECK(pipe2(said, O_NONBLOCK) == 0);
	CHECK(dup2(said[1], 1) == 1 && dup2(said[1], 2) == 2);
	errno = 7;
	(void)ML(nvmlInit_v2)();
	(void)ML(nvmlDeviceGetCount_v2)(&count);
	(void)ML(nvmlDeviceGetHandleByUUID)("GPU-x", &device);
	(void)ML(nvmlDeviceGetComputeRunningProcesses_v3)(gpu(), &count, list);
	(void)ML(nvmlDeviceGetGraphicsRunningProcesses_v3)(gpu(), &count, list);
	(void)ML(nvmlDeviceGetUtilizationRates)(gpu(), &use);
	(void)((any_call_fn *)nvml_entry("nvmlDeviceSetPowerManagementLimit"))(gpu(), 1);
	fake_die(fake);
	(void)ML(nvmlDeviceGetComputeRunningProcesses_v3)(gpu(), &count, list);
	(void)ML(nvmlShutdown)();
	CHECK(errno == 7);
	CHECK(dup2(before, 2) == 2);
	CHECK(read(said[0], &buf, 1) < 0 && errno == EAGAIN);
	fake_stop(fake);
}

TEST(by_name_again)
TEST(by_handle)
TEST(not_invented_yet)
TEST(what_the_driver_lacks)
TEST(every_call)
TEST(no_lease)
TEST(refused)
TEST(who_it_is)
TEST(divvyd_away)
TEST(lease_ends)
TEST(child_of_a_fork)
TEST(leaves_no_trace)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_name_again),
		cmocka_unit_test(test_by_handle),
		cmocka_unit_test(test_not_invented_yet),
		cmocka_unit_test(test_what_the_driver_lacks),
		cmocka_unit_test(test_every_call),
		cmocka_unit_test(test_no_lease),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_who_it_is),
		cmocka_unit_test(test_divvyd_away),
		cmocka_unit_test(test_lease_ends),
		cmocka_unit_test(test_child_of_a_fork),
		cmocka_unit_test(test_leaves_no_trace),
	};

	return cmocka_run_group_tests_name("shim/nvml-ways", tests, NULL, NULL);
}
