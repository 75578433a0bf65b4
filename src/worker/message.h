/* SPDX-License-Identifier: Apache-2.0 */
/* Fixed records between divvyd and its worker, over a SOCK_SEQPACKET socketpair on descriptor 3.
 * Both ends are one build: `build` is compared, then the structs are taken as they are. One
 * request, one answer, then the worker ends. */
#pragma once

#include "model/gpu.h"
#include "model/plan.h"

enum dv_worker_what {
	DV_WORKER_PROBE = 1, /* find devices and what each can do: gpus[] */
	DV_WORKER_COMMIT,    /* step */
	DV_WORKER_UNDO,	     /* step */
	DV_WORKER_HOLDERS,   /* of gpu: holders[] */
};

enum { DV_WORKER_GPUS_MOST = 64, DV_WORKER_HOLDERS_MOST = 128 };

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
};

struct dv_holder {
	pid_t pid;
	uid_t uid;
	char command[64];
	char what[128]; /* "uses the OpenCL device", "has /dev/nvidia0 open" */
};

struct dv_worker_answer {
	uint64_t build;
	int r; /* 0 or a negative code, then err says why */
	struct dv_error err;
	unsigned gpu_count, holder_count;
	/* followed by gpu_count struct dv_gpu, or holder_count struct dv_holder */
};

/* Same in both ends of one build: version and the sizes of the records. */
uint64_t dv_worker_build(void);
