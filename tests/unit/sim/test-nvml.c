/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated library, loaded as divvy loads the real one: what it keeps between processes, what
 * becomes of handles, what old libraries lack, faults, and death at a call. */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "../temporary.h"
#include "config.h"
#include "sim/keep.h"
#include "sim/load.h"
#include "sim/tree.h"

#include "tests/gpu/nvml-load.h"

static char dir[64];
static struct dv_sim_machine machine;
static struct dv_sim_state state;
static struct dv_nvml_api nvml;
static void *handle;

static void make(const char *name)
{
	struct dv_error err = {0};
	struct dv_sim_libraries libraries = {0};
	char path[128];

	if (dv_sim_load(DV_SOURCE_DIR "/data", name, &machine, &err) < 0)
		fail_msg("%s", err.msg);
	libraries.nvml = machine.old_calls ? SIM_NVML_OLD : SIM_NVML;
	if (dv_sim_keep_make(dir, &machine, &libraries, &err) < 0)
		fail_msg("%s", err.msg);
	(void)snprintf(path, sizeof(path), "%s/libnvidia-ml.so.1", dir);
	handle = nvml_load(path, &nvml);
	if (!handle)
		fail_msg("%s", dlerror());
}

static int before(void **test_state)
{
	return temporary_make(dir, sizeof(dir), "sim");
}

static int after(void **test_state)
{
	if (handle)
		(void)dlclose(handle);
	handle = NULL;
	return temporary_remove(dir);
}

/* What another process would do to the machine. */
static void meanwhile(void (*act)(const struct dv_sim *sim, void *arg), void *arg)
{
	static struct dv_sim_state seen;
	struct dv_sim sim = {&machine, &state};
	struct dv_sim_keep keep;

	assert_int_equal(dv_sim_keep_begin(dir, &keep, &state, NULL), 0);
	seen = state;
	act(&sim, arg);
	assert_int_equal(dv_sim_keep_end(&keep, &machine, &seen, &state, NULL), 0);
}

static struct dv_nvml_device *gpu_at(uint32_t index)
{
	struct dv_nvml_device *gpu = NULL;

	assert_int_equal(nvml.by_index(index, &gpu), DV_NVML_SUCCESS);
	return gpu;
}

static void turn_on(uint32_t index)
{
	enum dv_nvml_result activation = DV_NVML_UNKNOWN;

	assert_int_equal(nvml.set_mig_mode(gpu_at(index), DV_NVML_MIG_ON, &activation),
			 DV_NVML_SUCCESS);
	assert_int_equal(activation, DV_NVML_SUCCESS);
}

static bool tree_has(const char *path)
{
	char whole[256];

	(void)snprintf(whole, sizeof(whole), "%s/root/%s", dir, path);
	return access(whole, F_OK) == 0;
}

static void test_instances(void **test_state)
{
	const struct dv_nvml_placement place = {4, 4}, wrong = {4, 2};
	struct dv_nvml_gi_info info;
	struct dv_nvml_ci_info ci_info;
	struct dv_nvml_device *mig = NULL;
	struct dv_nvml_gi *gi = NULL;
	struct dv_nvml_ci *ci = NULL, *other = NULL;
	char text[DV_NVML_NAME_SIZE], path[128];

	make("dgx-h100");
	assert_int_equal(nvml.init(), DV_NVML_SUCCESS);
	turn_on(0);
	assert_int_equal(nvml.gi_create_at(gpu_at(0), 9, &wrong, &gi), DV_NVML_INVALID_ARGUMENT);
	assert_int_equal(nvml.gi_create_at(gpu_at(0), 9, &place, &gi), DV_NVML_SUCCESS);
	assert_int_equal(nvml.gi_info(gi, &info), DV_NVML_SUCCESS);
	assert_int_equal(info.placement.start, 4);
	assert_int_equal(nvml.ci_create(gi, 0, &ci), DV_NVML_SUCCESS);
	assert_int_equal(nvml.ci_create(gi, 1, &other), DV_NVML_INSUFFICIENT_RESOURCES);
	assert_int_equal(nvml.ci_create(gi, 0, &other), DV_NVML_SUCCESS);
	assert_int_equal(nvml.ci_info(other, &ci_info), DV_NVML_SUCCESS);
	assert_ptr_equal(ci_info.gi, gi);
	assert_int_equal(ci_info.placement.start, 1);
	assert_int_equal(nvml.mig_by_index(gpu_at(0), 1, &mig), DV_NVML_SUCCESS);
	assert_int_equal(nvml.name(mig, text, sizeof(text)), DV_NVML_SUCCESS);
	assert_string_equal(text, "NVIDIA H100 80GB HBM3 MIG 1c.3g.40gb");
	/* A hole, where one was destroyed. */
	assert_int_equal(nvml.ci_destroy(ci), DV_NVML_SUCCESS);
	assert_int_equal(nvml.ci_destroy(ci), DV_NVML_INVALID_ARGUMENT);
	assert_int_equal(nvml.mig_by_index(gpu_at(0), 0, &mig), DV_NVML_NOT_FOUND);
	assert_int_equal(nvml.mig_by_index(gpu_at(0), 1, &mig), DV_NVML_SUCCESS);
	(void)snprintf(path, sizeof(path),
		       "proc/driver/nvidia/capabilities/gpu8/mig/gi%u/ci1/access", info.id);
	assert_true(tree_has(path));
	(void)snprintf(path, sizeof(path), "dev/nvidia-caps/nvidia-cap%u",
		       dv_sim_capability_minor(8, info.id, 1));
	assert_true(tree_has(path));
	assert_int_equal(nvml.gi_destroy(gi), DV_NVML_IN_USE);
	assert_int_equal(nvml.ci_destroy(other), DV_NVML_SUCCESS);
	assert_int_equal(nvml.gi_destroy(gi), DV_NVML_SUCCESS);
	assert_false(tree_has(path));
	assert_int_equal(nvml.gi_info(gi, &info), DV_NVML_INVALID_ARGUMENT);
}

/* okm nv-caps.c, and what the guide prints of gpu 0, instance 1. */
static void test_capability_minors(void **test_state)
{
	assert_int_equal(dv_sim_capability_minor(0, 1, -1), 12);
	assert_int_equal(dv_sim_capability_minor(0, 1, 2), 15);
	assert_int_equal(dv_sim_capability_minor(31, 14, 7), 4322);
}

/* A toggle resets the GPU: handles from before mean nothing, and the minor number is another. */
static void test_stale_handles(void **test_state)
{
	enum dv_nvml_result activation;
	struct dv_nvml_device *gpu, *other;
	uint32_t before_minor, minor;

	make("dgx-h100");
	assert_int_equal(nvml.init(), DV_NVML_SUCCESS);
	gpu = gpu_at(0);
	other = gpu_at(1);
	assert_int_equal(nvml.minor(gpu, &before_minor), DV_NVML_SUCCESS);
	assert_int_equal(nvml.set_mig_mode(gpu, 1, &activation), DV_NVML_SUCCESS);
	assert_int_equal(nvml.minor(gpu, &minor), DV_NVML_INVALID_ARGUMENT);
	assert_int_equal(nvml.minor(other, &minor), DV_NVML_SUCCESS);
	assert_int_equal(nvml.minor(gpu_at(0), &minor), DV_NVML_SUCCESS);
	assert_int_not_equal(minor, before_minor);
	assert_true(tree_has("dev/nvidia8"));
	assert_false(tree_has("dev/nvidia0"));
}

static void test_old_library(void **test_state)
{
	const struct dv_nvml_placement place = {0, 4};
	struct dv_nvml_gi_profile profile;
	struct dv_nvml_gi *gi;

	make("dgx-a100-r460");
	assert_null(nvml.gi_profile);
	assert_null(nvml.gi_placements);
	assert_null(nvml.compute_processes);
	assert_null(nvml.memory);
	assert_null(nvml.ci_create_at);
	assert_non_null(nvml.gi_create_at);
	assert_int_equal(nvml.init(), DV_NVML_SUCCESS);
	assert_int_equal(nvml.gi_profile_v1(gpu_at(0), 0, &profile), DV_NVML_SUCCESS);
	assert_int_equal(nvml.gi_profile_v1(gpu_at(0), 7, &profile), DV_NVML_NOT_SUPPORTED);
	assert_int_equal(nvml.gi_create_at(gpu_at(0), 5, &place, &gi), DV_NVML_SUCCESS);
	assert_int_equal(nvml.gi_create(gpu_at(0), 9, &gi), DV_NVML_INSUFFICIENT_RESOURCES);
}

static void add_fault(const struct dv_sim *sim, void *arg)
{
	sim->state->faults[0] = *(struct dv_sim_fault *)arg;
}

static void test_faults(void **test_state)
{
	struct dv_sim_fault fault = {.call = "nvmlDeviceGetCount_v2", .nth = 2, .result = 15};
	uint32_t count = 0;

	make("lab-4090");
	assert_int_equal(nvml.init(), DV_NVML_SUCCESS);
	meanwhile(add_fault, &fault);
	assert_int_equal(nvml.count(&count), DV_NVML_SUCCESS);
	assert_int_equal(nvml.count(&count), DV_NVML_GPU_IS_LOST);
	assert_int_equal(nvml.count(&count), DV_NVML_SUCCESS);
	assert_int_equal(count, 2);
}

/* In a child: make an instance. Returns how the child ended. */
static int create_in_child(void)
{
	const struct dv_nvml_placement place = {0, 8};
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		struct dv_nvml_gi *gi;
		struct dv_nvml_device *gpu = NULL;

		if (nvml.init() != DV_NVML_SUCCESS || nvml.by_index(0, &gpu) != DV_NVML_SUCCESS)
			_exit(1);
		_exit(nvml.gi_create_at(gpu, 0, &place, &gi) == DV_NVML_SUCCESS ? 0 : 2);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool has_instance(void)
{
	struct dv_sim sim = {&machine, &state};
	struct dv_sim_keep keep;

	assert_int_equal(dv_sim_keep_begin(dir, &keep, &state, NULL), 0);
	assert_int_equal(dv_sim_keep_end(&keep, &machine, &state, &state, NULL), 0);
	return dv_sim_gi_find(&sim, 0, 0);
}

static void test_death(void **test_state)
{
	struct dv_sim_fault fault = {.call = "nvmlDeviceCreateGpuInstanceWithPlacement",
				     .nth = 1,
				     .action = DV_SIM_KILL_BEFORE};
	int status;

	make("dgx-h100");
	assert_int_equal(nvml.init(), DV_NVML_SUCCESS);
	turn_on(0);
	meanwhile(add_fault, &fault);
	status = create_in_child();
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_false(has_instance());
	fault.action = DV_SIM_KILL_AFTER;
	meanwhile(add_fault, &fault);
	status = create_in_child();
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_true(has_instance());
	/* Each kills once. */
	status = create_in_child();
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 2);
}

/* Many processes at one machine: each instance is made by exactly one of them. */
static void test_many_processes(void **test_state)
{
	enum { CHILDREN = 6 };
	unsigned made = 0;
	pid_t pids[CHILDREN];

	make("dgx-h100");
	assert_int_equal(nvml.init(), DV_NVML_SUCCESS);
	turn_on(0);
	for (unsigned i = 0; i < CHILDREN; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct dv_nvml_device *gpu = NULL;
			struct dv_nvml_gi *gi;
			int own = 0;

			(void)nvml.by_index(0, &gpu);
			while (nvml.gi_create(gpu, 19, &gi) == DV_NVML_SUCCESS)
				own++;
			_exit(own);
		}
		assert_true(pids[i] > 0);
	}
	for (unsigned i = 0; i < CHILDREN; i++) {
		int status = 0;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status));
		made += (unsigned)WEXITSTATUS(status);
	}
	assert_int_equal(made, 7);
}

static void test_processes(void **test_state)
{
	struct dv_nvml_process list[4];
	char name[64];
	uint32_t count = 0;

	make("lab-4090");
	assert_int_equal(nvml.init(), DV_NVML_SUCCESS);
	assert_int_equal(nvml.compute_processes(gpu_at(1), &count, NULL),
			 DV_NVML_INSUFFICIENT_SIZE);
	assert_int_equal(count, 1);
	count = 4;
	assert_int_equal(nvml.compute_processes(gpu_at(1), &count, list), DV_NVML_SUCCESS);
	assert_int_equal(count, 1);
	assert_int_equal(list[0].gi_id, DV_NVML_NO_INSTANCE);
	assert_int_equal(list[0].memory_bytes, UINT64_C(6144) << 20);
	assert_int_equal(nvml.process_name(list[0].pid, name, sizeof(name)), DV_NVML_SUCCESS);
	assert_string_equal(name, "python3");
	count = 4;
	assert_int_equal(nvml.compute_processes(gpu_at(0), &count, list), DV_NVML_SUCCESS);
	assert_int_equal(count, 0);
	count = 4;
	assert_int_equal(nvml.graphics_processes(gpu_at(0), &count, list), DV_NVML_SUCCESS);
	assert_int_equal(count, 1);
}

static void test_counts_wrong(void **test_state)
{
	struct dv_nvml_gi_profile profile;
	uint32_t count = 0;

	make("a30x4");
	assert_int_equal(nvml.init(), DV_NVML_SUCCESS);
	assert_int_equal(nvml.gi_profile_v1(gpu_at(0), 0, &profile), DV_NVML_NOT_SUPPORTED);
	turn_on(0);
	assert_int_equal(nvml.gi_profile_v1(gpu_at(0), 0, &profile), DV_NVML_SUCCESS);
	assert_int_equal(nvml.gi_placements(gpu_at(0), profile.id, NULL, &count), DV_NVML_SUCCESS);
	assert_int_equal(count, 4);
	assert_int_not_equal(profile.instances, count);
}

/* A directory without a machine, and one of another build. */
static void test_no_machine(void **test_state)
{
	char path[128];
	FILE *f;

	make("lab-4090");
	(void)snprintf(path, sizeof(path), "%s/machine", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	(void)fputs("something else", f);
	(void)fclose(f);
	assert_int_equal(nvml.init(), DV_NVML_LIB_RM_VERSION_MISMATCH);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(nvml.init(), DV_NVML_DRIVER_NOT_LOADED);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, before, after)
	const struct CMUnitTest tests[] = {
		EACH(test_instances),	   EACH(test_capability_minors),
		EACH(test_stale_handles),  EACH(test_old_library),
		EACH(test_faults),	   EACH(test_death),
		EACH(test_many_processes), EACH(test_processes),
		EACH(test_counts_wrong),   EACH(test_no_machine),
	};

	return cmocka_run_group_tests_name("sim/nvml", tests, NULL, NULL);
}
