/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/str.h"
#include "gate/inside.h"

enum {
	EVENTS_MOST = 32, /* of one batch, under the lock */
	THREAD_NICE = -10,
};

int dv_gate_node_watch(struct dv_gate_node *node, int fd, uint32_t events,
		       struct dv_gate_source *source)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	return epoll_ctl(node->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void dv_gate_node_rewatch(struct dv_gate_node *node, int fd, uint32_t events,
			  struct dv_gate_source *source)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	(void)epoll_ctl(node->epoll_fd, EPOLL_CTL_MOD, fd, &event);
}

void dv_gate_node_drop(struct dv_gate_node *node, int fd)
{
	if (fd < 0)
		return;
	(void)epoll_ctl(node->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	(void)close(fd);
}

void dv_gate_node_wake(struct dv_gate_node *node)
{
	(void)eventfd_write(node->wake_fd, 1);
}

static void handle(struct dv_gate_node *node, const struct epoll_event *event, uint64_t now_ns)
{
	const struct dv_gate_source *source = event->data.ptr;
	struct dv_gate_tenant *tenant = source->owner;
	struct dv_gate_peer *peer = source->owner;
	eventfd_t value;

	switch (source->kind) {
	case DV_GATE_WAKE:
		(void)eventfd_read(node->wake_fd, &value);
		break;
	case DV_GATE_LISTEN:
		if (!tenant->dead)
			dv_gate_tenant_accept(tenant, now_ns);
		break;
	case DV_GATE_PROCESS:
		/* It ended, though a child of it may still have its socket. */
		if (!peer->dead)
			dv_gate_peer_close(peer);
		break;
	case DV_GATE_SOCKET:
		if (peer->dead)
			break;
		if (event->events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP))
			dv_gate_peer_close(peer);
		else
			dv_gate_peer_readable(peer, now_ns);
		break;
	}
}

static void bury(struct dv_gate_node *node)
{
	struct dv_gate_tenant *tenant;
	struct dv_gate_peer *peer;

	while ((peer = TAILQ_FIRST(&node->dead))) {
		TAILQ_REMOVE(&node->dead, peer, link);
		dv_gate_peer_free(peer);
	}
	while ((tenant = TAILQ_FIRST(&node->dead_tenants))) {
		TAILQ_REMOVE(&node->dead_tenants, tenant, link);
		free(tenant);
	}
}

/* What is due by time; returns when to look again. */
static uint64_t tick(struct dv_gate_node *node, uint64_t now_ns)
{
	struct dv_gate_tenant *tenant;
	struct dv_gate_peer *peer;
	uint64_t next_ns = UINT64_MAX, at_ns;

	while ((peer = TAILQ_FIRST(&node->strangers)) && peer->hello_by_ns <= now_ns) {
		peer->tenant->faults++;
		dv_gate_peer_close(peer);
	}
	if (peer)
		next_ns = peer->hello_by_ns;
	TAILQ_FOREACH(tenant, &node->tenants, link)
	{
		at_ns = dv_gate_tenant_tick(tenant, now_ns);
		next_ns = DV_MIN(next_ns, at_ns);
	}
	at_ns = dv_gate_turn_tick(node, now_ns);
	return DV_MIN(next_ns, at_ns);
}

static void *run(void *arg)
{
	struct dv_gate_node *node = arg;
	struct epoll_event events[EVENTS_MOST];
	uint64_t next_ns = UINT64_MAX, now_ns;
	struct timespec wait;
	bool stop = false;
	int n;

	/* A quantum's end is to be met to the microsecond. */
	(void)prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
	/* And before the tenants' own threads, where this divvyd may: on the CPU device they keep
	 * every CPU busy, and all of them wait for this one. */
	(void)setpriority(PRIO_PROCESS, 0, THREAD_NICE);
	while (!stop) {
		now_ns = dv_now_ns();
		if (next_ns != UINT64_MAX) {
			uint64_t wait_ns = next_ns > now_ns ? next_ns - now_ns : 0;

			wait.tv_sec = (time_t)(wait_ns / DV_NS_PER_S);
			wait.tv_nsec = (long)(wait_ns % DV_NS_PER_S);
		}
		n = epoll_pwait2(node->epoll_fd, events, EVENTS_MOST,
				 next_ns == UINT64_MAX ? NULL : &wait, NULL);
		(void)pthread_mutex_lock(&node->lock);
		node->now_ns = now_ns = dv_now_ns();
		for (int i = 0; i < n; i++)
			handle(node, &events[i], now_ns);
		next_ns = tick(node, now_ns);
		bury(node);
		stop = node->stopping;
		(void)pthread_mutex_unlock(&node->lock);
	}
	return NULL;
}

static int start(struct dv_gate_node *node)
{
	sigset_t all, before;
	int r;

	/* Signals are the main thread's. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&node->thread, NULL, run, node);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

static void node_fini(struct dv_gate_node *node)
{
	dv_closep(&node->epoll_fd);
	dv_closep(&node->wake_fd);
	(void)pthread_mutex_destroy(&node->lock);
	dv_sched_free(node->sched);
	free(node);
}

int dv_gate_node_new(struct dv_gate *gate, const char *name, struct dv_gate_node **ret,
		     struct dv_error *err)
{
	struct dv_gate_node *node = calloc(1, sizeof(*node));
	int r;

	if (!node)
		return dv_error_set(err, -ENOMEM, "out of memory for the gate of %s", name);
	node->gate = gate;
	(void)dv_copy(node->name, sizeof(node->name), name);
	(void)pthread_mutex_init(&node->lock, NULL);
	TAILQ_INIT(&node->tenants);
	TAILQ_INIT(&node->strangers);
	TAILQ_INIT(&node->dead);
	TAILQ_INIT(&node->dead_tenants);
	node->wake_source = (struct dv_gate_source){DV_GATE_WAKE, node};
	node->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	node->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (node->epoll_fd < 0 || node->wake_fd < 0 ||
	    dv_gate_node_watch(node, node->wake_fd, EPOLLIN, &node->wake_source) < 0) {
		r = dv_error_errno(err, errno, "cannot make the gate of %s", name);
		node_fini(node);
		return r;
	}
	r = start(node);
	if (r != 0) {
		r = dv_error_errno(err, r, "cannot start the thread of %s", name);
		node_fini(node);
		return r;
	}
	*ret = node;
	return 0;
}

void dv_gate_node_free(struct dv_gate_node *node)
{
	if (!node)
		return;
	(void)pthread_mutex_lock(&node->lock);
	node->stopping = true;
	(void)pthread_mutex_unlock(&node->lock);
	dv_gate_node_wake(node);
	(void)pthread_join(node->thread, NULL);
	bury(node);
	node_fini(node);
}
