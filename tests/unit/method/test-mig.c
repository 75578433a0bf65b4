/* SPDX-License-Identifier: Apache-2.0 */
/* Steps of MIG on a simulated machine: partitions and their compute instances are made, ended and
 * undone, whatever was there or was cut off. */
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "../temporary.h"
#include "base/str.h"
#include "device/nvml.h"
#include "method/method.h"

extern char **environ;

static char dir[64], library[96], uuid[DV_UUID_SIZE];
static struct dv_root root;
static struct dv_gpu gpu;

static int sim(const char *verb, const char *a, const char *b, const char *c)
{
	char *argv[] = {(char *)DIVVY_SIM, (char *)verb, dir, (char *)a,
			(char *)b,	   (char *)c,	 NULL};
	posix_spawn_file_actions_t actions;
	int status = 0;
	pid_t pid;

	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	assert_int_equal(posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", 1, 0), 0);
	assert_int_equal(posix_spawn(&pid, DIVVY_SIM, &actions, NULL, argv, environ), 0);
	(void)posix_spawn_file_actions_destroy(&actions);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int hold(const char *gi, const char *ci)
{
	char *argv[] = {(char *)DIVVY_SIM, (char *)"hold",    dir,
			(char *)"0",	   (char *)"python3", (char *)"compute",
			(char *)gi,	   (char *)ci,	      NULL};
	int status = 0;
	pid_t pid;

	assert_int_equal(posix_spawn(&pid, DIVVY_SIM, NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Sets `gpu` to what GPU 0 is now. */
static const struct dv_mig *look(void)
{
	struct dv_nvml_gpus gpus = {0};
	struct dv_nvml *nvml = NULL;
	struct dv_error err = {0};

	if (dv_nvml_open(library, &nvml, &err) < 0 || dv_nvml_observe(nvml, &gpus, &err) < 0)
		fail_msg("%s", err.msg);
	gpu.kind = DV_GPU_NVIDIA;
	gpu.mig = gpus.items[0].mig;
	(void)dv_copy(gpu.id, sizeof(gpu.id), "0");
	(void)dv_copy(gpu.uuid, sizeof(gpu.uuid), gpus.items[0].uuid);
	(void)dv_copy(uuid, sizeof(uuid), gpus.items[0].uuid);
	dv_vec_fini(&gpus);
	dv_nvml_close(nvml);
	return &gpu.mig;
}

static int before(void **state)
{
	char path[96];

	if (temporary_make(dir, sizeof(dir), "method") < 0 ||
	    sim("new", "dgx-h100", NULL, NULL) != 0)
		return -1;
	(void)snprintf(library, sizeof(library), "%s/libnvidia-ml.so.1", dir);
	(void)snprintf(path, sizeof(path), "%s/root", dir);
	(void)look();
	return dv_root_open(path, &root, NULL);
}

static int after(void **state)
{
	dv_root_fini(&root);
	return temporary_remove(dir);
}

static struct dv_lease lease_of(const char *place, const char *profile)
{
	struct dv_lease lease = {.method = DV_METHOD_MIG};

	(void)snprintf(lease.node, sizeof(lease.node), "%s%s", uuid, place);
	(void)dv_copy(lease.name, sizeof(lease.name), "a");
	(void)dv_copy(lease.gpu_uuid, sizeof(lease.gpu_uuid), uuid);
	(void)dv_copy(lease.profile, sizeof(lease.profile), profile);
	return lease;
}

static int act(const char *op, const char *place, const char *profile, bool undo,
	       struct dv_error *err)
{
	const struct dv_method_env env = {.root = &root, .nvml = library};
	const struct dv_method_ops *ops = dv_method_ops(DV_METHOD_MIG);
	struct dv_step step = {.id = 1, .start = -1, .size = -1, .lease = lease_of(place, profile)};

	(void)dv_copy(step.op, sizeof(step.op), op);
	(void)dv_copy(step.gpu_uuid, sizeof(step.gpu_uuid), uuid);
	return (undo ? ops->undo : ops->commit)(&env, &gpu, &step, err);
}

static void must(const char *op, const char *place, const char *profile, bool undo)
{
	struct dv_error err = {0};

	if (act(op, place, profile, undo, &err) < 0)
		fail_msg("%s%s: %s", op, place, err.msg);
}

static void test_parts(void **state)
{
	struct dv_attach attach;
	struct dv_lease lease;
	struct dv_error err = {0};
	const struct dv_mig *mig;
	char node[64];
	bool first;

	must("mig.enable", "", "", false);
	must("mig.ci_create", "/p4+4/c0+2", "2c.3g.40gb", false);
	must("mig.ci_create", "/p4+4/c2+1", "1c.3g.40gb", false);
	must("mig.ci_create", "/p4+4/c2+1", "1c.3g.40gb", false); /* once more is nothing more */
	mig = look();
	assert_int_equal(mig->instance_count, 1);
	assert_string_equal(mig->instances[0].profile, "3g.40gb");
	assert_int_equal(mig->compute_count, 2);
	/* What the driver says of an instance that is there. */
	assert_int_equal(dv_mig_find(mig, "3g.40gb")->parts[1], 0x7);
	assert_false(dv_mig_find(mig, "3g.40gb")->parts_derived);

	/* A tenant is given its own. */
	lease = lease_of("/p4+4/c0+2", "2c.3g.40gb");
	assert_int_equal(dv_method_ops(DV_METHOD_MIG)->attach(&gpu, &lease, NULL, &attach, NULL),
			 0);
	assert_string_equal(strchr(attach.env[0], '=') + 1,
			    dv_mig_compute_at(mig, mig->instances[0].id, 0, 2)->uuid);
	lease = lease_of("/p4+4/c1+1", "1c.3g.40gb");
	assert_int_equal(dv_method_ops(DV_METHOD_MIG)->attach(&gpu, &lease, NULL, &attach, &err),
			 -EAGAIN);

	/* A first part is not the whole of it, which somebody has a lease of. */
	lease = lease_of("/p4+4", "3g.40gb");
	err = (struct dv_error){0};
	assert_int_equal(dv_method_ops(DV_METHOD_MIG)->attach(&gpu, &lease, NULL, &attach, &err),
			 -EAGAIN);
	assert_string_equal(err.rule, "S20");

	/* And the nodes of its own, where the rights are known. */
	lease = lease_of("/p4+4/c0+2", "2c.3g.40gb");
	assert_int_equal(attach.device_count, 0);
	gpu.mig.minor = 3;
	gpu.mig.instances[0].right = (struct dv_mig_right){417, true};
	for (unsigned i = 0; i < 2; i++)
		gpu.mig.computes[i].right =
			(struct dv_mig_right){418 + gpu.mig.computes[i].id, i == 0};
	assert_int_equal(dv_method_ops(DV_METHOD_MIG)->attach(&gpu, &lease, NULL, &attach, NULL),
			 0);
	assert_int_equal(attach.device_count, 5);
	assert_string_equal(attach.devices[0], "/dev/nvidia3");
	assert_string_equal(attach.devices[3], "/dev/nvidia-caps/nvidia-cap417");
	(void)snprintf(node, sizeof(node), "/dev/nvidia-caps/nvidia-cap%u",
		       418 + dv_mig_compute_at(mig, mig->instances[0].id, 0, 2)->id);
	assert_string_equal(attach.devices[4], node);
	/* The node of one of the two is not there yet, and is said to who has it alone. */
	first = attach.note[0];
	lease = lease_of("/p4+4/c2+1", "1c.3g.40gb");
	assert_int_equal(dv_method_ops(DV_METHOD_MIG)->attach(&gpu, &lease, NULL, &attach, NULL),
			 0);
	assert_true(first != (attach.note[0] != 0));

	/* There is no room where one is, nor all of it while there are parts. */
	assert_true(act("mig.ci_create", "/p4+4/c1+1", "1c.3g.40gb", false, &err) < 0);
	err = (struct dv_error){0};
	assert_int_equal(act("mig.create", "/p4+4", "3g.40gb", false, &err), -EBUSY);
	assert_string_equal(err.rule, "S12");
	assert_int_equal(look()->compute_count, 2);

	/* One goes, and the partition with the last. */
	must("mig.ci_destroy", "/p4+4/c0+2", "2c.3g.40gb", false);
	assert_int_equal(look()->compute_count, 1);
	must("mig.ci_create", "/p4+4/c2+1", "1c.3g.40gb", true);
	assert_int_equal(look()->instance_count, 0);
	must("mig.ci_destroy", "/p4+4/c0+2", "2c.3g.40gb", false); /* gone already */
	must("mig.ci_destroy", "/p4+4/c0+2", "2c.3g.40gb", true);
	assert_int_equal(look()->compute_count, 1);
}

/* A place that the driver does not have, or a driver that fails: nothing of it stays. */
static void test_nothing_is_left(void **state)
{
	struct dv_error err = {0};

	must("mig.enable", "", "", false);
	assert_true(act("mig.ci_create", "/p4+4/c1+2", "2c.3g.40gb", false, &err) < 0);
	assert_int_equal(look()->instance_count, 0);
	assert_int_equal(
		sim("fault", "nvmlGpuInstanceCreateComputeInstanceWithPlacement", "1", "999"), 0);
	assert_int_equal(act("mig.ci_create", "/p4+4/c0+1", "1c.3g.40gb", false, NULL), -EIO);
	assert_int_equal(look()->instance_count, 0);
	/* Of a partition that others have a part of only the part. */
	must("mig.ci_create", "/p4+4/c0+1", "1c.3g.40gb", false);
	assert_int_equal(
		sim("fault", "nvmlGpuInstanceCreateComputeInstanceWithPlacement", "1", "999"), 0);
	assert_int_equal(act("mig.ci_create", "/p4+4/c2+1", "1c.3g.40gb", false, NULL), -EIO);
	assert_int_equal(look()->compute_count, 1);
}

/* Who is in one part does not keep the other from ending. */
static void test_in_use(void **state)
{
	const struct dv_mig *mig;
	struct dv_error err = {0};
	char gi[16], ci[16];

	must("mig.enable", "", "", false);
	must("mig.ci_create", "/p4+4/c0+1", "1c.3g.40gb", false);
	must("mig.ci_create", "/p4+4/c2+1", "1c.3g.40gb", false);
	mig = look();
	(void)snprintf(gi, sizeof(gi), "%u", mig->instances[0].id);
	(void)snprintf(ci, sizeof(ci), "%u",
		       dv_mig_compute_at(mig, mig->instances[0].id, 2, 1)->id);
	assert_int_equal(hold(gi, ci), 0);
	assert_int_equal(act("mig.ci_destroy", "/p4+4/c2+1", "1c.3g.40gb", false, &err), -EBUSY);
	assert_string_equal(err.rule, "M05");
	assert_non_null(strstr(err.msg, "python3"));
	must("mig.ci_destroy", "/p4+4/c0+1", "1c.3g.40gb", false);
	assert_int_equal(look()->compute_count, 1);
}

static const struct dv_nvml *driver(struct dv_nvml **ret)
{
	assert_int_equal(dv_nvml_open(library, ret, NULL), 0);
	return *ret;
}

/* Somebody ends the whole compute instance of the first partition and puts one of a slice there. */
static void cut_anew(void)
{
	const struct dv_mig *mig = look();
	struct dv_mig_part_wish wish = {mig->instances[0].id, 1, 0};
	struct dv_nvml *nvml = NULL;
	uint32_t id;

	assert_int_equal(
		dv_nvml_destroy_part(driver(&nvml), uuid, wish.instance, mig->computes[0].id, NULL),
		0);
	assert_int_equal(dv_nvml_create_part(nvml, uuid, &wish, &id, NULL), 0);
	dv_nvml_close(nvml);
	assert_int_equal(look()->computes[0].size, 1);
}

/* A compute instance in the place of the lease's is somebody's: it stays, and so does what it is
 * in.
 */
static void test_cut_anew(void **state)
{
	struct dv_error err = {0};

	must("mig.enable", "", "", false);
	must("mig.create", "/p4+4", "3g.40gb", false);
	cut_anew();
	assert_int_equal(act("mig.destroy", "/p4+4", "3g.40gb", false, &err), -EBUSY);
	assert_string_equal(err.rule, "M05");
	assert_non_null(strstr(err.msg, "compute instance of 1 slice at 0"));
	assert_non_null(strstr(err.fix, "-dci"));
	assert_int_equal(look()->compute_count, 1);
	/* One that could not be made there has nothing there to be undone. */
	err = (struct dv_error){0};
	assert_int_equal(act("mig.create", "/p4+4", "3g.40gb", false, &err), -EBUSY);
	must("mig.create", "/p4+4", "3g.40gb", true);
	assert_int_equal(look()->compute_count, 1);
	assert_int_equal(look()->instance_count, 1);
}

static bool vacates; /* all others in the partition end with it */

static int act_on_slice(const char *op, bool undo, bool alone, struct dv_error *err)
{
	const struct dv_method_env env = {.root = &root, .nvml = library};
	const struct dv_method_ops *ops = dv_method_ops(DV_METHOD_SLICE);
	struct dv_step step = {.id = 1,
			       .start = -1,
			       .size = -1,
			       .alone = alone,
			       .vacates = vacates,
			       .lease = lease_of("/p4+4/s7", "3g.40gb")};

	step.lease.method = DV_METHOD_SLICE;
	(void)dv_copy(step.op, sizeof(step.op), op);
	(void)dv_copy(step.gpu_uuid, sizeof(step.gpu_uuid), uuid);
	return (undo ? ops->undo : ops->commit)(&env, &gpu, &step, err);
}

/* A slice's partition comes with the first and goes with the last, as the engine says who that is.
 */
static void test_slices(void **state)
{
	const struct dv_attach_paths paths = {.socket = "/s", .cuda_layer = "/layer"};
	struct dv_lease lease = lease_of("/p4+4/s7", "3g.40gb");
	struct dv_attach attach;
	struct dv_error err = {0};
	unsigned named = 0;
	char gi[16];

	assert_int_equal(act_on_slice("slice.create", false, true, &err), -ESTALE);
	assert_string_equal(err.rule, "S12"); /* the mode is off */
	must("mig.enable", "", "", false);
	assert_int_equal(act_on_slice("slice.create", false, true, NULL), 0);
	assert_int_equal(act_on_slice("slice.create", false, false, NULL), 0);
	assert_int_equal(look()->instance_count, 1);
	assert_int_equal(gpu.mig.compute_count, 1);
	/* What a program in it is told is the partition, and the way to the gate. */
	lease.method = DV_METHOD_SLICE;
	assert_int_equal(
		dv_method_ops(DV_METHOD_SLICE)->attach(&gpu, &lease, &paths, &attach, NULL), 0);
	assert_true(attach.gated);
	for (unsigned i = 0; i < attach.env_count; i++) {
		named += strncmp(attach.env[i], "CUDA_VISIBLE_DEVICES=MIG-", 25) == 0 ||
			 strcmp(attach.env[i], "DIVVY_CUDA_LAYER=/layer") == 0;
		assert_null(strstr(attach.env[i], gpu.uuid));
	}
	assert_int_equal(named, 2);
	assert_int_equal(act_on_slice("slice.destroy", false, false, NULL), 0);
	assert_int_equal(look()->instance_count, 1);
	/* Not while a process computes there. */
	(void)snprintf(gi, sizeof(gi), "%u", gpu.mig.instances[0].id);
	assert_int_equal(hold(gi, "0"), 0);
	err = (struct dv_error){0};
	assert_int_equal(act_on_slice("slice.destroy", false, true, &err), -EBUSY);
	assert_string_equal(err.rule, "M05");
	assert_int_equal(look()->instance_count, 1);
	/* Nor is the first of several ended whose last could not be. */
	assert_int_equal(act_on_slice("slice.destroy", false, false, NULL), 0);
	vacates = true;
	err = (struct dv_error){0};
	assert_int_equal(act_on_slice("slice.destroy", false, false, &err), -EBUSY);
	assert_string_equal(err.rule, "M05");
	assert_int_equal(sim("reboot", NULL, NULL, NULL), 0);
	must("mig.enable", "", "", false);
	assert_int_equal(act_on_slice("slice.destroy", true, true, NULL), 0);
	assert_int_equal(look()->instance_count, 1);
	assert_int_equal(act_on_slice("slice.destroy", false, false, NULL), 0);
	assert_int_equal(look()->instance_count, 1);
	vacates = false;
	assert_int_equal(act_on_slice("slice.create", true, true, NULL), 0);
	assert_int_equal(look()->instance_count, 0);
	/* Gone already is as good. */
	assert_int_equal(act_on_slice("slice.destroy", false, true, NULL), 0);
	/* Somebody else's in its place. */
	assert_int_equal(act_on_slice("slice.create", false, true, NULL), 0);
	cut_anew();
	err = (struct dv_error){0};
	assert_int_equal(act_on_slice("slice.destroy", false, true, &err), -EBUSY);
	assert_string_equal(err.rule, "M05");
	assert_int_equal(act_on_slice("slice.create", true, true, NULL), 0);
	assert_int_equal(look()->compute_count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_parts, before, after),
		cmocka_unit_test_setup_teardown(test_nothing_is_left, before, after),
		cmocka_unit_test_setup_teardown(test_in_use, before, after),
		cmocka_unit_test_setup_teardown(test_cut_anew, before, after),
		cmocka_unit_test_setup_teardown(test_slices, before, after),
	};

	return cmocka_run_group_tests_name("method/mig", tests, NULL, NULL);
}
