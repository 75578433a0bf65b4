/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/cuda/pass.h"

#include <linux/futex.h>
#include <sys/syscall.h>

/* What the gate opens: the word on which the caller sleeps. */
static void open_caller(void *token)
{
	uint32_t *word = token;

	__atomic_store_n(word, 1, __ATOMIC_RELEASE);
	/* The caller may be gone by now: then nobody sleeps there, or somebody wakes for nothing.
	 */
	syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
}

static void wait_for_turn(const uint32_t *word)
{
	DV_SHIM_KEEP;

	while (!__atomic_load_n(word, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, 0);
}

enum dv_cu_result dv_cuda_ask(struct dv_cuda_pass *pass, uint64_t key)
{
	uint32_t word = 0;

	dv_cuda_init();
	if (dv_cuda_any_capture() && dv_cuda_is_captured(pass->stream)) {
		pass->way = DV_CUDA_CAPTURED;
		return DV_CUDA_SUCCESS;
	}
	if (dv_cuda_ride(pass->stream, key)) {
		pass->way = DV_CUDA_RIDING;
		return DV_CUDA_SUCCESS;
	}
	switch (dv_shim_gate_enter(key, &pass->ticket)) {
	case DV_SHIM_DENY:
		return DV_CUDA_ERROR_SYSTEM_NOT_READY;
	case DV_SHIM_PASS:
		pass->way = DV_CUDA_PLAIN;
		return DV_CUDA_SUCCESS;
	case DV_SHIM_GO:
		dv_shim_gate_leave();
		break;
	case DV_SHIM_WAIT:
		dv_shim_gate_queue(pass->ticket, &word);
		dv_shim_gate_leave();
		wait_for_turn(&word);
		dv_shim_gate_awake(pass->ticket);
		break;
	}
	pass->way = DV_CUDA_TRACKED;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result dv_cuda_settle(struct dv_cuda_pass *pass, enum dv_cu_result result, bool ended)
{
	if (pass->way == DV_CUDA_PLAIN && result == DV_CUDA_SUCCESS && !ended) {
		dv_cuda_used(pass->stream);
		__atomic_store_n(&dv_shim_gate_hot.untracked, 1, __ATOMIC_RELEASE);
	}
	if (pass->way == DV_CUDA_RIDING)
		dv_cuda_rode(pass->stream);
	if (pass->way != DV_CUDA_TRACKED)
		return result;
	if (result != DV_CUDA_SUCCESS)
		dv_shim_gate_cancel(pass->ticket, false);
	else if (ended)
		dv_shim_gate_done(pass->ticket);
	else
		dv_cuda_track(pass->stream, pass->ticket);
	return result;
}

static void flush(void)
{
	/* The driver holds nothing back. */
}

static const struct dv_shim_gate_ops gate_ops = {
	.callers_wait = true, .open = open_caller, .mark = dv_cuda_mark, .flush = flush};

static void init_all(void)
{
	dv_cuda_track_init();
	dv_cuda_capture_init();
	dv_cuda_contexts_init();
	dv_cuda_charge_init();
	dv_cuda_host_init();
	dv_cuda_vmm_init();
	dv_cuda_pools_init();
	dv_cuda_graphs_init();
}

static void forked(void)
{
	dv_shim_gate_forked();
	init_all();
}

void dv_cuda_init_parts(void)
{
	init_all();
	dv_shim_gate_init(&gate_ops);
	dv_shim_on_fork(forked);
	dv_shim_on_change(dv_shim_gate_changed);
	dv_shim_init(DV_LAYER_CUDA);
}
