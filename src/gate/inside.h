/* SPDX-License-Identifier: Apache-2.0 */
/* The gate's own structures. A node (a shared device) owns its thread, its tenants and their peers;
 * the gate owns the nodes.
 *
 * Locking: one mutex for each node guards everything below it. The node's thread holds it while it
 * handles a batch of events and lets go before it sleeps; nothing that is done under it can wait
 * (descriptors do not block, futexes are only woken). So the main thread, which takes it to open,
 * close and look, waits for one short batch at most, never for a tenant. The list of nodes belongs
 * to the main thread alone. */
#pragma once

#include <pthread.h>
#include <sys/queue.h>

#include "gate/gate.h"
#include "gate/page.h"
#include "gate/use.h"
#include "gate/waits.h"
#include "wire/gate.h"

enum {
	DV_GATE_HELLO_MS = 2000, /* a client that has not said hello by then is hung up on */
	DV_GATE_READ_BATCH = 16, /* messages of one client before the others have their turn */
	DV_GATE_WINDOW_MS = 1,	 /* what a tenant may send in this time ... */
	DV_GATE_WINDOW_COST =
		100, /* ... before it is left to wait for the next one: a message is 1 */
	DV_GATE_ACCEPT_COST = 10,   /* a connection, and a greeting */
	DV_GATE_WAITING_MOST = 256, /* questions of one client kept until the grace is over */
	DV_GATE_SAMPLE_MS = 250,    /* looks nearer to each other count as one */
	DV_GATE_RETRY_MS = 100,	    /* after descriptors or memory ran out in accept */
};

struct dv_gate_tenant;
struct dv_gate_node;

/* What epoll points to: which descriptor of whom. */
enum dv_gate_source_kind { DV_GATE_WAKE, DV_GATE_LISTEN, DV_GATE_SOCKET, DV_GATE_PROCESS };

struct dv_gate_source {
	enum dv_gate_source_kind kind;
	void *owner;
};

/* A RESERVE that waits for the end of the grace. */
struct dv_gate_question {
	uint64_t serial, bytes;
};

/* What a process had counted at a moment. */
struct dv_gate_lately {
	uint64_t at_ns, busy_ns, launches;
};

/* A connected process. */
struct dv_gate_peer {
	struct dv_gate_tenant *tenant;
	struct dv_gate_source socket_source, process_source;
	int fd, pidfd; /* pidfd -1: the process cannot be seen from here */
	pid_t pid;
	uint32_t own_pid; /* as it says itself */
	bool greeted;	  /* said HELLO, has its pages */
	bool muted;	  /* its tenant sent too much: read again in the next window */
	bool looks;	  /* is no client of the tenant's, only looks */
	bool dead;	  /* closed; freed by the node's thread when no event can point to it */
	uint64_t hello_by_ns;
	uint64_t held_bytes;
	bool wants; /* a turn */
	bool holds; /* was given HELD, did not drain yet */
	bool stuck; /* was evicted, did not drain yet */
	uint32_t held_epoch;
	uint64_t granted_ns, evicted_ns;
	struct dv_gate_pages pages;
	struct dv_gate_lately lately[2]; /* the older is what a second of its begins with */
	DV_VEC(struct dv_gate_question) questions;
	TAILQ_ENTRY(dv_gate_peer) link;	   /* tenant->peers, node->dead */
	TAILQ_ENTRY(dv_gate_peer) waiting; /* node->strangers until greeted */
};
TAILQ_HEAD(dv_gate_peers, dv_gate_peer);

/* What was used up to a moment, for the share over a window. */
struct dv_gate_sample {
	uint64_t at_ns, used_ns, launches;
};

/* A lease as the gate serves it. */
struct dv_gate_tenant {
	struct dv_gate_node *node;
	struct dv_gate_lease lease;
	struct dv_gate_source listen_source;
	int listen_fd;
	bool dead;	    /* as a peer's */
	bool listen_off;    /* accept failed for want of something: on again after a while */
	uint64_t listen_ns; /* when */
	uint64_t grace_ns;  /* end of the grace for re-attaching; 0: none, or over */
	uint64_t used_bytes, peak_bytes;
	uint64_t denied, hellos, faults;
	unsigned peer_count;	/* connected */
	unsigned greeted_count; /* attached */
	unsigned looker_count;	/* attached, only to look */
	uint64_t window_ns;	/* start of the window of messages */
	unsigned window_cost, muted_count;
	bool holding; /* it is its turn, on the page of holder_count peers */
	bool revoked, endless;
	bool bounded;	    /* endless, but with neighbours that come again: see turn.c */
	uint64_t lately_ns; /* last began or ended a turn */
	unsigned holder_count;
	uint64_t granted_ns, until_ns; /* until_ns: UINT64_MAX where endless */
	uint64_t idle_since_ns;	       /* the latest end of work of those that drained */
	uint64_t begun_ns; /* the earliest begin that they know of; UINT64_MAX: none does */
	struct dv_gate_waits waits;
	struct dv_gate_use use;
	uint64_t use_from_ns;		  /* up to here the turn is in `use` */
	struct dv_gate_sample samples[2]; /* the older is what a window begins with */
	struct dv_gate_peers peers;
	TAILQ_ENTRY(dv_gate_tenant) link;
};
TAILQ_HEAD(dv_gate_tenants, dv_gate_tenant);

struct dv_gate_node {
	struct dv_gate *gate;
	char name[DV_NODE_SIZE];
	pthread_t thread;
	pthread_mutex_t lock;
	int epoll_fd, wake_fd;
	struct dv_gate_source wake_source;
	bool stopping;
	uint64_t now_ns;	/* of this batch, or of the main thread's call */
	struct dv_sched *sched; /* from the first timed lease on */
	unsigned latency_count; /* tenants of the latency class */
	struct dv_gate_tenants tenants;
	struct dv_gate_peers strangers; /* connected, not greeted; the oldest first */
	struct dv_gate_peers dead;
	struct dv_gate_tenants dead_tenants;
	TAILQ_ENTRY(dv_gate_node) link;
};
TAILQ_HEAD(dv_gate_nodes, dv_gate_node);

struct dv_gate {
	struct dv_gate_config config;
	char run_path[108];
	int changes_fd;
	struct dv_gate_nodes nodes;
};

/* node.c: the thread. Everything else here is called with the node's lock held. */
int dv_gate_node_new(struct dv_gate *gate, const char *name, struct dv_gate_node **ret,
		     struct dv_error *err) DV_MUST_CHECK;
/* Ends the thread; the node must have no tenants any more. Called without the lock. */
void dv_gate_node_free(struct dv_gate_node *node);
DV_DEFINE_FREEP(struct dv_gate_node, dv_gate_node_free)
int dv_gate_node_watch(struct dv_gate_node *node, int fd, uint32_t events,
		       struct dv_gate_source *source);
/* Out of epoll and closed, also where a child between fork and exec still has a copy. */
void dv_gate_node_drop(struct dv_gate_node *node, int fd);
void dv_gate_node_rewatch(struct dv_gate_node *node, int fd, uint32_t events,
			  struct dv_gate_source *source);
/* Look at the time-outs again: the main thread changed something. */
void dv_gate_node_wake(struct dv_gate_node *node);

/* tenant.c: one lease: its socket, its ledger. */
int dv_gate_tenant_new(struct dv_gate_node *node, const struct dv_gate_lease *lease,
		       uint64_t grace_ns, struct dv_gate_tenant **ret,
		       struct dv_error *err) DV_MUST_CHECK;
/* Hang up on everybody and remove the socket; freed by the node's thread. `gone`: the lease is. */
void dv_gate_tenant_close(struct dv_gate_tenant *tenant, bool gone);
void dv_gate_tenant_accept(struct dv_gate_tenant *tenant, uint64_t now_ns);
/* What is due by time; returns when to call again. */
uint64_t dv_gate_tenant_tick(struct dv_gate_tenant *tenant, uint64_t now_ns);
/* May this tenant have something more done now? What it had done in the window is counted. */
bool dv_gate_tenant_admit(struct dv_gate_tenant *tenant, unsigned cost, uint64_t now_ns);
bool dv_gate_tenant_reserve(struct dv_gate_tenant *tenant, struct dv_gate_peer *peer,
			    uint64_t bytes);
/* Bytes that exist already: charged even over the limit. False: no such amount can exist. */
bool dv_gate_tenant_charge(struct dv_gate_tenant *tenant, struct dv_gate_peer *peer,
			   uint64_t bytes);
void dv_gate_tenant_release(struct dv_gate_tenant *tenant, struct dv_gate_peer *peer,
			    uint64_t bytes);

/* door.c: a lease's directory and the socket in it. */
/* Print the name of a lease's socket in the run directory. */
void dv_gate_socket_name(int64_t lease_id, char *buf, size_t size);
/* Make both. Returns a listening descriptor. */
int dv_gate_door_open(const struct dv_gate *gate, const struct dv_gate_lease *lease, int *ret_fd,
		      struct dv_error *err) DV_MUST_CHECK;
/* Remove the socket; with `gone` the directory, too. */
void dv_gate_door_close(const struct dv_gate *gate, int64_t lease_id, bool gone);

/* peer.c: one connected process and what it says. */
int dv_gate_peer_new(struct dv_gate_tenant *tenant, int fd, pid_t pid, uint64_t now_ns,
		     struct dv_error *err) DV_MUST_CHECK;
/* Hang up, give back all it held; freed by the node's thread. */
void dv_gate_peer_close(struct dv_gate_peer *peer);
void dv_gate_peer_free(struct dv_gate_peer *peer);
/* Read what it sent. */
void dv_gate_peer_readable(struct dv_gate_peer *peer, uint64_t now_ns);
/* Handle one message of `size` bytes, as it came; a broken one ends the peer. */
void dv_gate_peer_message(struct dv_gate_peer *peer, const void *data, size_t size,
			  uint64_t now_ns);
/* The grace is over: answer what waited. */
void dv_gate_peer_answer_waiting(struct dv_gate_peer *peer);
void dv_gate_peer_unmute(struct dv_gate_peer *peer);
/* Tell why, on a socket that is about to be closed. */
void dv_gate_refuse(int fd, enum dv_refusal why);

/* turn.c: whose turn it is to use the device. */
int dv_gate_turn_open(struct dv_gate_tenant *tenant, uint64_t now_ns,
		      struct dv_error *err) DV_MUST_CHECK;
void dv_gate_turn_close(struct dv_gate_tenant *tenant, uint64_t now_ns);
/* A peer has its pages, is to be told how it is gated. */
void dv_gate_turn_welcome(struct dv_gate_peer *peer);
void dv_gate_turn_want(struct dv_gate_peer *peer, uint64_t now_ns);
void dv_gate_turn_drained(struct dv_gate_peer *peer, const struct dv_msg *msg, uint64_t now_ns);
/* It hung up: it has drained. */
void dv_gate_turn_gone(struct dv_gate_peer *peer, uint64_t now_ns);
/* Let the scheduler decide, publish what it decided; returns when to call again. */
uint64_t dv_gate_turn_tick(struct dv_gate_node *node, uint64_t now_ns);
/* Note what the turn used up to now, for `use`. */
void dv_gate_turn_note(struct dv_gate_tenant *tenant, uint64_t now_ns);
void dv_gate_turn_stats(struct dv_gate_tenant *tenant, uint64_t now_ns, struct dv_gate_stats *ret);

/* look.c: what a tenant is told of itself. The answers to DV_MSG_USE and DV_MSG_PROCESS. */
void dv_gate_look_use(struct dv_gate_tenant *tenant, uint64_t now_ns, struct dv_msg *ret);
void dv_gate_look_process(struct dv_gate_tenant *tenant, uint64_t above, uint64_t now_ns,
			  struct dv_msg *ret);
