/* SPDX-License-Identifier: Apache-2.0 */
/* What `divvy bench cuda/` runs, as data: tenants of one GPU, each an ordinary CUDA program with
 * kernels of a known length. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/method.h"

enum { DV_CUDA_TENANTS_MOST = 3 };

/* How a program launches. */
struct dv_cuda_shape {
	uint64_t kernel_ns;
	unsigned each;		      /* launches for which one is waited */
	unsigned inflight;	      /* so many of these on the stream; 1: each is waited for */
	unsigned graph;		      /* kernels of a graph that is launched instead; 0: none */
	uint64_t think_ns, jitter_ns; /* pauses */
};

struct dv_cuda_tenant {
	const char *role; /* "a", "light" */
	enum dv_policy policy;
	uint32_t compute_mpct; /* 0: without divvy */
	const struct dv_cuda_shape *shape;
};

enum dv_cuda_measure {
	DV_CUDA_SHARE, /* each one's part of all that was done, over the whole and any second */
	DV_CUDA_CAP,   /* the first one's part of the GPU's time, and of what it gets without */
	DV_CUDA_THROUGHPUT, /* what is lost of the same tenants' work without divvy */
	DV_CUDA_LATENCY,    /* the first one's requests */
	DV_CUDA_LAUNCH,	    /* ns that a launch takes more */
	DV_CUDA_MEMORY,	    /* bytes that are counted wrongly */
	DV_CUDA_START,	    /* processes that begin to use the driver */
};

struct dv_cuda_case {
	const char *name;
	const char *what; /* one line for people */
	enum dv_cuda_measure measure;
	double goal;	   /* of the measure's first metric; 0: none */
	double goal_in_1s; /* share: over any second; 0: none */
	uint64_t for_ns;
	bool quick;	/* part of --quick, for a part of the time */
	bool real_only; /* kernels so short that the simulated driver does not pace a program by
			   them */
	bool paired;	/* the same without divvy runs in turn with it */
	unsigned runs;	/* at least so many, if not quick; 0: 1 */
	/* latency: alone is the measure of the others; its name, or NULL */
	const char *alone;
	const char *way;    /* memory: how it is allocated; launch: what is launched */
	unsigned processes; /* start: so many ... */
	bool apart;	    /* ... one after the other */
	bool contexts;	    /* ... and each makes a context */
	unsigned tenant_count;
	struct dv_cuda_tenant tenants[DV_CUDA_TENANTS_MOST];
};

const struct dv_cuda_case *dv_cuda_cases(size_t *ret_count);
/* NULL: there is none of that name. */
const struct dv_cuda_case *dv_cuda_case_named(const char *name);
/* Does the case's name begin with one of the prefixes (none: every case does)? */
bool dv_cuda_case_chosen(const struct dv_cuda_case *c, const char *const *prefixes, size_t count);
