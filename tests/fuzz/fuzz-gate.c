/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what the processes of two tenants say, write into their counters, and when they come
 * and go: the ledger adds up, one tenant at most has its turn, and nothing is believed.
 *
 * The input is a list of acts: what, who, how many bytes, the bytes. The node has no thread of its
 * own here, and the clock is the input's. */
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "fuzz.h"
#include "gate/inside.h"

#define NONCE "0123456789abcdef0123456789abcdef"
#define LIMIT (UINT64_C(1) << 20)

enum { TENANTS = 3, PEERS = 8 };

enum act {
	ACT_RAW,
	ACT_MESSAGE,
	ACT_TIME,
	ACT_COUNTERS,
	ACT_CONNECT,
	ACT_LEAVE,
	ACT_STATS,
	ACT_COUNT
};

static struct dv_gate *gate;
static struct dv_gate_node the_node;
static struct dv_gate_node *const node = &the_node;

struct state {
	struct dv_gate_tenant *tenants[TENANTS];
	struct dv_gate_peer *peers[PEERS];
	int ends[PEERS]; /* the processes' ends of their sockets */
	bool over;	 /* a HELLO held more than the limit */
};

static void start(void)
{
	struct dv_gate_config config = {.run_fd = -1, .run_path = "/nowhere"};

	config.sched = dv_sched_defaults;
	FUZZ_REQUIRE(dv_gate_new(&config, &gate, NULL) == 0);
	node->gate = gate;
	node->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	FUZZ_REQUIRE(node->epoll_fd >= 0);
	TAILQ_INIT(&node->tenants);
	TAILQ_INIT(&node->strangers);
	TAILQ_INIT(&node->dead);
	TAILQ_INIT(&node->dead_tenants);
}

static void add_tenant(struct state *state, unsigned i)
{
	static const enum dv_policy policies[TENANTS] = {DV_POLICY_BEST_EFFORT, DV_POLICY_LATENCY,
							 DV_POLICY_FIXED_SHARE};
	struct dv_gate_tenant *tenant = calloc(1, sizeof(*tenant));

	FUZZ_REQUIRE(tenant);
	tenant->node = node;
	tenant->lease.id = i + 1;
	tenant->lease.timed = true;
	tenant->lease.policy = policies[i];
	tenant->lease.compute_mpct = 30000;
	tenant->lease.memory_limit_bytes = LIMIT;
	tenant->grace_ns = i == 1 ? node->now_ns + 20 * DV_NS_PER_MS : 0;
	tenant->samples[0].at_ns = tenant->samples[1].at_ns = node->now_ns;
	tenant->listen_fd = -1;
	memcpy(tenant->lease.nonce, NONCE, sizeof(tenant->lease.nonce));
	TAILQ_INIT(&tenant->peers);
	FUZZ_REQUIRE(dv_gate_turn_open(tenant, node->now_ns, NULL) == 0);
	TAILQ_INSERT_TAIL(&node->tenants, tenant, link);
	state->tenants[i] = tenant;
}

static bool is_there(const struct state *state, const struct dv_gate_peer *peer)
{
	const struct dv_gate_peer *p;

	for (unsigned i = 0; i < TENANTS; i++)
		TAILQ_FOREACH(p, &state->tenants[i]->peers, link)
	if (p == peer)
		return true;
	return false;
}

static void forget(struct state *state, unsigned i)
{
	if (state->peers[i])
		close(state->ends[i]);
	state->peers[i] = NULL;
}

static void connect_peer(struct state *state, unsigned i, unsigned who)
{
	struct dv_gate_tenant *tenant = state->tenants[who % TENANTS];
	int fds[2];

	if (state->peers[i])
		return;
	FUZZ_REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) ==
		     0);
	FUZZ_REQUIRE(dv_gate_peer_new(tenant, fds[0], getpid(), node->now_ns, NULL) == 0);
	state->ends[i] = fds[1];
	state->peers[i] = TAILQ_LAST(&tenant->peers, dv_gate_peers);
}

static uint64_t number(const uint8_t *data, size_t size, size_t at)
{
	uint64_t value = 0;

	for (size_t i = at; i < at + 8 && i < size; i++)
		value |= (uint64_t)data[i] << (8 * (i - at));
	return value;
}

/* A message of the right form; `a` of WANT and DRAINED counts from the page's epoch. */
static void message(struct state *state, struct dv_gate_peer *peer, const uint8_t *data,
		    size_t size)
{
	struct dv_msg msg = {
		.magic = DV_WIRE_MAGIC,
		.version = DV_WIRE_VERSION,
		.type = size ? data[0] % 12 : 0,
		.serial = number(data, size, 1),
		.a = number(data, size, 9),
		.b = number(data, size, 17),
		.c = number(data, size, 25),
	};

	memcpy(msg.nonce, NONCE, sizeof(msg.nonce));
	if ((msg.type == DV_MSG_WANT || msg.type == DV_MSG_DRAINED) && peer->greeted)
		msg.a += peer->pages.grant->epoch;
	state->over |= msg.type == DV_MSG_HELLO && msg.c;
	dv_gate_peer_message(peer, &msg, sizeof(msg), node->now_ns);
}

static void look(struct state *state)
{
	for (unsigned i = 0; i < TENANTS; i++) {
		struct dv_gate_stats stats = {0};

		dv_gate_turn_stats(state->tenants[i], node->now_ns, &stats);
		FUZZ_REQUIRE(stats.got_mpct <= 100000);
		FUZZ_REQUIRE(stats.wait_p50_ns <= stats.wait_p99_ns);
	}
}

static void act(struct state *state, enum act what, unsigned who, const uint8_t *data, size_t size)
{
	struct dv_gate_peer *peer = state->peers[who % PEERS];

	if (what == ACT_CONNECT) {
		connect_peer(state, who % PEERS, who / PEERS);
	} else if (what == ACT_TIME) {
		node->now_ns += number(data, DV_MIN(size, (size_t)4), 0);
	} else if (what == ACT_STATS) {
		look(state);
	} else if (!peer) {
		return;
	} else if (what == ACT_RAW) {
		state->over = true; /* it may be a HELLO */
		dv_gate_peer_message(peer, data, size, node->now_ns);
	} else if (what == ACT_MESSAGE) {
		message(state, peer, data, size);
	} else if (what == ACT_COUNTERS && peer->greeted) {
		FUZZ_REQUIRE(pwrite(peer->pages.counters_fd, data, size, who) >= 0);
	} else if (what == ACT_LEAVE) {
		dv_gate_peer_close(peer);
	}
}

static void check_tenant(const struct state *state, const struct dv_gate_tenant *tenant)
{
	const struct dv_gate_peer *peer;
	unsigned holders = 0, greeted = 0, count = 0;
	uint64_t held = 0;

	TAILQ_FOREACH(peer, &tenant->peers, link)
	{
		count++;
		greeted += peer->greeted;
		holders += peer->holds;
		held += peer->held_bytes;
		FUZZ_REQUIRE(peer->greeted || (!peer->holds && !peer->wants && !peer->stuck));
		FUZZ_REQUIRE(!peer->holds || !peer->stuck);
		if (!peer->greeted)
			continue;
		FUZZ_REQUIRE(peer->pages.grant->memory_used_bytes == tenant->used_bytes);
		FUZZ_REQUIRE(peer->pages.grant->epoch % 2 == 0);
	}
	FUZZ_REQUIRE(held == tenant->used_bytes);
	FUZZ_REQUIRE(state->over || held <= LIMIT);
	FUZZ_REQUIRE(count == tenant->peer_count && greeted == tenant->greeted_count);
	FUZZ_REQUIRE(holders == tenant->holder_count);
	FUZZ_REQUIRE(tenant->holding == (holders > 0));
	FUZZ_REQUIRE(tenant->holding == (dv_sched_holder(node->sched) == tenant->lease.id));
}

static void settle(struct state *state)
{
	struct dv_gate_peer *peer;

	while ((peer = TAILQ_FIRST(&node->strangers)) && peer->hello_by_ns <= node->now_ns)
		dv_gate_peer_close(peer);
	for (unsigned i = 0; i < TENANTS; i++)
		(void)dv_gate_tenant_tick(state->tenants[i], node->now_ns);
	FUZZ_REQUIRE(dv_gate_turn_tick(node, node->now_ns) > node->now_ns);
	for (unsigned i = 0; i < PEERS; i++)
		if (state->peers[i] && !is_there(state, state->peers[i]))
			forget(state, i);
	for (unsigned i = 0; i < TENANTS; i++)
		check_tenant(state, state->tenants[i]);
}

static void finish(struct state *state)
{
	struct dv_gate_tenant *tenant;
	struct dv_gate_peer *peer;

	for (unsigned i = 0; i < TENANTS; i++)
		dv_gate_tenant_close(state->tenants[i], true);
	FUZZ_REQUIRE(TAILQ_EMPTY(&node->strangers));
	for (unsigned i = 0; i < PEERS; i++)
		forget(state, i);
	while ((peer = TAILQ_FIRST(&node->dead))) {
		TAILQ_REMOVE(&node->dead, peer, link);
		dv_gate_peer_free(peer);
	}
	while ((tenant = TAILQ_FIRST(&node->dead_tenants))) {
		TAILQ_REMOVE(&node->dead_tenants, tenant, link);
		free(tenant);
	}
	FUZZ_REQUIRE(dv_sched_holder(node->sched) == -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct state state = {0};

	if (!gate)
		start();
	node->now_ns = dv_now_ns();
	for (unsigned i = 0; i < TENANTS; i++)
		add_tenant(&state, i);
	while (size >= 3) {
		const size_t len = DV_MIN((size_t)data[2], size - 3);

		act(&state, data[0] % ACT_COUNT, data[1], data + 3, len);
		settle(&state);
		data += 3 + len;
		size -= 3 + len;
	}
	finish(&state);
	return 0;
}
