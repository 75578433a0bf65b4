/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/gate.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/str.h"
#include "gate/inside.h"

int dv_gate_new(const struct dv_gate_config *config, struct dv_gate **ret, struct dv_error *err)
{
	dv_autofree struct dv_gate *gate = calloc(1, sizeof(*gate));
	char longest[64];

	if (!gate)
		return dv_error_set(err, -ENOMEM, "out of memory for the gate");
	dv_gate_socket_name(INT64_MAX, longest, sizeof(longest));
	if (strlen(config->run_path) + 1 + strlen(longest) >= sizeof(gate->run_path)) {
		dv_error_set(err, -E2BIG,
			     "the directory %s is too long for a socket's address "
			     "(107 characters with the socket's name)",
			     config->run_path);
		return dv_error_fix(err, -E2BIG, "use a shorter run directory");
	}
	gate->config = *config;
	(void)dv_copy(gate->run_path, sizeof(gate->run_path), config->run_path);
	gate->config.run_path = gate->run_path;
	TAILQ_INIT(&gate->nodes);
	gate->changes_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (gate->changes_fd < 0)
		return dv_error_errno(err, errno, "cannot make an eventfd");
	*ret = take_ptr(gate);
	return 0;
}

static void lock(struct dv_gate_node *node)
{
	(void)pthread_mutex_lock(&node->lock);
	node->now_ns = dv_now_ns();
}

static void node_close_tenants(struct dv_gate_node *node)
{
	struct dv_gate_tenant *tenant;

	lock(node);
	while ((tenant = TAILQ_FIRST(&node->tenants)))
		dv_gate_tenant_close(tenant, false); /* divvyd stops, the lease stands */
	(void)pthread_mutex_unlock(&node->lock);
}

void dv_gate_free(struct dv_gate *gate)
{
	struct dv_gate_node *node;

	if (!gate)
		return;
	while ((node = TAILQ_FIRST(&gate->nodes))) {
		TAILQ_REMOVE(&gate->nodes, node, link);
		node_close_tenants(node);
		dv_gate_node_free(node);
	}
	dv_closep(&gate->changes_fd);
	free(gate);
}

/* The tenant, with its node locked; NULL: no such lease, nothing locked. */
static struct dv_gate_tenant *find_locked(struct dv_gate *gate, int64_t lease_id)
{
	struct dv_gate_tenant *tenant;
	struct dv_gate_node *node;

	TAILQ_FOREACH(node, &gate->nodes, link)
	{
		lock(node);
		TAILQ_FOREACH(tenant, &node->tenants, link)
		if (tenant->lease.id == lease_id)
			return tenant;
		(void)pthread_mutex_unlock(&node->lock);
	}
	return NULL;
}

static struct dv_gate_node *node_find(struct dv_gate *gate, const char *name)
{
	struct dv_gate_node *node;

	TAILQ_FOREACH(node, &gate->nodes, link)
	if (strcmp(node->name, name) == 0)
		return node;
	return NULL;
}

int dv_gate_open(struct dv_gate *gate, const struct dv_gate_lease *lease, bool returning,
		 struct dv_error *err)
{
	dv_cleanup(dv_gate_node_freep) struct dv_gate_node *fresh = NULL;
	struct dv_gate_node *node = node_find(gate, lease->parent);
	struct dv_gate_tenant *tenant = find_locked(gate, lease->id);
	uint64_t grace_ns = returning ? dv_now_ns() + gate->config.reattach_grace_ns : 0;
	int r;

	if (tenant) {
		(void)pthread_mutex_unlock(&tenant->node->lock);
		return dv_error_set(err, -EEXIST, "lease %lld is open already",
				    (long long)lease->id);
	}
	if (strlen(lease->nonce) != sizeof(((struct dv_msg *)NULL)->nonce))
		return dv_error_set(err, -EINVAL, "the nonce of lease '%s' is not 32 characters",
				    lease->name);
	if (!node) {
		r = dv_gate_node_new(gate, lease->parent, &fresh, err);
		if (r < 0)
			return r;
		node = fresh;
	}
	lock(node);
	r = dv_gate_tenant_new(node, lease, grace_ns, &tenant, err);
	(void)pthread_mutex_unlock(&node->lock);
	if (r < 0)
		return r;
	dv_gate_node_wake(node);
	if (fresh) {
		TAILQ_INSERT_TAIL(&gate->nodes, fresh, link);
		fresh = NULL;
	}
	return 0;
}

int dv_gate_close(struct dv_gate *gate, int64_t lease_id, struct dv_error *err)
{
	struct dv_gate_tenant *tenant = find_locked(gate, lease_id);
	struct dv_gate_node *node;
	bool last;

	if (!tenant)
		return dv_error_set(err, -ENOENT, "lease %lld is not open", (long long)lease_id);
	node = tenant->node;
	dv_gate_tenant_close(tenant, true);
	last = TAILQ_EMPTY(&node->tenants);
	(void)pthread_mutex_unlock(&node->lock);
	if (last) {
		TAILQ_REMOVE(&gate->nodes, node, link);
		dv_gate_node_free(node);
	} else {
		dv_gate_node_wake(node);
	}
	return 0;
}

int dv_gate_name_device(struct dv_gate *gate, int64_t lease_id, const char *device,
			struct dv_error *err)
{
	struct dv_gate_tenant *tenant = find_locked(gate, lease_id);
	struct dv_gate_peer *peer;

	if (!tenant)
		return dv_error_set(err, -ENOENT, "lease %lld is not open", (long long)lease_id);
	(void)dv_copy(tenant->lease.device, sizeof(tenant->lease.device), device);
	TAILQ_FOREACH(peer, &tenant->peers, link)
	if (peer->greeted)
		dv_gate_pages_name(&peer->pages, device);
	(void)pthread_mutex_unlock(&tenant->node->lock);
	return 0;
}

const char *dv_gate_socket(const struct dv_gate *gate, int64_t lease_id, char *buf, size_t size)
{
	char name[64];

	dv_gate_socket_name(lease_id, name, sizeof(name));
	(void)snprintf(buf, size, "%s/%s", gate->run_path, name);
	return buf;
}

static void stats_client(const struct dv_gate_peer *peer, struct dv_gate_client *ret)
{
	struct dv_counters counters = {0};

	(void)dv_gate_pages_counters(&peer->pages, &counters);
	*ret = (struct dv_gate_client){
		.pid = peer->pid,
		.held_bytes = peer->held_bytes,
		.launches = counters.launches,
		.gated = counters.gated,
		.denied = counters.denied,
		.passed_ungated = counters.passed_ungated,
	};
}

int dv_gate_stats(struct dv_gate *gate, int64_t lease_id, struct dv_gate_stats *ret,
		  struct dv_error *err)
{
	struct dv_gate_tenant *tenant = find_locked(gate, lease_id);
	const struct dv_gate_peer *peer;

	if (!tenant)
		return dv_error_set(err, -ENOENT, "lease %lld is not open", (long long)lease_id);
	*ret = (struct dv_gate_stats){
		.memory_used_bytes = tenant->used_bytes,
		.memory_peak_bytes = tenant->peak_bytes,
		.memory_denied = tenant->denied,
		.client_count = tenant->greeted_count,
		.hellos = tenant->hellos,
		.faults = tenant->faults,
	};
	dv_gate_turn_stats(tenant, tenant->node->now_ns, ret);
	TAILQ_FOREACH(peer, &tenant->peers, link)
	if (peer->greeted && !peer->looks && ret->client_listed < DV_LEASE_PIDS_MOST)
		stats_client(peer, &ret->clients[ret->client_listed++]);
	(void)pthread_mutex_unlock(&tenant->node->lock);
	return 0;
}

int dv_gate_changes_fd(const struct dv_gate *gate)
{
	return gate->changes_fd;
}

void dv_gate_changes_clear(struct dv_gate *gate)
{
	eventfd_t value;

	(void)eventfd_read(gate->changes_fd, &value);
}
