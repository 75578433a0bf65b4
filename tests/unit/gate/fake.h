/* SPDX-License-Identifier: Apache-2.0 */
/* A tenant's process, played by the test over real sockets, and a gate in a directory of its own.
 */
#pragma once

#include "gate/gate.h"
#include "wire/gate.h"

#define FAKE_NONCE "0123456789abcdef0123456789abcdef"

struct fake_gate {
	char dir[64];
	int run_fd;
	uint64_t hold_timeout_ns; /* set before init; 0: 10 s */
	uint64_t grace_ns;
	bool away_waits;
	struct dv_gate *gate;
};

void fake_gate_init(struct fake_gate *fake, uint64_t grace_ns);
void fake_gate_fini(struct fake_gate *fake);
/* As when divvyd ends and starts: no lease is open. */
void fake_restart(struct fake_gate *fake);
/* Open lease `id` for this user on the node "gpu/0". */
void fake_open(struct fake_gate *fake, int64_t id, uint64_t limit_bytes, bool returning);
/* The same, with a share of the node's time. */
void fake_open_timed(struct fake_gate *fake, int64_t id, enum dv_policy policy, uint32_t percent);
void fake_close(struct fake_gate *fake, int64_t id);
void fake_stats(struct fake_gate *fake, int64_t id, struct dv_gate_stats *ret);
/* Wait (a bounded time) until the lease has so many clients. */
void fake_await_clients(struct fake_gate *fake, int64_t id, unsigned count);

struct fake_client {
	int fd, grant_fd, counters_fd;
	const volatile struct dv_grant *grant;
	volatile struct dv_counters *counters;
	uint64_t serial;
};

/* Connect only; -1 with errno. */
int fake_connect(const struct fake_gate *fake, int64_t id);
struct dv_msg fake_msg(enum dv_msg_type type, uint64_t a, uint64_t b, uint64_t c);
void fake_send(int fd, const struct dv_msg *msg);
/* One answer within 5 s: true; false: the other side hung up. Fails the test on a time-out. */
bool fake_recv(int fd, struct dv_msg *ret, int fds[2]);
/* Connect and be welcomed, holding `held` already. */
void fake_attach(const struct fake_gate *fake, int64_t id, uint64_t held, struct fake_client *ret);
/* The same of a layer, as process `pid` of its own namespace. */
void fake_attach_as(const struct fake_gate *fake, int64_t id, enum dv_layer layer, pid_t pid,
		    struct fake_client *ret);
void fake_detach(struct fake_client *client);
/* Ask for memory; true: reserved. */
bool fake_reserve(struct fake_client *client, uint64_t bytes);
void fake_release(struct fake_client *client, uint64_t bytes);

/* A consistent look at the grant page. */
struct dv_grant fake_grant(const struct fake_client *client);
/* Wait (at most 20 s) until the page's flags under `mask` are `flags`, and return the page. */
struct dv_grant fake_await(const struct fake_client *client, uint32_t mask, uint32_t flags);
void fake_want(const struct fake_client *client);
/* Hand back by the page's epoch as it is now, which is returned. */
uint32_t fake_drained(const struct fake_client *client, bool more);
