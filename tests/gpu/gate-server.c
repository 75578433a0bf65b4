/* SPDX-License-Identifier: Apache-2.0 */
/* divvyd's gate without divvyd, for machines that have none of the libraries that divvyd needs:
 *
 *   gate-server DIR [DEVICE]
 *
 * Leases are of one GPU; DEVICE is its driver's name of it ("GPU-..."). Whoever wants one connects
 * to DIR/control (SOCK_SEQPACKET) and says "open NAME MEMORY SHARE POLICY", in divvy's words. The
 * answer is "ok SOCKET NONCE", for the environment of the tenant, or "no WHY". The lease stands
 * until that connection is closed everywhere. "stats NAME" tells what its tenant did. What divvyd
 * would check before (does it fit beside the others?) is not looked at here: the gate, its ledger
 * and its scheduler are the product's own. Ends when its input does. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fcntl.h>

#include "base/clock.h"
#include "base/str.h"
#include "gate/gate.h"
#include "model/units.h"

enum { CONNECTIONS_MOST = 512, SAID_MOST = 512, FIRST_FDS = 2 };

struct connection {
	int64_t lease; /* 0: none yet */
	char name[DV_NAME_SIZE];
};

struct server {
	struct dv_gate *gate;
	const char *device;
	int64_t last_id;
	unsigned count;
	struct connection connections[CONNECTIONS_MOST];
	struct pollfd fds[FIRST_FDS + CONNECTIONS_MOST]; /* our input, the control socket, ... */
};

static int make_nonce(char ret[33], struct dv_error *err)
{
	unsigned char bytes[16];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return dv_error_errno(err, errno, "drawing a nonce");
	for (size_t i = 0; i < sizeof(bytes); i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

static int parse_lease(char *words[4], struct dv_gate_lease *lease, struct dv_error *err)
{
	int r = dv_is_name(words[0], sizeof(lease->name) - 1)
			? 0
			: dv_error_set(err, -EINVAL, "'%.64s' is no name", words[0]);

	if (r == 0)
		r = dv_size_parse(words[1], &lease->memory_limit_bytes, err);
	if (r == 0)
		r = dv_share_parse(words[2], &lease->compute_mpct, err);
	if (r == 0)
		r = dv_policy_parse(words[3], &lease->policy, err);
	if (r == 0)
		r = make_nonce(lease->nonce, err);
	return r;
}

static int open_lease(struct server *server, struct connection *c, char *words[4], char *answer,
		      struct dv_error *err)
{
	struct dv_gate_lease lease = {.id = server->last_id + 1, .uid = getuid(), .timed = true};
	char path[128];
	int r = c->lease ? dv_error_set(err, -EBUSY, "this connection has a lease")
			 : parse_lease(words, &lease, err);

	if (r < 0)
		return r;
	lease.device_memory_bytes = lease.memory_limit_bytes;
	(void)dv_copy(lease.name, sizeof(lease.name), words[0]);
	(void)dv_copy(lease.parent, sizeof(lease.parent), "gpu");
	(void)snprintf(lease.node, sizeof(lease.node), "gpu/%" PRId64, lease.id);
	(void)dv_copy(lease.device, sizeof(lease.device), server->device);
	r = dv_gate_open(server->gate, &lease, false, err);
	if (r < 0)
		return r;
	server->last_id = c->lease = lease.id;
	(void)dv_copy(c->name, sizeof(c->name), lease.name);
	(void)snprintf(answer, SAID_MOST, "ok %s %s",
		       dv_gate_socket(server->gate, lease.id, path, sizeof(path)), lease.nonce);
	return 0;
}

static int tell_stats(struct server *server, const char *name, char *answer, struct dv_error *err)
{
	dv_autofree struct dv_gate_stats *s = calloc(1, sizeof(*s));
	uint64_t launches = 0, ungated = 0;
	int64_t id = 0;
	int r;

	for (unsigned i = 0; i < server->count; i++)
		if (server->connections[i].lease && strcmp(server->connections[i].name, name) == 0)
			id = server->connections[i].lease;
	if (!s || !id)
		return dv_error_set(err, s ? -ENOENT : -ENOMEM, "no lease '%.64s'", name);
	r = dv_gate_stats(server->gate, id, s, err);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < s->client_listed; i++) {
		launches += s->clients[i].launches;
		ungated += s->clients[i].passed_ungated;
	}
	(void)snprintf(answer, SAID_MOST,
		       "ok used=%" PRIu64 " peak=%" PRIu64 " denied=%" PRIu64
		       " clients=%u hellos=%" PRIu64 " faults=%" PRIu64 " launches=%" PRIu64
		       " ungated=%" PRIu64 " grants=%" PRIu64 " device_ns=%" PRIu64,
		       s->memory_used_bytes, s->memory_peak_bytes, s->memory_denied,
		       s->client_count, s->hellos, s->faults, launches, ungated, s->sched.grants,
		       s->sched.used_ns);
	return 0;
}

static int answer_to(struct server *server, struct connection *c, char *said, char *answer,
		     struct dv_error *err)
{
	char *words[6] = {NULL}, *save = NULL;
	unsigned count = 0;

	for (char *word = strtok_r(said, " ", &save); word && count < DV_ARRAY_LEN(words);
	     word = strtok_r(NULL, " ", &save))
		words[count++] = word;
	if (count == 5 && strcmp(words[0], "open") == 0)
		return open_lease(server, c, words + 1, answer, err);
	if (count == 2 && strcmp(words[0], "stats") == 0)
		return tell_stats(server, words[1], answer, err);
	return dv_error_set(err, -EINVAL, "say open NAME MEMORY SHARE POLICY, or stats NAME");
}

/* False: it hung up, or cannot be talked to. */
static bool serve(struct server *server, unsigned at)
{
	const int fd = server->fds[FIRST_FDS + at].fd;
	char said[SAID_MOST] = "", answer[SAID_MOST] = "";
	struct dv_error err = {0};
	ssize_t n = recv(fd, said, sizeof(said) - 1, 0);

	if (n <= 0)
		return n < 0 && (errno == EINTR || errno == EAGAIN);
	said[n] = '\0';
	if (answer_to(server, &server->connections[at], said, answer, &err) < 0)
		(void)snprintf(answer, sizeof(answer), "no %s", err.msg);
	return send(fd, answer, strlen(answer), MSG_NOSIGNAL) >= 0;
}

static void drop(struct server *server, unsigned at)
{
	struct connection *c = &server->connections[at];

	if (c->lease)
		(void)!dv_gate_close(server->gate, c->lease, NULL);
	(void)close(server->fds[FIRST_FDS + at].fd);
	server->count--;
	*c = server->connections[server->count];
	server->fds[FIRST_FDS + at] = server->fds[FIRST_FDS + server->count];
}

static void take_in(struct server *server)
{
	int fd = accept4(server->fds[1].fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (server->count == CONNECTIONS_MOST) {
		(void)close(fd);
		return;
	}
	server->connections[server->count] = (struct connection){0};
	server->fds[FIRST_FDS + server->count] = (struct pollfd){.fd = fd, .events = POLLIN};
	server->count++;
}

static int listen_in(const char *dir, int *ret_fd, struct dv_error *err)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	dv_autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if ((size_t)snprintf(at.sun_path, sizeof(at.sun_path), "%s/control", dir) >=
	    sizeof(at.sun_path))
		return dv_error_set(err, -ENAMETOOLONG, "%s is too long for a socket", dir);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 128) < 0)
		return dv_error_errno(err, errno, "listening at %s", at.sun_path);
	*ret_fd = take_fd(fd);
	return 0;
}

static void run(struct server *server)
{
	while (poll(server->fds, FIRST_FDS + server->count, -1) >= 0 || errno == EINTR) {
		if (server->fds[0].revents)
			return;
		/* From the end: what is dropped leaves its place to the last. */
		for (unsigned i = server->count; i-- > 0;)
			if (server->fds[FIRST_FDS + i].revents && !serve(server, i))
				drop(server, i);
		if (server->fds[1].revents)
			take_in(server);
		dv_gate_changes_clear(server->gate);
	}
}

int main(int argc, char **argv)
{
	static struct server server;
	struct dv_gate_config config = {.sched = dv_sched_defaults,
					.reattach_grace_ns = DV_NS_PER_S};
	struct dv_error err = {0};
	int r = argc == 2 || argc == 3 ? 0 : dv_error_set(&err, -EINVAL, "DIR [DEVICE]");

	if (r == 0) {
		server.device = argc == 3 ? argv[2] : "";
		config.run_path = argv[1];
		config.run_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = config.run_fd < 0 ? dv_error_errno(&err, errno, "%s", argv[1]) : 0;
	}
	if (r == 0)
		r = dv_gate_new(&config, &server.gate, &err);
	if (r == 0)
		r = listen_in(argv[1], &server.fds[1].fd, &err);
	if (r < 0) {
		(void)fprintf(stderr, "gate-server: %s\n", err.msg);
		return 1;
	}
	server.fds[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
	server.fds[1].events = POLLIN;
	(void)puts("ready");
	(void)fflush(stdout);
	run(&server);
	while (server.count)
		drop(&server, server.count - 1);
	(void)close(server.fds[1].fd);
	dv_gate_free(server.gate);
	(void)close(config.run_fd);
	return 0;
}
