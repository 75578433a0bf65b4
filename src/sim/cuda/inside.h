/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the simulated CUDA driver: what a process has of it. One lock, taken by every call for
 * as long as it lasts (DV_CALL), guards all of it; whoever sleeps or computes lets go of it. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "base/macro.h"
#include "base/vec.h"
#include "sim/cuda/prototypes.h"
#include "sim/cuda/share.h"

enum dv_cu_kind {
	DV_CU_NOTHING,
	DV_CU_CONTEXT,
	DV_CU_MODULE,
	DV_CU_FUNCTION,
	DV_CU_STREAM,
	DV_CU_EVENT,
	DV_CU_ARRAY,
	DV_CU_MIPMAP,
	DV_CU_POOL,
	DV_CU_GRAPH,
	DV_CU_NODE,
	DV_CU_EXEC,
	DV_CU_USER_OBJECT,
};

/* A device as the process sees it; `capacity` is what all processes together may have. */
struct dv_cu_device {
	struct dv_share_place place;
	char name[160], uuid[96], mig_uuid[96], address[16];
	int major, minor, multiprocessors;
	uint32_t pci_device, pci_subsystem;
	uint64_t capacity;
	int tenant; /* -1: it has no context there */
	unsigned contexts;
	struct dv_cu_context *primary;
	unsigned primary_users;
	uint32_t primary_flags;
	struct dv_cu_pool *pool_default, *pool;
	uint64_t small_bytes; /* allocations smaller than a page of the device */
	uint64_t graph_used, graph_used_most, graph_reserved, graph_reserved_most;
	/* What its thread has to do, in order of submission. */
	bool has_thread;
	pthread_cond_t work;
	struct dv_cu_op *first, **last;
	bool computing;
};

struct dv_cu_context {
	struct dv_cu_device *device;
	uint64_t id;
	uint32_t flags, api_version, cache_config, shared_config;
	unsigned attached;
	unsigned waiting; /* calls that wait for its streams, and let go of the lock meanwhile */
	bool is_primary;
	size_t limits[DV_CU_LIMIT_CIG_SHMEM_FALLBACK_ENABLED + 1];
	struct dv_cu_stream *legacy;
	DV_VEC(struct dv_cu_stream *) streams; /* legacy first */
	DV_VEC(struct dv_cu_context *) peers;
	DV_VEC(struct dv_cu_module *) modules; /* which end with it */
	dv_cu_ptr overhead;		       /* bytes charged for it */
};

struct dv_cu_stream {
	struct dv_cu_context *context;
	uint64_t id;
	uint32_t flags;
	int priority;
	pthread_t thread; /* of a thread's own stream */
	bool per_thread, gone;
	unsigned refs; /* its owner, and operations that are not done */
	struct dv_cu_op *last;
	uint64_t done_ns; /* when the last one that is done was */
	union dv_cu_launch_value policy;
	struct dv_cu_capture *capture;
	DV_VEC(struct dv_cu_node *) tips; /* while capturing: what comes next depends on them */
};

struct dv_cu_event {
	struct dv_cu_context *context;
	uint32_t flags;
	struct dv_cu_op *op; /* that recorded it last */
	uint64_t capture_id; /* it was recorded while capturing */
	DV_VEC(struct dv_cu_node *) tips;
	int shared;	      /* index of the machine's events; -1: none */
	uint64_t shared_wait; /* of an event of another process: this many records */
	bool foreign;
};

/* An operation of a stream. It begins when all that it depends on is done, and takes its time on
 * the device if it computes. `act` is called without the lock. */
struct dv_cu_op {
	unsigned refs;
	bool done, begun, computes;
	bool on_host; /* `act` is the program's own, called by another thread */
	enum dv_cu_result result;
	uint64_t ready_ns, done_ns, duration_ns;
	struct dv_cu_device *device;
	struct dv_cu_stream *stream;
	DV_VEC(struct dv_cu_op *) before;
	void (*act)(struct dv_cu_op *op);
	bool (*may_begin)(struct dv_cu_op *op); /* polled; NULL: always */
	struct dv_cu_op *next;
	size_t size;
	union {
		max_align_t align;
		char data[1];
	};
};

/* A function: what it does, how long it takes, its arguments. A kernel of a library is one, too. */
struct dv_cu_function {
	struct dv_cu_module *module;
	char name[256];
	int does;	   /* enum dv_cu_does, sim/cuda/kernels.h */
	uint64_t time_ns;  /* of a launch */
	int time_argument; /* that says it instead, in ns; -1: none */
	unsigned argument_count;
	bool arguments_known;
	uint16_t sizes[64], offsets[64];
	int dynamic_shared, carveout, block[3];
	uint32_t params_size;
	char params[1024]; /* of the old way to launch */
};

struct dv_cu_module {
	struct dv_cu_context *context; /* NULL: a library, of all contexts */
	bool is_library, open_ended;   /* open-ended: any function may be asked for */
	bool starved;		       /* there was no memory for one */
	DV_VEC(struct dv_cu_function *) functions;
	DV_VEC(struct dv_cu_global *) globals;
	dv_cu_ptr overhead;
};

struct dv_cu_global {
	char name[64];
	dv_cu_ptr ptr;
	size_t size;
	bool managed;
};

/* --- the library --- */

extern struct dv_share *dv_cu_share;
extern pthread_mutex_t dv_cu_lock;
extern pthread_cond_t dv_cu_changed; /* some operation is done */
extern struct dv_cu_device dv_cu_devices[DV_SIM_GPUS_MOST];
extern int dv_cu_device_count;
uint32_t dv_cu_version(void); /* of CUDA that the driver has; also before it is started */

struct dv_cu_call {
	const char *name;
	bool locked;
	int after; /* a signal to itself when it ends; 0: none */
};

/* Every call begins with one of these: is there a driver, is the call to fail, and is a context
 * current? It ends by itself. */
#define DV_CALL()                                                                                  \
	dv_cleanup(dv_cu_leave) struct dv_cu_call call_ = {__func__, false, 0};                    \
	do {                                                                                       \
		enum dv_cu_result entered_ = dv_cu_enter(&call_);                                  \
		if (entered_ != DV_CUDA_SUCCESS)                                                   \
			return entered_;                                                           \
	} while (0)
#define DV_CALL_IN_CONTEXT(context)                                                                \
	DV_CALL();                                                                                 \
	DV_UNUSED struct dv_cu_context *context = dv_cu_current();                                 \
	if (!context || dv_cu_failed() != DV_CUDA_SUCCESS)                                         \
	return context ? dv_cu_failed() : DV_CUDA_ERROR_INVALID_CONTEXT
#define DV_CALL_OF_DEVICE(device, ordinal)                                                         \
	DV_CALL();                                                                                 \
	struct dv_cu_device *device = dv_cu_device_at(ordinal);                                    \
	if (!device)                                                                               \
	return DV_CUDA_ERROR_INVALID_DEVICE
#define DV_NEED(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return DV_CUDA_ERROR_INVALID_VALUE;                                        \
	} while (0)
#define DV_TRY(call)                                                                               \
	do {                                                                                       \
		enum dv_cu_result tried_ = (call);                                                 \
		if (tried_ != DV_CUDA_SUCCESS)                                                     \
			return tried_;                                                             \
	} while (0)

/* A kernel failed: as with the real driver, nothing works any more in this process. */
void dv_cu_fail_later(enum dv_cu_result result);
enum dv_cu_result dv_cu_failed(void);

enum dv_cu_result dv_cu_enter(struct dv_cu_call *call);
void dv_cu_leave(struct dv_cu_call *call);
enum dv_cu_result dv_cu_start(void); /* locked: cuInit */
bool dv_cu_find_machine(char *buf, size_t size);

/* Live objects: a handle that is none is told from one. Each begins where it is. */
void *dv_cu_new(enum dv_cu_kind kind, size_t size);
void dv_cu_free(void *object);
/* Its handle is none any more; the object itself stays until it is freed. */
void dv_cu_retire(void *object);
bool dv_cu_is(const void *object, enum dv_cu_kind kind);

/* --- contexts --- */

struct dv_cu_context *dv_cu_current(void); /* and alive; NULL */
struct dv_cu_device *dv_cu_device_at(int ordinal);
int dv_cu_ordinal(const struct dv_cu_device *device);
/* Charge a device's memory to the process: OUT_OF_MEMORY. It has a context there. */
enum dv_cu_result dv_cu_charge(struct dv_cu_device *device, uint64_t bytes);
void dv_cu_refund(struct dv_cu_device *device, uint64_t bytes);
/* module.c: it ends, and what it is charged. */
void dv_cu_module_end(struct dv_cu_module *module);

/* --- streams and operations --- */

/* The stream that a handle means; `thread`: NULL is the thread's own. INVALID_HANDLE; a capture
 * that it is a part of makes no difference here. */
enum dv_cu_result dv_cu_stream_of(struct dv_cu_stream *handle, bool thread,
				  struct dv_cu_stream **ret);
struct dv_cu_stream *dv_cu_stream_new(struct dv_cu_context *context, uint32_t flags, int priority);
void dv_cu_stream_end(struct dv_cu_stream *stream);

/* A new operation with room for so many bytes of data; NULL: no memory. */
struct dv_cu_op *dv_cu_op_new(struct dv_cu_stream *stream, size_t size);
void dv_cu_op_unref(struct dv_cu_op *op);
/* One that is not submitted comes to nothing: whoever has it, such as an event, does not wait. */
void dv_cu_op_abandon(struct dv_cu_op *op);
int dv_cu_op_after(struct dv_cu_op *op, struct dv_cu_op *before);
/* It is the stream's next; the stream owns it from here on. */
enum dv_cu_result dv_cu_submit(struct dv_cu_op *op);
/* The same for one that the stream's order does not hold: its `before` is complete. */
enum dv_cu_result dv_cu_submit_free(struct dv_cu_op *op);
/* The same, and wait for it; with nothing before it, it is done at once. */
enum dv_cu_result dv_cu_submit_and_wait(struct dv_cu_op *op);
/* Sleep until it is done. */
void dv_cu_wait(struct dv_cu_op *op);
enum dv_cu_result dv_cu_wait_stream(struct dv_cu_stream *stream);
enum dv_cu_result dv_cu_wait_context(struct dv_cu_context *context);
