/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/peer.h"

#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

static void test_self(void **state)
{
	gid_t groups[256];
	int ends[2], count = getgroups(256, groups);
	struct dv_peer peer;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(dv_peer_read(ends[0], &peer, NULL), 0);
	assert_int_equal(peer.uid, geteuid());
	assert_int_equal(peer.gid, getegid());
	assert_int_equal(peer.pid, getpid());
	assert_true(dv_peer_in_group(&peer, getegid()));
	for (int i = 0; i < count; i++)
		assert_true(dv_peer_in_group(&peer, groups[i]));
	assert_false(dv_peer_in_group(&peer, 4000000001u));
	close(ends[0]);
	close(ends[1]);
}

static void test_groups(void **state)
{
	const gid_t groups[] = {4000000001u, 4000000002u};
	int ends[2], status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	pid = fork();
	if (pid == 0) {
		struct dv_peer peer;

		if (setgroups(2, groups) < 0 || setgid(65534) < 0 || setuid(65534) < 0 ||
		    socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 ||
		    dv_peer_read(ends[0], &peer, NULL) < 0)
			_exit(1);
		_exit(!(peer.uid == 65534 && peer.group_count == 2 &&
			dv_peer_in_group(&peer, 4000000002u) && dv_peer_in_group(&peer, 65534) &&
			!dv_peer_in_group(&peer, 0)));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_not_a_socket(void **state)
{
	struct dv_peer peer = {.uid = 77};
	struct dv_error err = {0};

	assert_true(dv_peer_read(STDIN_FILENO, &peer, &err) < 0);
	assert_int_equal(peer.uid, 77);
}

static void test_start(void **state)
{
	struct dv_root root;
	pid_t child;

	assert_int_equal(dv_root_open("/", &root, NULL), 0);
	assert_int_not_equal(dv_peer_start(&root, getpid()), 0);
	assert_true(dv_peer_start(&root, getpid()) == dv_peer_start(&root, getpid()));
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	assert_int_not_equal(dv_peer_start(&root, child), 0);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(dv_peer_start(&root, child), 0);
	assert_int_equal(dv_peer_start(&root, 0), 0);
	assert_int_equal(dv_peer_start(&root, -1), 0);
	dv_root_fini(&root);
}

/* A command may be called anything, also ") 1 2 3". */
struct fake {
	const char *stat, *boot;
};

static ssize_t fake_read(const struct dv_root *root, const char *path, void *buf, size_t size)
{
	const struct fake *fake = root->data;
	const char *text = strstr(path, "boot_id") ? fake->boot : fake->stat;
	size_t len = strlen(text);

	if (len > size)
		len = size;
	memcpy(buf, text, len);
	return (ssize_t)len;
}

static const struct dv_fs_ops fake_ops = {.read = fake_read};

static uint64_t start_of(const char *stat, const char *boot)
{
	struct fake fake = {stat, boot};
	struct dv_root root = {.fd = -1, .ops = &fake_ops, .data = &fake};

	return dv_peer_start(&root, 5);
}

static void test_start_is_the_right_field(void **state)
{
	static const char tail[] = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21";
	static const char other[] = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4712 20 21";
	static const char same[] = " R 9 9 9 9 9 9 9 9 9 99 99 99 99 99 99 99 99 99 4711 99 99";
	char a[256], b[256], c[256];

	(void)snprintf(a, sizeof(a), "5 (x)%s", tail);
	(void)snprintf(b, sizeof(b), "5 (x) S 1 2) %s", other);
	(void)snprintf(c, sizeof(c), "5 (a) b c)%s", same);
	assert_int_not_equal(start_of(a, "boot"), 0);
	assert_true(start_of(a, "boot") == start_of(c, "boot"));
	assert_false(start_of(a, "boot") == start_of(b, "boot"));
	assert_false(start_of(a, "boot") == start_of(a, "another boot"));
	assert_int_equal(start_of("5 (x) S 1 2", "boot"), 0);
	assert_int_equal(start_of("nonsense", "boot"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_self),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_not_a_socket),
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_start_is_the_right_field),
	};

	return cmocka_run_group_tests_name("daemon/peer", tests, NULL, NULL);
}
