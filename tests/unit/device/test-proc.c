/* SPDX-License-Identifier: Apache-2.0 */
#include "device/proc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tree.h"

static const char *const libraries[] = {"libpocl.so", NULL};
static const char *const nodes[] = {"/dev/nvidia0", "/dev/dri/card0", NULL};
static const struct dv_proc_signs by_library = {.libraries = libraries,
						.library_what = "uses the OpenCL device"};
static const struct dv_proc_signs by_node = {.nodes = nodes};

static void add_process(struct tree *tree, unsigned pid, const char *comm, unsigned uid,
			const char *maps)
{
	char path[64], text[256];

	(void)snprintf(path, sizeof(path), "proc/%u/comm", pid);
	tree_file(tree, path, comm);
	(void)snprintf(path, sizeof(path), "proc/%u/status", pid);
	(void)snprintf(text, sizeof(text), "Name:\t%s\nUmask:\t0022\nUid:\t%u\t%u\t%u\t%u\n", comm,
		       uid, uid, uid, uid);
	tree_file(tree, path, text);
	(void)snprintf(path, sizeof(path), "proc/%u/maps", pid);
	tree_file(tree, path, maps);
	(void)snprintf(path, sizeof(path), "proc/%u/fd", pid);
	tree_directory(tree, path);
}

#define MAP(file) "7f00-7f01 r-xp 00000000 08:01 42    " file "\n"

static void test_child_and_command(void **state)
{
	struct tree tree;
	char name[8];

	tree_init(&tree);
	add_process(&tree, 10, "divvy\n", 1000, "");
	assert_int_equal(dv_proc_child(&tree.root, 10), 0);
	tree_file(&tree, "proc/10/task/10/children", "");
	assert_int_equal(dv_proc_child(&tree.root, 10), 0);
	tree_file(&tree, "proc/10/task/10/children", "11 12 ");
	assert_int_equal(dv_proc_child(&tree.root, 10), 11);
	add_process(&tree, 11, "a\x1b[m\n", 1000, "");
	dv_proc_command(&tree.root, 11, name, sizeof(name));
	assert_string_equal(name, "a?[m");
	dv_proc_command(&tree.root, 12, name, sizeof(name));
	assert_string_equal(name, "");
	tree_fini(&tree);
}

static void test_by_library(void **state)
{
	struct dv_proc_found found = {0};
	struct dv_error err = {0};
	struct dv_holder holders[4];
	struct tree tree;

	tree_init(&tree);
	add_process(&tree, 10, "ffmpeg\n", 1000,
		    MAP("/usr/bin/ffmpeg") MAP("/usr/lib/libOpenCL.so.1.0.0"));
	add_process(&tree, 11, "py\x1b[31mthon\n", 1001,
		    MAP("/usr/bin/python3") "7f00-7f01 rw-p 0 00:00 0\n" MAP(
			    "/usr/lib/libpocl.so.2.10.0"));
	add_process(&tree, 12, "notes\n", 1001, MAP("/home/a/libpocl.so.d/notes"));
	add_process(&tree, 2, "kthreadd\n", 0, "");
	tree_file(&tree, "proc/cpuinfo", "x");
	assert_int_equal(dv_proc_holders(&tree.root, &by_library, holders, 4, &found, &err), 0);
	assert_int_equal(found.count, 1);
	assert_int_equal(found.unreadable, 0);
	assert_int_equal(holders[0].pid, 11);
	assert_int_equal(holders[0].uid, 1001);
	/* A name cannot reach into the terminal that shows it. */
	assert_string_equal(holders[0].command, "py?[31mthon");
	assert_string_equal(holders[0].what, "uses the OpenCL device");
	tree_fini(&tree);
}

static void test_by_node(void **state)
{
	struct dv_proc_found found = {0};
	struct dv_error err = {0};
	struct dv_holder holders[4];
	struct tree tree;

	tree_init(&tree);
	add_process(&tree, 20, "train\n", 5, "");
	tree_link(&tree, "proc/20/fd/0", "/dev/null");
	tree_link(&tree, "proc/20/fd/7", "/dev/nvidia0");
	add_process(&tree, 21, "other\n", 5, "");
	tree_link(&tree, "proc/21/fd/3", "/dev/nvidia01");
	assert_int_equal(dv_proc_holders(&tree.root, &by_node, holders, 4, &found, &err), 0);
	assert_int_equal(found.count, 1);
	assert_string_equal(holders[0].what, "has /dev/nvidia0 open");
	tree_fini(&tree);
}

static void test_more_than_fit(void **state)
{
	struct dv_proc_found found = {0};
	struct dv_error err = {0};
	struct dv_holder holders[3];
	struct tree tree;

	tree_init(&tree);
	for (unsigned pid = 100; pid < 110; pid++)
		add_process(&tree, pid, "x\n", 1, MAP("/l/libpocl.so.2"));
	assert_int_equal(dv_proc_holders(&tree.root, &by_library, holders, 3, &found, &err), 0);
	assert_int_equal(found.count, 3);
	assert_int_equal(found.more, 7);
	tree_fini(&tree);
}

/* Of what cannot be looked into, only the number is known. A directory in the place of the file
 * cannot be read, even by root. */
static void test_unreadable(void **state)
{
	struct dv_proc_found found = {0};
	struct dv_error err = {0};
	struct dv_holder holders[3];
	struct tree tree;

	tree_init(&tree);
	tree_directory(&tree, "proc/30/maps");
	tree_directory(&tree, "proc/31");	    /* ended meanwhile */
	tree_directory(&tree, "proc/999999999999"); /* no pid */
	tree_directory(&tree, "proc/3x");
	assert_int_equal(dv_proc_holders(&tree.root, &by_library, holders, 3, &found, &err), 0);
	assert_int_equal(found.count, 0);
	assert_int_equal(found.unreadable, 1);
	tree_fini(&tree);
}

static void test_no_proc(void **state)
{
	struct dv_proc_found found = {0};
	struct dv_error err = {0};
	struct tree tree;
	uid_t uid = 77;

	tree_init(&tree);
	assert_int_equal(dv_proc_holders(&tree.root, &by_library, NULL, 0, &found, &err), -ENOENT);
	assert_int_equal(dv_proc_uid(&tree.root, 5, &uid, NULL), -ENOENT);
	tree_file(&tree, "proc/5/status", "Name:\tUid: 9\n");
	assert_int_equal(dv_proc_uid(&tree.root, 5, &uid, NULL), -EPROTO);
	assert_int_equal(uid, 77);
	tree_fini(&tree);
}

static void test_this_machine(void **state)
{
	struct dv_proc_found found = {0};
	struct dv_error err = {0};
	struct dv_holder holders[2];
	struct dv_root root;
	uid_t uid;

	assert_int_equal(dv_root_open("/", &root, &err), 0);
	assert_int_equal(dv_proc_uid(&root, getpid(), &uid, &err), 0);
	assert_int_equal(uid, getuid());
	/* Its own process is left out, whatever it has open. */
	assert_int_equal(dv_proc_holders(&root, &by_node, holders, 2, &found, &err), 0);
	for (unsigned i = 0; i < found.count; i++)
		assert_int_not_equal(holders[i].pid, getpid());
	dv_root_fini(&root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_child_and_command), cmocka_unit_test(test_by_library),
		cmocka_unit_test(test_by_node),		  cmocka_unit_test(test_more_than_fit),
		cmocka_unit_test(test_unreadable),	  cmocka_unit_test(test_no_proc),
		cmocka_unit_test(test_this_machine),
	};

	return cmocka_run_group_tests_name("device/proc", tests, NULL, NULL);
}
