/* SPDX-License-Identifier: Apache-2.0 */
/* Looking things up in a machine, and its state after the first boot. */
#include <string.h>

#include "base/str.h"
#include "sim/driver.h"

enum { FIRST_PID = 4001 };

const struct dv_sim_model *dv_sim_model_of(const struct dv_sim *sim, uint32_t gpu)
{
	return &sim->machine->models[sim->machine->gpus[gpu].model];
}

const struct dv_sim_profile *dv_sim_profile_by_id(const struct dv_sim *sim, uint32_t gpu,
						  uint32_t id)
{
	const struct dv_sim_model *model = dv_sim_model_of(sim, gpu);

	for (uint32_t i = 0; i < model->profile_count; i++)
		if (model->profiles[i].id == id && !model->profiles[i].unknown)
			return &model->profiles[i];
	return NULL;
}

const struct dv_sim_profile *dv_sim_profile_by_number(const struct dv_sim *sim, uint32_t gpu,
						      uint32_t number)
{
	const struct dv_sim_model *model = dv_sim_model_of(sim, gpu);

	for (uint32_t i = 0; i < model->profile_count; i++)
		if (model->profiles[i].number == number && !model->profiles[i].unknown)
			return &model->profiles[i];
	return NULL;
}

uint32_t dv_sim_profile_numbers(const struct dv_sim *sim, uint32_t gpu)
{
	const struct dv_sim_model *model = dv_sim_model_of(sim, gpu);
	uint32_t numbers = DV_NVML_GI_PROFILES_KNOWN;

	for (uint32_t i = 0; i < model->profile_count; i++)
		if (!model->profiles[i].unknown && model->profiles[i].number >= numbers)
			numbers = model->profiles[i].number + 1;
	return numbers;
}

void dv_sim_ci_profiles(const struct dv_sim *sim, const struct dv_sim_profile *profile,
			struct dv_sim_ci_set *ret)
{
	enum { ONE_OF_DOUBLE_MEMORY = 7 }; /* its id and its number; seen on an H100 NVL */

	*ret = (struct dv_sim_ci_set){.of = profile->slices};
	for (uint32_t i = 0; i < sim->machine->ci_set_count; i++)
		if (sim->machine->ci_sets[i].of == profile->slices)
			*ret = sim->machine->ci_sets[i];
	if (profile->doubled && ret->count) {
		ret->count = 1;
		ret->profiles[0].id = ret->profiles[0].number = ONE_OF_DOUBLE_MEMORY;
	}
}

struct dv_sim_gi *dv_sim_gi_find(const struct dv_sim *sim, uint32_t gpu, uint32_t id)
{
	for (unsigned i = 0; i < DV_SIM_GIS_MOST; i++) {
		struct dv_sim_gi *gi = &sim->state->gpus[gpu].gis[i];

		if (gi->used && gi->id == id)
			return gi;
	}
	return NULL;
}

struct dv_sim_ci *dv_sim_ci_find(struct dv_sim_gi *gi, uint32_t id)
{
	for (unsigned i = 0; i < DV_SIM_CIS_MOST; i++)
		if (gi->cis[i].used && gi->cis[i].id == id)
			return &gi->cis[i];
	return NULL;
}

/* An instance of the machine's file, with one compute instance that fills it. */
static int place(const struct dv_sim *sim, const struct dv_sim_instance *instance,
		 struct dv_error *err)
{
	const struct dv_sim_model *model = dv_sim_model_of(sim, instance->gpu);
	struct dv_sim_holder holder = {.use = DV_SIM_COMPUTE, .gpus = UINT32_C(1) << instance->gpu};
	const struct dv_sim_profile *profile = NULL;
	struct dv_sim_ci_set set;
	uint32_t gi = 0, ci = 0, pid, last;
	enum dv_nvml_result result;

	for (uint32_t i = 0; i < model->profile_count; i++)
		if (strcmp(model->profiles[i].name, instance->profile) == 0)
			profile = &model->profiles[i];
	if (!profile)
		return dv_error_set(err, -EINVAL, "GPU %u has no profile %s", instance->gpu,
				    instance->profile);
	dv_sim_ci_profiles(sim, profile, &set);
	if (!set.count)
		return dv_error_set(err, -EINVAL, "no compute instance of %u slices is known",
				    profile->slices);
	last = set.count - 1;
	result = dv_sim_gi_create(sim, instance->gpu, profile->id, instance->start, &gi);
	if (result == DV_NVML_SUCCESS)
		result = dv_sim_ci_create(sim, instance->gpu, gi, set.profiles[last].id, -1, &ci);
	if (result != DV_NVML_SUCCESS)
		return dv_error_set(err, -EINVAL, "GPU %u: %s cannot stand at %d (%d)",
				    instance->gpu, instance->profile, instance->start, (int)result);
	if (!instance->in_use)
		return 0;
	(void)dv_copy(holder.name, sizeof(holder.name), instance->owner);
	holder.gi = (int)gi;
	holder.ci = (int)ci;
	holder.memory_bytes = (uint64_t)profile->memory_mib / 2 << 20;
	return dv_sim_hold(sim, &holder, &pid, err);
}

int dv_sim_start(const struct dv_sim_machine *machine, struct dv_sim_state *ret,
		 struct dv_error *err)
{
	dv_autofree struct dv_sim_state *state = calloc(1, sizeof(*state));
	struct dv_sim sim = {machine, state};

	if (!state)
		return dv_error_set(err, -ENOMEM, "no memory for a simulated machine");
	state->serial = 1;
	state->next_pid = FIRST_PID;
	for (uint32_t i = 0; i < machine->gpu_count; i++) {
		bool mig = machine->gpus[i].mig_on && dv_sim_model_of(&sim, i)->has_mig;

		state->gpus[i].minor = i;
		state->gpus[i].mig = state->gpus[i].pending = mig;
	}
	for (uint32_t i = 0; i < machine->instance_count; i++) {
		int r = place(&sim, &machine->instances[i], err);

		if (r < 0)
			return r;
	}
	for (uint32_t i = 0; i < machine->holder_count; i++) {
		uint32_t pid;
		int r = dv_sim_hold(&sim, &machine->holders[i], &pid, err);

		if (r < 0)
			return r;
	}
	memcpy(state->faults, machine->faults, sizeof(state->faults));
	*ret = *state;
	return 0;
}
