/* SPDX-License-Identifier: Apache-2.0 */
/* One device as observed: a GPU, or the CPU through OpenCL. Plain data, copied by value. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/limits.h"
#include "model/method.h"
#include "model/mig.h"

enum dv_gpu_kind {
	DV_GPU_CPU,
	DV_GPU_NVIDIA,
	DV_GPU_AMD,
	DV_GPU_INTEL,
	DV_GPU_OTHER,
	DV_GPU_KIND_COUNT
};

enum { DV_GPU_METHODS_MOST = 8, DV_GPU_RULES_MOST = 4, DV_GPU_UNLEASED_MOST = 4 };

/* Whether a method works on this device here and now, and if not, why not. */
struct dv_gpu_method {
	enum dv_method method;
	bool ok;
	unsigned rule_count;
	char rules[DV_GPU_RULES_MOST][DV_RULE_SIZE];
	char why[192];
};

/* As the configuration space of PCI has them; all 0: not on PCI, or not known. */
struct dv_pci_id {
	uint16_t vendor, device, subvendor, subdevice;
};

/* A process that computes on a GPU which slices share, and has no lease there. */
struct dv_gpu_unleased {
	pid_t pid;
	uid_t uid;
	char command[64];
	uint64_t memory_bytes; /* 0: not known */
};

struct dv_gpu {
	char id[16];		 /* its index on this machine, as text */
	char uuid[DV_UUID_SIZE]; /* stable: "GPU-...", or "CPU-<machine id>" */
	enum dv_gpu_kind kind;
	char model[DV_MODEL_SIZE]; /* catalogue id, or "cpu-opencl" */
	char product[128];	   /* what the driver calls it */
	char address[16];	   /* PCI address, or "" */
	struct dv_pci_id pci;
	uint64_t
		memory_bytes; /* what divvy divides: of the CPU device, divvy's configured number */
	uint32_t memory_slices; /* width of its grid of partitions; 0: none, or not known */
	uint32_t compute_units; /* SMs; of the CPU device, CPUs */
	int numa_node;		/* -1: unknown */
	enum dv_division division;
	char driver[64];      /* "" when unknown */
	char owned_by[64];    /* another divvyd that owns it ("user alice, pid 123"), or "" */
	char quarantine[192]; /* why nothing new is placed on it, or "" */
	unsigned method_count;
	struct dv_gpu_method methods[DV_GPU_METHODS_MOST];
	unsigned
		unleased_count; /* may be greater than DV_GPU_UNLEASED_MOST; that many are listed */
	struct dv_gpu_unleased unleased[DV_GPU_UNLEASED_MOST];

	struct dv_mig mig; /* mode DV_MIG_NONE where there is no such thing */

	/* Of the CPU device, as the worker found it; in no document. */
	unsigned cpu_count;	     /* as many as compute_units */
	uint16_t cpus[DV_CPUS_MOST]; /* in the order in which partitions take them */
	char cgroup[96]; /* directory, relative to /, that holds the partitions' cgroups;
			    "" : a partition binds its processes to its CPUs instead */
};

const char *dv_gpu_kind_name(enum dv_gpu_kind kind);
int dv_gpu_kind_parse(const char *name, enum dv_gpu_kind *ret, struct dv_error *err) DV_MUST_CHECK;

/* The entry of that method, or NULL. */
const struct dv_gpu_method *dv_gpu_method(const struct dv_gpu *gpu, enum dv_method method);

/* "GPU 0 (AMD EPYC)": the number that the user knows it by, and what it is; returns `buf`. */
enum { DV_GPU_TITLE_SIZE = 128 };
const char *dv_gpu_title(const struct dv_gpu *gpu, char buf[DV_GPU_TITLE_SIZE]);

/* Does `text` name this GPU: id, uuid, address, model id, or (case-insensitively) the beginning of
 * any run of words of the product's name ("H100-80", "RTX 4090": '-' and ' ' are the same)? A bare
 * number must be a whole word ("4090", never "4": that is an index). */
bool dv_gpu_matches(const struct dv_gpu *gpu, const char *text);

/* Does `text` name this GPU's model: its catalogue id, or words of the product's name as above? */
bool dv_gpu_is_model(const struct dv_gpu *gpu, const char *text);

/* What the method holds on this device as it is: as dv_method_isolates, but where no cgroup can be
 * made a partition's processes are only bound to their CPUs, and could unbind themselves. */
struct dv_isolates dv_gpu_isolates(const struct dv_gpu *gpu, enum dv_method method);
