/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/core/link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

/* Above what shells and programs use by number. */
enum { HIGH_FD = 100 };

uint64_t dv_shim_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int milliseconds_to(uint64_t deadline_ns)
{
	uint64_t now = dv_shim_now_ns();

	if (now >= deadline_ns)
		return 0;
	/* Rounded up: a wait that ends early would spin. */
	return (int)DV_MIN((deadline_ns - now + 999999) / 1000000, (uint64_t)3600000);
}

/* 1: an event came; 0: the deadline passed. */
static int wait_for(int fd, short events, uint64_t deadline_ns)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = events};
		int n = poll(&p, 1, milliseconds_to(deadline_ns));

		if (n > 0)
			return 1;
		if (n < 0 && errno != EINTR)
			return 1; /* what follows finds out what is wrong */
		if (n == 0 && dv_shim_now_ns() >= deadline_ns)
			return 0;
	}
}

static bool is_ours(const struct dv_shim_link *link)
{
	struct stat st;

	return link->fd >= 0 && fstat(link->fd, &st) == 0 && st.st_dev == link->dev &&
	       st.st_ino == link->ino;
}

void dv_shim_link_drop(struct dv_shim_link *link)
{
	if (is_ours(link))
		close(link->fd);
	link->fd = -1;
}

void dv_shim_link_close(struct dv_shim_link *link)
{
	/* Wakes whoever polls another descriptor of it. */
	if (is_ours(link))
		shutdown(link->fd, SHUT_RDWR);
	dv_shim_link_drop(link);
}

struct dv_shim_link dv_shim_link_dup(const struct dv_shim_link *link)
{
	struct dv_shim_link copy = *link;

	if (!is_ours(link))
		return DV_SHIM_LINK_NONE;
	copy.fd = fcntl(link->fd, F_DUPFD_CLOEXEC, HIGH_FD);
	if (copy.fd < 0)
		copy.fd = fcntl(link->fd, F_DUPFD_CLOEXEC, 3);
	return copy;
}

int dv_shim_link_send(const struct dv_shim_link *link, const struct dv_msg *msg)
{
	if (!is_ours(link))
		return -EBADF;
	for (;;) {
		ssize_t n = send(link->fd, msg, sizeof(*msg), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n == (ssize_t)sizeof(*msg))
			return 0;
		if (n >= 0)
			return -EPROTO;
		if (errno != EINTR)
			return -errno;
	}
}

void dv_shim_link_drain(const struct dv_shim_link *link, uint64_t deadline_ns)
{
	if (is_ours(link))
		(void)wait_for(link->fd, POLLOUT, deadline_ns);
}

static int send_by(const struct dv_shim_link *link, const struct dv_msg *msg, uint64_t deadline_ns)
{
	for (;;) {
		int r = dv_shim_link_send(link, msg);

		if (r != -EAGAIN)
			return r;
		if (!wait_for(link->fd, POLLOUT, deadline_ns))
			return -ETIMEDOUT;
	}
}

static void take_descriptors(struct msghdr *header, int ret_fds[2])
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		size_t count;
		int fd;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (ret_fds[0] < 0)
				ret_fds[0] = fd;
			else if (ret_fds[1] < 0)
				ret_fds[1] = fd;
			else
				close(fd);
		}
	}
}

/* One message; descriptors that come with it go to `ret_fds` (-1 where there is none). */
static int receive_by(int fd, uint64_t deadline_ns, struct dv_msg *ret, int ret_fds[2])
{
	for (;;) {
		union {
			char room[CMSG_SPACE(2 * sizeof(int))];
			struct cmsghdr align;
		} control;
		struct iovec iov = {ret, sizeof(*ret)};
		struct msghdr header = {.msg_iov = &iov,
					.msg_iovlen = 1,
					.msg_control = control.room,
					.msg_controllen = sizeof(control.room)};
		ssize_t n = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

		if (n < 0 && errno == EAGAIN && !wait_for(fd, POLLIN, deadline_ns))
			return -ETIMEDOUT;
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EPIPE;
		take_descriptors(&header, ret_fds);
		if (n != (ssize_t)sizeof(*ret) || header.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ||
		    ret->magic != DV_WIRE_MAGIC)
			return -EPROTO;
		return 0;
	}
}

int dv_shim_link_ask(const struct dv_shim_link *link, const struct dv_msg *question,
		     uint64_t deadline_ns, struct dv_msg *ret)
{
	int r = send_by(link, question, deadline_ns);

	while (r == 0) {
		dv_autoclose int first = -1;
		dv_autoclose int second = -1;
		struct dv_msg answer;
		int fds[2] = {-1, -1};

		r = receive_by(link->fd, deadline_ns, &answer, fds);
		/* Closed by what clang 14 does not know. */
		first = fds[0];	 /* NOLINT(clang-analyzer-deadcode.DeadStores) */
		second = fds[1]; /* NOLINT(clang-analyzer-deadcode.DeadStores) */
		if (r == 0 && answer.serial == question->serial) {
			*ret = answer;
			return 0;
		}
	}
	return r;
}

int dv_shim_link_watch(const struct dv_shim_link *link, uint64_t deadline_ns)
{
	if (!is_ours(link))
		return 1;
	/* No event asked for: only hang-up and error are told. */
	return wait_for(link->fd, 0, deadline_ns);
}

static int connect_by(const char *path, uint64_t deadline_ns, struct dv_shim_link *ret)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval patience = {0};
	dv_autoclose int fd = -1;
	struct stat st;
	int high;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	high = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
	if (high < 0)
		high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (high < 0)
		return -errno;
	close(fd);
	fd = high;
	/* A full backlog would make connect() wait for ever. */
	patience.tv_sec = milliseconds_to(deadline_ns) / 1000;
	patience.tv_usec = milliseconds_to(deadline_ns) % 1000 * 1000 + 1;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = (struct dv_shim_link){.dev = st.st_dev, .ino = st.st_ino, .fd = take_fd(fd)};
	return 0;
}

static int greet(const struct dv_shim_link *link, const struct dv_shim_hello *hello,
		 uint64_t deadline_ns, struct dv_shim_welcome *ret)
{
	struct dv_msg msg = {.magic = DV_WIRE_MAGIC,
			     .version = DV_WIRE_VERSION,
			     .type = DV_MSG_HELLO,
			     .a = hello->layer,
			     .b = (uint64_t)getpid(),
			     .c = hello->held_bytes};
	struct dv_msg answer;
	int fds[2] = {-1, -1};
	dv_autoclose int grant = -1;
	dv_autoclose int counters = -1;
	int r;

	memcpy(msg.nonce, hello->nonce, sizeof(msg.nonce));
	r = send_by(link, &msg, deadline_ns);
	if (r < 0)
		return r;
	r = receive_by(link->fd, deadline_ns, &answer, fds);
	grant = fds[0];
	counters = fds[1];
	if (r < 0)
		return r;
	if (answer.type == DV_MSG_REFUSED)
		return answer.a > 0 && answer.a < 1000 ? (int)answer.a : -EPROTO;
	if (answer.type != DV_MSG_WELCOME || answer.version != DV_WIRE_VERSION || grant < 0 ||
	    counters < 0)
		return -EPROTO;
	*ret = (struct dv_shim_welcome){
		.grant_fd = take_fd(grant), .counters_fd = take_fd(counters), .lease_id = answer.a};
	return 0;
}

int dv_shim_link_open(const struct dv_shim_hello *hello, uint64_t deadline_ns,
		      struct dv_shim_link *ret_link, struct dv_shim_welcome *ret)
{
	struct dv_shim_link link = DV_SHIM_LINK_NONE;
	int r = connect_by(hello->path, deadline_ns, &link);

	if (r == 0)
		r = greet(&link, hello, deadline_ns, ret);
	if (r != 0) {
		dv_shim_link_close(&link);
		return r;
	}
	*ret_link = link;
	return 0;
}

int dv_shim_link_last_word(const struct dv_shim_link *link)
{
	struct dv_msg msg;
	int fds[2] = {-1, -1};

	while (is_ours(link) && receive_by(link->fd, 0, &msg, fds) == 0) {
		dv_closep(&fds[0]);
		dv_closep(&fds[1]);
		fds[0] = fds[1] = -1;
		if (msg.type == DV_MSG_REFUSED && msg.a > 0 && msg.a < 1000)
			return (int)msg.a;
	}
	return 0;
}
