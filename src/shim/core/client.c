/* SPDX-License-Identifier: Apache-2.0 */
/* Two locks. `ask` is held over a question and its answer, and over attaching and parting: it may
 * be held for as long as divvyd is waited for. `lock` guards the few fields below it and is never
 * held over anything that waits, so a destructor can always give back. `ask` comes first. */
#include "shim/core/client.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "shim/core/keep.h"
#include "shim/core/link.h"

enum {
	PATH_SIZE = 108, /* of a unix socket's address */
	TRY_MS = 1000,	 /* for one attempt to attach */
	BACKOFF_FIRST_MS = 10,
	BACKOFF_MOST_MS = 500,
	FLUSH_MS = 100,
	WATCH_MS = 30000, /* then look whether the program closed our descriptor */
	CHARGE_BITS = 48, /* of a packed charge: bytes; above: the generation */
};

#define MS UINT64_C(1000000)

static_assert(sizeof(void *) == sizeof(uint64_t), "a packed charge needs 64 bits");

static struct dv_grant no_grant = {.flags = DV_GRANT_GATED};
static struct dv_counters no_counters;
struct dv_shim_pages dv_shim_pages = {.grant = &no_grant, .counters = &no_counters};

static struct {
	pthread_once_t once;
	pthread_mutex_t ask;
	struct dv_shim_link
		watched; /* the watcher's descriptor; written by it, dropped by a fork */
	bool watcher;	 /* runs */
	uint64_t serial;
	uint64_t waited_from_ns; /* since when divvyd is missed */
	uint64_t next_try_ns;

	pthread_mutex_t lock;
	struct dv_shim_link link;
	uint64_t told; /* bytes that divvyd believes this process holds */
	uint64_t owed; /* of these, given back but not yet told */
	bool flusher;  /* a thread tells it */

	/* Written under `ask`, read anywhere. */
	int state;
	uint64_t attachments;
	uint32_t generation;

	/* Constant after the first dv_shim_init. */
	enum dv_layer layer;
	char path[PATH_SIZE];
	char nonce[33];
	void (*changed)(void);
	void (*forked)(void);
} self = {
	.once = PTHREAD_ONCE_INIT,
	.ask = PTHREAD_MUTEX_INITIALIZER,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.link = {.fd = -1},
	.watched = {.fd = -1},
};

static void set_state(enum dv_shim_state state)
{
	__atomic_store_n(&self.state, state, __ATOMIC_RELEASE);
}

enum dv_shim_state dv_shim_state(void)
{
	return (enum dv_shim_state)__atomic_load_n(&self.state, __ATOMIC_ACQUIRE);
}

uint64_t dv_shim_attachments(void)
{
	return __atomic_load_n(&self.attachments, __ATOMIC_ACQUIRE);
}

uint32_t dv_shim_generation(void)
{
	return __atomic_load_n(&self.generation, __ATOMIC_RELAXED);
}

/* The child has none of the threads, and none of the parent's connection: it is a new client. */
static void in_child(void)
{
	pthread_mutex_init(&self.ask, NULL);
	pthread_mutex_init(&self.lock, NULL);
	dv_shim_link_drop(&self.link);
	dv_shim_link_drop(&self.watched);
	self.watcher = false;
	self.flusher = false;
	self.told = 0;
	self.owed = 0;
	__atomic_fetch_add(&self.generation, 1, __ATOMIC_RELAXED);
	set_state(DV_SHIM_NEW);
	/* With the parent's pages still there the child would run on the parent's grant. */
	if (dv_shim_pages_forget(&dv_shim_pages) < 0)
		set_state(DV_SHIM_REFUSED);
	if (self.forked)
		self.forked();
}

static void init(void)
{
	const char *path = getenv("DIVVY_LEASE_SOCKET");
	const char *nonce = getenv("DIVVY_LEASE_NONCE");

	if (dv_shim_pages_init(&dv_shim_pages) < 0 || pthread_atfork(NULL, NULL, in_child) != 0 ||
	    !path || !nonce || strlen(path) >= sizeof(self.path) ||
	    strlen(nonce) != sizeof(self.nonce) - 1) {
		set_state(DV_SHIM_REFUSED);
		return;
	}
	memcpy(self.path, path, strlen(path) + 1);
	memcpy(self.nonce, nonce, sizeof(self.nonce));
}

void dv_shim_init(enum dv_layer layer)
{
	DV_SHIM_KEEP;

	if (!self.layer)
		self.layer = layer;
	pthread_once(&self.once, init);
}

void dv_shim_on_change(void (*changed)(void))
{
	self.changed = changed;
}

void dv_shim_on_fork(void (*forked)(void))
{
	self.forked = forked;
}

int dv_shim_thread(void *(*run)(void *), void *arg)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int r;

	sigfillset(&all);
	if (pthread_attr_init(&attributes) != 0)
		return -ENOMEM;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	/* The program's signals are for its own threads. */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, &attributes, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return -r;
}

/* With `lock`: tell what is owed. True: it has to be tried again. */
static bool tell_owed(void)
{
	struct dv_msg msg = {.magic = DV_WIRE_MAGIC,
			     .version = DV_WIRE_VERSION,
			     .type = DV_MSG_RELEASE,
			     .a = self.owed};
	int r;

	if (!self.owed || self.link.fd < 0)
		return false;
	r = dv_shim_link_send(&self.link, &msg);
	if (r == 0) {
		self.told -= self.owed;
		self.owed = 0;
	}
	return r == -EAGAIN;
}

/* Tells what is owed as soon as the socket takes it. */
static void *flush(void *arg)
{
	struct dv_shim_link link;
	bool again = true;

	while (again) {
		pthread_mutex_lock(&self.lock);
		again = tell_owed();
		self.flusher = again;
		link = self.link;
		pthread_mutex_unlock(&self.lock);
		if (again)
			dv_shim_link_drain(&link, dv_shim_now_ns() + FLUSH_MS * MS);
	}
	return arg;
}

/* With `lock`: a burst of releases can fill the socket. What is owed must not stay so until the
 * program happens to ask for memory: others of the tenant wait for it. */
static void flush_owed(void)
{
	if (tell_owed() && !self.flusher)
		self.flusher = dv_shim_thread(flush, NULL) == 0;
}

static void *watch(void *arg);

/* With `ask`. */
static void start_watcher(void)
{
	if (!self.watcher)
		self.watcher = dv_shim_thread(watch, NULL) == 0;
}

/* With `ask`: one attempt. 0: attached. */
static int try_attach(uint64_t deadline_ns)
{
	struct dv_shim_link link = DV_SHIM_LINK_NONE;
	struct dv_shim_welcome welcome = {.grant_fd = -1, .counters_fd = -1};
	struct dv_shim_hello hello = {.path = self.path, .nonce = self.nonce, .layer = self.layer};
	dv_autoclose int grant = -1;
	dv_autoclose int counters = -1;
	int r;

	/* What is given back from here on is owed to the new connection. */
	pthread_mutex_lock(&self.lock);
	self.told -= self.owed;
	self.owed = 0;
	hello.held_bytes = self.told;
	pthread_mutex_unlock(&self.lock);

	r = dv_shim_link_open(&hello, deadline_ns, &link, &welcome);
	if (r > 0 && r != DV_REFUSAL_FULL) {
		bool was_away = dv_shim_state() == DV_SHIM_AWAY;

		set_state(DV_SHIM_REFUSED);
		/* Nobody will grant what waits for divvyd. */
		if (was_away && self.changed)
			self.changed();
	}
	if (r != 0)
		return r < 0 ? r : -ECONNREFUSED;
	grant = welcome.grant_fd;
	counters = welcome.counters_fd;
	r = dv_shim_pages_adopt(&dv_shim_pages, grant, counters);
	if (r < 0) {
		dv_shim_link_close(&link);
		return r;
	}
	pthread_mutex_lock(&self.lock);
	self.link = link;
	flush_owed();
	pthread_mutex_unlock(&self.lock);
	__atomic_fetch_add(&self.attachments, 1, __ATOMIC_RELEASE);
	set_state(DV_SHIM_ATTACHED);
	start_watcher();
	if (self.changed)
		self.changed();
	return 0;
}

/* With `ask`: divvyd is gone, or has said that the lease is: then there is nothing to come back to,
 * and a tenant without a lease has no way to the device. */
static void part(void)
{
	bool ended;

	if (dv_shim_state() != DV_SHIM_ATTACHED)
		return;
	pthread_mutex_lock(&self.lock);
	ended = dv_shim_link_last_word(&self.link) == DV_REFUSAL_GONE;
	dv_shim_link_close(&self.link);
	pthread_mutex_unlock(&self.lock);
	self.waited_from_ns = dv_shim_now_ns();
	/* If this fails the old page stays: what it granted last holds until divvyd is back. */
	dv_shim_pages_part(&dv_shim_pages);
	set_state(ended ? DV_SHIM_REFUSED : DV_SHIM_AWAY);
	if (self.changed)
		self.changed();
}

static void sleep_ms(uint64_t ms)
{
	struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000 * MS)};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR)
		;
}

/* With `ask`: be attached, waiting no longer than the patience that is left. */
static int ensure_attached(void)
{
	uint64_t backoff = BACKOFF_FIRST_MS, limit;

	switch (dv_shim_state()) {
	case DV_SHIM_ATTACHED:
		return 0;
	case DV_SHIM_REFUSED:
		return -ECONNREFUSED;
	case DV_SHIM_NEW:
		self.waited_from_ns = dv_shim_now_ns();
		break;
	case DV_SHIM_AWAY:
	case DV_SHIM_FAILED:
		break;
	}
	limit = self.waited_from_ns + DV_SHIM_PATIENCE_MS * MS;
	if (dv_shim_grant_flags(dv_shim_pages.grant) & DV_GRANT_AWAY_WAITS)
		limit = UINT64_MAX;
	/* Patience is spent: a look now and then, and no more waiting. */
	if (dv_shim_now_ns() >= limit && dv_shim_now_ns() < self.next_try_ns)
		return -ECONNREFUSED;
	for (;;) {
		if (try_attach(dv_shim_now_ns() + TRY_MS * MS) == 0)
			return 0;
		if (dv_shim_state() == DV_SHIM_REFUSED)
			return -ECONNREFUSED;
		if (dv_shim_now_ns() + backoff * MS >= limit)
			break;
		sleep_ms(backoff);
		backoff = DV_MIN(backoff * 2, (uint64_t)BACKOFF_MOST_MS);
	}
	self.next_try_ns = dv_shim_now_ns() + BACKOFF_MOST_MS * MS;
	if (dv_shim_state() == DV_SHIM_NEW) {
		set_state(DV_SHIM_FAILED);
		start_watcher();
	}
	return -ECONNREFUSED;
}

enum dv_shim_state dv_shim_attach(void)
{
	enum dv_shim_state state = dv_shim_state();

	if (state == DV_SHIM_NEW) {
		DV_SHIM_KEEP;

		pthread_mutex_lock(&self.ask);
		(void)ensure_attached();
		pthread_mutex_unlock(&self.ask);
		state = dv_shim_state();
	}
	return state;
}

/* With `ask`, which is let go while it sleeps: look for divvyd until it is there. False: it said
 * no, so that there is nothing to look for. */
static bool find_divvyd(void)
{
	uint64_t backoff = BACKOFF_FIRST_MS;

	for (;;) {
		switch (dv_shim_state()) {
		case DV_SHIM_ATTACHED:
			return true;
		case DV_SHIM_NEW: /* never with a watcher */
		case DV_SHIM_REFUSED:
			return false;
		case DV_SHIM_AWAY:
		case DV_SHIM_FAILED:
			break;
		}
		if (try_attach(dv_shim_now_ns() + TRY_MS * MS) == 0)
			return true;
		pthread_mutex_unlock(&self.ask);
		sleep_ms(backoff);
		backoff = DV_MIN(backoff * 2, (uint64_t)BACKOFF_MOST_MS);
		pthread_mutex_lock(&self.ask);
	}
}

/* With `ask`, which is let go meanwhile: wait for the hang-up, and part. */
static void await_hang_up(void)
{
	uint64_t seen = dv_shim_attachments();

	self.watched = dv_shim_link_dup(&self.link);
	pthread_mutex_unlock(&self.ask);
	while (!dv_shim_link_watch(&self.watched, dv_shim_now_ns() + WATCH_MS * MS))
		;
	pthread_mutex_lock(&self.ask);
	dv_shim_link_drop(&self.watched);
	if (seen == dv_shim_attachments())
		part();
}

/* Notices the hang-up, also in a program that makes no call, and looks for divvyd until it is back;
 * or until it is there at all, as whoever uses the device without being known there is taken for
 * one that goes round the gate. */
static void *watch(void *arg)
{
	pthread_mutex_lock(&self.ask);
	while (find_divvyd())
		await_hang_up();
	self.watcher = false;
	pthread_mutex_unlock(&self.ask);
	return arg;
}

/* With `ask`, attached: 0, -ENOSPC, or another number when divvyd is gone. */
static int ask_reserve(uint64_t bytes)
{
	struct dv_msg answer, question = {.magic = DV_WIRE_MAGIC,
					  .version = DV_WIRE_VERSION,
					  .type = DV_MSG_RESERVE,
					  .serial = ++self.serial,
					  .a = bytes};
	struct dv_shim_link link;
	int r;

	/* Only a holder of `ask` changes the link. What is owed goes first: it may make room. */
	pthread_mutex_lock(&self.lock);
	flush_owed();
	link = self.link;
	pthread_mutex_unlock(&self.lock);
	r = dv_shim_link_ask(&link, &question, dv_shim_now_ns() + DV_SHIM_PATIENCE_MS * MS,
			     &answer);
	if (r < 0)
		return r;
	if (answer.type == DV_MSG_DENIED)
		return -ENOSPC;
	if (answer.type != DV_MSG_RESERVED || answer.a != bytes)
		return -EPROTO;
	pthread_mutex_lock(&self.lock);
	self.told += bytes;
	pthread_mutex_unlock(&self.lock);
	return 0;
}

int dv_shim_reserve(uint64_t bytes)
{
	struct dv_counters *counters = dv_shim_pages.counters;
	int r;
	DV_SHIM_KEEP;

	pthread_mutex_lock(&self.ask);
	for (;;) {
		r = ensure_attached();
		if (r < 0)
			break;
		r = bytes < (UINT64_C(1) << CHARGE_BITS) ? ask_reserve(bytes) : -ENOSPC;
		if (r == 0 || r == -ENOSPC)
			break;
		part();
	}
	pthread_mutex_unlock(&self.ask);
	if (r < 0) {
		dv_shim_count(&counters->denied, 1);
		return r;
	}
	dv_shim_count(&counters->held_bytes, bytes);
	return 0;
}

void dv_shim_release(uint64_t bytes)
{
	struct dv_counters *counters = dv_shim_pages.counters;
	DV_SHIM_KEEP;

	pthread_mutex_lock(&self.lock);
	self.owed += bytes;
	flush_owed();
	pthread_mutex_unlock(&self.lock);
	dv_shim_uncount(&counters->held_bytes, bytes);
}

bool dv_shim_tell(enum dv_msg_type type, uint64_t a, uint64_t b, uint64_t c, uint64_t serial)
{
	struct dv_msg msg = {.magic = DV_WIRE_MAGIC,
			     .version = DV_WIRE_VERSION,
			     .type = (uint16_t)type,
			     .serial = serial,
			     .a = a,
			     .b = b,
			     .c = c};
	bool sent;
	DV_SHIM_KEEP;

	pthread_mutex_lock(&self.lock);
	sent = self.link.fd >= 0 && dv_shim_link_send(&self.link, &msg) == 0;
	pthread_mutex_unlock(&self.lock);
	return sent;
}

int dv_shim_ask(enum dv_msg_type type, uint64_t a, struct dv_msg *ret)
{
	struct dv_msg answer, question = {.magic = DV_WIRE_MAGIC,
					  .version = DV_WIRE_VERSION,
					  .type = (uint16_t)type,
					  .a = a};
	int r = -ECONNREFUSED;
	DV_SHIM_KEEP;

	pthread_mutex_lock(&self.ask);
	if (dv_shim_state() == DV_SHIM_ATTACHED) {
		question.serial = ++self.serial;
		r = dv_shim_link_ask(&self.link, &question, dv_shim_now_ns() + TRY_MS * MS,
				     &answer);
		if (r == 0 && answer.type != type)
			r = -EPROTO;
		if (r < 0)
			part();
	}
	pthread_mutex_unlock(&self.ask);
	if (r < 0)
		return -ECONNREFUSED;
	*ret = answer;
	return 0;
}

void *dv_shim_charge_pack(uint64_t bytes)
{
	uint64_t generation = dv_shim_generation() & 0xffff;

	dv_shim_count(&dv_shim_pages.counters->allocs, 1);
	return (void *)(uintptr_t)(generation << CHARGE_BITS | bytes);
}

void dv_shim_charge_release(void *charge)
{
	uint64_t packed = (uint64_t)(uintptr_t)charge;

	if (packed >> CHARGE_BITS != (dv_shim_generation() & 0xffff))
		return;
	dv_shim_count(&dv_shim_pages.counters->frees, 1);
	dv_shim_release(packed & ((UINT64_C(1) << CHARGE_BITS) - 1));
}
