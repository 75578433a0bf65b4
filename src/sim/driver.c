/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/driver.h"

#include <string.h>

#include "base/str.h"

enum { RELEASE_OF_3G_BESIDE_4G = 510 };

static struct dv_sim_gpu_state *state_of(const struct dv_sim *sim, uint32_t gpu)
{
	return &sim->state->gpus[gpu];
}

void dv_sim_post(const struct dv_sim *sim, const struct dv_sim_event *event)
{
	struct dv_sim_event *to;

	to = &sim->state->events[++sim->state->last_event % DV_SIM_EVENTS_MOST];
	*to = *event;
	to->serial = sim->state->last_event;
}

static void post_change(const struct dv_sim *sim, uint32_t gpu)
{
	dv_sim_post(sim, &(struct dv_sim_event){.gpu = gpu,
						.type = DV_NVML_EVENT_MIG,
						.gi = DV_NVML_NO_INSTANCE,
						.ci = DV_NVML_NO_INSTANCE});
}

bool dv_sim_is_used(const struct dv_sim *sim, uint32_t gpu, int gi, int ci)
{
	for (unsigned i = 0; i < DV_SIM_HOLDERS_MOST; i++) {
		const struct dv_sim_holder *holder = &sim->state->holders[i];

		if (!holder->name[0] || !(holder->gpus & UINT32_C(1) << gpu))
			continue;
		if (gi < 0 || (holder->gi == gi && (ci < 0 || holder->ci == ci)))
			return true;
	}
	return false;
}

/* --- GPU instances --- */

static uint64_t mask(uint32_t start, uint32_t size)
{
	return ((UINT64_C(1) << size) - 1) << start;
}

static uint64_t taken(const struct dv_sim *sim, uint32_t gpu)
{
	const struct dv_sim_model *model = dv_sim_model_of(sim, gpu);
	uint64_t grid = 0;

	for (unsigned i = 0; i < DV_SIM_GIS_MOST; i++) {
		const struct dv_sim_gi *gi = &state_of(sim, gpu)->gis[i];

		if (gi->used)
			grid |= mask(gi->start, model->profiles[gi->profile].size);
	}
	return grid;
}

static uint32_t engine(const struct dv_cat_engines *engines, unsigned which)
{
	const uint32_t all[] = {engines->decode, engines->encode, engines->jpeg,
				engines->optical_flow};

	return all[which];
}

/* How many of them the GPU has: what all instances of some profile have together. Unknown: no
 * limit. */
static uint32_t engines_there(const struct dv_sim_model *model, unsigned which)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < model->profile_count; i++) {
		uint32_t of = engine(&model->profiles[i].engines, which);

		if (of == DV_CAT_UNKNOWN)
			return DV_CAT_UNKNOWN;
		most = DV_MAX(most, of * model->profiles[i].most);
	}
	return most;
}

/* Media engines are not in the grid: "+me" goes once, "+me.all" beside "-me" only. */
static bool engines_suffice(const struct dv_sim *sim, uint32_t gpu,
			    const struct dv_sim_profile *profile)
{
	const struct dv_sim_model *model = dv_sim_model_of(sim, gpu);

	for (unsigned which = 0; which < 4; which++) {
		uint32_t most = engines_there(model, which);
		uint32_t sum = engine(&profile->engines, which);

		if (most == DV_CAT_UNKNOWN)
			continue;
		for (unsigned i = 0; i < DV_SIM_GIS_MOST; i++) {
			const struct dv_sim_gi *gi = &state_of(sim, gpu)->gis[i];

			if (gi->used)
				sum += engine(&model->profiles[gi->profile].engines, which);
		}
		if (sum > most)
			return false;
	}
	return true;
}

static uint32_t instances_of(const struct dv_sim *sim, uint32_t gpu,
			     const struct dv_sim_profile *profile)
{
	const struct dv_sim_model *model = dv_sim_model_of(sim, gpu);
	uint32_t count = 0;

	for (unsigned i = 0; i < DV_SIM_GIS_MOST; i++) {
		const struct dv_sim_gi *gi = &state_of(sim, gpu)->gis[i];

		count += gi->used && &model->profiles[gi->profile] == profile;
	}
	return count;
}

/* Drivers before R510 did not put 3g beside 4g. */
static bool old_driver_refuses(const struct dv_sim *sim, uint32_t gpu,
			       const struct dv_sim_profile *profile)
{
	const struct dv_sim_model *model = dv_sim_model_of(sim, gpu);

	if (sim->machine->driver_release >= RELEASE_OF_3G_BESIDE_4G || model->grid != 8 ||
	    (profile->slices != 3 && profile->slices != 4))
		return false;
	for (unsigned i = 0; i < DV_SIM_GIS_MOST; i++) {
		const struct dv_sim_gi *gi = &state_of(sim, gpu)->gis[i];

		if (gi->used && model->profiles[gi->profile].slices == 7 - profile->slices)
			return true;
	}
	return false;
}

static bool may_stand(const struct dv_sim *sim, uint32_t gpu, const struct dv_sim_profile *profile)
{
	return instances_of(sim, gpu, profile) < profile->most &&
	       engines_suffice(sim, gpu, profile) && !old_driver_refuses(sim, gpu, profile);
}

uint32_t dv_sim_gi_room(const struct dv_sim *sim, uint32_t gpu,
			const struct dv_sim_profile *profile)
{
	uint64_t grid = taken(sim, gpu);
	uint32_t count = instances_of(sim, gpu, profile), room = 0;

	if (!may_stand(sim, gpu, profile))
		return 0;
	/* Places of one profile do not overlap. */
	for (uint32_t i = 0; i < profile->start_count; i++)
		room += !(grid & mask(profile->starts[i], profile->size));
	return DV_MIN(room, profile->most - count);
}

/* The driver likes the upper half, there the last two units, then what is lowest: one-unit
 * instances go to 6, 4, 5, 0, 1, 2, 3 of 8 (MIG User Guide; seen on A100 and H100). */
static unsigned dislike(const struct dv_sim_model *model, uint32_t start)
{
	unsigned rank = start;

	if (start < model->grid / 2)
		return rank + 2 * model->grid;
	return start + 2 >= model->grid ? rank : rank + model->grid;
}

static int choose_start(const struct dv_sim *sim, uint32_t gpu,
			const struct dv_sim_profile *profile)
{
	const struct dv_sim_model *model = dv_sim_model_of(sim, gpu);
	uint64_t grid = taken(sim, gpu);
	int best = -1;

	for (uint32_t i = 0; i < profile->start_count; i++) {
		uint32_t start = profile->starts[i];

		if (grid & mask(start, profile->size))
			continue;
		if (best < 0 || dislike(model, start) < dislike(model, (uint32_t)best))
			best = (int)start;
	}
	return best;
}

/* The id tells the size: 0 the whole, 1-2 halves, 3-6 quarters, 7-14 eighths
 * (open-gpu-kernel-modules, kmemsysSwizzIdToMIGMemSize). Halves count from the top. */
static uint32_t id_at(const struct dv_sim_model *model, uint32_t size, uint32_t start)
{
	if (size == model->grid)
		return 0;
	if (size * 2 >= model->grid)
		return start == 0 ? 2 : 1;
	if (size * 4 >= model->grid)
		return 3 + start * 4 / model->grid;
	return 7 + start * 8 / model->grid;
}

static bool has_place(const struct dv_sim_profile *profile, int start)
{
	for (uint32_t i = 0; i < profile->start_count; i++)
		if (profile->starts[i] == start)
			return true;
	return false;
}

enum dv_nvml_result dv_sim_gi_create(const struct dv_sim *sim, uint32_t gpu, uint32_t profile_id,
				     int start, uint32_t *ret_id)
{
	const struct dv_sim_model *model = dv_sim_model_of(sim, gpu);
	const struct dv_sim_profile *profile;
	struct dv_sim_gi *gi = NULL;

	if (!model->has_mig || !state_of(sim, gpu)->mig)
		return DV_NVML_NOT_SUPPORTED;
	profile = dv_sim_profile_by_id(sim, gpu, profile_id);
	if (!profile || (start >= 0 && !has_place(profile, start)))
		return DV_NVML_INVALID_ARGUMENT;
	if (!may_stand(sim, gpu, profile))
		return DV_NVML_INSUFFICIENT_RESOURCES;
	if (start < 0)
		start = choose_start(sim, gpu, profile);
	if (start < 0 || taken(sim, gpu) & mask((uint32_t)start, profile->size))
		return DV_NVML_INSUFFICIENT_RESOURCES;
	for (unsigned i = 0; i < DV_SIM_GIS_MOST && !gi; i++)
		if (!state_of(sim, gpu)->gis[i].used)
			gi = &state_of(sim, gpu)->gis[i];
	if (!gi)
		return DV_NVML_INSUFFICIENT_RESOURCES;
	*gi = (struct dv_sim_gi){.used = true,
				 .id = id_at(model, profile->size, (uint32_t)start),
				 .profile = (uint32_t)(profile - model->profiles),
				 .start = (uint32_t)start,
				 .serial = sim->state->serial++};
	*ret_id = gi->id;
	post_change(sim, gpu);
	return DV_NVML_SUCCESS;
}

enum dv_nvml_result dv_sim_gi_destroy(const struct dv_sim *sim, uint32_t gpu, uint32_t id)
{
	struct dv_sim_gi *gi = dv_sim_gi_find(sim, gpu, id);

	if (!gi)
		return DV_NVML_INVALID_ARGUMENT;
	for (unsigned i = 0; i < DV_SIM_CIS_MOST; i++)
		if (gi->cis[i].used)
			return DV_NVML_IN_USE;
	if (dv_sim_is_used(sim, gpu, (int)id, -1))
		return DV_NVML_IN_USE;
	*gi = (struct dv_sim_gi){0};
	post_change(sim, gpu);
	return DV_NVML_SUCCESS;
}

/* --- compute instances --- */

static uint64_t ci_taken(const struct dv_sim_gi *gi)
{
	uint64_t slices = 0;

	for (unsigned i = 0; i < DV_SIM_CIS_MOST; i++)
		if (gi->cis[i].used)
			slices |= mask(gi->cis[i].start, gi->cis[i].size);
	return slices;
}

uint32_t dv_sim_ci_room(const struct dv_sim_gi *gi, const struct dv_sim_ci_profile *profile)
{
	uint32_t room = 0;

	for (uint32_t i = 0; i < profile->start_count; i++)
		room += !(ci_taken(gi) & mask(profile->starts[i], profile->size));
	return room;
}

static uint32_t free_index(const struct dv_sim *sim, uint32_t gpu)
{
	uint64_t indexes = 0;

	for (unsigned i = 0; i < DV_SIM_GIS_MOST; i++)
		for (unsigned j = 0; j < DV_SIM_CIS_MOST; j++) {
			const struct dv_sim_ci *ci = &state_of(sim, gpu)->gis[i].cis[j];

			if (state_of(sim, gpu)->gis[i].used && ci->used)
				indexes |= UINT64_C(1) << ci->index;
		}
	return (uint32_t)__builtin_ctzll(~indexes);
}

enum dv_nvml_result dv_sim_ci_create(const struct dv_sim *sim, uint32_t gpu, uint32_t gi_id,
				     uint32_t profile_id, int start, uint32_t *ret_id)
{
	const struct dv_sim_model *model = dv_sim_model_of(sim, gpu);
	struct dv_sim_gi *gi = dv_sim_gi_find(sim, gpu, gi_id);
	const struct dv_sim_ci_profile *profile = NULL;
	struct dv_sim_ci_set set;
	uint32_t n = 0, id = 0;
	int found = -1;

	if (!gi)
		return DV_NVML_INVALID_ARGUMENT;
	dv_sim_ci_profiles(sim, &model->profiles[gi->profile], &set);
	while (n < set.count && set.profiles[n].id != profile_id)
		n++;
	if (n == set.count)
		return DV_NVML_NOT_SUPPORTED;
	profile = &set.profiles[n];
	for (uint32_t i = 0; i < profile->start_count && found < 0; i++) {
		if (start >= 0 && profile->starts[i] != start)
			continue;
		if (!(ci_taken(gi) & mask(profile->starts[i], profile->size)))
			found = profile->starts[i];
	}
	if (found < 0)
		return DV_NVML_INSUFFICIENT_RESOURCES;
	while (dv_sim_ci_find(gi, id))
		id++;
	for (unsigned i = 0; i < DV_SIM_CIS_MOST; i++) {
		if (gi->cis[i].used)
			continue;
		gi->cis[i] = (struct dv_sim_ci){.id = id,
						.profile = n,
						.start = (uint32_t)found,
						.size = profile->size,
						.index = free_index(sim, gpu),
						.serial = sim->state->serial++};
		gi->cis[i].used = true;
		*ret_id = id;
		post_change(sim, gpu);
		return DV_NVML_SUCCESS;
	}
	return DV_NVML_INSUFFICIENT_RESOURCES;
}

enum dv_nvml_result dv_sim_ci_destroy(const struct dv_sim *sim, uint32_t gpu, uint32_t gi_id,
				      uint32_t id)
{
	struct dv_sim_gi *gi = dv_sim_gi_find(sim, gpu, gi_id);
	struct dv_sim_ci *ci = gi ? dv_sim_ci_find(gi, id) : NULL;

	if (!ci)
		return DV_NVML_INVALID_ARGUMENT;
	if (dv_sim_is_used(sim, gpu, (int)gi_id, (int)id))
		return DV_NVML_IN_USE;
	*ci = (struct dv_sim_ci){0};
	post_change(sim, gpu);
	return DV_NVML_SUCCESS;
}

/* --- modes, resets, boots --- */

/* Its handles are stale from here on, and its minor number may be another one. */
static void come_back(const struct dv_sim *sim, uint32_t gpu)
{
	struct dv_sim_gpu_state *state = state_of(sim, gpu);
	uint32_t minors = 0;

	memset(state->gis, 0, sizeof(state->gis));
	state->mig = state->pending;
	state->generation++;
	post_change(sim, gpu);
	if (sim->machine->minors_stay)
		return;
	for (uint32_t i = 0; i < sim->machine->gpu_count; i++)
		minors |= UINT32_C(1) << state_of(sim, i)->minor;
	if (~minors)
		state->minor = (uint32_t)__builtin_ctz(~minors);
}

static bool has_instances(const struct dv_sim *sim, uint32_t gpu)
{
	return taken(sim, gpu) != 0;
}

enum dv_nvml_result dv_sim_set_mode(const struct dv_sim *sim, uint32_t gpu, bool mig,
				    enum dv_nvml_result *ret_activation)
{
	struct dv_sim_gpu_state *state = state_of(sim, gpu);

	if (!dv_sim_model_of(sim, gpu)->has_mig)
		return DV_NVML_NOT_SUPPORTED;
	state->pending = mig;
	*ret_activation = DV_NVML_SUCCESS;
	if (state->mig == mig)
		return DV_NVML_SUCCESS;
	if (dv_sim_is_used(sim, gpu, -1, -1) || has_instances(sim, gpu))
		*ret_activation = DV_NVML_IN_USE;
	else if (sim->machine->gpus[gpu].in_vm && dv_sim_model_of(sim, gpu)->reset_to_toggle)
		*ret_activation = DV_NVML_RESET_REQUIRED;
	else
		come_back(sim, gpu);
	return DV_NVML_SUCCESS;
}

enum dv_nvml_result dv_sim_reset(const struct dv_sim *sim, uint32_t gpu)
{
	if (sim->machine->gpus[gpu].in_vm)
		return DV_NVML_NOT_SUPPORTED;
	if (dv_sim_is_used(sim, gpu, -1, -1))
		return DV_NVML_IN_USE;
	come_back(sim, gpu);
	return DV_NVML_SUCCESS;
}

static void load(const struct dv_sim *sim)
{
	for (uint32_t gpu = 0; gpu < sim->machine->gpu_count; gpu++) {
		struct dv_sim_gpu_state *state = state_of(sim, gpu);

		if (!dv_sim_model_of(sim, gpu)->mode_survives_reboot)
			state->pending = false;
		memset(state->gis, 0, sizeof(state->gis));
		state->mig = state->pending;
		state->generation++;
		state->minor = gpu;
	}
}

enum dv_nvml_result dv_sim_reload(const struct dv_sim *sim)
{
	for (uint32_t gpu = 0; gpu < sim->machine->gpu_count; gpu++)
		if (dv_sim_is_used(sim, gpu, -1, -1))
			return DV_NVML_IN_USE;
	load(sim);
	return DV_NVML_SUCCESS;
}

void dv_sim_reboot(const struct dv_sim *sim)
{
	memset(sim->state->holders, 0, sizeof(sim->state->holders));
	sim->state->boots++;
	load(sim);
}

/* --- processes and faults --- */

int dv_sim_hold(const struct dv_sim *sim, const struct dv_sim_holder *holder, uint32_t *ret_pid,
		struct dv_error *err)
{
	for (unsigned i = 0; i < DV_SIM_HOLDERS_MOST; i++) {
		struct dv_sim_holder *to = &sim->state->holders[i];

		if (to->name[0])
			continue;
		*to = *holder;
		if (!to->pid)
			to->pid = sim->state->next_pid++;
		*ret_pid = to->pid;
		return 0;
	}
	return dv_error_set(err, -ENOSPC, "a simulated machine has at most %d processes",
			    DV_SIM_HOLDERS_MOST);
}

bool dv_sim_let_go(const struct dv_sim *sim, uint32_t pid)
{
	bool found = false;

	for (unsigned i = 0; i < DV_SIM_HOLDERS_MOST; i++)
		if (sim->state->holders[i].name[0] && sim->state->holders[i].pid == pid &&
		    !sim->state->holders[i].live) {
			sim->state->holders[i] = (struct dv_sim_holder){0};
			found = true;
		}
	return found;
}

/* What stands behind a name in the symbols of the CUDA driver: "_v2", "_ptsz", "_v2_ptds". */
static bool is_version(const char *text)
{
	if (strncmp(text, "_v", 2) == 0 && text[2] >= '1' && text[2] <= '9')
		text += 3;
	return !*text || strcmp(text, "_ptsz") == 0 || strcmp(text, "_ptds") == 0;
}

static bool is_meant(const char *fault, const char *call)
{
	size_t len = strlen(fault);

	if (strcmp(fault, "*") == 0 || strcmp(fault, call) == 0)
		return true;
	return strncmp(call, "cu", 2) == 0 && strncmp(fault, call, len) == 0 &&
	       is_version(call + len);
}

const struct dv_sim_fault *dv_sim_call(const struct dv_sim *sim, const char *call)
{
	const struct dv_sim_fault *due = NULL;

	for (unsigned i = 0; i < DV_SIM_FAULTS_MOST; i++) {
		struct dv_sim_fault *fault = &sim->state->faults[i];

		if (!fault->nth || !call[0] || !is_meant(fault->call, call))
			continue;
		if (--fault->nth == 0 && !due)
			due = fault;
	}
	return due;
}
