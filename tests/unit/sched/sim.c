/* SPDX-License-Identifier: Apache-2.0 */
#include "sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

static const uint64_t never = UINT64_MAX;

uint64_t sim_seed(void)
{
	const char *text = getenv("DV_TEST_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : dv_now_ns();

	print_message("DV_TEST_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

uint64_t sim_random(struct sim *sim, uint64_t from, uint64_t to)
{
	uint64_t z = sim->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return from + (to > from ? z % (to - from + 1) : 0);
}

void sim_init(struct sim *sim, const struct dv_sched_config *config, uint64_t seed)
{
	memset(sim, 0, sizeof(*sim));
	sim->config = *config;
	sim->random = seed;
	sim->now_ns = DV_NS_PER_S;
	sim->device_free_ns = sim->now_ns;
	sim->inflight_ns = DV_MIN(config->quantum_ns / 4, 2 * DV_NS_PER_MS);
	assert_int_equal(dv_sched_new(config, &sim->sched, NULL), 0);
}

void sim_fini(struct sim *sim)
{
	dv_sched_free(sim->sched);
	sim->sched = NULL;
}

unsigned sim_add(struct sim *sim, const struct sim_kind *kind)
{
	struct sim_tenant *t = &sim->tenants[sim->count];

	assert_true(sim->count < SIM_TENANTS_MOST && kind->depth <= SIM_DEPTH_MOST);
	memset(t, 0, sizeof(*t));
	t->kind = *kind;
	t->here = true;
	for (unsigned i = 0; i < kind->depth; i++) {
		t->ready_ns[i] = sim->now_ns + kind->arrives_ns;
		t->end_ns[i] = never;
	}
	assert_int_equal(dv_sched_add(sim->sched, sim->count, kind->policy, kind->share_mpct,
				      sim->now_ns, NULL),
			 0);
	return sim->count++;
}

void sim_remove(struct sim *sim, unsigned i)
{
	sim->tenants[i].here = false;
	dv_sched_remove(sim->sched, i, sim->now_ns);
}

static struct sim_mail *post(struct sim *sim, struct sim_box *box)
{
	struct sim_mail *mail = &box->mails[(box->first + box->count++) % 16];

	assert_true(box->count <= 16);
	*mail = (struct sim_mail){.at_ns = sim->now_ns + sim->message_ns};
	return mail;
}

static struct sim_mail *due(const struct sim *sim, struct sim_box *box)
{
	struct sim_mail *mail = &box->mails[box->first % 16];

	if (!box->count || mail->at_ns > sim->now_ns)
		return NULL;
	box->first++;
	box->count--;
	return mail;
}

/* --- the scheduler's side --- */

static void decide(struct sim *sim)
{
	struct dv_decision decision;

	while (dv_sched_decide(sim->sched, sim->now_ns, &decision)) {
		struct sim_tenant *t = &sim->tenants[decision.entity];
		struct sim_mail *mail = post(sim, &t->in);

		mail->decision = decision;
		mail->epoch = ++t->epoch;
		if (decision.type == DV_DECISION_GRANT || decision.type == DV_DECISION_EXTEND)
			t->held_epoch = t->epoch;
		if (decision.type == DV_DECISION_GRANT) {
			t->grants++;
			t->wait_max_ns = DV_MAX(t->wait_max_ns, decision.wait_ns);
		}
		t->evictions += decision.type == DV_DECISION_EVICT;
		t->revocations += decision.type == DV_DECISION_REVOKE;
		sim->events++;
	}
}

static void deliver_to_scheduler(struct sim *sim, unsigned i)
{
	struct sim_tenant *t = &sim->tenants[i];
	struct sim_mail *mail;

	while ((mail = due(sim, &t->out))) {
		sim->events++;
		if (mail->want)
			dv_sched_want(sim->sched, i, sim->now_ns);
		else if (mail->epoch >= t->held_epoch)
			dv_sched_drained(sim->sched, i, mail->idle_since_ns, mail->more,
					 sim->now_ns);
		decide(sim);
	}
}

/* --- a tenant's side --- */

static void read_mail(struct sim *sim, struct sim_tenant *t, unsigned *epoch)
{
	struct sim_mail *mail;

	while ((mail = due(sim, &t->in))) {
		*epoch = mail->epoch;
		switch (mail->decision.type) {
		case DV_DECISION_GRANT:
		case DV_DECISION_EXTEND:
			if (!t->held)
				t->last_ns = sim->now_ns;
			t->held = true;
			t->revoked = t->wanted = false;
			t->until_ns = mail->decision.until_ns;
			break;
		case DV_DECISION_REVOKE:
		case DV_DECISION_EVICT:
			t->revoked = true;
			break;
		}
	}
}

static uint64_t on_device(const struct sim_tenant *t)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < t->kind.depth; i++)
		sum += t->end_ns[i] == never ? 0 : t->work_ns[i];
	return sum;
}

static void complete(struct sim *sim, struct sim_tenant *t)
{
	for (unsigned i = 0; i < t->kind.depth; i++) {
		if (t->end_ns[i] > sim->now_ns)
			continue;
		t->last_ns = DV_MAX(t->last_ns, t->end_ns[i]);
		t->ready_ns[i] = t->end_ns[i] +
				 sim_random(sim, t->kind.think_min_ns, t->kind.think_max_ns);
		t->end_ns[i] = never;
		t->busy_ns += t->work_ns[i];
		t->kernels++;
		sim->events++;
	}
}

static bool launch(struct sim *sim, struct sim_tenant *t, unsigned slot)
{
	const uint64_t begin_ns = DV_MAX(sim->now_ns, sim->device_free_ns);
	const uint64_t work_ns = sim_random(sim, t->kind.kernel_min_ns, t->kind.kernel_max_ns);
	const uint64_t there_ns = on_device(t);

	if (there_ns && there_ns + work_ns > sim->inflight_ns)
		return false;
	t->ready_ns[slot] = never;
	t->work_ns[slot] = work_ns;
	t->end_ns[slot] = sim->device_free_ns = begin_ns + work_ns;
	sim->busy_ns += work_ns;
	return true;
}

static void hand_back(struct sim *sim, struct sim_tenant *t, unsigned epoch, uint64_t idle_since_ns,
		      bool more)
{
	struct sim_mail *mail = post(sim, &t->out);

	mail->epoch = epoch;
	mail->idle_since_ns = idle_since_ns;
	mail->more = more;
	sim->hand_backs++;
	if (sim->now_ns > t->until_ns)
		t->overrun_max_ns = DV_MAX(t->overrun_max_ns, sim->now_ns - t->until_ns);
	t->held = t->revoked = false;
	t->wanted = more;
}

static void act(struct sim *sim, struct sim_tenant *t)
{
	unsigned epoch = t->epoch, pending = 0;
	bool may, busy;

	complete(sim, t);
	if (t->stopped)
		return;
	read_mail(sim, t, &epoch);
	may = t->held && !t->revoked && sim->now_ns < t->until_ns;
	for (unsigned i = 0; i < t->kind.depth; i++)
		if (t->ready_ns[i] <= sim->now_ns && (!may || !launch(sim, t, i)))
			pending++;
	busy = on_device(t) > 0;
	if (t->held && !may && !busy)
		hand_back(sim, t, epoch, sim->now_ns, pending > 0);
	else if (may && !busy && !pending && sim->now_ns - t->last_ns >= sim->config.linger_ns)
		hand_back(sim, t, epoch, t->last_ns, false);
	if (!t->held && pending && !t->wanted) {
		post(sim, &t->out)->want = true;
		t->wanted = true;
	}
}

/* When this tenant has something to do next. */
static uint64_t next_of(const struct sim *sim, const struct sim_tenant *t)
{
	uint64_t next_ns = never;
	bool busy = false, pending = false;

	for (unsigned i = 0; i < t->kind.depth; i++) {
		next_ns = DV_MIN(next_ns, t->end_ns[i]);
		busy |= t->end_ns[i] != never;
		if (t->ready_ns[i] > sim->now_ns)
			next_ns = DV_MIN(next_ns, t->stopped ? never : t->ready_ns[i]);
		else
			pending = true;
	}
	if (t->out.count)
		next_ns = DV_MIN(next_ns, t->out.mails[t->out.first % 16].at_ns);
	if (t->stopped)
		return next_ns;
	if (t->in.count)
		next_ns = DV_MIN(next_ns, t->in.mails[t->in.first % 16].at_ns);
	if (t->held && !t->revoked && t->until_ns > sim->now_ns)
		next_ns = DV_MIN(next_ns, t->until_ns);
	if (t->held && !busy && !pending)
		next_ns = DV_MIN(next_ns,
				 DV_MAX(t->last_ns + sim->config.linger_ns, sim->now_ns + 1));
	return next_ns;
}

static void measure(struct sim *sim)
{
	double got[SIM_TENANTS_MOST], total = 0, weights = 0;

	for (unsigned i = 0; i < sim->count; i++) {
		got[i] = (double)sim_used(sim, i);
		total += got[i];
		weights += sim->tenants[i].kind.share_mpct;
	}
	for (unsigned i = 0; i < sim->count; i++) {
		struct sim_tenant *t = &sim->tenants[i];
		double error = got[i] - total * t->kind.share_mpct / weights;

		t->behind_min = DV_MIN(t->behind_min, error);
		t->behind_max = DV_MAX(t->behind_max, error);
		error = got[i] - (double)sim->now_ns * t->kind.share_mpct / 100000;
		t->cap_least = t->cap_least == 0 ? error : DV_MIN(t->cap_least, error);
		t->cap_rise = DV_MAX(t->cap_rise, error - t->cap_least);
	}
}

/* Time in which the device lay idle though somebody waited for it. */
static void note_idle(struct sim *sim, uint64_t to_ns)
{
	const uint64_t from_ns = DV_MAX(sim->now_ns, sim->device_free_ns);
	bool waits = false;

	for (unsigned i = 0; i < sim->count; i++)
		waits |= sim->tenants[i].here && sim->tenants[i].wanted;
	if (waits && to_ns > from_ns)
		sim->idle_wanted_ns += to_ns - from_ns;
}

static void step(struct sim *sim)
{
	for (unsigned i = 0; i < sim->count; i++) {
		if (!sim->tenants[i].here)
			continue;
		act(sim, &sim->tenants[i]);
		deliver_to_scheduler(sim, i);
	}
	decide(sim);
	if (sim->measure)
		measure(sim);
	sim->events++;
}

void sim_run(struct sim *sim, uint64_t until_ns)
{
	step(sim);
	while (sim->now_ns < until_ns) {
		uint64_t next_ns = DV_MIN(until_ns, dv_sched_next_ns(sim->sched));

		for (unsigned i = 0; i < sim->count; i++)
			if (sim->tenants[i].here)
				next_ns = DV_MIN(next_ns, next_of(sim, &sim->tenants[i]));
		next_ns = DV_MAX(next_ns, sim->now_ns);
		note_idle(sim, next_ns);
		sim->now_ns = next_ns;
		step(sim);
	}
}

uint64_t sim_used(const struct sim *sim, unsigned i)
{
	struct dv_sched_stats stats;

	assert_true(dv_sched_stats(sim->sched, i, sim->now_ns, &stats));
	return stats.used_ns;
}

double sim_share(const struct sim *sim, unsigned i)
{
	double total = 0;

	for (unsigned j = 0; j < sim->count; j++)
		if (sim->tenants[j].here)
			total += (double)sim->tenants[j].busy_ns;
	return 100.0 * (double)sim->tenants[i].busy_ns / total;
}
