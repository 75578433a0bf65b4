/* SPDX-License-Identifier: Apache-2.0 */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/tree.h"
#include "model/units.h"

const struct dv_identity fake_alice = {.uid = 1000, .pid = 501, .pid_start = 77, .allowed = true};
const struct dv_identity fake_bob = {.uid = 1001, .pid = 502, .pid_start = 78, .allowed = true};
const struct dv_identity fake_root = {.uid = 0, .pid = 1, .admin = true, .allowed = true};

/* The store's commit as the engine calls it goes through here (see meson.build). */
int __real_dv_store_commit(struct dv_store *store, struct dv_error *err);
int __wrap_dv_store_commit(struct dv_store *store, struct dv_error *err);
int __real_dv_store_begin(struct dv_store *store, struct dv_error *err);
int __wrap_dv_store_begin(struct dv_store *store, struct dv_error *err);

static struct fake *fakes[FAKE_ENGINES];

static struct fake *fake_of(const struct dv_store *store)
{
	for (size_t i = 0; i < DV_ARRAY_LEN(fakes); i++)
		if (fakes[i] && fakes[i]->store == store)
			return fakes[i];
	return NULL;
}

/* Count an event; returns whether it still happens. */
static bool event(struct fake *fake)
{
	if (fake->dead)
		return false;
	fake->events++;
	if (!fake->die_at || fake->events < fake->die_at)
		return true;
	fake->dead = true;
	return !fake->die_before;
}

int __wrap_dv_store_begin(struct dv_store *store, struct dv_error *err)
{
	struct fake *fake = fake_of(store);

	if (fake && fake->dead)
		return dv_error_set(err, -EIO, "killed");
	return __real_dv_store_begin(store, err);
}

int __wrap_dv_store_commit(struct dv_store *store, struct dv_error *err)
{
	struct fake *fake = fake_of(store);

	if (fake && !event(fake)) {
		dv_store_rollback(store);
		return dv_error_set(err, -EIO, "killed");
	}
	if (fake && fake->fail_commit && --fake->fail_commit == 0) {
		if (fake->fail_commits) {
			fake->fail_commits--;
			fake->fail_commit = 1;
		}
		dv_store_rollback(store);
		return dv_error_set(err, -EFBIG, "disk full");
	}
	return __real_dv_store_commit(store, err);
}

void fake_world_init(struct fake_world *world, unsigned gpus)
{
	memset(world, 0, sizeof(*world));
	world->gpu_count = gpus;
	for (unsigned i = 0; i < gpus; i++) {
		struct dv_gpu *gpu = &world->gpus[i];

		*gpu = (struct dv_gpu){
			.kind = i == 0 ? DV_GPU_CPU : DV_GPU_NVIDIA,
			.memory_bytes = 8 * DV_GIB,
			.compute_units = 8,
			.numa_node = -1,
			.method_count = 3,
			.methods = {{.method = DV_METHOD_SLICE, .ok = true},
				    {.method = DV_METHOD_PASSTHROUGH, .ok = true},
				    {.method = DV_METHOD_PARTITION,
				     .ok = i == 0,
				     .why = "not the CPU"}},
		};
		(void)snprintf(gpu->id, sizeof(gpu->id), "%u", i);
		(void)snprintf(gpu->uuid, sizeof(gpu->uuid), "%s-%u", i == 0 ? "CPU" : "GPU", i);
		(void)snprintf(gpu->product, sizeof(gpu->product), "Product %u", i);
		world->owner[i] = -1;
	}
}

static ssize_t gpu_index(const struct fake_world *world, const char *uuid)
{
	for (unsigned i = 0; i < world->gpu_count; i++)
		if (strcmp(world->gpus[i].uuid, uuid) == 0)
			return i;
	return -1;
}

static ssize_t find_thing(const struct fake *fake, const char *node)
{
	for (unsigned i = 0; i < fake->world->thing_count; i++)
		if (fake->world->things[i].engine == fake->number &&
		    strcmp(fake->world->things[i].node, node) == 0)
			return i;
	return -1;
}

/* Could these two things be on the machine at once? */
static bool meet(const struct fake_thing *a, const struct fake_thing *b)
{
	struct dv_lease leases[2] = {{.id = 1, .method = a->method},
				     {.id = 2, .method = b->method}};
	struct dv_leases both = {.items = leases, .len = 2};
	const char *nodes[2] = {a->node, b->node};

	for (int i = 0; i < 2; i++) {
		(void)dv_copy(leases[i].node, sizeof(leases[i].node), nodes[i]);
		(void)snprintf(leases[i].gpu_uuid, sizeof(leases[i].gpu_uuid), "%.*s",
			       (int)strcspn(nodes[i], "/"), nodes[i]);
	}
	return dv_tree_check(NULL, 0, &both, NULL) == -EUCLEAN;
}

static void make(struct fake *fake, const struct dv_step *step)
{
	struct fake_world *world = fake->world;
	struct fake_thing thing = {.engine = fake->number, .method = step->lease.method};

	(void)dv_copy(thing.node, sizeof(thing.node), step->node);
	if (find_thing(fake, step->node) >= 0)
		return; /* idempotent */
	/* What a dead engine left is nobody's any more once its device has another owner. */
	for (unsigned i = 0; i < world->thing_count; i++)
		if (world->alive[world->things[i].engine] && meet(&world->things[i], &thing))
			world->overlap = true;
	if (world->thing_count < FAKE_THINGS)
		world->things[world->thing_count++] = thing;
	else
		world->overlap = true;
}

static void unmake(struct fake *fake, const struct dv_step *step)
{
	struct fake_world *world = fake->world;
	ssize_t i = find_thing(fake, step->node);

	if (i >= 0)
		world->things[i] = world->things[--world->thing_count];
}

static void drop_computes(struct dv_mig *mig, const struct dv_node *node)
{
	for (unsigned i = 0; i < mig->compute_count; i++) {
		const struct dv_mig_compute *compute = &mig->computes[i];

		if (compute->instance == 100 + node->start &&
		    (!node->has_part ||
		     (compute->start == node->part_start && compute->size == node->part_size)))
			mig->computes[i--] = mig->computes[--mig->compute_count];
	}
}

static void change_instance(struct dv_mig *mig, const struct dv_node *node, const char *profile,
			    bool makes)
{
	const struct dv_mig_instance *there = dv_mig_instance_at(mig, node->start, node->size);
	const uint32_t id = 100 + node->start;

	if (makes && !there) {
		struct dv_mig_instance instance = {.id = id,
						   .start = (uint8_t)node->start,
						   .size = (uint8_t)node->size,
						   .profile_id = UINT32_MAX};

		(void)dv_mig_part_slices(profile, &profile);
		(void)dv_copy(instance.profile, sizeof(instance.profile), profile);
		mig->instances[mig->instance_count++] = instance;
	}
	if (makes && !dv_mig_compute_at(mig, id, node->part_start, node->part_size))
		mig->computes[mig->compute_count++] =
			(struct dv_mig_compute){.uuid = "MIG-x",
						.instance = id,
						.start = (uint8_t)node->part_start,
						.size = (uint8_t)node->part_size};
	if (makes || !there)
		return;
	drop_computes(mig, node);
	if (!dv_mig_compute_of(mig, id))
		mig->instances[there - mig->instances] = mig->instances[--mig->instance_count];
}

/* The device's own side of MIG: partitions only while the mode is on, each with one compute
 * instance. */
static void change_mig(struct fake *fake, const struct dv_step *step, bool makes)
{
	ssize_t gpu = gpu_index(fake->world, step->gpu_uuid);
	struct dv_node node;
	struct dv_mig *mig;

	if (gpu < 0 || dv_node_parse(step->node, &node, NULL) < 0 ||
	    (step->lease.method != DV_METHOD_MIG && !node.has_partition) ||
	    fake->world->gpus[gpu].kind == DV_GPU_CPU)
		return;
	/* A partition that has slices stays until the last of them goes. */
	if (node.has_slice && !makes && !step->alone)
		return;
	mig = &fake->world->gpus[gpu].mig;
	if (!node.has_partition) {
		mig->mode = makes ? DV_MIG_ON : DV_MIG_OFF;
		fake->world->overlap |= !makes && mig->instance_count;
		return;
	}
	fake->world->overlap |= makes && mig->mode != DV_MIG_ON;
	change_instance(mig, &node, step->lease.profile, makes);
}

static void perform(struct fake *fake, const struct dv_step *step, bool undo)
{
	bool makes = strstr(step->op, "create") || strstr(step->op, ".enable");

	change_mig(fake, step, makes != undo);
	if (!strchr(step->node, '/') && step->lease.method == DV_METHOD_MIG)
		return; /* a mode is no thing that stands somewhere */

	if (makes != undo)
		make(fake, step);
	else
		unmake(fake, step);
}

/* Does this step fail? */
static bool fails(struct fake *fake, bool undo)
{
	if (undo)
		return fake->fail_undo;
	if (!fake->fail_step || --fake->fail_step)
		return false;
	if (fake->fail_steps) {
		fake->fail_steps--;
		fake->fail_step = 1;
	}
	return true;
}

static void work(struct fake *fake, const struct dv_step *step, bool undo, uint64_t token, bool bad)
{
	struct dv_error err = {0};
	int code = fake->fail_code ? fake->fail_code : -EIO;

	if (!event(fake)) {
		code = -EIO;
		bad = true;
	} else if (!bad || fake->half_done) {
		perform(fake, step, undo);
	}
	if (bad)
		dv_error_set(&err, code, "the device says no");
	dv_engine_step_done(fake->engine, token, bad ? code : 0, bad ? &err : NULL);
}

static int op_step(void *data, const struct dv_step *step, const struct dv_gpu *gpu, bool undo,
		   uint64_t token, struct dv_error *err)
{
	struct fake *fake = data;
	size_t len = strlen(fake->log);

	(void)snprintf(fake->log + len, sizeof(fake->log) - len, "%c%s %s\n", undo ? '-' : '+',
		       step->op, step->node);
	if (strcmp(gpu->uuid, step->gpu_uuid) != 0)
		fake->world->overlap = true;
	if (fake->dead)
		return dv_error_set(err, -EIO, "killed");
	if (fake->refuse_step)
		return dv_error_set(err, -EIO, "cannot begin");
	if (!fake->later) {
		work(fake, step, undo, token, fails(fake, undo));
		return 0;
	}
	if (fake->pending_count == FAKE_PENDING)
		return dv_error_set(err, -EIO, "too much");
	fake->pending[fake->pending_count++] =
		(struct fake_pending){.token = token, .step = *step, .undo = undo};
	return 0;
}

void fake_answer(struct fake *fake, unsigned which, bool good)
{
	struct fake_pending pending = fake->pending[which];

	fake->pending_count--;
	memmove(&fake->pending[which], &fake->pending[which + 1],
		(fake->pending_count - which) * sizeof(fake->pending[0]));
	work(fake, &pending.step, pending.undo, pending.token, !good);
}

static int op_own(void *data, const struct dv_gpu *gpu, struct dv_error *err)
{
	struct fake *fake = data;
	ssize_t i = gpu_index(fake->world, gpu->uuid);

	if (fake->dead)
		return dv_error_set(err, -EIO, "killed");
	if (fake->fail_own || i < 0)
		return dv_error_set(err, -EPERM, "no lock can be made");
	if (fake->world->owner[i] >= 0 && fake->world->owner[i] != fake->number)
		return dv_error_rule(err, -EBUSY, "S05", "engine %d owns it",
				     fake->world->owner[i]);
	fake->world->owner[i] = fake->number;
	return 0;
}

static void op_disown(void *data, const struct dv_gpu *gpu)
{
	struct fake *fake = data;
	ssize_t i = gpu_index(fake->world, gpu->uuid);

	if (i >= 0 && fake->world->owner[i] == fake->number &&
	    (!fake->world->sticky || fake->world->alive[fake->number]))
		fake->world->owner[i] = -1;
}

static int op_random(void *data, void *buf, size_t size)
{
	struct fake *fake = data;

	for (size_t i = 0; i < size; i++) {
		fake->random = fake->random * 6364136223846793005u + 1442695040888963407u;
		((unsigned char *)buf)[i] = (unsigned char)(fake->random >> 56);
	}
	return 0;
}

static int64_t op_now_s(void *data)
{
	return ++((struct fake *)data)->now_s;
}

static void op_quota(void *data, uid_t uid, struct dv_quota *ret)
{
	*ret = ((struct fake *)data)->quota;
}

static bool op_launcher_alive(void *data, const struct dv_lease *lease)
{
	return !((struct fake *)data)->launchers_gone;
}

static bool op_in_use(void *data, const struct dv_lease *lease, char *who, size_t size)
{
	const struct fake *fake = data;

	if (!fake->in_use || strcmp(fake->in_use, lease->name) != 0)
		return false;
	(void)snprintf(who, size, "pid 12 sleep");
	return true;
}

static const struct dv_engine_ops ops = {
	.step = op_step,
	.own = op_own,
	.disown = op_disown,
	.random = op_random,
	.now_s = op_now_s,
	.quota = op_quota,
	.launcher_alive = op_launcher_alive,
	.in_use = op_in_use,
};

void fake_init(struct fake *fake, struct fake_world *world, int number)
{
	memset(fake, 0, sizeof(*fake));
	fake->world = world;
	fake->number = number;
	fake->random = (uint64_t)number + 1;
	fake->now_s = 1700000000;
	if (dv_store_open(":memory:", &fake->store, NULL) < 0)
		abort();
	fakes[number] = fake;
}

void fake_fini(struct fake *fake)
{
	fake_kill(fake);
	fakes[fake->number] = NULL;
	dv_store_free(fake->store);
	fake->store = NULL;
}

void fake_kill(struct fake *fake)
{
	struct fake_world *world = fake->world;

	world->alive[fake->number] = false;
	dv_engine_free(fake->engine);
	fake->engine = NULL;
	fake->pending_count = 0;
	for (unsigned i = 0; i < world->gpu_count; i++)
		if (world->owner[i] == fake->number && !world->sticky)
			world->owner[i] = -1;
	/* Slices live in the process. */
	for (unsigned i = world->thing_count; i > 0; i--)
		if (world->things[i - 1].engine == fake->number &&
		    world->things[i - 1].method == DV_METHOD_SLICE)
			world->things[i - 1] = world->things[--world->thing_count];
}

/* Forget what an engine left on devices that are another's by now, and locks it needs no more. */
static void settle(struct fake *fake)
{
	struct fake_world *world = fake->world;

	for (unsigned i = world->thing_count; i > 0; i--) {
		struct fake_thing *thing = &world->things[i - 1];
		ssize_t gpu = -1;

		for (unsigned g = 0; g < world->gpu_count; g++)
			if (strncmp(thing->node, world->gpus[g].uuid,
				    strlen(world->gpus[g].uuid)) == 0)
				gpu = g;
		if (thing->engine != fake->number || gpu < 0 || world->owner[gpu] == fake->number)
			continue;
		*thing = world->things[--world->thing_count];
		world->abandoned++;
	}
}

static void drop_stale_locks(struct fake *fake)
{
	const struct dv_leases *leases = dv_engine_leases(fake->engine);

	for (unsigned i = 0; i < fake->world->gpu_count; i++) {
		bool needed = !dv_engine_idle(fake->engine);

		for (size_t j = 0; j < leases->len; j++)
			if (strcmp(leases->items[j].gpu_uuid, fake->world->gpus[i].uuid) == 0)
				needed = true;
		if (!needed && fake->world->owner[i] == fake->number)
			fake->world->owner[i] = -1;
	}
}

int fake_start(struct fake *fake)
{
	return fake_start_killed(fake, 0);
}

int fake_start_killed(struct fake *fake, unsigned at)
{
	int r;

	fake->dead = false;
	fake->events = 0;
	fake->die_at = at;
	fake->log[0] = '\0';
	fake->world->alive[fake->number] = true;
	r = dv_engine_new(fake->store, &ops, fake, &fake->engine, &fake->err);
	if (r == 0)
		dv_engine_set_drift(fake->engine, fake->report_drift);
	if (r == 0)
		r = dv_engine_set_gpus(fake->engine, fake->world->gpus, fake->world->gpu_count,
				       &fake->err);
	if (r == 0)
		r = dv_engine_recover(fake->engine, fake_done, fake, &fake->err);
	if (r == 0)
		settle(fake);
	if (r == 0 && fake->world->sticky && !fake->dead)
		drop_stale_locks(fake);
	return r;
}

void fake_done(void *arg, int r, const struct dv_lease *lease, const struct dv_error *err)
{
	struct fake *fake = arg;

	fake->answers++;
	fake->r = r;
	fake->err = err ? *err : (struct dv_error){0};
	fake->has_lease = lease != NULL;
	fake->lease = lease ? *lease : (struct dv_lease){0};
}

int fake_take(struct fake *fake, const struct dv_lease_request *request,
	      const struct dv_identity *who)
{
	int r;

	fake->err = (struct dv_error){0};
	fake->r = 1;
	r = dv_engine_take(fake->engine, request, who, fake_done, fake, &fake->err);
	return r < 0 ? r : fake->r;
}

int fake_release(struct fake *fake, const char *name, const struct dv_identity *who)
{
	int r;

	fake->err = (struct dv_error){0};
	fake->r = 1;
	r = dv_engine_release(fake->engine, name, who, fake_done, fake, &fake->err);
	return r < 0 ? r : fake->r;
}

struct dv_lease_request fake_slice(const char *name)
{
	struct dv_lease_request request = {
		.kind = DV_KIND_PROCESS,
		.method = DV_METHOD_SLICE,
		.memory_bytes = DV_GIB,
		.compute_mpct = 10000,
	};

	(void)snprintf(request.name, sizeof(request.name), "%s", name);
	return request;
}

static bool say(const struct fake *fake, const char *what, const char *which)
{
	(void)fprintf(stderr, "engine %d: %s: %s\n", fake->number, what, which);
	return false;
}

static bool same_as_store(const struct fake *fake, const struct dv_leases *leases)
{
	struct dv_leases stored = {0};
	bool good = true;

	if (dv_store_leases(fake->store, &stored, NULL) < 0)
		return say(fake, "leases", "cannot be read");
	if (stored.len != leases->len)
		good = say(fake, "store and memory", "differ in number");
	for (size_t i = 0; good && i < stored.len; i++) {
		enum dv_lease_state state = leases->items[i].state;

		if (state == DV_LEASE_ACTIVE || state == DV_LEASE_UNENFORCED)
			state = DV_LEASE_READY;
		if (stored.items[i].id != leases->items[i].id || stored.items[i].state != state ||
		    strcmp(stored.items[i].node, leases->items[i].node) != 0)
			good = say(fake, "store and memory differ", leases->items[i].name);
	}
	dv_vec_fini(&stored);
	return good;
}

bool fake_consistent(const struct fake *fake)
{
	const struct dv_leases *leases = dv_engine_leases(fake->engine);
	unsigned mine = 0, broken = 0;
	struct dv_error err = {0};

	if (fake->world->overlap)
		return say(fake, "world", "two things on one place");
	if (dv_tree_check(fake->world->gpus, fake->world->gpu_count, leases, &err) < 0)
		return say(fake, "tree", err.msg);
	for (size_t i = 0; i < leases->len; i++) {
		ssize_t gpu = gpu_index(fake->world, leases->items[i].gpu_uuid);

		if (gpu >= 0 && fake->world->owner[gpu] != fake->number)
			return say(fake, "not owned", leases->items[i].gpu_uuid);
		if (leases->items[i].state == DV_LEASE_BROKEN)
			broken++;
		else if (find_thing(fake, leases->items[i].node) >= 0)
			mine++;
		else if (!(fake->report_drift && leases->items[i].missing))
			return say(fake, "a lease without its thing", leases->items[i].name);
	}
	for (unsigned i = 0; i < fake->world->thing_count; i++)
		mine -= fake->world->things[i].engine == fake->number;
	/* Of a broken one nobody knows. */
	if (mine != 0 && -mine > broken)
		return say(fake, "things", "orphans");
	return same_as_store(fake, leases);
}
