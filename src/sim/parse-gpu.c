/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/parse.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* The model's index in the machine; taken from the catalogue the first time it is named. */
static int find_model(const struct dv_sim_file *file, const struct dv_yaml_node *map,
		      const struct dv_cat_gpu **ret_row, uint32_t *ret)
{
	struct dv_sim_machine *machine = file->machine;
	const struct dv_yaml_node *node = dv_yaml_get(map, "model");
	const struct dv_cat_gpu *row;
	char id[DV_MODEL_SIZE] = "";
	int r = dv_sim_read_text(file, map, "model", id, sizeof(id));

	if (r < 0)
		return r;
	row = dv_catalog_by_id(file->catalog, id);
	if (!row)
		return dv_yaml_fail(file->doc, node ? node : map, "F15", file->err,
				    "'%s' is no GPU of the catalogue", id);
	*ret_row = row;
	for (uint32_t i = 0; i < machine->model_count; i++)
		if (strcmp(machine->models[i].id, id) == 0) {
			*ret = i;
			return 0;
		}
	if (machine->model_count == DV_SIM_MODELS_MOST)
		return dv_yaml_fail(file->doc, node, "F14", file->err,
				    "a machine has at most %d models", DV_SIM_MODELS_MOST);
	r = dv_sim_model_take(row, machine->driver, &machine->models[machine->model_count],
			      file->err);
	if (r < 0)
		return r;
	*ret = machine->model_count++;
	return 0;
}

static struct dv_sim_profile *find_profile(struct dv_sim_model *model, const char *name)
{
	for (uint32_t i = 0; i < model->profile_count; i++)
		if (strcmp(model->profiles[i].name, name) == 0)
			return &model->profiles[i];
	return NULL;
}

/* Profiles that are younger than the driver. */
static int read_unknown(const struct dv_sim_file *file, const struct dv_yaml_node *map,
			struct dv_sim_model *model)
{
	const struct dv_yaml_node *list = dv_yaml_get(map, "unknown");

	if (!list)
		return 0;
	if (list->type != DV_YAML_LIST)
		return dv_yaml_fail(file->doc, list, "F06", file->err,
				    "'unknown' must be a list of profiles");
	for (const struct dv_yaml_node *node = list->first; node; node = node->next) {
		struct dv_sim_profile *profile =
			node->type == DV_YAML_SCALAR ? find_profile(model, node->text) : NULL;

		if (!profile)
			return dv_yaml_fail(file->doc, node, "M01", file->err,
					    "%s has no such profile", model->id);
		profile->unknown = true;
	}
	return 0;
}

/* A profile that only a driver younger than divvy knows. */
static int read_extra_one(const struct dv_sim_file *file, const struct dv_yaml_node *map,
			  struct dv_sim_model *model)
{
	static const char *const keys[] = {"name", "like", "id", "number", NULL};
	struct dv_sim_profile *like, *profile = &model->profiles[model->profile_count];
	char name[32] = "";
	int r = dv_yaml_only_keys(file->doc, map, keys, file->err);

	if (r == 0)
		r = dv_sim_read_text(file, map, "like", name, sizeof(name));
	if (r < 0)
		return r;
	like = find_profile(model, name);
	if (!like || model->profile_count == DV_SIM_PROFILES_MOST)
		return dv_yaml_fail(file->doc, map, "M01", file->err,
				    "%s has no profile '%s', or no room for one more", model->id,
				    name);
	*profile = *like;
	r = dv_sim_read_text(file, map, "name", profile->name, sizeof(profile->name));
	if (r == 0)
		r = dv_sim_read_u32(file, map, "id", UINT16_MAX, &profile->id);
	if (r == 0)
		r = dv_sim_read_u32(file, map, "number", 64, &profile->number);
	if (r < 0)
		return r;
	profile->invented = true;
	model->profile_count++;
	return 0;
}

static int read_extra(const struct dv_sim_file *file, const struct dv_yaml_node *map,
		      struct dv_sim_model *model)
{
	const struct dv_yaml_node *list = dv_yaml_get(map, "extra");
	int r = 0;

	if (!list)
		return 0;
	if (list->type != DV_YAML_LIST)
		return dv_yaml_fail(file->doc, list, "F06", file->err, "'extra' must be a list");
	for (const struct dv_yaml_node *node = list->first; r == 0 && node; node = node->next)
		r = node->type == DV_YAML_MAP
			    ? read_extra_one(file, node, model)
			    : dv_yaml_fail(file->doc, node, "F06", file->err, "a map is needed");
	return r;
}

static int read_instance(const struct dv_sim_file *file, const struct dv_yaml_node *map)
{
	static const char *const keys[] = {"profile", "start", "owner", "in_use", NULL};
	struct dv_sim_machine *machine = file->machine;
	struct dv_sim_instance *to = &machine->instances[machine->instance_count];
	uint32_t start = UINT32_MAX;
	int r = dv_yaml_only_keys(file->doc, map, keys, file->err);

	if (r < 0)
		return r;
	if (machine->instance_count == DV_SIM_INSTANCES_MOST)
		return dv_yaml_fail(file->doc, map, "F14", file->err,
				    "a machine has at most %d instances", DV_SIM_INSTANCES_MOST);
	*to = (struct dv_sim_instance){.gpu = machine->gpu_count, .owner = "process"};
	r = dv_sim_read_text(file, map, "profile", to->profile, sizeof(to->profile));
	if (r == 0)
		r = dv_sim_read_u32(file, map, "start", DV_CAT_GRID_MOST, &start);
	if (r == 0)
		r = dv_sim_read_text(file, map, "owner", to->owner, sizeof(to->owner));
	if (r == 0)
		r = dv_sim_read_bool(file, map, "in_use", &to->in_use);
	if (r < 0)
		return r;
	to->start = start == UINT32_MAX ? -1 : (int)start;
	machine->instance_count++;
	return 0;
}

static int read_address(const struct dv_sim_file *file, const struct dv_yaml_node *map,
			unsigned nth, struct dv_sim_gpu *gpu)
{
	const struct dv_yaml_node *node = dv_yaml_get(map, "address");
	unsigned domain = 0, bus = 0x10 + 0x10 * file->machine->gpu_count, device = 0, function = 0;
	char end;

	if (node &&
	    (node->type != DV_YAML_SCALAR ||
	     sscanf(node->text, "%x:%x:%x.%x%c", &domain, &bus, &device, &function, &end) != 4 ||
	     domain > UINT16_MAX || bus > UINT8_MAX || device > 31 || function > 7))
		return dv_yaml_fail(file->doc, node, "F06", file->err,
				    "a PCI address is written 0000:1b:00.0");
	(void)snprintf(gpu->address, sizeof(gpu->address), "%04x:%02x:%02x.%x", domain & UINT16_MAX,
		       (bus + nth) & UINT8_MAX, device & 31, function & 7);
	return 0;
}

/* The same in every machine of that name, whenever it is made. */
static void name_gpu(const struct dv_sim_machine *machine, struct dv_sim_gpu *gpu)
{
	uint64_t hash = dv_hash(DV_HASH_INIT, machine->name, strlen(machine->name));
	uint64_t high, low;

	hash = dv_hash(hash, gpu->address, strlen(gpu->address));
	high = dv_hash(hash, "high", 4);
	low = dv_hash(hash, "low", 3);
	(void)snprintf(gpu->uuid, sizeof(gpu->uuid),
		       "GPU-%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
		       high >> 32, high >> 16 & 0xffff, high & 0xffff, low >> 48,
		       low & 0xffffffffffff);
	(void)snprintf(gpu->serial, sizeof(gpu->serial), "%013" PRIu64, hash % 10000000000000u);
}

static int read_one(const struct dv_sim_file *file, const struct dv_yaml_node *map,
		    const struct dv_cat_gpu *row, uint32_t model, unsigned nth)
{
	static const char *const modes[] = {"off", "on", NULL};
	struct dv_sim_machine *machine = file->machine;
	struct dv_sim_gpu *gpu = &machine->gpus[machine->gpu_count];
	uint32_t numa = UINT32_MAX, mode = 0;
	int r;

	if (machine->gpu_count == DV_SIM_GPUS_MOST)
		return dv_yaml_fail(file->doc, map, "F14", file->err,
				    "a simulated machine has at most %d GPUs", DV_SIM_GPUS_MOST);
	*gpu = (struct dv_sim_gpu){.model = model};
	(void)dv_copy(gpu->name, sizeof(gpu->name), row->name);
	r = dv_sim_read_text(file, map, "name", gpu->name, sizeof(gpu->name));
	if (r == 0)
		r = read_address(file, map, nth, gpu);
	name_gpu(machine, gpu);
	if (r == 0)
		r = dv_sim_read_text(file, map, "uuid", gpu->uuid, sizeof(gpu->uuid));
	if (r == 0)
		r = dv_sim_read_u32(file, map, "numa", 1023, &numa);
	if (r == 0)
		r = dv_sim_read_word(file, map, "mig", modes, &mode);
	if (r == 0)
		r = dv_sim_read_bool(file, map, "in_vm", &gpu->in_vm);
	if (r == 0)
		r = dv_sim_read_maps(file, map, "instances", read_instance);
	if (r < 0)
		return r;
	gpu->numa_node = numa == UINT32_MAX ? -1 : (int)numa;
	gpu->mig_on = mode == 1;
	machine->gpu_count++;
	return 0;
}

/* All GPUs of a machine have one driver; it may be said at any of them. */
static int same_driver(const struct dv_sim_file *file, const struct dv_yaml_node *map)
{
	char driver[sizeof(file->machine->driver)];
	int r;

	(void)dv_copy(driver, sizeof(driver), file->machine->driver);
	r = dv_sim_read_text(file, map, "driver", driver, sizeof(driver));
	if (r < 0 || strcmp(driver, file->machine->driver) == 0)
		return r;
	return dv_yaml_fail(file->doc, dv_yaml_get(map, "driver"), "F06", file->err,
			    "a machine has one driver, and that is %s already",
			    file->machine->driver);
}

int dv_sim_read_gpu(const struct dv_sim_file *file, const struct dv_yaml_node *map)
{
	static const char *const keys[] = {"model",
					   "count",
					   "name",
					   "driver",
					   "address",
					   "numa",
					   "mig",
					   "uuid",
					   "in_vm",
					   "unknown",
					   "instances",
					   "extra",
					   "compute_capability",
					   NULL};
	const struct dv_cat_gpu *row = NULL;
	struct dv_sim_model *model;
	uint32_t index = 0, count = 1;
	char capability[16] = "";
	int r = dv_yaml_only_keys(file->doc, map, keys, file->err);

	if (r == 0)
		r = same_driver(file, map);
	if (r == 0)
		r = find_model(file, map, &row, &index);
	if (r < 0 || !row)
		return r;
	model = &file->machine->models[index];
	r = read_unknown(file, map, model);
	if (r == 0)
		r = read_extra(file, map, model);
	if (r == 0)
		r = dv_sim_read_text(file, map, "compute_capability", capability,
				     sizeof(capability));
	if (r == 0)
		r = dv_sim_read_u32(file, map, "count", DV_SIM_GPUS_MOST, &count);
	if (capability[0])
		(void)sscanf(capability, "%d.%d", &model->compute_major, &model->compute_minor);
	for (unsigned i = 0; r == 0 && i < count; i++)
		r = read_one(file, map, row, index, i);
	return r;
}
