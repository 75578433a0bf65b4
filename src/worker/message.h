/* SPDX-License-Identifier: Apache-2.0 */
/* Fixed records between divvyd and its worker, over a SOCK_SEQPACKET socketpair on descriptor 3.
 * Both ends are one build: `build` is compared, then the structs are taken as they are. One
 * request, one answer, then the worker ends. A request is one message. An answer is struct
 * dv_worker_answer, then its items, cut into messages of DV_WORKER_MESSAGE_MOST bytes and a last
 * one of what is left. */
#pragma once

#include <assert.h>

#include "device/proc.h"
#include "model/gpu.h"
#include "model/plan.h"

enum dv_worker_what {
	DV_WORKER_PROBE = 1, /* find devices and what each can do: gpus[] */
	DV_WORKER_COMMIT,    /* step */
	DV_WORKER_UNDO,	     /* step */
	DV_WORKER_HOLDERS,   /* of gpu: holders[] */
	DV_WORKER_WATCH, /* tell what happens to NVIDIA's GPUs, in struct dv_worker_news, for ever
			  */
	DV_WORKER_USERS, /* who computes on gpu, as its driver says: holders[] */
	DV_WORKER_END_USER, /* tell process `pid` to end if it computes on gpu; `hard`: end it */
	DV_WORKER_ENTER,    /* move process `pid` into the cgroup of step.lease, whose uid it has */
	DV_WORKER_WHAT_END
};

enum {
	DV_WORKER_FD = 3,
	DV_WORKER_GPUS_MOST = 32,
	DV_WORKER_HOLDERS_MOST = 128,
};

/* What divvyd's configuration says of the CPU device. */
struct dv_cpu_config {
	bool enabled;
	uint64_t memory_bytes;	/* 0: half of this machine's */
	uint32_t compute_units; /* 0: the CPUs divvyd may use */
};

struct dv_worker_request {
	uint64_t build;
	enum dv_worker_what what;
	struct dv_cpu_config cpu;
	struct dv_gpu gpu;
	struct dv_step step;
	pid_t pid;	/* of ENTER and END_USER */
	bool hard;	/* of END_USER: SIGKILL, else SIGTERM */
	char root[256]; /* of /proc, /sys and /dev */
	char nvml[256]; /* NVIDIA's library: a name, or a path */
};

struct dv_worker_answer {
	uint64_t build;
	int r; /* 0 or a negative code, then err says why */
	struct dv_error err;
	unsigned gpu_count, holder_count;
	unsigned holders_more;	     /* holders there was no room for */
	unsigned holders_unreadable; /* processes the worker was not allowed to look into */
	/* followed by gpu_count struct dv_gpu, or holder_count struct dv_holder */
};

/* What a watching worker tells, one message each. */
enum dv_worker_tells {
	DV_WORKER_LISTENS = 1, /* from now on; what was before it, a probe tells */
	DV_WORKER_MIG,	       /* mode or partitions of `gpu` changed */
	DV_WORKER_XID,
	DV_WORKER_DEAF, /* it cannot, see `why`, and ends */
};
struct dv_worker_news {
	uint64_t build;
	enum dv_worker_tells tells;
	uint32_t xid;
	int instance, part;	/* ids, -1: none */
	char gpu[DV_UUID_SIZE]; /* or "" */
	char why[192];
};

static_assert(sizeof(struct dv_worker_request) <= DV_WORKER_MESSAGE_MOST, "a request fits");
static_assert(sizeof(struct dv_worker_answer) <= DV_WORKER_MESSAGE_MOST, "the head is whole");

/* An answer full of GPUs and of holders. */
#define DV_WORKER_ANSWER_MOST                                                                      \
	(sizeof(struct dv_worker_answer) + DV_WORKER_GPUS_MOST * sizeof(struct dv_gpu) +           \
	 DV_WORKER_HOLDERS_MOST * sizeof(struct dv_holder))

/* How long the whole answer is, by its first message of `len` bytes; 0 when that is no answer of
 * this build. */
size_t dv_worker_answer_size(const struct dv_worker_answer *answer, size_t len);

/* Same in both ends of one build: version and the sizes of the records. */
uint64_t dv_worker_build(void);
