/* SPDX-License-Identifier: Apache-2.0 */
#include "fake-divvyd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../temporary.h"

enum { CLIENTS = 64 };

struct client {
	int fd;
	struct dv_grant *grant;
	struct dv_counters *counters;
	uint64_t held;
	bool wants;
	uint32_t held_epoch; /* of the last grant with HELD */
};

struct fake {
	bool quiet; /* of the test's thread: wake nobody */
	struct fake_config config;
	char dir[64], path[96];
	pthread_t thread;
	pthread_mutex_t lock;
	int listen_fd, wake_fd;
	bool stop;
	unsigned refusal;
	struct client clients[CLIENTS];
	int holder;   /* TIMED; -1: nobody */
	bool revoked; /* the holder was told to stop */
	uint64_t until_ns, not_before_ns;
	unsigned turn;
	int last; /* the client that greeted last, -1 when gone */
	struct fake_stats stats;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void poke(struct fake *fake)
{
	uint64_t one = 1;

	if (write(fake->wake_fd, &one, sizeof(one)) < 0)
		return;
}

static int listen_on(struct fake *fake)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	unlink(fake->path);
	memcpy(address.sun_path, fake->path, strlen(fake->path) + 1);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 64) < 0)
		return -1;
	return fd;
}

static void write_grant(struct fake *fake, struct client *client, uint32_t flags, uint64_t until)
{
	struct dv_grant *g = client->grant;
	uint32_t epoch = __atomic_load_n(&g->epoch, __ATOMIC_RELAXED);

	__atomic_store_n(&g->epoch, epoch + 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&g->until_ns, until, __ATOMIC_RELEASE);
	__atomic_store_n(&g->inflight_ns, fake->config.inflight_ns, __ATOMIC_RELEASE);
	__atomic_store_n(&g->linger_ns, fake->config.linger_ns, __ATOMIC_RELEASE);
	__atomic_store_n(&g->memory_limit_bytes, fake->config.limit_bytes, __ATOMIC_RELEASE);
	__atomic_store_n(&g->memory_used_bytes, fake->stats.used, __ATOMIC_RELEASE);
	__atomic_store_n(&g->device_memory_bytes, fake->config.device_bytes, __ATOMIC_RELEASE);
	__atomic_store_n(&g->compute_units, fake->config.compute_units, __ATOMIC_RELEASE);
	__atomic_store_n(&g->compute_mpct, fake->config.compute_mpct, __ATOMIC_RELEASE);
	__atomic_store_n(&g->flags, flags | fake->config.more_flags, __ATOMIC_SEQ_CST);
	__atomic_store_n(&g->epoch, epoch + 2, __ATOMIC_SEQ_CST);
	if (flags & DV_GRANT_HELD)
		client->held_epoch = epoch + 2;
	if (!fake->quiet)
		syscall(SYS_futex, &g->epoch, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static int page(const char *name, void **ret)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, DV_WIRE_PAGE_BYTES) < 0)
		return -1;
	*ret = mmap(NULL, DV_WIRE_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return *ret == MAP_FAILED ? -1 : fd;
}

static void say(int fd, const struct dv_msg *msg, const int fds[2])
{
	union {
		char room[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov = {(void *)msg, sizeof(*msg)};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	if (fds) {
		header.msg_control = control.room;
		header.msg_controllen = sizeof(control.room);
		c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(2 * sizeof(int));
		memcpy(CMSG_DATA(c), fds, 2 * sizeof(int));
	}
	(void)sendmsg(fd, &header, MSG_NOSIGNAL);
}

static void drop(struct fake *fake, struct client *client)
{
	int index = (int)(client - fake->clients);

	if (client->counters && fake->last == index) {
		fake->stats.counters = *client->counters;
		fake->last = -1;
	}
	close(client->fd);
	if (client->grant)
		munmap(client->grant, DV_WIRE_PAGE_BYTES);
	if (client->counters)
		munmap(client->counters, DV_WIRE_PAGE_BYTES);
	fake->stats.used -= client->held;
	if (fake->holder == index)
		fake->holder = -1;
	*client = (struct client){.fd = -1};
}

static bool hello(struct fake *fake, struct client *client, const struct dv_msg *msg)
{
	static const uint32_t first[] = {[FAKE_FREE] = 0,
					 [FAKE_ENDLESS] = DV_GRANT_GATED | DV_GRANT_HELD |
							  DV_GRANT_ENDLESS,
					 [FAKE_TIMED] = DV_GRANT_GATED,
					 [FAKE_MANUAL] = DV_GRANT_GATED};
	struct dv_msg answer = {.magic = DV_WIRE_MAGIC, .version = DV_WIRE_VERSION, .a = 1};
	unsigned refusal = fake->refusal;
	int fds[2];

	if (memcmp(msg->nonce, FAKE_NONCE, 32) != 0)
		refusal = DV_REFUSAL_NONCE;
	if (refusal) {
		answer.type = DV_MSG_REFUSED;
		answer.a = refusal;
		say(client->fd, &answer, NULL);
		return false;
	}
	fds[0] = page("grant", (void **)&client->grant);
	fds[1] = page("counters", (void **)&client->counters);
	if (fds[0] < 0 || fds[1] < 0)
		return false;
	client->grant->magic = DV_WIRE_MAGIC;
	client->grant->version = DV_WIRE_VERSION;
	if (fake->config.device)
		snprintf(client->grant->device, sizeof(client->grant->device), "%s",
			 fake->config.device);
	write_grant(fake, client, first[fake->config.mode], 0);
	/* As divvyd does: no one may map it for writing any more. */
	(void)fcntl(fds[0], F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE);
	client->held = msg->c;
	fake->stats.used += msg->c;
	fake->stats.last_held = msg->c;
	fake->stats.last_layer = msg->a;
	fake->stats.hellos++;
	fake->last = (int)(client - fake->clients);
	answer.type = DV_MSG_WELCOME;
	say(client->fd, &answer, fds);
	close(fds[0]);
	close(fds[1]);
	return true;
}

static void publish_used(struct fake *fake)
{
	for (int i = 0; i < CLIENTS; i++)
		if (fake->clients[i].grant)
			__atomic_store_n(&fake->clients[i].grant->memory_used_bytes,
					 fake->stats.used, __ATOMIC_RELEASE);
}

static void reserve(struct fake *fake, struct client *client, const struct dv_msg *msg)
{
	struct dv_msg answer = {.magic = DV_WIRE_MAGIC,
				.version = DV_WIRE_VERSION,
				.type = DV_MSG_RESERVED,
				.serial = msg->serial,
				.a = msg->a};

	fake->stats.reserves++;
	if (fake->config.limit_bytes && (msg->a > fake->config.limit_bytes ||
					 fake->stats.used > fake->config.limit_bytes - msg->a)) {
		answer.type = DV_MSG_DENIED;
		fake->stats.denied++;
	} else {
		client->held += msg->a;
		fake->stats.used += msg->a;
		if (fake->stats.used > fake->stats.peak)
			fake->stats.peak = fake->stats.used;
	}
	answer.b = fake->stats.used;
	publish_used(fake);
	say(client->fd, &answer, NULL);
}

static void drained(struct fake *fake, struct client *client, const struct dv_msg *msg)
{
	/* As divvyd: of one that was never given the device it is a wish, if it says so. */
	if (!client->held_epoch && !client->wants && msg->c == 1) {
		fake->stats.wants++;
		client->wants = true;
	}
	/* Late, or of such a one. */
	if (!client->held_epoch || msg->a < client->held_epoch)
		return;
	fake->stats.busy_ns += msg->b;
	fake->stats.drained++;
	if (fake->holder != (int)(client - fake->clients))
		return;
	client->wants |= msg->c == 1;
	if (!fake->revoked) {
		fake->stats.idle++;
		write_grant(fake, client, DV_GRANT_GATED, 0);
	}
	fake->holder = -1;
	fake->not_before_ns = now_ns() + fake->config.delay_ns;
}

static void told(struct fake *fake, struct client *client, const struct dv_msg *msg)
{
	struct dv_msg answer = *msg;

	if (msg->type == DV_MSG_USE) {
		answer.a = fake->config.use.window_ns;
		answer.b = fake->config.use.timed_ns;
		answer.c = fake->config.use.endless_ns;
	} else {
		answer.a = 0;
	}
	for (size_t i = 0; msg->type == DV_MSG_PROCESS && i < 4 && !answer.a; i++) {
		const struct fake_process *process = &fake->config.processes[i];

		if (process->pid <= msg->a)
			continue;
		answer.a = process->pid;
		answer.b = process->bytes;
		answer.c = process->own_pid;
		answer.lately[DV_LATELY_NS] = process->busy_ns;
		answer.lately[DV_LATELY_LAUNCHES] = process->launches;
		answer.lately[DV_LATELY_EVER] = process->ever;
	}
	say(client->fd, &answer, NULL);
}

static bool handle(struct fake *fake, struct client *client)
{
	struct dv_msg msg;
	ssize_t n = recv(client->fd, &msg, sizeof(msg), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return true;
	if (n != (ssize_t)sizeof(msg) || msg.magic != DV_WIRE_MAGIC ||
	    msg.version != DV_WIRE_VERSION)
		return false;
	if (!client->grant)
		return msg.type == DV_MSG_HELLO && hello(fake, client, &msg);
	switch (msg.type) {
	case DV_MSG_RESERVE:
		reserve(fake, client, &msg);
		return true;
	case DV_MSG_RELEASE:
		fake->stats.releases++;
		if (msg.a > client->held)
			return false;
		client->held -= msg.a;
		fake->stats.used -= msg.a;
		publish_used(fake);
		return true;
	case DV_MSG_WANT:
		fake->stats.wants++;
		if (fake->holder != (int)(client - fake->clients) || fake->revoked)
			client->wants = true;
		if (fake->holder < 0 && fake->not_before_ns < now_ns())
			fake->not_before_ns = now_ns() + fake->config.delay_ns;
		return true;
	case DV_MSG_DRAINED:
		drained(fake, client, &msg);
		return true;
	case DV_MSG_USE:
	case DV_MSG_PROCESS:
		told(fake, client, &msg);
		return true;
	default:
		return false;
	}
}

/* Hand out and take back; returns how long to sleep, in ms. */
static int schedule(struct fake *fake)
{
	uint64_t now = now_ns();

	if (fake->config.mode != FAKE_TIMED)
		return -1;
	if (fake->holder >= 0 && !fake->revoked && now >= fake->until_ns) {
		write_grant(fake, &fake->clients[fake->holder], DV_GRANT_GATED, 0);
		fake->revoked = true;
	}
	for (unsigned i = 0; fake->holder < 0 && i < CLIENTS && now >= fake->not_before_ns; i++) {
		struct client *client = &fake->clients[(fake->turn + i) % CLIENTS];

		if (client->fd < 0 || !client->wants)
			continue;
		client->wants = false;
		fake->holder = (int)(client - fake->clients);
		fake->turn = (unsigned)fake->holder + 1;
		fake->revoked = false;
		fake->until_ns = now + fake->config.quantum_ns;
		write_grant(fake, client, DV_GRANT_GATED | DV_GRANT_HELD, fake->until_ns);
	}
	return 1;
}

static void accept_one(struct fake *fake)
{
	int fd = accept4(fake->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	for (int i = 0; fd >= 0 && i < CLIENTS; i++)
		if (fake->clients[i].fd < 0) {
			fake->clients[i].fd = fd;
			return;
		}
	if (fd >= 0)
		close(fd);
}

static void *run(void *arg)
{
	struct fake *fake = arg;

	pthread_mutex_lock(&fake->lock);
	while (!fake->stop) {
		struct pollfd polls[CLIENTS + 2] = {{.fd = fake->wake_fd, .events = POLLIN},
						    {.fd = fake->listen_fd, .events = POLLIN}};
		int timeout = schedule(fake);
		uint64_t woken;

		for (int i = 0; i < CLIENTS; i++)
			polls[i + 2] = (struct pollfd){.fd = fake->clients[i].fd, .events = POLLIN};
		pthread_mutex_unlock(&fake->lock);
		(void)poll(polls, CLIENTS + 2, timeout);
		pthread_mutex_lock(&fake->lock);
		if (polls[0].revents && read(fake->wake_fd, &woken, sizeof(woken)) < 0)
			continue;
		if (polls[1].revents && fake->listen_fd == polls[1].fd)
			accept_one(fake);
		for (int i = 0; i < CLIENTS; i++)
			if (polls[i + 2].revents && fake->clients[i].fd == polls[i + 2].fd &&
			    polls[i + 2].fd >= 0 && !handle(fake, &fake->clients[i]))
				drop(fake, &fake->clients[i]);
	}
	pthread_mutex_unlock(&fake->lock);
	return NULL;
}

static bool make_dir(struct fake *fake)
{
	const char *below = getenv(FAKE_DIR);

	if (!below)
		return temporary_make(fake->dir, sizeof(fake->dir), "fake") == 0;
	return snprintf(fake->dir, sizeof(fake->dir), "%s/XXXXXX", below) <
		       (int)sizeof(fake->dir) &&
	       mkdtemp(fake->dir);
}

struct fake *fake_start(const struct fake_config *config)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	if (!fake)
		return NULL;
	fake->config = *config;
	fake->holder = -1;
	fake->last = -1;
	pthread_mutex_init(&fake->lock, NULL);
	for (int i = 0; i < CLIENTS; i++)
		fake->clients[i].fd = -1;
	fake->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fake->wake_fd < 0 || !make_dir(fake))
		return NULL;
	snprintf(fake->path, sizeof(fake->path), "%s/lease", fake->dir);
	fake->listen_fd = listen_on(fake);
	if (fake->listen_fd < 0 || pthread_create(&fake->thread, NULL, run, fake) != 0)
		return NULL;
	return fake;
}

void fake_die(struct fake *fake)
{
	pthread_mutex_lock(&fake->lock);
	close(fake->listen_fd);
	fake->listen_fd = -1;
	unlink(fake->path);
	for (int i = 0; i < CLIENTS; i++)
		if (fake->clients[i].fd >= 0)
			drop(fake, &fake->clients[i]);
	pthread_mutex_unlock(&fake->lock);
	poke(fake);
}

void fake_revive(struct fake *fake)
{
	pthread_mutex_lock(&fake->lock);
	fake->listen_fd = listen_on(fake);
	pthread_mutex_unlock(&fake->lock);
	poke(fake);
}

void fake_stop(struct fake *fake)
{
	pthread_mutex_lock(&fake->lock);
	fake->stop = true;
	pthread_mutex_unlock(&fake->lock);
	poke(fake);
	pthread_join(fake->thread, NULL);
	if (fake->listen_fd >= 0)
		fake_die(fake);
	close(fake->wake_fd);
	rmdir(fake->dir);
	free(fake);
}

const char *fake_path(const struct fake *fake)
{
	return fake->path;
}

void fake_stats(struct fake *fake, struct fake_stats *ret)
{
	pthread_mutex_lock(&fake->lock);
	*ret = fake->stats;
	for (int i = 0; i < CLIENTS; i++)
		ret->clients += fake->clients[i].fd >= 0 && fake->clients[i].grant;
	if (fake->last >= 0)
		for (size_t i = 0; i < sizeof(ret->counters) / sizeof(uint64_t); i++)
			((uint64_t *)&ret->counters)[i] =
				__atomic_load_n((uint64_t *)fake->clients[fake->last].counters + i,
						__ATOMIC_RELAXED);
	pthread_mutex_unlock(&fake->lock);
}

void fake_set_limit(struct fake *fake, uint64_t bytes)
{
	pthread_mutex_lock(&fake->lock);
	fake->config.limit_bytes = bytes;
	pthread_mutex_unlock(&fake->lock);
}

void fake_set_told(struct fake *fake, const struct fake_config *config)
{
	pthread_mutex_lock(&fake->lock);
	fake->config.use = config->use;
	memcpy(fake->config.processes, config->processes, sizeof(config->processes));
	fake->config.compute_mpct = config->compute_mpct;
	for (int i = 0; i < CLIENTS; i++)
		if (fake->clients[i].grant)
			__atomic_store_n(&fake->clients[i].grant->compute_mpct,
					 config->compute_mpct, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&fake->lock);
}

void fake_use(struct fake *fake, uint64_t bytes)
{
	pthread_mutex_lock(&fake->lock);
	fake->stats.used = bytes;
	publish_used(fake);
	pthread_mutex_unlock(&fake->lock);
}

void fake_end_lease(struct fake *fake)
{
	const struct dv_msg gone = {.magic = DV_WIRE_MAGIC,
				    .version = DV_WIRE_VERSION,
				    .type = DV_MSG_REFUSED,
				    .a = DV_REFUSAL_GONE};

	pthread_mutex_lock(&fake->lock);
	for (int i = 0; i < CLIENTS; i++)
		if (fake->clients[i].fd >= 0 && fake->clients[i].grant)
			say(fake->clients[i].fd, &gone, NULL);
	pthread_mutex_unlock(&fake->lock);
	fake_die(fake);
}

void fake_refuse(struct fake *fake, unsigned refusal)
{
	pthread_mutex_lock(&fake->lock);
	fake->refusal = refusal;
	pthread_mutex_unlock(&fake->lock);
}

void fake_grant_quietly(struct fake *fake, uint32_t flags, uint64_t until_ns)
{
	fake->quiet = true;
	fake_grant(fake, flags, until_ns);
	fake->quiet = false;
}

void fake_grant(struct fake *fake, uint32_t flags, uint64_t until_ns)
{
	pthread_mutex_lock(&fake->lock);
	for (int i = 0; i < CLIENTS; i++)
		if (fake->clients[i].grant)
			write_grant(fake, &fake->clients[i], flags, until_ns);
	pthread_mutex_unlock(&fake->lock);
}

bool fake_wait(struct fake *fake, bool (*test)(const struct fake_stats *, uint64_t), uint64_t arg)
{
	struct fake_stats stats;
	uint64_t end = now_ns() + 5000000000u;

	do {
		fake_stats(fake, &stats);
		if (test(&stats, arg))
			return true;
		usleep(500);
	} while (now_ns() < end);
	return false;
}
