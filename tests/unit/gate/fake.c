/* SPDX-License-Identifier: Apache-2.0 */
#include "fake.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "../temporary.h"
#include "base/clock.h"

static void start(struct fake_gate *fake)
{
	struct dv_gate_config config = {.run_fd = fake->run_fd,
					.run_path = fake->dir,
					.reattach_grace_ns = fake->grace_ns,
					.away_waits = fake->away_waits,
					.sched = dv_sched_defaults};
	struct dv_error err = {0};

	config.sched.hold_timeout_ns = fake->hold_timeout_ns ? fake->hold_timeout_ns
							     : 10 * DV_NS_PER_S;
	if (dv_gate_new(&config, &fake->gate, &err) < 0)
		fail_msg("%s", err.msg);
}

void fake_gate_init(struct fake_gate *fake, uint64_t grace_ns)
{
	assert_int_equal(temporary_make(fake->dir, sizeof(fake->dir), "gate"), 0);
	fake->run_fd = open(fake->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(fake->run_fd >= 0);
	fake->grace_ns = grace_ns;
	start(fake);
}

void fake_restart(struct fake_gate *fake)
{
	dv_gate_free(fake->gate);
	start(fake);
}

void fake_gate_fini(struct fake_gate *fake)
{
	DIR *dir = opendir(fake->dir);
	const struct dirent *entry;

	dv_gate_free(fake->gate);
	/* Directories are the leases', and these stand when divvyd ends. Only empty ones can be
	 * removed: the gate left no socket behind. */
	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			assert_int_equal(unlinkat(fake->run_fd, entry->d_name, AT_REMOVEDIR), 0);
	(void)closedir(dir);
	close(fake->run_fd);
	assert_int_equal(rmdir(fake->dir), 0);
}

void fake_open(struct fake_gate *fake, int64_t id, uint64_t limit_bytes, bool returning)
{
	struct dv_gate_lease lease = {
		.id = id,
		.parent = "gpu/0",
		.name = "t",
		.uid = geteuid(),
		.nonce = FAKE_NONCE,
		.memory_limit_bytes = limit_bytes,
		.compute_mpct = 50000,
		.device = "GPU-of-the-test",
	};
	struct dv_error err = {0};

	if (dv_gate_open(fake->gate, &lease, returning, &err) < 0)
		fail_msg("%s", err.msg);
}

void fake_open_timed(struct fake_gate *fake, int64_t id, enum dv_policy policy, uint32_t percent)
{
	struct dv_gate_lease lease = {
		.id = id,
		.parent = "gpu/0",
		.name = "t",
		.uid = geteuid(),
		.nonce = FAKE_NONCE,
		.compute_mpct = percent * 1000,
		.policy = policy,
		.timed = true,
	};
	struct dv_error err = {0};

	if (dv_gate_open(fake->gate, &lease, false, &err) < 0)
		fail_msg("%s", err.msg);
}

void fake_close(struct fake_gate *fake, int64_t id)
{
	assert_int_equal(dv_gate_close(fake->gate, id, NULL), 0);
}

void fake_stats(struct fake_gate *fake, int64_t id, struct dv_gate_stats *ret)
{
	assert_int_equal(dv_gate_stats(fake->gate, id, ret, NULL), 0);
}

void fake_await_clients(struct fake_gate *fake, int64_t id, unsigned count)
{
	struct dv_gate_stats stats;

	for (int i = 0; i < 5000; i++) {
		fake_stats(fake, id, &stats);
		if (stats.client_count == count)
			return;
		(void)usleep(1000);
	}
	fail_msg("%u clients, not %u", stats.client_count, count);
}

int fake_connect(const struct fake_gate *fake, int64_t id)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	assert_true(fd >= 0);
	(void)dv_gate_socket(fake->gate, id, address.sun_path, sizeof(address.sun_path));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

struct dv_msg fake_msg(enum dv_msg_type type, uint64_t a, uint64_t b, uint64_t c)
{
	struct dv_msg msg = {
		.magic = DV_WIRE_MAGIC,
		.version = DV_WIRE_VERSION,
		.type = (uint16_t)type,
		.a = a,
		.b = b,
		.c = c,
	};

	if (type == DV_MSG_HELLO)
		memcpy(msg.nonce, FAKE_NONCE, sizeof(msg.nonce));
	return msg;
}

void fake_send(int fd, const struct dv_msg *msg)
{
	assert_int_equal(send(fd, msg, sizeof(*msg), MSG_NOSIGNAL), sizeof(*msg));
}

static void take_fds(struct msghdr *header, int fds[2])
{
	struct cmsghdr *c = CMSG_FIRSTHDR(header);

	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(2 * sizeof(int)))
		memcpy(fds, CMSG_DATA(c), 2 * sizeof(int));
}

bool fake_recv(int fd, struct dv_msg *ret, int fds[2])
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	char space[CMSG_SPACE(2 * sizeof(int))];
	struct iovec part = {ret, sizeof(*ret)};
	struct msghdr header = {.msg_iov = &part,
				.msg_iovlen = 1,
				.msg_control = space,
				.msg_controllen = sizeof(space)};
	ssize_t n;

	if (poll(&poll_fd, 1, 5000) != 1)
		fail_msg("no answer within 5 s");
	n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return false;
	assert_int_equal(n, sizeof(*ret));
	assert_int_equal(ret->magic, DV_WIRE_MAGIC);
	assert_int_equal(ret->version, DV_WIRE_VERSION);
	if (fds)
		take_fds(&header, fds);
	return true;
}

static void greet(const struct fake_gate *fake, int64_t id, struct dv_msg msg,
		  struct fake_client *ret)
{
	int fds[2] = {-1, -1};
	void *page;

	memset(ret, 0, sizeof(*ret));
	ret->fd = fake_connect(fake, id);
	assert_true(ret->fd >= 0);
	msg.serial = ++ret->serial;
	fake_send(ret->fd, &msg);
	assert_true(fake_recv(ret->fd, &msg, fds));
	assert_int_equal(msg.type, DV_MSG_WELCOME);
	assert_int_equal(msg.serial, ret->serial);
	assert_int_equal(msg.a, id);
	ret->grant_fd = fds[0];
	ret->counters_fd = fds[1];
	page = mmap(NULL, DV_WIRE_PAGE_BYTES, PROT_READ, MAP_SHARED, ret->grant_fd, 0);
	assert_true(page != MAP_FAILED);
	ret->grant = page;
	page = mmap(NULL, DV_WIRE_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, ret->counters_fd,
		    0);
	assert_true(page != MAP_FAILED);
	ret->counters = page;
	ret->counters->magic = DV_WIRE_MAGIC;
	ret->counters->version = DV_WIRE_VERSION;
}

void fake_attach(const struct fake_gate *fake, int64_t id, uint64_t held, struct fake_client *ret)
{
	greet(fake, id, fake_msg(DV_MSG_HELLO, DV_LAYER_OPENCL, (uint64_t)getpid(), held), ret);
}

void fake_attach_as(const struct fake_gate *fake, int64_t id, enum dv_layer layer, pid_t pid,
		    struct fake_client *ret)
{
	greet(fake, id, fake_msg(DV_MSG_HELLO, layer, (uint64_t)pid, 0), ret);
}

void fake_detach(struct fake_client *client)
{
	(void)munmap((void *)client->grant, DV_WIRE_PAGE_BYTES);
	(void)munmap((void *)client->counters, DV_WIRE_PAGE_BYTES);
	close(client->grant_fd);
	close(client->counters_fd);
	close(client->fd);
}

bool fake_reserve(struct fake_client *client, uint64_t bytes)
{
	struct dv_msg msg = fake_msg(DV_MSG_RESERVE, bytes, 0, 0);

	msg.serial = ++client->serial;
	fake_send(client->fd, &msg);
	assert_true(fake_recv(client->fd, &msg, NULL));
	assert_int_equal(msg.serial, client->serial);
	assert_int_equal(msg.a, bytes);
	assert_true(msg.type == DV_MSG_RESERVED || msg.type == DV_MSG_DENIED);
	return msg.type == DV_MSG_RESERVED;
}

void fake_release(struct fake_client *client, uint64_t bytes)
{
	struct dv_msg msg = fake_msg(DV_MSG_RELEASE, bytes, 0, 0);

	fake_send(client->fd, &msg);
}

struct dv_grant fake_grant(const struct fake_client *client)
{
	const struct dv_grant *page = (const struct dv_grant *)client->grant;
	struct dv_grant copy;
	uint32_t epoch;

	do {
		epoch = __atomic_load_n(&page->epoch, __ATOMIC_ACQUIRE);
		copy = *page;
		copy.flags = __atomic_load_n(&page->flags, __ATOMIC_ACQUIRE);
		copy.until_ns = __atomic_load_n(&page->until_ns, __ATOMIC_ACQUIRE);
		copy.server_ns = __atomic_load_n(&page->server_ns, __ATOMIC_ACQUIRE);
	} while (epoch % 2 || epoch != __atomic_load_n(&page->epoch, __ATOMIC_RELAXED));
	copy.epoch = epoch;
	return copy;
}

struct dv_grant fake_await(const struct fake_client *client, uint32_t mask, uint32_t flags)
{
	struct dv_grant grant;

	for (unsigned i = 0; i < 200000; i++) {
		grant = fake_grant(client);
		if ((grant.flags & mask) == flags)
			return grant;
		(void)usleep(100);
	}
	fail_msg("flags are %x, not %x of %x", grant.flags, flags, mask);
	return grant;
}

void fake_want(const struct fake_client *client)
{
	struct dv_msg msg = fake_msg(DV_MSG_WANT, client->grant->epoch, 0, 0);

	fake_send(client->fd, &msg);
}

uint32_t fake_drained(const struct fake_client *client, bool more)
{
	struct dv_msg msg = fake_msg(DV_MSG_DRAINED, fake_grant(client).epoch, 0, more);

	msg.serial = dv_now_ns();
	fake_send(client->fd, &msg);
	return (uint32_t)msg.a;
}
