/* SPDX-License-Identifier: Apache-2.0 */
/* The two memory files of one attached process. `grant` is mapped here for writing and then sealed
 * against any other writing for ever; `counters` has a fixed size and is read with pread, so that
 * nothing the tenant does to its file can fault divvyd. The pages own the mapping and descriptors.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "wire/gate.h"

struct dv_gate_pages {
	struct dv_grant *grant;
	int grant_fd; /* until it was handed over; then -1 */
	int counters_fd;
};

int dv_gate_pages_init(struct dv_gate_pages *pages, struct dv_error *err) DV_MUST_CHECK;
void dv_gate_pages_fini(struct dv_gate_pages *pages);
/* The client has its own descriptor now. */
void dv_gate_pages_handed_over(struct dv_gate_pages *pages);

/* Publish flags and deadline as a new epoch; returns it. Who sleeps is not woken. */
uint32_t dv_gate_pages_publish(struct dv_gate_pages *pages, uint32_t flags, uint64_t until_ns,
			       uint64_t now_ns);
/* Wake who waits for a new epoch. */
void dv_gate_pages_wake(struct dv_gate_pages *pages);
/* What the whole tenant uses; not an epoch of its own. */
/* What the driver calls the device, if nothing is written there yet. */
void dv_gate_pages_name(struct dv_gate_pages *pages, const char *device);
void dv_gate_pages_set_used(struct dv_gate_pages *pages, uint64_t bytes);
/* What the client counted, as it says; false: nothing that could be its page. */
bool dv_gate_pages_counters(const struct dv_gate_pages *pages, struct dv_counters *ret);
