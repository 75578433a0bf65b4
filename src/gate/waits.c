/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/waits.h"

#include <string.h>

#include "base/clock.h"
#include "base/macro.h"

#define HALF_NS (5 * DV_NS_PER_S)

/* Eight buckets for each doubling, from 1 us; below that one for each eighth of a us. */
enum { PARTS_SHIFT = 3, PARTS = 1 << PARTS_SHIFT };

static unsigned bucket_of(uint64_t wait_ns)
{
	const uint64_t parts = wait_ns / (DV_NS_PER_US / PARTS);
	unsigned log, bucket;

	if (parts < PARTS)
		return (unsigned)parts;
	log = 63 - (unsigned)__builtin_clzll(parts);
	bucket = ((log - PARTS_SHIFT + 1) << PARTS_SHIFT) +
		 (unsigned)((parts >> (log - PARTS_SHIFT)) & (PARTS - 1));
	return DV_MIN(bucket, DV_GATE_WAIT_BUCKETS - 1);
}

static uint64_t end_of(unsigned bucket)
{
	const unsigned octave = bucket >> PARTS_SHIFT, part = bucket & (PARTS - 1);
	const uint64_t unit_ns = DV_NS_PER_US / PARTS;

	if (octave == 0)
		return (part + 1) * unit_ns;
	return ((uint64_t)(PARTS + part + 1) << (octave - 1)) * unit_ns;
}

static void turn_halves(struct dv_gate_waits *waits, uint64_t now_ns)
{
	if (now_ns - waits->half_ns < HALF_NS)
		return;
	if (now_ns - waits->half_ns >= 2 * HALF_NS)
		memset(waits->counts, 0, sizeof(waits->counts));
	waits->current ^= 1;
	memset(waits->counts[waits->current], 0, sizeof(waits->counts[0]));
	waits->half_ns = now_ns;
}

void dv_gate_waits_add(struct dv_gate_waits *waits, uint64_t wait_ns, uint64_t now_ns)
{
	turn_halves(waits, now_ns);
	waits->counts[waits->current][bucket_of(wait_ns)]++;
}

uint64_t dv_gate_waits_quantile(struct dv_gate_waits *waits, unsigned permille, uint64_t now_ns)
{
	uint64_t total = 0, seen = 0;

	turn_halves(waits, now_ns);
	for (unsigned i = 0; i < DV_GATE_WAIT_BUCKETS; i++)
		total += (uint64_t)waits->counts[0][i] + waits->counts[1][i];
	for (unsigned i = 0; i < DV_GATE_WAIT_BUCKETS && total; i++) {
		seen += (uint64_t)waits->counts[0][i] + waits->counts[1][i];
		if (seen * 1000 >= total * permille)
			return end_of(i);
	}
	return 0;
}
