/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "gate/inside.h"

enum { ACCEPT_BATCH = 16 };

int dv_gate_tenant_new(struct dv_gate_node *node, const struct dv_gate_lease *lease,
		       uint64_t grace_ns, struct dv_gate_tenant **ret, struct dv_error *err)
{
	dv_autofree struct dv_gate_tenant *tenant = calloc(1, sizeof(*tenant));
	const uint64_t now_ns = node->now_ns;
	dv_autoclose int fd = -1;
	int r;

	if (!tenant)
		return dv_error_set(err, -ENOMEM, "out of memory for lease '%s'", lease->name);
	r = dv_gate_door_open(node->gate, lease, &fd, err);
	if (r < 0)
		return r;
	tenant->node = node;
	tenant->lease = *lease;
	tenant->grace_ns = grace_ns;
	tenant->samples[0].at_ns = tenant->samples[1].at_ns = now_ns;
	tenant->use.since_ns = now_ns;
	tenant->listen_source = (struct dv_gate_source){DV_GATE_LISTEN, tenant};
	TAILQ_INIT(&tenant->peers);
	r = dv_gate_turn_open(tenant, now_ns, err);
	if (r == 0) {
		r = dv_gate_node_watch(node, fd, EPOLLIN, &tenant->listen_source);
		if (r < 0) {
			dv_gate_turn_close(tenant, now_ns);
			r = dv_error_errno(err, -r, "cannot watch the socket of lease '%s'",
					   lease->name);
		}
	}
	if (r < 0) {
		dv_gate_door_close(node->gate, lease->id, true);
		return r;
	}
	tenant->listen_fd = take_fd(fd);
	TAILQ_INSERT_TAIL(&node->tenants, tenant, link);
	*ret = take_ptr(tenant);
	return 0;
}

void dv_gate_tenant_close(struct dv_gate_tenant *tenant, bool gone)
{
	struct dv_gate_node *node = tenant->node;
	struct dv_gate_peer *peer;

	while ((peer = TAILQ_FIRST(&tenant->peers))) {
		if (gone)
			dv_gate_refuse(peer->fd, DV_REFUSAL_GONE);
		dv_gate_peer_close(peer);
	}
	dv_gate_turn_close(tenant, node->now_ns);
	dv_gate_door_close(node->gate, tenant->lease.id, gone);
	dv_gate_node_drop(node, tenant->listen_fd);
	tenant->dead = true;
	TAILQ_REMOVE(&node->tenants, tenant, link);
	TAILQ_INSERT_TAIL(&node->dead_tenants, tenant, link);
}

/* Refuse a connection for which no peer is made. What it sent already is read first: a socket
 * closed with unread data would reset the connection and lose the answer. */
static void turn_away(int fd, enum dv_refusal why)
{
	struct dv_msg msg;

	(void)recv(fd, &msg, sizeof(msg), MSG_DONTWAIT);
	dv_gate_refuse(fd, why);
}

static void welcome_one(struct dv_gate_tenant *tenant, int fd, uint64_t now_ns)
{
	dv_autoclose int owned = fd;
	socklen_t size = sizeof(struct ucred);
	struct ucred who;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
		return;
	if (who.uid != tenant->lease.uid && who.uid != 0) {
		tenant->faults++;
		turn_away(fd, DV_REFUSAL_PEER);
		return;
	}
	/* What it is shows only when it says hello. */
	if (tenant->peer_count - tenant->looker_count >= DV_CLIENTS_PER_LEASE_MOST) {
		turn_away(fd, DV_REFUSAL_FULL);
		return;
	}
	if (dv_gate_peer_new(tenant, fd, who.pid, now_ns, NULL) == 0)
		(void)take_fd(owned);
}

/* Accept nothing for a while: epoll would report it again at once, for ever. */
static void pause_accept(struct dv_gate_tenant *tenant, uint64_t until_ns)
{
	tenant->listen_off = true;
	tenant->listen_ns = until_ns;
	dv_gate_node_rewatch(tenant->node, tenant->listen_fd, 0, &tenant->listen_source);
}

static uint64_t window_end_ns(const struct dv_gate_tenant *tenant)
{
	return tenant->window_ns + DV_GATE_WINDOW_MS * DV_NS_PER_MS;
}

void dv_gate_tenant_accept(struct dv_gate_tenant *tenant, uint64_t now_ns)
{
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd;

		if (!dv_gate_tenant_admit(tenant, DV_GATE_ACCEPT_COST, now_ns)) {
			pause_accept(tenant, window_end_ns(tenant));
			return;
		}
		fd = accept4(tenant->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			welcome_one(tenant, fd, now_ns);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		/* Else out of descriptors or memory. */
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			pause_accept(tenant, now_ns + DV_GATE_RETRY_MS * DV_NS_PER_MS);
		return;
	}
}

static void grace_over(struct dv_gate_tenant *tenant)
{
	struct dv_gate_peer *peer, *next;

	tenant->grace_ns = 0;
	for (peer = TAILQ_FIRST(&tenant->peers); peer; peer = next) {
		next = TAILQ_NEXT(peer, link);
		dv_gate_peer_answer_waiting(peer);
	}
}

static void unmute_all(struct dv_gate_tenant *tenant)
{
	struct dv_gate_peer *peer;

	TAILQ_FOREACH(peer, &tenant->peers, link)
	if (peer->muted)
		dv_gate_peer_unmute(peer);
}

uint64_t dv_gate_tenant_tick(struct dv_gate_tenant *tenant, uint64_t now_ns)
{
	const uint64_t end_ns = window_end_ns(tenant);
	uint64_t next_ns = UINT64_MAX;

	if (tenant->grace_ns && tenant->grace_ns <= now_ns)
		grace_over(tenant);
	if (tenant->muted_count && end_ns <= now_ns)
		unmute_all(tenant);
	if (tenant->listen_off && tenant->listen_ns <= now_ns) {
		tenant->listen_off = false;
		dv_gate_node_rewatch(tenant->node, tenant->listen_fd, EPOLLIN,
				     &tenant->listen_source);
	}
	if (tenant->grace_ns)
		next_ns = tenant->grace_ns;
	if (tenant->muted_count)
		next_ns = DV_MIN(next_ns, end_ns);
	if (tenant->listen_off)
		next_ns = DV_MIN(next_ns, tenant->listen_ns);
	return next_ns;
}

bool dv_gate_tenant_admit(struct dv_gate_tenant *tenant, unsigned cost, uint64_t now_ns)
{
	if (now_ns >= window_end_ns(tenant)) {
		tenant->window_ns = now_ns;
		tenant->window_cost = 0;
	}
	if (tenant->window_cost >= DV_GATE_WINDOW_COST)
		return false;
	tenant->window_cost += cost;
	return true;
}

static void show_used(struct dv_gate_tenant *tenant)
{
	struct dv_gate_peer *peer;

	tenant->peak_bytes = DV_MAX(tenant->peak_bytes, tenant->used_bytes);
	TAILQ_FOREACH(peer, &tenant->peers, link)
	if (peer->greeted)
		dv_gate_pages_set_used(&peer->pages, tenant->used_bytes);
}

bool dv_gate_tenant_charge(struct dv_gate_tenant *tenant, struct dv_gate_peer *peer, uint64_t bytes)
{
	if (bytes > UINT64_MAX - tenant->used_bytes)
		return false;
	tenant->used_bytes += bytes;
	peer->held_bytes += bytes;
	show_used(tenant);
	return true;
}

bool dv_gate_tenant_reserve(struct dv_gate_tenant *tenant, struct dv_gate_peer *peer,
			    uint64_t bytes)
{
	const uint64_t limit = tenant->lease.memory_limit_bytes;

	/* A re-attached tenant may use more than its limit: then nothing more is granted. */
	if (limit && (tenant->used_bytes > limit || bytes > limit - tenant->used_bytes)) {
		tenant->denied++;
		return false;
	}
	return dv_gate_tenant_charge(tenant, peer, bytes);
}

void dv_gate_tenant_release(struct dv_gate_tenant *tenant, struct dv_gate_peer *peer,
			    uint64_t bytes)
{
	if (bytes > peer->held_bytes) {
		tenant->faults++;
		bytes = peer->held_bytes;
	}
	peer->held_bytes -= bytes;
	tenant->used_bytes -= bytes;
	show_used(tenant);
}
