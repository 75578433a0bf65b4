/* SPDX-License-Identifier: Apache-2.0 */
/* The few types and numbers of NVML that divvy uses or simulates, so that it builds without the
 * vendor's header. Declarations only; nothing here is owned. The functions: abi/nvml-calls.h.
 *
 * Source: nvml.h of NVML 13.3.29 (NVIDIA/go-nvml, gen/nvml/nvml.h); numbers in brackets are lines
 * there. tests/unit/device/test-nvml-abi.c compares all of it with the vendor's header where one is
 * installed. Sizes and offsets are those of x86-64 and aarch64. Memory sizes called _mib are MiB.
 */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Handles are opaque. A device handle means a GPU or, in MIG mode, a compute instance. */
struct dv_nvml_device;
struct dv_nvml_gi; /* GPU instance */
struct dv_nvml_ci; /* compute instance */

/* [1295]. A driver newer than this header may answer others. */
enum dv_nvml_result {
	DV_NVML_SUCCESS = 0,
	DV_NVML_UNINITIALIZED = 1,
	DV_NVML_INVALID_ARGUMENT = 2,
	DV_NVML_NOT_SUPPORTED = 3,
	DV_NVML_NO_PERMISSION = 4,
	DV_NVML_NOT_FOUND = 6,
	DV_NVML_INSUFFICIENT_SIZE = 7,
	DV_NVML_DRIVER_NOT_LOADED = 9,
	DV_NVML_TIMEOUT = 10,
	DV_NVML_LIBRARY_NOT_FOUND = 12,
	DV_NVML_FUNCTION_NOT_FOUND = 13,
	DV_NVML_GPU_IS_LOST = 15,
	DV_NVML_RESET_REQUIRED = 16,
	DV_NVML_OPERATING_SYSTEM = 17,
	DV_NVML_LIB_RM_VERSION_MISMATCH = 18,
	DV_NVML_IN_USE = 19,
	DV_NVML_MEMORY = 20,
	DV_NVML_NO_DATA = 21,
	DV_NVML_INSUFFICIENT_RESOURCES = 23,
	DV_NVML_ARGUMENT_VERSION_MISMATCH = 25,
	DV_NVML_DEPRECATED = 26,
	DV_NVML_NOT_READY = 27,
	DV_NVML_GPU_NOT_FOUND = 28,
	DV_NVML_INVALID_STATE = 29,
	DV_NVML_RESET_TYPE_NOT_SUPPORTED = 30,
	DV_NVML_UNKNOWN = 999,
};

enum {
	DV_NVML_UUID_SIZE = 96,	   /* [4080] */
	DV_NVML_VERSION_SIZE = 80, /* [4090] */
	DV_NVML_NAME_SIZE = 96,	   /* [4105] */
	DV_NVML_SERIAL_SIZE = 30,  /* [4110] */

	DV_NVML_INIT_NO_GPUS = 1, /* [3971] */

	DV_NVML_MIG_OFF = 0, /* [12483] */
	DV_NVML_MIG_ON = 1,  /* [12488] */

	/* Numbers of the driver's list of profiles are dense from 0; these are one past the last
	 * that this header knows [12529, 12654]. A newer driver's list goes on. */
	DV_NVML_GI_PROFILES_KNOWN = 0x12,
	DV_NVML_CI_PROFILES_KNOWN = 0x9,
	DV_NVML_CI_ENGINES_SHARED = 0, /* [12656] */

	DV_NVML_GI_CAP_P2P = 0x1, /* [12537] */
	DV_NVML_GI_CAP_GFX = 0x2, /* [12539] */
	DV_NVML_CI_CAP_GFX = 0x1, /* [12547] */

	DV_NVML_FIELD_MIG_WITHOUT_RESET = 184,	  /* [2702] */
	DV_NVML_FIELD_PROFILES_WITHOUT_MIG = 199, /* [2738] profiles are listed with MIG off too */

	DV_NVML_VALUE_UINT = 1, /* nvmlValueType_t: uint_value is set */

	DV_NVML_FABRIC_COMPLETED = 3, /* [3803] */
};

/* The instance id of a process that runs on the whole GPU [312]. */
#define DV_NVML_NO_INSTANCE UINT32_MAX

/* [196] */
struct dv_nvml_pci {
	char address_short[16];
	uint32_t domain, bus, device;
	uint32_t device_id;    /* device << 16 | vendor */
	uint32_t subsystem_id; /* likewise */
	char address[32];      /* "00000000:1B:00.0" */
};
static_assert(sizeof(struct dv_nvml_pci) == 68, "[196]");
static_assert(offsetof(struct dv_nvml_pci, address) == 36, "[196]");

/* [245] Percent of the time. */
struct dv_nvml_utilization {
	uint32_t gpu, memory;
};
static_assert(sizeof(struct dv_nvml_utilization) == 8, "[245]");

/* [255] Bytes. */
struct dv_nvml_memory {
	uint64_t total, free, used;
};
static_assert(sizeof(struct dv_nvml_memory) == 24, "[255]");

/* A struct's version word: its size, and the version above it [141]. */
#define DV_NVML_VERSION(type, version) ((uint32_t)sizeof(type) | (uint32_t)(version) << 24)

/* [268] Bytes; `used` is without `reserved`. */
struct dv_nvml_memory_v2 {
	uint32_t version;
	uint64_t total, reserved, free, used;
};
#define DV_NVML_MEMORY_V2 DV_NVML_VERSION(struct dv_nvml_memory_v2, 2)
static_assert(sizeof(struct dv_nvml_memory_v2) == 40, "[268]");
static_assert(DV_NVML_MEMORY_V2 == 0x02000028, "[277]");

/* [282] */
struct dv_nvml_bar1 {
	uint64_t total, free, used;
};
static_assert(sizeof(struct dv_nvml_bar1) == 24, "[282]");

/* [293] */
struct dv_nvml_process_v1 {
	uint32_t pid;
	uint64_t memory_bytes;
};
static_assert(sizeof(struct dv_nvml_process_v1) == 16, "[293]");

/* [304] What the _v2 and _v3 calls fill in. */
struct dv_nvml_process {
	uint32_t pid;
	uint64_t memory_bytes; /* UINT64_MAX: not known */
	uint32_t gi_id, ci_id; /* DV_NVML_NO_INSTANCE: on the whole GPU */
};
static_assert(sizeof(struct dv_nvml_process) == 24, "[304]");
static_assert(offsetof(struct dv_nvml_process, gi_id) == 16, "[304]");

/* [1379] */
struct dv_nvml_process_utilization {
	uint32_t pid;
	uint64_t time_us;
	uint32_t sm, memory, encoder, decoder; /* percent */
};
static_assert(sizeof(struct dv_nvml_process_utilization) == 32, "[1379]");

/* [362] Of a MIG device. */
struct dv_nvml_attributes {
	uint32_t multiprocessors;
	uint32_t copy_engines, decoders, encoders, jpegs, optical_flows; /* shared ones */
	uint32_t gi_slices, ci_slices;
	uint64_t memory_mib;
};
static_assert(sizeof(struct dv_nvml_attributes) == 40, "[362]");
static_assert(offsetof(struct dv_nvml_attributes, memory_mib) == 32, "[362]");

/* [3010] */
struct dv_nvml_field {
	uint32_t id, scope;
	int64_t time_us, latency_us;
	uint32_t type;
	enum dv_nvml_result result;
	union {
		uint32_t uint_value;
		uint64_t ulong_value;
		double double_value;
	};
};
static_assert(sizeof(struct dv_nvml_field) == 40, "[3010]");
static_assert(offsetof(struct dv_nvml_field, uint_value) == 32, "[3010]");

/* [3810] */
struct dv_nvml_fabric {
	uint8_t cluster[16];
	enum dv_nvml_result status; /* once `state` is completed */
	uint32_t clique;
	uint8_t state;
};
static_assert(sizeof(struct dv_nvml_fabric) == 28, "[3810]");

/* [12549] Memory slices. */
struct dv_nvml_placement {
	uint32_t start, size;
};
static_assert(sizeof(struct dv_nvml_placement) == 8, "[12549]");

/* [12558] */
struct dv_nvml_gi_profile {
	uint32_t id, peer_to_peer, slices, instances, multiprocessors;
	uint32_t copy_engines, decoders, encoders, jpegs, optical_flows;
	uint64_t memory_mib;
};
static_assert(sizeof(struct dv_nvml_gi_profile) == 48, "[12558]");

/* [12581] */
struct dv_nvml_gi_profile_v2 {
	uint32_t version, id, peer_to_peer, slices, instances, multiprocessors;
	uint32_t copy_engines, decoders, encoders, jpegs, optical_flows;
	uint64_t memory_mib;
	char name[DV_NVML_NAME_SIZE]; /* "MIG 1g.5gb" */
};
#define DV_NVML_GI_PROFILE_V2 DV_NVML_VERSION(struct dv_nvml_gi_profile_v2, 2)
static_assert(DV_NVML_GI_PROFILE_V2 == 0x02000098, "[12601]");
static_assert(offsetof(struct dv_nvml_gi_profile_v2, memory_mib) == 48, "[12581]");
static_assert(offsetof(struct dv_nvml_gi_profile_v2, name) == 56, "[12581]");

/* [12609] As large as v2, and laid out otherwise: only the version word tells them apart. */
struct dv_nvml_gi_profile_v3 {
	uint32_t version, id, slices, instances, multiprocessors;
	uint32_t copy_engines, decoders, encoders, jpegs, optical_flows;
	uint64_t memory_mib;
	char name[DV_NVML_NAME_SIZE];
	uint32_t capabilities; /* DV_NVML_GI_CAP_... */
};
#define DV_NVML_GI_PROFILE_V3 DV_NVML_VERSION(struct dv_nvml_gi_profile_v3, 3)
static_assert(DV_NVML_GI_PROFILE_V3 == 0x03000098, "[12629]");
static_assert(offsetof(struct dv_nvml_gi_profile_v3, memory_mib) == 40, "[12609]");
static_assert(offsetof(struct dv_nvml_gi_profile_v3, name) == 48, "[12609]");
static_assert(offsetof(struct dv_nvml_gi_profile_v3, capabilities) == 144, "[12609]");

/* [12631] */
struct dv_nvml_gi_info {
	struct dv_nvml_device *device;
	uint32_t id, profile;
	struct dv_nvml_placement placement;
};
static_assert(sizeof(struct dv_nvml_gi_info) == 24, "[12631]");

/* [12659] Compute slices of the GPU instance. */
struct dv_nvml_ci_placement {
	uint32_t start, size;
};
static_assert(sizeof(struct dv_nvml_ci_placement) == 8, "[12659]");

/* [12668] The engines are those of the GPU instance, shared. */
struct dv_nvml_ci_profile {
	uint32_t id, slices, instances, multiprocessors;
	uint32_t copy_engines, decoders, encoders, jpegs, optical_flows;
};
static_assert(sizeof(struct dv_nvml_ci_profile) == 36, "[12668]");

/* [12689] */
struct dv_nvml_ci_profile_v2 {
	uint32_t version, id, slices, instances, multiprocessors;
	uint32_t copy_engines, decoders, encoders, jpegs, optical_flows;
	char name[DV_NVML_NAME_SIZE]; /* "MIG 1c.3g.20gb" */
};
#define DV_NVML_CI_PROFILE_V2 DV_NVML_VERSION(struct dv_nvml_ci_profile_v2, 2)
static_assert(DV_NVML_CI_PROFILE_V2 == 0x02000088, "[12707]");

/* [12715] */
struct dv_nvml_ci_profile_v3 {
	uint32_t version, id, slices, instances, multiprocessors;
	uint32_t copy_engines, decoders, encoders, jpegs, optical_flows;
	char name[DV_NVML_NAME_SIZE];
	uint32_t capabilities; /* DV_NVML_CI_CAP_... */
};
#define DV_NVML_CI_PROFILE_V3 DV_NVML_VERSION(struct dv_nvml_ci_profile_v3, 3)
static_assert(DV_NVML_CI_PROFILE_V3 == 0x0300008c, "[12734]");

/* [12736] */
struct dv_nvml_ci_info {
	struct dv_nvml_device *device;
	struct dv_nvml_gi *gi;
	uint32_t id, profile;
	struct dv_nvml_ci_placement placement;
};
static_assert(sizeof(struct dv_nvml_ci_info) == 32, "[12736]");

struct dv_nvml_event_set;

enum {
	DV_NVML_EVENT_XID = 0x8,   /* nvmlEventTypeXidCriticalError */
	DV_NVML_EVENT_MIG = 0x100, /* nvmlEventMigConfigChange */
};

/* nvmlEventData_t */
struct dv_nvml_event {
	struct dv_nvml_device *device;
	uint64_t type;
	uint64_t data;	       /* of an Xid its number */
	uint32_t gi_id, ci_id; /* of an Xid; DV_NVML_NO_INSTANCE: none */
};
static_assert(sizeof(struct dv_nvml_event) == 32, "nvmlEventData_t");
