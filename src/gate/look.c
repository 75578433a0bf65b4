/* SPDX-License-Identifier: Apache-2.0 */
/* What a tenant is told of itself, and of nobody else. What its processes count is theirs to say:
 * it comes back to them. */
#include "base/clock.h"
#include "gate/inside.h"

void dv_gate_look_use(struct dv_gate_tenant *tenant, uint64_t now_ns, struct dv_msg *ret)
{
	uint64_t ns[DV_GATE_USE_KINDS];

	dv_gate_turn_note(tenant, now_ns);
	ret->a = dv_gate_use_sum(&tenant->use, now_ns, ns);
	/* Without turns the device is always there. */
	if (!tenant->lease.timed)
		ns[DV_GATE_USE_ENDLESS] = ret->a;
	ret->b = ns[DV_GATE_USE_TIMED];
	ret->c = ns[DV_GATE_USE_ENDLESS];
}

static void add_lately(struct dv_gate_peer *peer, uint64_t now_ns, struct dv_msg *ret)
{
	struct dv_gate_lately now = {.at_ns = now_ns};
	struct dv_counters counters;

	if (!dv_gate_pages_counters(&peer->pages, &counters))
		return;
	now.busy_ns = counters.busy_ns;
	now.launches = counters.launches + counters.copies;
	ret->lately[DV_LATELY_NS] += now.busy_ns - peer->lately[0].busy_ns;
	ret->lately[DV_LATELY_LAUNCHES] += now.launches - peer->lately[0].launches;
	ret->lately[DV_LATELY_EVER] += now.launches;
	if (now_ns - peer->lately[1].at_ns >= DV_GATE_SAMPLE_MS * DV_NS_PER_MS) {
		peer->lately[0] = peer->lately[1];
		peer->lately[1] = now;
	}
}

static bool is_client(const struct dv_gate_peer *peer)
{
	return peer->greeted && !peer->looks && peer->pid > 0;
}

void dv_gate_look_process(struct dv_gate_tenant *tenant, uint64_t above, uint64_t now_ns,
			  struct dv_msg *ret)
{
	uint64_t next = UINT64_MAX;
	struct dv_gate_peer *peer;

	ret->a = ret->b = ret->c = 0;
	TAILQ_FOREACH(peer, &tenant->peers, link)
	if (is_client(peer) && (uint64_t)peer->pid > above)
		next = DV_MIN(next, (uint64_t)peer->pid);
	if (next == UINT64_MAX)
		return;
	/* A process may have come twice: by two layers. */
	TAILQ_FOREACH(peer, &tenant->peers, link)
	{
		if (!is_client(peer) || (uint64_t)peer->pid != next)
			continue;
		ret->b += peer->held_bytes;
		ret->c = peer->own_pid ? peer->own_pid : next;
		add_lately(peer, now_ns, ret);
	}
	ret->a = next;
}
