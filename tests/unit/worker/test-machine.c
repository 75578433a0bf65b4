/* SPDX-License-Identifier: Apache-2.0 */
/* The probe on a simulated machine: what divvyd will show of its GPUs; and a driver that crashes or
 * hangs, which is an answer. */
#include "worker/act.h"

#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../temporary.h"
#include "worker/ask.h"

extern char **environ;

static char dir[64], library[96];
static struct dv_root root;

static int sim(const char *verb, const char *a, const char *b, const char *c)
{
	char *argv[] = {(char *)DIVVY_SIM, (char *)verb, dir, (char *)a,
			(char *)b,	   (char *)c,	 NULL};
	int status = 0;
	pid_t pid;

	if (posix_spawn(&pid, DIVVY_SIM, NULL, NULL, argv, environ) != 0 ||
	    waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static int before(void **state)
{
	char path[96];

	if (temporary_make(dir, sizeof(dir), "machine") < 0 ||
	    sim("new", "dgx-h100", NULL, NULL) != 0)
		return -1;
	(void)snprintf(library, sizeof(library), "%s/libnvidia-ml.so.1", dir);
	(void)snprintf(path, sizeof(path), "%s/root", dir);
	return dv_root_open(path, &root, NULL);
}

static int after(void **state)
{
	dv_root_fini(&root);
	return temporary_remove(dir);
}

static struct dv_worker_result probe(void)
{
	const struct dv_method_env env = {.root = &root, .nvml = library};
	const struct dv_cpu_config no_cpu = {.enabled = false};
	struct dv_worker_result result = {0};
	struct dv_error err = {0};

	if (dv_worker_probe(&env, &no_cpu, &result, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(result.gpus.len, 8);
	return result;
}

static void test_probe(void **state)
{
	struct dv_worker_result result = probe();
	const struct dv_gpu *gpu = &result.gpus.items[1];

	assert_string_equal(gpu->id, "1");
	assert_string_equal(gpu->address, "0000:43:00.0");
	assert_int_equal(strncmp(gpu->uuid, "GPU-", 4), 0);
	assert_string_equal(gpu->product, "NVIDIA H100 80GB HBM3");
	assert_string_equal(gpu->driver, "nvidia 580.95.05");
	assert_true(gpu->memory_bytes > UINT64_C(70) << 30);
	assert_int_equal(gpu->memory_slices, 8);
	assert_int_equal(gpu->mig.mode, DV_MIG_OFF);
	assert_int_equal(gpu->mig.profile_count, 7);
	assert_non_null(dv_mig_find(&gpu->mig, "3g.40gb"));
	dv_worker_result_fini(&result);
}

static void make_two(const char *uuid)
{
	const uint32_t starts[] = {0, 2};
	struct dv_nvml *nvml = NULL;
	enum dv_mig_when when;
	uint32_t gi = 0, ci;

	assert_int_equal(dv_nvml_open(library, &nvml, NULL), 0);
	assert_int_equal(dv_nvml_set_mig(nvml, uuid, true, &when, NULL), 0);
	assert_int_equal(dv_nvml_create(nvml, uuid, 9, 4, &gi, NULL), 0);
	for (size_t i = 0; i < 2; i++) {
		const struct dv_mig_part_wish wish = {gi, 1, starts[i]};

		assert_int_equal(dv_nvml_create_part(nvml, uuid, &wish, &ci, NULL), 0);
	}
	dv_nvml_close(nvml);
}

/* The rights on what is there, by the minor number that the GPU has now: a new mode moved it. */
static void test_rights(void **state)
{
	struct dv_worker_result result = probe();
	uint32_t old_minor = result.gpus.items[1].mig.minor;
	const struct dv_mig *mig;
	char node[128];

	make_two(result.gpus.items[1].uuid);
	dv_worker_result_fini(&result);
	result = probe();
	mig = &result.gpus.items[1].mig;
	assert_int_not_equal(mig->minor, old_minor);
	assert_int_equal(mig->compute_count, 2);
	/* open-gpu-kernel-modules, nv-caps.c: 3 + 135 GPU + 9 GI, then one for each CI */
	assert_int_equal(mig->instances[0].right.minor,
			 3 + 135 * mig->minor + 9 * mig->instances[0].id);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(mig->computes[i].right.minor,
				 mig->instances[0].right.minor + 1 + mig->computes[i].id);
		assert_true(mig->computes[i].right.node);
	}
	/* The driver does not make the nodes: that one is not there is seen. */
	(void)snprintf(node, sizeof(node), "%s/root/dev/nvidia-caps/nvidia-cap%u", dir,
		       mig->computes[0].right.minor);
	dv_worker_result_fini(&result);
	assert_int_equal(unlink(node), 0);
	result = probe();
	mig = &result.gpus.items[1].mig;
	assert_false(mig->computes[0].right.node);
	assert_true(mig->computes[1].right.node && mig->computes[0].right.minor);
	dv_worker_result_fini(&result);
}

/* What keeps the library from an answer is said of each GPU, and the probe goes on. */
static void test_no_answer(void **state)
{
	struct dv_worker_result result;

	assert_int_equal(sim("fault", "nvmlInit_v2", "1", "9"), 0);
	result = probe();
	assert_non_null(strstr(dv_gpu_method(&result.gpus.items[7], DV_METHOD_SLICE)->why,
			       "driver is not loaded"));
	assert_int_equal(result.gpus.items[7].mig.mode, DV_MIG_NONE);
	assert_string_equal(result.gpus.items[7].product, "NVIDIA H100 80GB HBM3"); /* /proc says */
	dv_worker_result_fini(&result);
}

static void test_crash(void **state)
{
	dv_autofree struct dv_worker_nvml *found = calloc(1, sizeof(*found));
	struct dv_error err = {0};

	assert_non_null(found);
	assert_int_equal(sim("fault", "nvmlDeviceGetCount_v2", "1", "kill-before"), 0);
	assert_int_equal(dv_worker_ask_nvml(library, 60000, found, &err), -EIO);
	assert_string_equal(err.rule, "M09");
	assert_non_null(strstr(err.msg, "NVIDIA driver crashed"));
	assert_true(err.fix[0]);
	assert_int_equal(found->count, 0);
	assert_int_equal(dv_worker_ask_nvml(library, 60000, found, NULL), 0);
	assert_int_equal(found->count, 8);
	assert_string_equal(found->driver, "580.95.05");
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, before, after)
	const struct CMUnitTest tests[] = {EACH(test_probe), EACH(test_rights),
					   EACH(test_no_answer), EACH(test_crash)};

	return cmocka_run_group_tests_name("worker/machine", tests, NULL, NULL);
}
