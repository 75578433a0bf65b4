/* SPDX-License-Identifier: Apache-2.0 */
#include "device/cgroup.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "device/cpu.h"
#include "tree.h"

#define V1_LINE "33 30 0:30 / /sys/fs/cgroup/cpuset rw,nosuid shared:9 - cgroup cgroup rw,cpuset\n"
#define V2_LINE "40 30 0:37 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define OTHER_LINES                                                                                \
	"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n31 30 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup " \
	"rw,cpu,cpuacct\n30 22 0:27 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"

static struct dv_cgroup cgroup;

static void find(struct tree *tree, const char *mounts)
{
	struct dv_error err = {0};

	tree_file(tree, "proc/self/mountinfo", mounts);
	memset(&cgroup, 0, sizeof(cgroup));
	assert_int_equal(dv_cgroup_find(&tree->root, &cgroup, &err), 0);
	if (cgroup.kind == DV_CGROUP_NONE)
		assert_true(cgroup.why[0] && !cgroup.base[0]);
	else
		assert_true(!cgroup.why[0] && cgroup.base[0]);
}

static void test_find_v1(void **state)
{
	struct tree tree;

	tree_init(&tree);
	find(&tree, OTHER_LINES V1_LINE);
	assert_int_equal(cgroup.kind, DV_CGROUP_V1);
	assert_string_equal(cgroup.base, "sys/fs/cgroup/cpuset/divvy");
	/* Both at once: the controller is with version 1, whichever comes first. */
	find(&tree, V1_LINE "40 30 0:37 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
	assert_int_equal(cgroup.kind, DV_CGROUP_V1);
	find(&tree, "40 30 0:37 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n" V1_LINE);
	assert_int_equal(cgroup.kind, DV_CGROUP_V1);
	tree_fini(&tree);
}

static void test_find_v2(void **state)
{
	struct tree tree;

	tree_init(&tree);
	tree_file(&tree, "sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n");
	tree_file(&tree, "sys/fs/cgroup/cgroup.subtree_control", "memory pids\n");
	tree_file(&tree, "sys/fs/cgroup/cgroup.procs", "1\n2\n");
	find(&tree, OTHER_LINES V2_LINE);
	assert_int_equal(cgroup.kind, DV_CGROUP_V2);
	assert_string_equal(cgroup.base, "sys/fs/cgroup/divvy");
	/* In a container's own topmost cgroup, where processes live, nothing can be handed down. */
	tree_file(&tree, "sys/fs/cgroup/cgroup.type", "domain\n");
	find(&tree, V2_LINE);
	assert_int_equal(cgroup.kind, DV_CGROUP_NONE);
	assert_non_null(strstr(cgroup.why, "container"));
	tree_file(&tree, "sys/fs/cgroup/cgroup.procs", "");
	find(&tree, V2_LINE);
	assert_int_equal(cgroup.kind, DV_CGROUP_V2);
	tree_file(&tree, "sys/fs/cgroup/cgroup.procs", "1\n");
	tree_file(&tree, "sys/fs/cgroup/cgroup.subtree_control", "memory cpuset\n");
	find(&tree, V2_LINE);
	assert_int_equal(cgroup.kind, DV_CGROUP_V2);
	tree_file(&tree, "sys/fs/cgroup/cgroup.controllers", "cpu cpusets io\n");
	find(&tree, V2_LINE);
	assert_int_equal(cgroup.kind, DV_CGROUP_NONE);
	assert_non_null(strstr(cgroup.why, "no cpuset controller"));
	tree_fini(&tree);
}

static void test_find_none(void **state)
{
	struct dv_error err = {0};
	struct tree tree;

	tree_init(&tree);
	assert_int_equal(dv_cgroup_find(&tree.root, &cgroup, &err), -ENOENT);
	find(&tree, OTHER_LINES);
	assert_int_equal(cgroup.kind, DV_CGROUP_NONE);
	assert_non_null(strstr(cgroup.why, "no cgroup file system"));
	find(&tree, "33 30 0:30 / /sys/fs/cgroup/cpuset ro,nosuid - cgroup cgroup rw,cpuset\n");
	assert_int_equal(cgroup.kind, DV_CGROUP_NONE);
	assert_non_null(strstr(cgroup.why, "read-only"));
	find(&tree, "33 30 0:30 / /a\\040b rw - cgroup cgroup rw,cpuset\n");
	assert_int_equal(cgroup.kind, DV_CGROUP_NONE);
	find(&tree, "33 30 0:30 / sys rw - cgroup cgroup rw,cpuset\n");
	assert_int_equal(cgroup.kind, DV_CGROUP_NONE);
	/* Cut, empty and senseless lines are passed over. */
	find(&tree, "\n33\n33 30 0:30 / /x rw\n33 30 0:30 / /x rw -\n33 30 0:30 / /x rw - cgroup\n"
		    "33 30 0:30 / /x rw - cgroup cgroup\n - - - - - - - - -\n");
	assert_int_equal(cgroup.kind, DV_CGROUP_NONE);
	tree_fini(&tree);
}

static void build_v1(struct tree *tree, const char *effective)
{
	tree_init(tree);
	tree_file(tree, "sys/fs/cgroup/cpuset/cpuset.cpus", "0-3\n");
	tree_file(tree, "sys/fs/cgroup/cpuset/cpuset.mems", "0\n");
	find(tree, V1_LINE);
	tree_act_as_cgroups(tree, 1, effective);
}

static void build_v2(struct tree *tree, const char *effective)
{
	tree_init(tree);
	tree_file(tree, "sys/fs/cgroup/cgroup.controllers", "cpuset\n");
	tree_file(tree, "sys/fs/cgroup/cgroup.subtree_control", "");
	find(tree, V2_LINE);
	tree_act_as_cgroups(tree, 2, effective);
}

static int count_one(const char *name, void *arg, struct dv_error *err)
{
	assert_true(strncmp(name, "p", 1) == 0);
	++*(int *)arg;
	return 0;
}

static int count(struct tree *tree)
{
	struct dv_error err = {0};
	int n = 0;

	assert_int_equal(dv_cgroup_list(&tree->root, &cgroup, count_one, &n, &err), 0);
	assert_int_equal(err.code, 0);
	return n;
}

/* The life of two partitions, in the version that `build` makes. */
static void live(void (*build)(struct tree *, const char *), const char *base)
{
	static const struct dv_cgroup_set two = {.cpus = "0-1", .mems = "0"}, one = {.cpus = "2"};
	struct dv_cgroup_set set = {0};
	struct dv_error err = {0};
	struct tree tree;
	char path[128];

	build(&tree, NULL);
	assert_int_equal(count(&tree), 0);
	assert_int_equal(dv_cgroup_make(&tree.root, &cgroup, "p0+2", &two, &err), 0);
	assert_int_equal(dv_cgroup_make(&tree.root, &cgroup, "p2+1", &one, &err), 0);
	assert_int_equal(count(&tree), 2);
	/* Again is no failure: a step may have been cut off just before it was noted. */
	assert_int_equal(dv_cgroup_make(&tree.root, &cgroup, "p0+2", &two, &err), 0);
	assert_int_equal(dv_cgroup_read(&tree.root, &cgroup, "p0+2", &set, &err), 0);
	assert_string_equal(set.cpus, "0-1");
	assert_string_equal(set.mems, "0");
	assert_int_equal(dv_cgroup_remove(&tree.root, &cgroup, "p0+2", &err), 0);
	assert_int_equal(dv_cgroup_remove(&tree.root, &cgroup, "p0+2", &err), 0);
	assert_int_equal(dv_cgroup_read(&tree.root, &cgroup, "p0+2", &set, NULL), -ENOENT);
	assert_int_equal(count(&tree), 1);
	(void)snprintf(path, sizeof(path), "%s/divvy", base);
	assert_true(tree_has(&tree, path));
	assert_int_equal(dv_cgroup_remove(&tree.root, &cgroup, "p2+1", &err), 0);
	assert_false(tree_has(&tree, path));
	assert_int_equal(err.code, 0);
	tree_fini(&tree);
}

static void test_live_v1(void **state)
{
	live(build_v1, "sys/fs/cgroup/cpuset");
}

static void test_live_v2(void **state)
{
	live(build_v2, "sys/fs/cgroup");
}

static void test_v1_fills_what_is_above(void **state)
{
	static const struct dv_cgroup_set want = {.cpus = "1"};
	struct dv_error err = {0};
	struct tree tree;
	char text[32];

	build_v1(&tree, NULL);
	assert_int_equal(dv_cgroup_make(&tree.root, &cgroup, "p1+1", &want, &err), 0);
	assert_int_equal(dv_root_read(&tree.root, "sys/fs/cgroup/cpuset/divvy/cpuset.cpus", text,
				      sizeof(text), &err),
			 0);
	assert_string_equal(text, "0-3");
	assert_int_equal(dv_root_read(&tree.root, "sys/fs/cgroup/cpuset/divvy/p1+1/cpuset.mems",
				      text, sizeof(text), &err),
			 0);
	assert_string_equal(text, "0");
	tree_fini(&tree);
}

static void test_v2_hands_controllers_down(void **state)
{
	static const struct dv_cgroup_set want = {.cpus = "1"};
	struct dv_error err = {0};
	struct tree tree;
	char text[32];

	build_v2(&tree, NULL);
	assert_int_equal(dv_cgroup_make(&tree.root, &cgroup, "p1+1", &want, &err), 0);
	assert_int_equal(dv_root_read(&tree.root, "sys/fs/cgroup/cgroup.subtree_control", text,
				      sizeof(text), &err),
			 0);
	assert_string_equal(text, "+cpuset");
	assert_int_equal(dv_root_read(&tree.root, "sys/fs/cgroup/divvy/cgroup.subtree_control",
				      text, sizeof(text), &err),
			 0);
	assert_string_equal(text, "+cpuset");
	tree_fini(&tree);
}

/* What the kernel gave is what counts, not what was written; nothing is left of a failure. */
static void test_kernel_disagrees(void **state)
{
	static const struct dv_cgroup_set want = {.cpus = "0-1"};
	void (*const builds[])(struct tree *, const char *) = {build_v1, build_v2};
	static const char *const bases[] = {"sys/fs/cgroup/cpuset/divvy", "sys/fs/cgroup/divvy"};

	for (size_t i = 0; i < DV_ARRAY_LEN(builds); i++) {
		struct dv_error err = {0};
		struct tree tree;

		builds[i](&tree, "0\n");
		assert_int_equal(dv_cgroup_make(&tree.root, &cgroup, "p0+2", &want, &err), -EIO);
		assert_non_null(strstr(err.msg, "'0'"));
		assert_false(tree_has(&tree, bases[i]));
		tree_fini(&tree);
	}
}

static void test_processes_in_it(void **state)
{
	static const struct dv_cgroup_set want = {.cpus = "0"};
	struct dv_error err = {0};
	struct tree tree;

	build_v1(&tree, NULL);
	assert_int_equal(dv_cgroup_make(&tree.root, &cgroup, "p0+1", &want, &err), 0);
	assert_int_equal(dv_cgroup_enter(&tree.root, &cgroup, "p0+1", 4711, &err), 0);
	tree_file(&tree, "sys/fs/cgroup/cpuset/divvy/p0+1/cgroup.procs", "4711\n4712\n");
	assert_int_equal(dv_cgroup_remove(&tree.root, &cgroup, "p0+1", &err), -EBUSY);
	assert_string_equal(err.rule, "S14");
	assert_non_null(strstr(err.msg, "4711 4712"));
	assert_true(err.fix[0]);
	tree_file(&tree, "sys/fs/cgroup/cpuset/divvy/p0+1/cgroup.procs", "");
	assert_int_equal(dv_cgroup_remove(&tree.root, &cgroup, "p0+1", NULL), 0);
	tree_fini(&tree);
}

static void test_members(void **state)
{
	static char many[64 << 10];
	const char *file = "sys/fs/cgroup/cpuset/divvy/p0+1/cgroup.procs";
	struct tree tree;
	unsigned n = 7;
	pid_t pids[2] = {0};
	size_t len = 0;

	build_v1(&tree, NULL);
	assert_int_equal(dv_cgroup_members(&tree.root, cgroup.base, "p0+1", pids, 2, &n, NULL),
			 -ENOENT);
	assert_int_equal(n, 7);
	tree_file(&tree, file, "");
	assert_int_equal(dv_cgroup_members(&tree.root, cgroup.base, "p0+1", pids, 2, &n, NULL), 0);
	assert_int_equal(n, 0);
	tree_file(&tree, file, "4711\n4712\n4713\n");
	assert_int_equal(dv_cgroup_members(&tree.root, cgroup.base, "p0+1", pids, 2, &n, NULL), 0);
	assert_int_equal(n, 3);
	assert_int_equal(pids[0], 4711);
	assert_int_equal(pids[1], 4712);
	assert_int_equal(dv_cgroup_members(&tree.root, cgroup.base, "p0+1", NULL, 0, &n, NULL), 0);
	assert_int_equal(n, 3);
	while (len < sizeof(many) - 16)
		len += (size_t)snprintf(many + len, sizeof(many) - len, "12345678\n");
	tree_file(&tree, file, many);
	assert_int_equal(dv_cgroup_members(&tree.root, cgroup.base, "p0+1", pids, 2, &n, NULL), 0);
	assert_in_range(n, 100, len / 9);
	assert_int_equal(pids[0], 12345678);
	tree_fini(&tree);
}

static void test_names(void **state)
{
	static const char *const names[] = {"../x", "a/b", ".", "..", ".x"};
	static const struct dv_cgroup_set want = {.cpus = "0"};
	struct tree tree;
	char longest[256];

	build_v1(&tree, NULL);
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i < DV_ARRAY_LEN(names); i++) {
		assert_int_equal(dv_cgroup_make(&tree.root, &cgroup, names[i], &want, NULL),
				 -EINVAL);
		assert_int_equal(dv_cgroup_remove(&tree.root, &cgroup, names[i], NULL), -EINVAL);
		assert_int_equal(dv_cgroup_enter(&tree.root, &cgroup, names[i], 1, NULL), -EINVAL);
	}
	assert_int_equal(dv_cgroup_make(&tree.root, &cgroup, longest, &want, NULL), -EINVAL);
	assert_int_equal(dv_cgroup_enter(&tree.root, &cgroup, "p9+9", 1, NULL), -ENOENT);
	tree_fini(&tree);
}

static void test_none_refuses(void **state)
{
	static const struct dv_cgroup_set want = {.cpus = "0"};
	struct dv_error err = {0};
	struct tree tree;

	tree_init(&tree);
	find(&tree, OTHER_LINES);
	assert_int_equal(dv_cgroup_make(&tree.root, &cgroup, "p0+1", &want, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, cgroup.why));
	assert_int_equal(count(&tree), 0);
	tree_fini(&tree);
}

/* A process that moved into a partition sees exactly its CPUs. */
static void child_in_cgroup(int from, int to)
{
	cpu_set_t set;
	char byte;
	int n = -1;

	if (read(from, &byte, 1) == 1 && sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	_exit(write(to, &n, sizeof(n)) == (ssize_t)sizeof(n) ? 0 : 1);
}

static int seen_by_child(const struct dv_root *root, const char *name)
{
	struct dv_error err = {0};
	int go[2], back[2], n = -2;
	pid_t pid;

	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(back), 0);
	pid = fork();
	if (pid == 0)
		child_in_cgroup(go[0], back[1]);
	assert_true(pid > 0);
	assert_int_equal(dv_cgroup_enter(root, &cgroup, name, pid, &err), 0);
	/* It lives there now, so the directory stays. */
	assert_int_equal(dv_cgroup_remove(root, &cgroup, name, NULL), -EBUSY);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(read(back[0], &n, sizeof(n)), sizeof(n));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	for (int i = 0; i < 2; i++) {
		close(go[i]);
		close(back[i]);
	}
	return n;
}

static void test_this_machine(void **state)
{
	struct dv_cgroup_set want = {0}, have = {0};
	static struct dv_cpu_info info;
	struct dv_error err = {0};
	struct dv_root root;
	char name[32];
	int r;

	assert_int_equal(dv_root_open("/", &root, &err), 0);
	assert_int_equal(dv_cgroup_find(&root, &cgroup, &err), 0);
	assert_int_equal(dv_cpu_read(&root, &info, &err), 0);
	(void)snprintf(name, sizeof(name), "test-%d", (int)getpid());
	(void)snprintf(want.cpus, sizeof(want.cpus), "%u", info.cpus[info.count - 1].cpu);
	r = geteuid() == 0 && cgroup.kind != DV_CGROUP_NONE
		    ? dv_cgroup_make(&root, &cgroup, name, &want, &err)
		    : -EOPNOTSUPP;
	if (r == -EOPNOTSUPP || r == -EPERM) {
		print_message("no cpuset cgroup can be made here: %s\n", r == -EPERM ? err.msg
									 : geteuid() != 0
										 ? "not root"
										 : cgroup.why);
		dv_root_fini(&root);
		skip();
	}
	assert_int_equal(r, 0);
	assert_int_equal(dv_cgroup_read(&root, &cgroup, name, &have, &err), 0);
	assert_string_equal(have.cpus, want.cpus);
	print_message("on this machine: cgroups of version %d\n",
		      cgroup.kind == DV_CGROUP_V2 ? 2 : 1);
	assert_int_equal(seen_by_child(&root, name), 1);
	assert_int_equal(dv_cgroup_remove(&root, &cgroup, name, &err), 0);
	assert_int_equal(dv_cgroup_read(&root, &cgroup, name, &have, NULL), -ENOENT);
	dv_root_fini(&root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find_v1),
		cmocka_unit_test(test_find_v2),
		cmocka_unit_test(test_find_none),
		cmocka_unit_test(test_live_v1),
		cmocka_unit_test(test_live_v2),
		cmocka_unit_test(test_v1_fills_what_is_above),
		cmocka_unit_test(test_v2_hands_controllers_down),
		cmocka_unit_test(test_kernel_disagrees),
		cmocka_unit_test(test_processes_in_it),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_none_refuses),
		cmocka_unit_test(test_this_machine),
	};

	return cmocka_run_group_tests_name("device/cgroup", tests, NULL, NULL);
}
