/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/use.h"

#include "base/macro.h"

static const uint64_t slot_ns = DV_GATE_USE_SLOT_NS;

void dv_gate_use_add(struct dv_gate_use *use, enum dv_gate_use_kind kind, uint64_t from_ns,
		     uint64_t to_ns)
{
	const uint64_t whole_ns = DV_GATE_USE_SLOTS * slot_ns;

	/* Of more than the ring holds only the end is of interest. */
	if (to_ns > whole_ns)
		from_ns = DV_MAX(from_ns, to_ns - whole_ns);
	while (from_ns < to_ns) {
		const uint64_t number = from_ns / slot_ns;
		const uint64_t end_ns = DV_MIN((number + 1) * slot_ns, to_ns);
		const size_t i = number % DV_GATE_USE_SLOTS;

		if (use->slots[i].number < number) {
			use->slots[i].number = number;
			use->slots[i].ns[DV_GATE_USE_TIMED] = 0;
			use->slots[i].ns[DV_GATE_USE_ENDLESS] = 0;
		}
		/* Else it is too long ago. */
		if (use->slots[i].number == number)
			use->slots[i].ns[kind] += (uint32_t)(end_ns - from_ns);
		from_ns = end_ns;
	}
}

uint64_t dv_gate_use_sum(const struct dv_gate_use *use, uint64_t now_ns,
			 uint64_t ret_ns[DV_GATE_USE_KINDS])
{
	const uint64_t last = now_ns / slot_ns;
	const uint64_t first = last < DV_GATE_USE_SLOTS ? 0 : last - DV_GATE_USE_SLOTS + 1;
	const uint64_t from_ns = DV_MAX(first * slot_ns, use->since_ns);

	ret_ns[DV_GATE_USE_TIMED] = ret_ns[DV_GATE_USE_ENDLESS] = 0;
	for (size_t i = 0; i < DV_GATE_USE_SLOTS; i++) {
		if (use->slots[i].number < first || use->slots[i].number > last)
			continue;
		for (int kind = 0; kind < DV_GATE_USE_KINDS; kind++)
			ret_ns[kind] += use->slots[i].ns[kind];
	}
	return from_ns < now_ns ? now_ns - from_ns : 0;
}
