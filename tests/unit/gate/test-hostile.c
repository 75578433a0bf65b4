/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that break the form, flood, do not read, are not who they should be. A second, honest
 * tenant on the same node must not notice. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/clock.h"
#include "fake.h"

static struct fake_client honest;

static int setup(void **state)
{
	static struct fake_gate fake;

	fake_gate_init(&fake, 0);
	fake_open(&fake, 1, 1000, false);
	fake_open(&fake, 2, 1000, false);
	fake_attach(&fake, 2, 0, &honest);
	*state = &fake;
	return 0;
}

static int teardown(void **state)
{
	assert_true(fake_reserve(&honest, 1000));
	assert_false(fake_reserve(&honest, 1));
	fake_detach(&honest);
	fake_gate_fini(*state);
	return 0;
}

static void expect_refusal(int fd, enum dv_refusal why)
{
	struct dv_msg msg;

	assert_true(fake_recv(fd, &msg, NULL));
	assert_int_equal(msg.type, DV_MSG_REFUSED);
	assert_int_equal(msg.a, why);
	assert_false(fake_recv(fd, &msg, NULL));
	close(fd);
}

static void expect_hang_up(int fd)
{
	struct dv_msg msg;

	assert_false(fake_recv(fd, &msg, NULL));
	close(fd);
}

static void test_nonce(void **state)
{
	struct dv_msg msg = fake_msg(DV_MSG_HELLO, DV_LAYER_OPENCL, 1, 0);
	int fd = fake_connect(*state, 1);

	msg.nonce[31] ^= 1;
	fake_send(fd, &msg);
	expect_refusal(fd, DV_REFUSAL_NONCE);
}

static void test_version(void **state)
{
	struct dv_msg msg = fake_msg(DV_MSG_HELLO, DV_LAYER_OPENCL, 1, 0);
	int fd = fake_connect(*state, 1);

	msg.version++;
	fake_send(fd, &msg);
	expect_refusal(fd, DV_REFUSAL_VERSION);
	/* Also where that version's message has another size. */
	fd = fake_connect(*state, 1);
	assert_int_equal(send(fd, &msg, 24, 0), 24);
	expect_refusal(fd, DV_REFUSAL_VERSION);
}

static void test_broken_messages(void **state)
{
	const struct dv_msg hello = fake_msg(DV_MSG_HELLO, DV_LAYER_OPENCL, 1, 0);
	struct dv_msg msgs[6];
	struct dv_gate_stats stats;
	struct fake_client a;
	char big[4096] = {0};
	int fd;

	for (size_t i = 0; i < DV_ARRAY_LEN(msgs); i++)
		msgs[i] = hello;
	msgs[0].magic++;
	msgs[1].type = 0;
	msgs[2].type = DV_MSG_RESERVE; /* before HELLO */
	msgs[3].type = DV_MSG_WELCOME;
	msgs[4].type = 9999;
	msgs[5].magic = 0;
	for (size_t i = 0; i < DV_ARRAY_LEN(msgs); i++) {
		fd = fake_connect(*state, 1);
		fake_send(fd, &msgs[i]);
		expect_hang_up(fd);
		fake_attach(*state, 1, 0, &a);
		assert_true(fake_reserve(&a, 500));
		if (msgs[i].type == DV_MSG_RESERVE)
			msgs[i].type = DV_MSG_HELLO; /* a second one */
		fake_send(a.fd, &msgs[i]);
		assert_false(fake_recv(a.fd, &msgs[i], NULL));
		fake_detach(&a);
	}
	fd = fake_connect(*state, 1);
	memcpy(big, &hello, sizeof(hello));
	assert_int_equal(send(fd, big, sizeof(big), 0), sizeof(big));
	expect_hang_up(fd);
	fd = fake_connect(*state, 1);
	assert_int_equal(send(fd, &hello, sizeof(hello) - 1, 0), sizeof(hello) - 1);
	expect_hang_up(fd);
	fd = fake_connect(*state, 1);
	assert_int_equal(send(fd, &hello, 0, 0), 0);
	expect_hang_up(fd);
	fake_stats(*state, 1, &stats);
	assert_int_equal(stats.client_count, 0);
	assert_int_equal(stats.memory_used_bytes, 0);
	assert_true(stats.faults >= 14);
}

static void test_silent(void **state)
{
	const uint64_t begin_ns = dv_now_ns();
	int fd = fake_connect(*state, 1);

	expect_hang_up(fd);
	assert_true(dv_now_ns() - begin_ns >= 1900 * DV_NS_PER_MS);
}

static void test_too_many(void **state)
{
	int fds[DV_CLIENTS_PER_LEASE_MOST];
	int fd;

	for (size_t i = 0; i < DV_ARRAY_LEN(fds); i++) {
		fds[i] = fake_connect(*state, 1);
		assert_true(fds[i] >= 0);
	}
	fd = fake_connect(*state, 1);
	expect_refusal(fd, DV_REFUSAL_FULL);
	for (size_t i = 0; i < DV_ARRAY_LEN(fds); i++)
		close(fds[i]);
}

/* It asks and never reads: hung up on when its buffer is full, and nobody waits for it. */
static void test_does_not_read(void **state)
{
	struct dv_msg msg = fake_msg(DV_MSG_RESERVE, 0, 0, 0);
	struct fake_client a;
	unsigned sent = 0;

	fake_attach(*state, 1, 0, &a);
	while (send(a.fd, &msg, sizeof(msg), MSG_NOSIGNAL) == sizeof(msg))
		assert_true(++sent < 10000000);
	fake_detach(&a);
	fake_await_clients(*state, 1, 0);
}

static void flood(struct fake_gate *fake)
{
	struct dv_msg msg = fake_msg(DV_MSG_RELEASE, 0, 0, 0);
	struct fake_client a;

	fake_attach(fake, 1, 0, &a);
	while (send(a.fd, &msg, sizeof(msg), MSG_NOSIGNAL) == sizeof(msg))
		;
	_exit(0);
}

static void test_flood(void **state)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		flood(*state);
	}
	fake_await_clients(*state, 1, 1);
	for (unsigned i = 0; i < 200; i++) {
		assert_true(fake_reserve(&honest, 10));
		fake_release(&honest, 10);
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	fake_await_clients(*state, 1, 0);
}

/* Comes and goes as fast as it can. */
static void test_connect_flood(void **state)
{
	pid_t pid = fork();
	int status, fd;

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			if ((fd = fake_connect(*state, 1)) >= 0)
				close(fd);
	}
	for (unsigned i = 0; i < 200; i++) {
		assert_true(fake_reserve(&honest, 10));
		fake_release(&honest, 10);
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

/* Descriptors sent along must not pile up in divvyd. */
static void test_sends_descriptors(void **state)
{
	struct dv_msg msg = fake_msg(DV_MSG_RELEASE, 0, 0, 0);
	struct iovec part = {&msg, sizeof(msg)};
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr header = {.msg_iov = &part,
				.msg_iovlen = 1,
				.msg_control = control.space,
				.msg_controllen = sizeof(control.space)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&header);
	struct pollfd reader = {.events = POLLIN};
	struct fake_client a;
	int pipe_fds[2];

	assert_int_equal(pipe(pipe_fds), 0);
	fake_attach(*state, 1, 0, &a);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &pipe_fds[1], sizeof(int));
	assert_int_equal(sendmsg(a.fd, &header, 0), sizeof(msg));
	close(pipe_fds[1]);
	assert_true(fake_reserve(&a, 1));
	/* The last writer is gone: the gate kept no copy. */
	reader.fd = pipe_fds[0];
	assert_int_equal(poll(&reader, 1, 5000), 1);
	assert_true(reader.revents & POLLHUP);
	close(pipe_fds[0]);
	fake_detach(&a);
}

/* The process that attached ends, but a child of it still has the socket. */
static void test_socket_outlives_process(void **state)
{
	struct fake_client a;
	int status, go[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(go), 0);
	pid = fork();
	if (pid == 0) {
		fake_attach(*state, 1, 0, &a);
		(void)fake_reserve(&a, 900);
		close(go[1]);
		if (fork() == 0) {
			(void)!read(go[0], &c, 1);
			_exit(0);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	fake_await_clients(*state, 1, 0);
	close(go[0]);
	close(go[1]);
}

static void other_user(struct fake_gate *fake)
{
	struct dv_msg msg = fake_msg(DV_MSG_HELLO, DV_LAYER_OPENCL, 1, 0);
	int fd;

	if (setgid(65534) < 0 || setuid(65534) < 0)
		_exit(3);
	fd = fake_connect(fake, 1);
	if (fd < 0)
		_exit(errno == EACCES ? 10 : 4);
	(void)!send(fd, &msg, sizeof(msg), MSG_NOSIGNAL);
	if (recv(fd, &msg, sizeof(msg), 0) != sizeof(msg))
		_exit(5);
	_exit(msg.type == DV_MSG_REFUSED && msg.a == DV_REFUSAL_PEER ? 11 : 6);
}

static void run_as_other(struct fake_gate *fake, int expected)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		other_user(fake);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), expected);
}

static void test_other_user(void **state)
{
	struct fake_gate *fake = *state;

	if (geteuid() != 0) {
		print_message("skipped: needs root to become another user\n");
		skip();
	}
	assert_int_equal(chmod(fake->dir, 0755), 0);
	run_as_other(fake, 10);
	/* Even where the socket's mode would let it. */
	assert_int_equal(fchmodat(fake->run_fd, "lease-1/sock", 0666, 0), 0);
	run_as_other(fake, 11);
}

/* The tenant's own user attaches, whoever divvyd is. */
static void test_own_user(void **state)
{
	struct fake_gate *fake = *state;
	struct dv_gate_lease lease = {
		.id = 3, .parent = "gpu/1", .name = "n", .uid = 65534, .nonce = FAKE_NONCE};
	struct fake_client a;
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("skipped: needs root to become another user\n");
		skip();
	}
	assert_int_equal(chmod(fake->dir, 0755), 0);
	assert_int_equal(dv_gate_open(fake->gate, &lease, false, NULL), 0);
	pid = fork();
	if (pid == 0) {
		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(3);
		fake_attach(fake, 3, 0, &a);
		_exit(fake_reserve(&a, 1) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(dv_gate_close(fake->gate, 3, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nonce, setup, teardown),
		cmocka_unit_test_setup_teardown(test_version, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken_messages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_silent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_does_not_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
		cmocka_unit_test_setup_teardown(test_connect_flood, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sends_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_socket_outlives_process, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_user, setup, teardown),
		cmocka_unit_test_setup_teardown(test_own_user, setup, teardown),
	};

	return cmocka_run_group_tests_name("gate/hostile", tests, NULL, NULL);
}
