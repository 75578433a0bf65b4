/* SPDX-License-Identifier: Apache-2.0 */
/* How long a tenant had the device of late: the time of its turns in the last second, kept in
 * slots. Plain data, in the tenant; nothing here knows a clock. */
#pragma once

#include <stdint.h>

enum { DV_GATE_USE_SLOTS = 16, DV_GATE_USE_SLOT_NS = 64000000 };

enum dv_gate_use_kind { DV_GATE_USE_TIMED, DV_GATE_USE_ENDLESS, DV_GATE_USE_KINDS };

struct dv_gate_use {
	uint64_t since_ns; /* nothing was used before: when the tenant came */
	struct {
		uint64_t number; /* of the slot, since the clock began */
		uint32_t ns[DV_GATE_USE_KINDS];
	} slots[DV_GATE_USE_SLOTS];
};

/* It had the device from `from_ns` to `to_ns`. */
void dv_gate_use_add(struct dv_gate_use *use, enum dv_gate_use_kind kind, uint64_t from_ns,
		     uint64_t to_ns);
/* Over the window that ends now: returns its length, 0 when it has only begun. */
uint64_t dv_gate_use_sum(const struct dv_gate_use *use, uint64_t now_ns,
			 uint64_t ret_ns[DV_GATE_USE_KINDS]);
