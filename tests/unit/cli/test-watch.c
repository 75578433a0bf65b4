/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that go round the gate, in a tree of files that looks like /proc. */
#include "cli/run_watch.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../temporary.h"
#include "base/clock.h"
#include "cli/cli.h"

#define DRIVER "7f00-7f01 r-xp 0 fe:00 9 /usr/lib/x86_64-linux-gnu/libpocl.so.2.10.0\n"
#define VENDOR "7f00-7f01 r-xp 0 fe:00 9 /opt/acme/libacme-ocl.so.7\n"
#define LAYER "7f02-7f03 r-xp 0 fe:00 9 /usr/lib/divvy/libdivvy-opencl.so\n"
#define CUDA "7f00-7f01 r-xp 0 fe:00 9 /usr/lib/x86_64-linux-gnu/libcuda.so.580.95.05\n"
#define CUDA_LAYER "7f02-7f03 r-xp 0 fe:00 9 /usr/lib/divvy/libdivvy-cuda.so\n"
#define NVIDIA_OPENCL "7f02-7f03 r-xp 0 fe:00 9 /usr/lib/libnvidia-opencl.so.1\n"
#define LOADER "7f04-7f05 r-xp 0 fe:00 9 /usr/lib/libOpenCL.so.1.0.0\n"
#define OTHER "7f06-7f07 rw-p 0 00:00 0 \n7f08-7f09 r--p 0 fe:00 9 /etc/libpocl.conf/x\n"

enum { TOP = 100 };

struct tree {
	char path[64];
	struct dv_root root;
	struct dv_watch watch;
};

/* What the fake divvyd knows. */
static pid_t attached[8];
static unsigned asked;
static bool unreachable;

static int ask(void *data, pid_t pid)
{
	asked++;
	if (unreachable)
		return -ECONNREFUSED;
	for (size_t i = 0; i < DV_ARRAY_LEN(attached); i++)
		if (attached[i] == pid)
			return 1;
	return 0;
}

static void put(const struct tree *tree, const char *path, const char *text)
{
	char full[256];
	FILE *file;

	(void)snprintf(full, sizeof(full), "%s/%s", tree->path, path);
	for (char *slash = full + strlen(tree->path) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		(void)mkdir(full, 0755);
		*slash = '/';
	}
	file = fopen(full, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void put_process(const struct tree *tree, pid_t pid, pid_t parent, unsigned start,
			const char *children, const char *maps)
{
	char path[128], text[256];

	(void)snprintf(path, sizeof(path), "proc/%d/stat", (int)pid);
	(void)snprintf(text, sizeof(text),
		       "%d (a) b (c) S %d 1 1 0 -1 4194304 9 9 9 9 1 1 1 1 20 0 3 0 %u 9 9\n",
		       (int)pid, (int)parent, start);
	put(tree, path, text);
	(void)snprintf(path, sizeof(path), "proc/%d/task/%d/children", (int)pid, (int)pid);
	put(tree, path, children);
	(void)snprintf(path, sizeof(path), "proc/%d/maps", (int)pid);
	put(tree, path, maps);
}

static int set_up(void **state)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	assert_non_null(tree);
	assert_int_equal(temporary_make(tree->path, sizeof(tree->path), "watch"), 0);
	put(tree, "etc/OpenCL/vendors/pocl.icd", "libpocl.so.2.10.0\n");
	put(tree, "etc/OpenCL/vendors/acme.icd", "/opt/acme/libacme-ocl.so\n");
	assert_int_equal(dv_root_open(tree->path, &tree->root, NULL), 0);
	dv_watch_init(&tree->watch, &tree->root, TOP,
		      &(const struct dv_watch_layer){"/usr/lib/divvy/libdivvy-opencl.so", false},
		      DV_PATIENCE_MS);
	memset(attached, 0, sizeof(attached));
	asked = 0;
	unreachable = false;
	*state = tree;
	return 0;
}

static int tear_down(void **state)
{
	struct tree *tree = *state;

	dv_watch_fini(&tree->watch);
	dv_root_fini(&tree->root);
	assert_int_equal(temporary_remove(tree->path), 0);
	free(tree);
	return 0;
}

static int look(struct tree *tree, unsigned at_ms, struct dv_watched *ret)
{
	struct dv_error err = {0};
	int r = dv_watch_look(&tree->watch, at_ms * DV_NS_PER_MS, ask, NULL, ret, &err);

	if (r < 0)
		fail_msg("%s", err.msg);
	return r;
}

static void test_driver_without_layer(void **state)
{
	struct tree *tree = *state;
	struct dv_watched found = {0};

	put_process(tree, TOP, 1, 5, "101 ", "");
	put_process(tree, 101, TOP, 6, "", LOADER OTHER DRIVER);
	assert_int_equal(look(tree, 1000, &found), 0);
	assert_int_equal(look(tree, 2999, &found), 0);
	assert_int_equal(look(tree, 3000, &found), 1);
	assert_int_equal(found.pid, 101);
	assert_false(found.layer);
	/* Named once. */
	assert_int_equal(look(tree, 4000, &found), 0);
	assert_int_equal(asked, 0);
}

/* Under the layer of CUDA: its driver, and NVIDIA's other one. */
static void test_cuda(void **state)
{
	const struct dv_watch_layer layer = {"/usr/lib/divvy/libdivvy-cuda.so", true};
	struct tree *tree = *state;
	struct dv_watched found = {0};

	dv_watch_fini(&tree->watch);
	dv_watch_init(&tree->watch, &tree->root, TOP, &layer, DV_PATIENCE_MS);
	attached[0] = 101;
	put_process(tree, TOP, 1, 5, "101 102 103 104 ", "");
	put_process(tree, 101, TOP, 6, "", CUDA CUDA_LAYER);
	put_process(tree, 102, TOP, 6, "", DRIVER); /* none of this lease's business */
	put_process(tree, 103, TOP, 6, "", OTHER CUDA);
	put_process(tree, 104, TOP, 6, "", NVIDIA_OPENCL);
	assert_int_equal(look(tree, 1000, &found), 0);
	assert_int_equal(look(tree, 3000, &found), 1);
	assert_int_equal(found.pid, 103);
	assert_int_equal(look(tree, 3000, &found), 1);
	assert_int_equal(found.pid, 104);
	assert_int_equal(look(tree, 4000, &found), 0);
}

/* In mounts of the tenant's own the layer is seen where the driver's library would be; which file
 * it is tells them apart. */
static void test_cuda_under_another_name(void **state)
{
	const struct dv_watch_layer layer = {"/usr/lib/divvy/libdivvy-cuda.so", true, 77};
	struct tree *tree = *state;
	struct dv_watched found = {0};

	dv_watch_fini(&tree->watch);
	dv_watch_init(&tree->watch, &tree->root, TOP, &layer, DV_PATIENCE_MS);
	attached[0] = 101;
	put_process(tree, TOP, 1, 5, "101 102 ", "");
	put_process(tree, 101, TOP, 6, "",
		    CUDA "7f02-7f03 r-xp 0 fe:00 77 /usr/lib/libcuda.so.1\n");
	put_process(tree, 102, TOP, 6, "", "7f02-7f03 r-xp 0 fe:00 78 /usr/lib/libcuda.so.1\n");
	assert_int_equal(look(tree, 1000, &found), 0);
	assert_int_equal(look(tree, 3000, &found), 1);
	assert_int_equal(found.pid, 102);
	assert_int_equal(look(tree, 4000, &found), 0);
}

static void test_drivers_of_vendors(void **state)
{
	struct tree *tree = *state;
	struct dv_watched found = {0};

	put_process(tree, TOP, 1, 5, "101 ", "");
	put_process(tree, 101, TOP, 6, "", VENDOR);
	assert_int_equal(look(tree, 1000, &found), 0);
	assert_int_equal(look(tree, 3000, &found), 1);
}

/* The loader alone is mapped by every program that was linked to it. */
static void test_loader_alone_is_nothing(void **state)
{
	struct tree *tree = *state;
	struct dv_watched found = {0};

	put_process(tree, TOP, 1, 5, "101 ", "");
	put_process(tree, 101, TOP, 6, "", LOADER OTHER);
	for (unsigned at = 1000; at < 9000; at += 1000)
		assert_int_equal(look(tree, at, &found), 0);
	assert_int_equal(asked, 0);
}

static void test_attached(void **state)
{
	struct tree *tree = *state;
	struct dv_watched found = {0};

	attached[0] = 101;
	put_process(tree, TOP, 1, 5, "101 ", "");
	put_process(tree, 101, TOP, 6, "", LOADER DRIVER LAYER);
	for (unsigned at = 1000; at < 9000; at += 1000)
		assert_int_equal(look(tree, at, &found), 0);
	/* divvyd is not asked again and again. */
	assert_int_equal(asked, 1);
}

static void test_layer_that_did_not_report(void **state)
{
	struct tree *tree = *state;
	struct dv_watched found = {0};

	put_process(tree, TOP, 1, 5, "101 ", "");
	put_process(tree, 101, TOP, 6, "", DRIVER LAYER);
	assert_int_equal(look(tree, 1000, &found), 0);
	assert_int_equal(look(tree, 3000, &found), 1);
	assert_true(found.layer);
}

static void test_reports_in_time(void **state)
{
	struct tree *tree = *state;
	struct dv_watched found = {0};

	put_process(tree, TOP, 1, 5, "101 ", "");
	put_process(tree, 101, TOP, 6, "", DRIVER LAYER);
	assert_int_equal(look(tree, 1000, &found), 0);
	attached[0] = 101;
	assert_int_equal(look(tree, 3000, &found), 0);
}

/* While divvyd is away nobody is accused of not having reported to it. */
static void test_divvyd_away(void **state)
{
	struct tree *tree = *state;
	struct dv_watched found = {0};

	unreachable = true;
	put_process(tree, TOP, 1, 5, "101 102", "");
	put_process(tree, 101, TOP, 6, "", DRIVER LAYER);
	put_process(tree, 102, TOP, 7, "", DRIVER);
	assert_int_equal(look(tree, 1000, &found), 0);
	assert_int_equal(look(tree, 4000, &found), 1);
	assert_int_equal(found.pid, 102);
	assert_int_equal(look(tree, 9000, &found), 0);
}

/* With divvyd in another pid namespace its numbers say nothing, the layer still does. */
static void test_other_numbers(void **state)
{
	struct tree *tree = *state;
	struct dv_watched found = {0};

	tree->watch.same_pids = false;
	put_process(tree, TOP, 1, 5, "101 102", "");
	put_process(tree, 101, TOP, 6, "", DRIVER LAYER);
	put_process(tree, 102, TOP, 7, "", DRIVER);
	assert_int_equal(look(tree, 1000, &found), 0);
	assert_int_equal(look(tree, 4000, &found), 1);
	assert_int_equal(found.pid, 102);
	assert_int_equal(asked, 0);
}

/* The child of a fork reports when it uses the device, and need not. */
static void test_child_of_a_fork(void **state)
{
	struct tree *tree = *state;
	struct dv_watched found = {0};

	attached[0] = 101;
	put_process(tree, TOP, 1, 5, "101 ", "");
	put_process(tree, 101, TOP, 6, "102", DRIVER LAYER);
	put_process(tree, 102, 101, 7, "103", DRIVER LAYER);
	put_process(tree, 103, 102, 8, "", DRIVER LAYER);
	assert_int_equal(look(tree, 1000, &found), 0);
	assert_int_equal(look(tree, 9000, &found), 0);
	/* One that became another program, without the layer. */
	put_process(tree, 103, 102, 8, "", DRIVER);
	assert_int_equal(look(tree, 10000, &found), 0);
	assert_int_equal(look(tree, 12000, &found), 1);
	assert_int_equal(found.pid, 103);
}

/* A number that is used anew is a new process with its own patience. */
static void test_number_used_anew(void **state)
{
	struct tree *tree = *state;
	struct dv_watched found = {0};

	put_process(tree, TOP, 1, 5, "101 ", "");
	put_process(tree, 101, TOP, 6, "", DRIVER);
	assert_int_equal(look(tree, 1000, &found), 0);
	put_process(tree, 101, TOP, 60, "", DRIVER);
	assert_int_equal(look(tree, 3500, &found), 0);
	assert_int_equal(look(tree, 5500, &found), 1);
}

static void test_descendants(void **state)
{
	struct tree *tree = *state;
	struct dv_error err = {0};

	put_process(tree, TOP, 1, 5, "", "");
	/* A second thread started one, too. */
	put(tree, "proc/100/task/99/children", "150 101");
	put_process(tree, 101, TOP, 6, "120 ", "");
	put_process(tree, 120, 101, 7, "110", "");
	put_process(tree, 110, 120, 8, "", "");
	put_process(tree, 150, TOP, 6, "", "");
	put_process(tree, 160, 1, 6, "", DRIVER); /* not ours */
	assert_int_equal(dv_watch_descendants(&tree->watch, &err), 0);
	assert_int_equal(tree->watch.processes.len, 4);
	put(tree, "proc/100/task/99/children", "150");
	assert_int_equal(dv_watch_descendants(&tree->watch, &err), 0);
	assert_int_equal(tree->watch.processes.len, 1);
	assert_int_equal(tree->watch.processes.items[0].pid, 150);
	/* A zombie does nothing any more. */
	put(tree, "proc/150/stat", "150 (x) Z 100 1 1 0 -1 4 9 9 9 9 1 1 1 1 20 0 3 0 6 9 9\n");
	assert_int_equal(dv_watch_descendants(&tree->watch, &err), 0);
	assert_int_equal(tree->watch.processes.len, 0);
}

static void test_kernel_without_lists(void **state)
{
	struct tree *tree = *state;
	struct dv_watched found;
	struct dv_error err = {0};

	put(tree, "proc/100/task/100/stat", "");
	assert_int_equal(dv_watch_look(&tree->watch, 1, ask, NULL, &found, &err), -EOPNOTSUPP);
}

static void test_nonsense_in_proc(void **state)
{
	struct tree *tree = *state;
	struct dv_error err = {0};

	put_process(tree, TOP, 1, 5, "101 -5 x 102", "");
	put_process(tree, 101, TOP, 6, "99999999999999999999", "no/such:line\n/\n//\n");
	put(tree, "proc/102/stat", "102 without end");
	assert_int_equal(dv_watch_descendants(&tree->watch, &err), 0);
	assert_int_equal(tree->watch.processes.len, 1);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_driver_without_layer),
		CASE(test_drivers_of_vendors),
		CASE(test_cuda),
		CASE(test_cuda_under_another_name),
		CASE(test_loader_alone_is_nothing),
		CASE(test_attached),
		CASE(test_layer_that_did_not_report),
		CASE(test_reports_in_time),
		CASE(test_divvyd_away),
		CASE(test_other_numbers),
		CASE(test_child_of_a_fork),
		CASE(test_number_used_anew),
		CASE(test_descendants),
		CASE(test_kernel_without_lists),
		CASE(test_nonsense_in_proc),
	};

	return cmocka_run_group_tests_name("cli/watch", tests, NULL, NULL);
}
