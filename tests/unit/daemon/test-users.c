/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/users.h"

#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

static void test_self(void **state)
{
	struct dv_config config = {.quota = {.leases = 3}};
	struct dv_identity who;
	struct dv_users users;
	struct dv_root root;
	int ends[2];

	assert_int_equal(dv_root_open("/", &root, NULL), 0);
	dv_users_init(&users, &config, &root);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(dv_users_identify(&users, ends[0], &who, NULL), 0);
	assert_int_equal(who.uid, geteuid());
	assert_int_equal(who.pid, getpid());
	assert_true(who.pid_start == dv_peer_start(&root, getpid()));
	assert_true(who.admin); /* the user of a per-user divvyd, or root */
	assert_true(who.allowed);
	assert_int_equal(users.seen.len, 1);
	assert_int_equal(dv_users_identify(&users, ends[0], &who, NULL), 0);
	assert_int_equal(users.seen.len, 1);
	close(ends[0]);
	close(ends[1]);
	dv_users_fini(&users);
	dv_root_fini(&root);
}

/* As root's divvyd sees a member and a stranger; only root can play them. `r` of the child. */
static int as_user(gid_t group, const struct dv_config *config, bool allowed, unsigned leases)
{
	const gid_t groups[] = {group};
	struct dv_quota quota;
	struct dv_identity who;
	struct dv_users users;
	struct dv_root root;
	int ends[2], status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		/* The kernel notes who made the pair; we go back to being root to look. */
		if (dv_root_open("/", &root, NULL) < 0 || setgroups(1, groups) < 0 ||
		    setegid(65534) < 0 || seteuid(65534) < 0 ||
		    socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 || seteuid(0) < 0)
			_exit(1);
		dv_users_init(&users, config, &root);
		if (dv_users_identify(&users, ends[0], &who, NULL) < 0)
			_exit(2);
		dv_users_quota(&users, 65534, &quota);
		_exit(who.uid == 65534 && !who.admin && who.allowed == allowed &&
				      quota.leases == leases
			      ? 0
			      : 3);
	}
	(void)waitpid(pid, &status, 0);
	return status;
}

static void test_groups(void **state)
{
	struct dv_config_quota entry = {.group = true, .id = 4000000001u, .quota = {.leases = 9}};
	struct dv_config config = {.quota = {.leases = 3}, .has_gid = true, .gid = 4000000001u};

	if (geteuid() != 0)
		skip();
	assert_int_equal(dv_vec_push(&config.quotas, entry), 0);
	assert_int_equal(as_user(4000000001u, &config, true, 9), 0);
	assert_int_equal(as_user(4000000002u, &config, false, 3), 0);
	config.has_gid = false;
	assert_int_equal(as_user(4000000001u, &config, false, 9), 0);
	dv_vec_fini(&config.quotas);
}

static void test_unseen(void **state)
{
	struct dv_config config = {.quota = {.leases = 3}};
	struct dv_users users;
	struct dv_quota quota;

	dv_users_init(&users, &config, NULL);
	dv_users_quota(&users, 12345, &quota);
	assert_int_equal(quota.leases, 3);
	dv_users_fini(&users);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_self),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_unseen),
	};

	return cmocka_run_group_tests_name("daemon/users", tests, NULL, NULL);
}
