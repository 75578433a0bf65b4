/* SPDX-License-Identifier: Apache-2.0 */
/* Pages and messages between divvyd and a process of a tenant. Fixed width, versioned, one writer
 * for each field; the same on every architecture of one machine. Headers only, no libc types.
 *
 * A process connects to its lease's SOCK_SEQPACKET socket, sends DV_MSG_HELLO, and is answered
 * DV_MSG_WELCOME with two descriptors: the grant page (read-only for it: sealed against any future
 * writing) and the counters page (written by it alone, read by divvyd as hostile input). Every
 * message is one struct dv_msg. The socket's hang-up is the end of the client, for both sides.
 *
 * Memory: the client asks before it allocates (DV_MSG_RESERVE, answered DV_MSG_RESERVED or
 * DV_MSG_DENIED, same `serial`), and gives back (DV_MSG_RELEASE, not answered). What a client holds
 * already when it says HELLO (it re-attaches) is charged as it says, even over the limit: it
 * exists. After a restart of divvyd an answer may take until the grace for re-attaching is over.
 *
 * Time: see struct dv_grant. DV_MSG_WANT asks for the device; the grant is given in the page, with
 * a futex wake on `epoch`. DV_MSG_DRAINED says that nothing of this client is on the device any
 * more, after a revocation, at `until_ns`, or because it was idle for `linger_ns` (for a program
 * whose next command has always come in time, up to four times that).
 *
 * Crossing messages are told apart by epoch. DRAINED carries the newest epoch that the client has
 * read; having sent it, the client puts nothing on the device until it reads a newer epoch with
 * HELD. divvyd takes DRAINED of an epoch at or above the last one in which it wrote HELD as handing
 * back (or as the end of a revocation), and ignores an older one, and one of a client that holds
 * nothing. A client that reads a revocation answers DRAINED with that epoch, even where it had
 * just handed back. WANT is good until the next grant; one from a client that holds is ignored.
 * A client that was given HELD and has no use for it any more hands back after `linger_ns` too.
 * After WELCOME the client wants nothing and holds nothing but what its page says. DRAINED's
 * `serial` is when the client's last work ended (CLOCK_MONOTONIC, ns; 0: unknown), so that the
 * linger need not be charged, and the upper half of its `a` how long before that its first command
 * got to the device (ns; 0: unknown, or longer than the half can say), so that the way from the
 * grant to the program need not be charged either; like all that a client says this has to be
 * clamped to what can be: both together to the linger. An endless grant is not handed back for
 * idleness, only when it is revoked.
 *
 * Looking: a client whose HELLO says DV_LAYER_NVML only looks. It is none of the tenant's clients:
 * it holds nothing, has no turn, and says nothing but DV_MSG_USE and DV_MSG_PROCESS, which any
 * client may say. It is told of its own tenant alone.
 *
 * The hang-up without a word before it is divvyd being away, not the lease being gone: the client
 * looks for it, and does meanwhile what its last page said with DV_GRANT_AWAY_WAITS. A client that
 * does not know the flag passes its launches, as before there was one.
 *
 * divvyd hangs up on a client that breaks the form (size, magic, version, an unknown type, a
 * second HELLO), that does not say HELLO within 2 s, or that does not read its answers. One that
 * sends very much is read more slowly.
 *
 * divvyd wakes the client when it gives, takes or lengthens a turn, not when it shortens one: a
 * client looks at its page before each command, when its last one ends, and now and then while it
 * holds a turn that is not endless. At `until_ns` it hands back by itself; the revocation comes
 * only if it has not done so a quarter of a quantum later. */
#pragma once

#include <stdint.h>

#define DV_WIRE_MAGIC 0x59565644u /* "DVVY" */
#define DV_WIRE_VERSION 1u
#define DV_WIRE_PAGE_BYTES 4096u

enum dv_msg_type {
	DV_MSG_HELLO =
		1, /* client: a = layer kind, b = pid in its namespace, c = bytes already held */
	DV_MSG_WELCOME = 2,  /* divvyd, with descriptors {grant, counters}: a = lease id */
	DV_MSG_REFUSED = 3,  /* divvyd: a = enum dv_refusal; then it hangs up */
	DV_MSG_RESERVE = 4,  /* client: a = bytes */
	DV_MSG_RESERVED = 5, /* divvyd: a = bytes, b = used by the tenant now */
	DV_MSG_DENIED = 6,   /* divvyd: a = bytes asked, b = used by the tenant now */
	DV_MSG_RELEASE = 7,  /* client: a = bytes */
	DV_MSG_WANT = 8,     /* client: a = epoch it has seen */
	/* Client: a = epoch it drained, and above its 32 bits the ns from its first command on; b =
	 * ns busy in it; c = 1: wants again at once. */
	DV_MSG_DRAINED = 9,
	/* Client: how much the tenant used of late. divvyd: of the last a ns (about a second) it
	 * had the device for b ns in turns with an end, and for c ns in endless ones, of which only
	 * the device itself can say how busy it was. */
	DV_MSG_USE = 10,
	/* Client: the first process with a number above a. divvyd: a = its number (0: there is
	 * none), b = bytes it holds, c = its number as it says itself, lately[]. */
	DV_MSG_PROCESS = 11,
};

/* Of a process, over its last second or so, as it counts itself. */
enum dv_lately {
	DV_LATELY_NS = 0,	/* busy in turns with an end */
	DV_LATELY_LAUNCHES = 1, /* commands */
	DV_LATELY_EVER = 2,	/* commands since it began */
};

enum dv_refusal {
	DV_REFUSAL_VERSION = 1, /* the client speaks another version */
	DV_REFUSAL_PEER = 2,	/* another user's process */
	DV_REFUSAL_NONCE = 3,
	DV_REFUSAL_FULL = 4, /* too many processes of this tenant */
	DV_REFUSAL_GONE = 5, /* the lease is being released */
};

/* Which shim said hello. */
enum dv_layer { DV_LAYER_OPENCL = 1, DV_LAYER_CUDA = 2, DV_LAYER_NVML = 3 };

struct dv_msg {
	uint32_t magic;
	uint16_t version;
	uint16_t type;
	uint64_t serial; /* of a question, repeated in its answer */
	uint64_t a, b, c;
	union {
		char nonce[32];	    /* of HELLO: the lease's, hex without NUL */
		uint64_t lately[4]; /* of PROCESS: by enum dv_lately */
	};
};

/* Flags of a grant. */
#define DV_GRANT_GATED                                                                             \
	1u /* a scheduler is at work; 0: launches pass freely, only memory is limited */
#define DV_GRANT_HELD 2u    /* this client may launch until `until_ns`, or until revoked */
#define DV_GRANT_ENDLESS 4u /* held, and nobody else wants it: no timing needed */
#define DV_GRANT_COPIES 8u  /* transfers are gated as launches are */
#define DV_GRANT_AWAY_WAITS                                                                        \
	16u /* while divvyd is away nothing is launched; without it launches pass freely then */

/* Written by divvyd alone. A client reads `epoch` (acquire), the rest, and `epoch` again; an odd
 * epoch is being written. `epoch` is also the futex on which a client waits. */
struct dv_grant {
	uint32_t magic;
	uint32_t version;
	uint32_t epoch; /* +2 for each change */
	uint32_t flags;
	uint64_t until_ns;    /* CLOCK_MONOTONIC; meaningless with ENDLESS */
	uint64_t inflight_ns; /* estimated work that may be on the device at once; 0: no bound */
	uint64_t linger_ns;   /* idle for this long: hand back */
	uint64_t memory_limit_bytes;  /* 0: no limit */
	uint64_t memory_used_bytes;   /* by the whole tenant; written alone, outside the epoch */
	uint64_t device_memory_bytes; /* what the device is said to have; 0: as it is */
	uint32_t compute_units;	      /* what the device is said to have; 0: as it is */
	uint32_t compute_mpct;	      /* the tenant's share */
	uint64_t lease_id;
	uint64_t server_ns; /* when divvyd last wrote */
	char device[96]; /* what its driver calls the GPU or partition ("GPU-...", "MIG-..."), with
			  * its NUL; "": not known yet. Written once, outside the epoch */
};

/* Written by the client alone; divvyd only reads, and believes nothing. */
struct dv_counters {
	uint32_t magic;
	uint32_t version;
	uint64_t launches; /* commands put on the device */
	uint64_t gated;	   /* of these, how many had to wait for a grant */
	uint64_t copies;
	uint64_t busy_ns;	 /* device time as the client measured it */
	uint64_t allocs, frees;	 /* objects reserved for and released */
	uint64_t held_bytes;	 /* reserved by this process */
	uint64_t denied;	 /* allocations refused */
	uint64_t passed_ungated; /* launches let through because divvyd was gone */
	uint64_t wait_ns;	 /* time launches waited, summed */
	uint64_t wait_hist[32];	 /* waits: bucket i holds [2^i, 2^(i+1)) us; 0 also holds < 1 us */
	uint64_t inflight;	 /* commands on the device now */
	uint64_t refused_calls;	 /* entry points that cannot be limited, refused */
	uint64_t host_bytes;	 /* pinned memory of the host; not against the limit */
};
