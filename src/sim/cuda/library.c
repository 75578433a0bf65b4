/* SPDX-License-Identifier: Apache-2.0 */
/* The library's life in a process: how a call begins and ends, and which handles are alive. */
#include <dlfcn.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "sim/cuda/inside.h"
#include "sim/keep.h"

struct dv_share *dv_cu_share;
pthread_mutex_t dv_cu_lock = PTHREAD_MUTEX_INITIALIZER;

static bool started, is_child; /* of a process that had started */

struct object {
	enum dv_cu_kind kind;
	uint64_t bytes; /* keeps what follows aligned */
	max_align_t body[];
};

/* Open addressing; a power of two. */
static void **table;
static size_t table_size, table_used;

bool dv_cu_find_machine(char *buf, size_t size)
{
	return dv_sim_keep_find(&dv_cu_lock, buf, size);
}

/* --- calls --- */

static _Noreturn void die(void)
{
	for (;;)
		(void)raise(SIGKILL);
}

/* The fault that is due at this call, by its exported name or the name without a version. */
static bool find_fault(const char *call, struct dv_sim_fault *ret)
{
	dv_autofree struct dv_sim_machine *machine = calloc(1, sizeof(*machine));
	dv_autofree struct dv_sim_state *state = calloc(2, sizeof(*state));
	struct dv_sim sim = {machine, state};
	const struct dv_sim_fault *fault = NULL;
	struct dv_sim_keep keep;
	char dir[DV_SIM_PATH_SIZE];

	if (!machine || !state || !dv_cu_find_machine(dir, sizeof(dir)) ||
	    dv_sim_keep_read_machine(dir, machine, NULL) < 0 ||
	    dv_sim_keep_begin(dir, &keep, state, NULL) < 0)
		return false;
	state[1] = state[0];
	fault = dv_sim_call(&sim, call);
	if (fault)
		*ret = *fault;
	return dv_sim_keep_end(&keep, machine, &state[1], state, NULL) == 0 && fault;
}

static void sleep_ms(uint32_t ms)
{
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	(void)nanosleep(&time, NULL);
}

static enum dv_cu_result meet_fault(struct dv_cu_call *call)
{
	struct dv_sim_fault fault = {0};

	if (!dv_cu_share || !atomic_load_explicit(&dv_cu_share->armed, memory_order_relaxed) ||
	    !find_fault(call->name, &fault))
		return DV_CUDA_SUCCESS;
	switch (fault.action) {
	case DV_SIM_RETURN:
		return (enum dv_cu_result)fault.result;
	case DV_SIM_DELAY:
		sleep_ms(fault.result);
		break;
	case DV_SIM_KILL_BEFORE:
		die();
	case DV_SIM_KILL_AFTER:
		call->after = SIGKILL;
		break;
	case DV_SIM_STOP_BEFORE:
		(void)raise(SIGSTOP);
		break;
	case DV_SIM_STOP_AFTER:
		call->after = SIGSTOP;
		break;
	case DV_SIM_ACTION_COUNT:
		break;
	}
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result dv_cu_enter(struct dv_cu_call *call)
{
	if (is_child || !started)
		return DV_CUDA_ERROR_NOT_INITIALIZED;
	DV_TRY(meet_fault(call));
	(void)pthread_mutex_lock(&dv_cu_lock);
	call->locked = true;
	return DV_CUDA_SUCCESS;
}

void dv_cu_leave(struct dv_cu_call *call)
{
	if (call->after == SIGKILL)
		die();
	if (call->locked)
		(void)pthread_mutex_unlock(&dv_cu_lock);
	if (call->after)
		(void)raise(call->after);
}

/* A child has the parent's memory, and not the parent's threads: as with the real driver, nothing
 * works in it. */
static void after_fork(void)
{
	is_child = started;
	(void)pthread_mutex_init(&dv_cu_lock, NULL);
}

enum dv_cu_result cuInit(uint32_t flags)
{
	static bool forks_are_known;
	enum dv_cu_result result = DV_CUDA_SUCCESS;
	struct dv_cu_call call = {"cuInit", false, 0};

	if (flags)
		return DV_CUDA_ERROR_INVALID_VALUE;
	if (is_child)
		return DV_CUDA_ERROR_NOT_INITIALIZED;
	(void)pthread_mutex_lock(&dv_cu_lock);
	if (!started) {
		result = dv_cu_start();
		if (result == DV_CUDA_SUCCESS && !forks_are_known)
			(void)pthread_atfork(NULL, NULL, after_fork);
		forks_are_known = true;
	}
	if (result == DV_CUDA_SUCCESS)
		result = meet_fault(&call);
	started = result == DV_CUDA_SUCCESS || started;
	(void)pthread_mutex_unlock(&dv_cu_lock);
	dv_cu_leave(&call);
	return result;
}

/* --- objects --- */

static size_t place_of(void *const *where, size_t size, const void *object)
{
	size_t at = ((uintptr_t)object >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 20 & (size - 1);

	while (where[at] && where[at] != object)
		at = (at + 1) & (size - 1);
	return at;
}

static bool make_room(void)
{
	size_t size = table_size ? table_size * 2 : 1024;
	void **bigger;

	if (table_used * 2 < table_size)
		return true;
	bigger = calloc(size, sizeof(*bigger));
	if (!bigger)
		return false;
	for (size_t i = 0; i < table_size; i++)
		if (table[i])
			bigger[place_of(bigger, size, table[i])] = table[i];
	free(table);
	table = bigger;
	table_size = size;
	return true;
}

void *dv_cu_new(enum dv_cu_kind kind, size_t size)
{
	struct object *object = make_room() ? calloc(1, sizeof(*object) + size) : NULL;

	if (!object)
		return NULL;
	object->kind = kind;
	object->bytes = size;
	table[place_of(table, table_size, object->body)] = object->body;
	table_used++;
	return object->body;
}

bool dv_cu_is(const void *object, enum dv_cu_kind kind)
{
	const struct object *is;

	if (!object || !table_size || table[place_of(table, table_size, object)] != object)
		return false;
	is = (const struct object *)(const void *)((const char *)object -
						   offsetof(struct object, body));
	return is->kind == kind;
}

void dv_cu_retire(void *object)
{
	((struct object *)(void *)((char *)object - offsetof(struct object, body)))->kind =
		DV_CU_NOTHING;
}

void dv_cu_free(void *object)
{
	size_t at, next;

	if (!object)
		return;
	at = place_of(table, table_size, object);
	table[at] = NULL;
	table_used--;
	/* Those behind it move up. */
	for (next = (at + 1) & (table_size - 1); table[next];
	     next = (next + 1) & (table_size - 1)) {
		void *other = table[next];

		table[next] = NULL;
		table[place_of(table, table_size, other)] = other;
	}
	free((char *)object - offsetof(struct object, body));
}
