/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to the lease's socket: the greeting, a question and its answer, a message without
 * one. The link owns its descriptor; the welcome's descriptors belong to the caller. Nothing here
 * keeps state or takes a lock: client.c does. Every wait has a deadline (CLOCK_MONOTONIC, ns). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"
#include "wire/gate.h"

struct dv_shim_link {
	int fd; /* -1: not connected */
	dev_t dev;
	ino_t ino; /* of the socket: a program that closes all descriptors may reuse the number */
};

#define DV_SHIM_LINK_NONE ((struct dv_shim_link){.fd = -1})

struct dv_shim_hello {
	const char *path;  /* of the lease's socket */
	const char *nonce; /* 32 characters */
	uint32_t layer;	   /* enum dv_layer */
	uint64_t held_bytes;
};

struct dv_shim_welcome {
	int grant_fd, counters_fd;
	uint64_t lease_id;
};

uint64_t dv_shim_now_ns(void);

/* Connect and greet. 0: `ret_link` and `ret` are the caller's; positive: the enum dv_refusal with
 * which divvyd said no; negative: -ECONNREFUSED, -ENOENT, -ETIMEDOUT, -EPROTO, ... */
int dv_shim_link_open(const struct dv_shim_hello *hello, uint64_t deadline_ns,
		      struct dv_shim_link *ret_link, struct dv_shim_welcome *ret) DV_MUST_CHECK;
/* Hang up and close, unless the number now means another file. Takes a closed link. */
void dv_shim_link_close(struct dv_shim_link *link);
/* Close without hanging up: the child of a fork lets its parent's connection be. */
void dv_shim_link_drop(struct dv_shim_link *link);
/* Send without waiting. -EAGAIN: not now; anything else negative: the link is dead. */
int dv_shim_link_send(const struct dv_shim_link *link, const struct dv_msg *msg) DV_MUST_CHECK;
/* Wait until something can be sent, or the link is dead. */
void dv_shim_link_drain(const struct dv_shim_link *link, uint64_t deadline_ns);
/* Send, then wait for the message with the same serial. */
int dv_shim_link_ask(const struct dv_shim_link *link, const struct dv_msg *question,
		     uint64_t deadline_ns, struct dv_msg *ret) DV_MUST_CHECK;
/* What divvyd said before it hung up: an enum dv_refusal, or 0 for nothing. Does not wait; what
 * else stands unread is lost. */
int dv_shim_link_last_word(const struct dv_shim_link *link) DV_MUST_CHECK;
/* Another descriptor of the same connection, for a thread that watches it. */
struct dv_shim_link dv_shim_link_dup(const struct dv_shim_link *link);
/* Wait for a hang-up of either side; does not read. 1: hung up (or not our socket any more), 0: the
 * deadline passed. */
int dv_shim_link_watch(const struct dv_shim_link *link, uint64_t deadline_ns) DV_MUST_CHECK;
