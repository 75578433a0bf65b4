/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "gate/inside.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

static struct dv_msg answer(enum dv_msg_type type, uint64_t serial)
{
	return (struct dv_msg){
		.magic = DV_WIRE_MAGIC,
		.version = DV_WIRE_VERSION,
		.type = (uint16_t)type,
		.serial = serial,
	};
}

void dv_gate_refuse(int fd, enum dv_refusal why)
{
	struct dv_msg msg = answer(DV_MSG_REFUSED, 0);

	msg.a = why;
	(void)send(fd, &msg, sizeof(msg), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The process itself, not its number: -1 where it cannot be seen (another pid namespace). False:
 * it is gone already. */
static bool process_of(int fd, pid_t pid, int *ret_pidfd)
{
	socklen_t size = sizeof(*ret_pidfd);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, ret_pidfd, &size) == 0)
		return true;
	if (errno == ESRCH)
		return false;
	*ret_pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
	return *ret_pidfd >= 0 || errno != ESRCH;
}

int dv_gate_peer_new(struct dv_gate_tenant *tenant, int fd, pid_t pid, uint64_t now_ns,
		     struct dv_error *err)
{
	dv_autofree struct dv_gate_peer *peer = calloc(1, sizeof(*peer));
	struct dv_gate_node *node = tenant->node;
	dv_autoclose int pidfd = -1;
	int r;

	if (!peer)
		return dv_error_set(err, -ENOMEM, "out of memory for a client");
	if (!process_of(fd, pid, &pidfd))
		return dv_error_set(err, -ENOENT, "process %d is gone", pid);
	peer->tenant = tenant;
	peer->socket_source = (struct dv_gate_source){DV_GATE_SOCKET, peer};
	peer->process_source = (struct dv_gate_source){DV_GATE_PROCESS, peer};
	peer->pid = pid;
	peer->hello_by_ns = now_ns + DV_GATE_HELLO_MS * DV_NS_PER_MS;
	peer->pages = (struct dv_gate_pages){.grant_fd = -1, .counters_fd = -1};
	r = dv_gate_node_watch(node, fd, EPOLLIN | EPOLLRDHUP, &peer->socket_source);
	if (r == 0 && pidfd >= 0)
		r = dv_gate_node_watch(node, pidfd, EPOLLIN, &peer->process_source);
	if (r < 0) {
		(void)epoll_ctl(node->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		return dv_error_errno(err, -r, "cannot watch a client");
	}
	peer->fd = fd;
	peer->pidfd = take_fd(pidfd);
	tenant->peer_count++;
	TAILQ_INSERT_TAIL(&node->strangers, peer, waiting);
	TAILQ_INSERT_TAIL(&tenant->peers, peer, link);
	peer = NULL;
	return 0;
}

static void changed(const struct dv_gate_peer *peer)
{
	(void)eventfd_write(peer->tenant->node->gate->changes_fd, 1);
}

void dv_gate_peer_close(struct dv_gate_peer *peer)
{
	struct dv_gate_tenant *tenant = peer->tenant;
	struct dv_gate_node *node = tenant->node;

	(void)shutdown(peer->fd, SHUT_RDWR);
	dv_gate_node_drop(node, take_fd(peer->fd));
	dv_gate_node_drop(node, take_fd(peer->pidfd));
	peer->dead = true;
	TAILQ_REMOVE(&tenant->peers, peer, link);
	TAILQ_INSERT_TAIL(&node->dead, peer, link);
	tenant->peer_count--;
	if (peer->muted)
		tenant->muted_count--;
	if (!peer->greeted) {
		TAILQ_REMOVE(&node->strangers, peer, waiting);
		return;
	}
	if (peer->looks) {
		tenant->looker_count--;
		return;
	}
	tenant->greeted_count--;
	dv_gate_turn_gone(peer, node->now_ns);
	dv_gate_tenant_release(tenant, peer, peer->held_bytes);
	changed(peer);
}

void dv_gate_peer_free(struct dv_gate_peer *peer)
{
	dv_gate_pages_fini(&peer->pages);
	dv_vec_fini(&peer->questions);
	free(peer);
}

/* Broken form: no more is read from it. */
static void fault(struct dv_gate_peer *peer)
{
	peer->tenant->faults++;
	dv_gate_peer_close(peer);
}

static void refuse(struct dv_gate_peer *peer, enum dv_refusal why)
{
	dv_gate_refuse(peer->fd, why);
	fault(peer);
}

static void say(struct dv_gate_peer *peer, const struct dv_msg *msg)
{
	/* One that does not read its answers is hung up on. */
	if (send(peer->fd, msg, sizeof(*msg), MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(*msg))
		fault(peer);
}

static bool same_nonce(const char *a, const char *b)
{
	unsigned char differ = 0;

	for (size_t i = 0; i < sizeof(((struct dv_msg *)NULL)->nonce); i++)
		differ |= (unsigned char)(a[i] ^ b[i]);
	return differ == 0;
}

static bool send_welcome(struct dv_gate_peer *peer, uint64_t serial)
{
	struct dv_msg msg = answer(DV_MSG_WELCOME, serial);
	const int fds[2] = {peer->pages.grant_fd, peer->pages.counters_fd};
	struct iovec part = {&msg, sizeof(msg)};
	union {
		char space[CMSG_SPACE(sizeof(fds))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr header = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	struct cmsghdr *rights = CMSG_FIRSTHDR(&header);

	msg.a = (uint64_t)peer->tenant->lease.id;
	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(rights), fds, sizeof(fds));
	return sendmsg(peer->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(msg);
}

static void fill_grant(const struct dv_gate_peer *peer, uint64_t now_ns)
{
	const struct dv_gate_tenant *tenant = peer->tenant;
	struct dv_grant *grant = peer->pages.grant;

	grant->memory_limit_bytes = tenant->lease.memory_limit_bytes;
	grant->memory_used_bytes = tenant->used_bytes;
	grant->device_memory_bytes = tenant->lease.device_memory_bytes;
	grant->compute_units = tenant->lease.compute_units;
	grant->compute_mpct = tenant->lease.compute_mpct;
	grant->lease_id = (uint64_t)tenant->lease.id;
	grant->server_ns = now_ns;
}

static void hello(struct dv_gate_peer *peer, const struct dv_msg *msg, uint64_t now_ns)
{
	struct dv_gate_tenant *tenant = peer->tenant;

	if (!same_nonce(msg->nonce, tenant->lease.nonce)) {
		refuse(peer, DV_REFUSAL_NONCE);
		return;
	}
	peer->looks = msg->a == DV_LAYER_NVML;
	peer->own_pid = msg->b <= INT32_MAX ? (uint32_t)msg->b : 0;
	if (peer->looks && tenant->looker_count >= DV_LOOKERS_PER_LEASE_MOST) {
		refuse(peer, DV_REFUSAL_FULL);
		return;
	}
	if ((peer->looks && msg->c) || dv_gate_pages_init(&peer->pages, NULL) < 0 ||
	    !dv_gate_tenant_charge(tenant, peer, msg->c)) {
		fault(peer);
		return;
	}
	fill_grant(peer, now_ns);
	dv_gate_pages_name(&peer->pages, tenant->lease.device);
	dv_gate_turn_welcome(peer);
	TAILQ_REMOVE(&tenant->node->strangers, peer, waiting);
	peer->greeted = true;
	if (peer->looks) {
		tenant->looker_count++;
	} else {
		peer->lately[0].at_ns = peer->lately[1].at_ns = now_ns;
		tenant->greeted_count++;
		tenant->hellos++;
		changed(peer);
	}
	if (!send_welcome(peer, msg->serial)) {
		fault(peer);
		return;
	}
	dv_gate_pages_handed_over(&peer->pages);
}

static void answer_reserve(struct dv_gate_peer *peer, uint64_t serial, uint64_t bytes)
{
	bool ok = dv_gate_tenant_reserve(peer->tenant, peer, bytes);
	struct dv_msg msg = answer(ok ? DV_MSG_RESERVED : DV_MSG_DENIED, serial);

	msg.a = bytes;
	msg.b = peer->tenant->used_bytes;
	say(peer, &msg);
}

static void reserve(struct dv_gate_peer *peer, const struct dv_msg *msg)
{
	const struct dv_gate_question question = {msg->serial, msg->a};

	/* What the tenant's other processes hold is not known before the grace is over. */
	if (!peer->tenant->grace_ns)
		answer_reserve(peer, msg->serial, msg->a);
	else if (peer->questions.len >= DV_GATE_WAITING_MOST ||
		 dv_vec_push(&peer->questions, question) < 0)
		fault(peer);
}

void dv_gate_peer_answer_waiting(struct dv_gate_peer *peer)
{
	for (size_t i = 0; i < peer->questions.len && !peer->dead; i++)
		answer_reserve(peer, peer->questions.items[i].serial,
			       peer->questions.items[i].bytes);
	dv_vec_fini(&peer->questions);
}

static void look(struct dv_gate_peer *peer, const struct dv_msg *msg, uint64_t now_ns)
{
	struct dv_msg told = answer((enum dv_msg_type)msg->type, msg->serial);

	if (msg->type == DV_MSG_USE)
		dv_gate_look_use(peer->tenant, now_ns, &told);
	else
		dv_gate_look_process(peer->tenant, msg->a, now_ns, &told);
	say(peer, &told);
}

static void attached(struct dv_gate_peer *peer, const struct dv_msg *msg, uint64_t now_ns)
{
	if (msg->type == DV_MSG_USE || msg->type == DV_MSG_PROCESS) {
		look(peer, msg, now_ns);
		return;
	}
	if (peer->looks) {
		fault(peer);
		return;
	}
	switch (msg->type) {
	case DV_MSG_RESERVE:
		reserve(peer, msg);
		break;
	case DV_MSG_RELEASE:
		dv_gate_tenant_release(peer->tenant, peer, msg->a);
		break;
	case DV_MSG_WANT:
		dv_gate_turn_want(peer, now_ns);
		break;
	case DV_MSG_DRAINED:
		dv_gate_turn_drained(peer, msg, now_ns);
		break;
	default:
		fault(peer);
		break;
	}
}

void dv_gate_peer_message(struct dv_gate_peer *peer, const void *data, size_t size, uint64_t now_ns)
{
	struct dv_msg msg = {0};

	memcpy(&msg, data, DV_MIN(size, sizeof(msg)));
	if (size < offsetof(struct dv_msg, serial) || msg.magic != DV_WIRE_MAGIC) {
		fault(peer);
		return;
	}
	/* Another version may have messages of another size. */
	if (msg.version != DV_WIRE_VERSION) {
		refuse(peer, DV_REFUSAL_VERSION);
		return;
	}
	if (size != sizeof(msg) || (!peer->greeted && msg.type != DV_MSG_HELLO))
		fault(peer);
	else if (peer->greeted)
		attached(peer, &msg, now_ns);
	else
		hello(peer, &msg, now_ns);
}

void dv_gate_peer_readable(struct dv_gate_peer *peer, uint64_t now_ns)
{
	struct dv_gate_tenant *tenant = peer->tenant;
	char data[sizeof(struct dv_msg) + 1];
	ssize_t n;

	for (int i = 0; i < DV_GATE_READ_BATCH && !peer->dead; i++) {
		if (!dv_gate_tenant_admit(tenant, peer->greeted ? 1 : DV_GATE_ACCEPT_COST,
					  now_ns)) {
			peer->muted = true;
			tenant->muted_count++;
			dv_gate_node_rewatch(tenant->node, peer->fd, EPOLLRDHUP,
					     &peer->socket_source);
			return;
		}
		/* recv, not recvmsg: descriptors that a client attaches are dropped. */
		n = recv(peer->fd, data, sizeof(data), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			return;
		if (n <= 0)
			dv_gate_peer_close(peer);
		else
			dv_gate_peer_message(peer, data, (size_t)n, now_ns);
	}
}

void dv_gate_peer_unmute(struct dv_gate_peer *peer)
{
	peer->muted = false;
	peer->tenant->muted_count--;
	dv_gate_node_rewatch(peer->tenant->node, peer->fd, EPOLLIN | EPOLLRDHUP,
			     &peer->socket_source);
}
