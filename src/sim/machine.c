/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/machine.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "sim/parse.h"

int dv_sim_read_text(const struct dv_sim_file *file, const struct dv_yaml_node *map,
		     const char *key, char *buf, size_t size)
{
	const struct dv_yaml_node *node = dv_yaml_get(map, key);

	return node ? dv_yaml_text(file->doc, node, buf, size, file->err) : 0;
}

int dv_sim_read_bool(const struct dv_sim_file *file, const struct dv_yaml_node *map,
		     const char *key, bool *ret)
{
	const struct dv_yaml_node *node = dv_yaml_get(map, key);

	return node ? dv_yaml_bool(file->doc, node, ret, file->err) : 0;
}

int dv_sim_read_u32(const struct dv_sim_file *file, const struct dv_yaml_node *map, const char *key,
		    uint32_t most, uint32_t *ret)
{
	const struct dv_yaml_node *node = dv_yaml_get(map, key);
	uint64_t value;
	int r;

	if (!node)
		return 0;
	r = dv_yaml_u64(file->doc, node, 0, most, &value, file->err);
	if (r == 0)
		*ret = (uint32_t)value;
	return r;
}

int dv_sim_read_word(const struct dv_sim_file *file, const struct dv_yaml_node *map,
		     const char *key, const char *const *words, uint32_t *ret)
{
	const struct dv_yaml_node *node = dv_yaml_get(map, key);

	if (!node)
		return 0;
	for (uint32_t i = 0; node->type == DV_YAML_SCALAR && words[i]; i++)
		if (strcmp(node->text, words[i]) == 0) {
			*ret = i;
			return 0;
		}
	return dv_yaml_fail(file->doc, node, "F11", file->err, "'%s' cannot be this; '%s' is one",
			    key, words[0]);
}

int dv_sim_read_maps(const struct dv_sim_file *file, const struct dv_yaml_node *map,
		     const char *key, dv_sim_map_fn *fn)
{
	const struct dv_yaml_node *list = dv_yaml_get(map, key);
	int r = 0;

	if (!list)
		return 0;
	if (list->type != DV_YAML_LIST)
		return dv_yaml_fail(file->doc, list, "F06", file->err, "'%s' must be a list", key);
	for (const struct dv_yaml_node *node = list->first; r == 0 && node; node = node->next)
		r = node->type == DV_YAML_MAP ? fn(file, node)
					      : dv_yaml_fail(file->doc, node, "F06", file->err,
							     "an entry of '%s' must be a map", key);
	return r;
}

/* `gpus: all`, or the index of one. */
static int read_held(const struct dv_sim_file *file, const struct dv_yaml_node *map, uint32_t *ret)
{
	const struct dv_yaml_node *node = dv_yaml_get(map, "gpus");
	uint32_t gpu = 0, count = file->machine->gpu_count;
	int r;

	*ret = (uint32_t)((UINT64_C(1) << count) - 1);
	if (node && node->type == DV_YAML_SCALAR && strcmp(node->text, "all") == 0)
		return 0;
	r = dv_sim_read_u32(file, map, "gpus", count - 1, &gpu);
	if (r == 0 && node)
		*ret = UINT32_C(1) << gpu;
	return r;
}

static int read_holder(const struct dv_sim_file *file, const struct dv_yaml_node *map)
{
	static const char *const keys[] = {"name", "gpus", "use", "pid", "uid", "memory_mib", NULL};
	static const char *const uses[] = {"open", "compute", "graphics", "mps", NULL};
	struct dv_sim_machine *machine = file->machine;
	struct dv_sim_holder *to = &machine->holders[machine->holder_count];
	uint32_t use = DV_SIM_OPEN, memory = 0;
	int r = dv_yaml_only_keys(file->doc, map, keys, file->err);

	if (r < 0)
		return r;
	if (machine->holder_count == DV_SIM_HOLDERS_MOST)
		return dv_yaml_fail(file->doc, map, "F14", file->err,
				    "a machine has at most %d processes", DV_SIM_HOLDERS_MOST);
	*to = (struct dv_sim_holder){.name = "process", .gi = -1, .ci = -1};
	r = dv_sim_read_text(file, map, "name", to->name, sizeof(to->name));
	if (r == 0)
		r = read_held(file, map, &to->gpus);
	if (r == 0)
		r = dv_sim_read_word(file, map, "use", uses, &use);
	if (r == 0)
		r = dv_sim_read_u32(file, map, "pid", INT32_MAX, &to->pid);
	if (r == 0)
		r = dv_sim_read_u32(file, map, "uid", INT32_MAX, &to->uid);
	if (r == 0)
		r = dv_sim_read_u32(file, map, "memory_mib", INT32_MAX, &memory);
	if (r < 0)
		return r;
	to->use = (enum dv_sim_use)use;
	to->memory_bytes = (uint64_t)memory << 20;
	machine->holder_count++;
	return 0;
}

static int read_fault(const struct dv_sim_file *file, const struct dv_yaml_node *map)
{
	static const char *const keys[] = {"call", "nth", "do", "result", NULL};
	static const char *const actions[] = {
		"return", "kill-before", "kill-after", "stop-before", "stop-after", "delay", NULL};
	struct dv_sim_machine *machine = file->machine;
	struct dv_sim_fault *to = &machine->faults[machine->fault_count];
	uint32_t action = DV_SIM_RETURN;
	int r = dv_yaml_only_keys(file->doc, map, keys, file->err);

	if (r < 0)
		return r;
	if (machine->fault_count == DV_SIM_FAULTS_MOST)
		return dv_yaml_fail(file->doc, map, "F14", file->err,
				    "a machine has at most %d faults", DV_SIM_FAULTS_MOST);
	*to = (struct dv_sim_fault){.call = "*", .nth = 1, .result = 999};
	r = dv_sim_read_text(file, map, "call", to->call, sizeof(to->call));
	if (r == 0)
		r = dv_sim_read_u32(file, map, "nth", INT32_MAX, &to->nth);
	if (r == 0)
		r = dv_sim_read_word(file, map, "do", actions, &action);
	if (r == 0)
		r = dv_sim_read_u32(file, map, "result", 999, &to->result);
	if (r < 0)
		return r;
	to->action = (enum dv_sim_action)action;
	machine->fault_count++;
	return 0;
}

static int read_links(const struct dv_sim_file *file, const struct dv_yaml_node *root)
{
	static const char *const keys[] = {"links", "fabric", NULL};
	const struct dv_yaml_node *map = dv_yaml_get(root, "nvlink");
	int r;

	if (!map)
		return 0;
	if (map->type != DV_YAML_MAP)
		return dv_yaml_fail(file->doc, map, "F06", file->err, "'nvlink' must be a map");
	r = dv_yaml_only_keys(file->doc, map, keys, file->err);
	if (r == 0)
		r = dv_sim_read_u32(file, map, "links", 36, &file->machine->links);
	if (r == 0)
		r = dv_sim_read_bool(file, map, "fabric", &file->machine->fabric);
	return r;
}

static int read_habits(const struct dv_sim_file *file, const struct dv_yaml_node *root)
{
	static const char *const keys[] = {
		"old_calls", "root_only", "minors_stay", "counts_wrong", "profiles_without_mig",
		NULL};
	const struct dv_yaml_node *map = dv_yaml_get(root, "habits");
	struct dv_sim_machine *machine = file->machine;
	int r;

	if (!map)
		return 0;
	if (map->type != DV_YAML_MAP)
		return dv_yaml_fail(file->doc, map, "F06", file->err, "'habits' must be a map");
	r = dv_yaml_only_keys(file->doc, map, keys, file->err);
	if (r == 0)
		r = dv_sim_read_bool(file, map, "old_calls", &machine->old_calls);
	if (r == 0)
		r = dv_sim_read_bool(file, map, "root_only", &machine->root_only);
	if (r == 0)
		r = dv_sim_read_bool(file, map, "minors_stay", &machine->minors_stay);
	if (r == 0)
		r = dv_sim_read_bool(file, map, "counts_wrong", &machine->counts_wrong);
	if (r == 0)
		r = dv_sim_read_bool(file, map, "profiles_without_mig",
				     &machine->profiles_without_mig);
	return r;
}

/* `driver` stands at the top or at the first GPU. */
static int read_driver(const struct dv_sim_file *file, const struct dv_yaml_node *root)
{
	const struct dv_yaml_node *gpus = dv_yaml_get(root, "gpus");
	struct dv_sim_machine *machine = file->machine;
	int r = 0;

	if (!gpus || gpus->type != DV_YAML_LIST || !gpus->first)
		return dv_yaml_fail(file->doc, root, "F10", file->err,
				    "a machine has a list of 'gpus'");
	(void)dv_copy(machine->driver, sizeof(machine->driver), "580.95.05");
	if (gpus->first->type == DV_YAML_MAP)
		r = dv_sim_read_text(file, gpus->first, "driver", machine->driver,
				     sizeof(machine->driver));
	if (r == 0)
		r = dv_sim_read_text(file, root, "driver", machine->driver,
				     sizeof(machine->driver));
	(void)sscanf(machine->driver, "%u", &machine->driver_release);
	return r;
}

/* Compute instances are the same on every machine. */
static int take_ci_sets(const struct dv_sim_file *file)
{
	struct dv_sim_machine *machine = file->machine;

	for (uint32_t of = 1; of <= DV_SIM_CIS_MOST; of++) {
		const struct dv_cat_ci_set *from = dv_catalog_ci(file->catalog, of);
		struct dv_sim_ci_set *to = &machine->ci_sets[machine->ci_set_count];

		if (!from)
			continue;
		if (machine->ci_set_count == DV_SIM_CI_SETS_MOST ||
		    from->profiles.len > DV_SIM_CIS_MOST)
			return dv_error_set(file->err, -E2BIG, "too many compute instances");
		to->of = of;
		for (size_t i = 0; i < from->profiles.len; i++) {
			const struct dv_cat_ci *ci = &from->profiles.items[i];
			struct dv_sim_ci_profile *profile = &to->profiles[to->count++];

			(void)dv_copy(profile->name, sizeof(profile->name), ci->name);
			profile->id = profile->number = ci->id;
			profile->size = ci->size;
			profile->most = ci->most;
			profile->start_count = DV_MIN(ci->start_count, DV_SIM_CIS_MOST);
			memcpy(profile->starts, ci->starts, profile->start_count);
		}
		machine->ci_set_count++;
	}
	return 0;
}

static int read_machine(const struct dv_sim_file *file)
{
	static const char *const keys[] = {"name",    "driver", "cuda",	  "gpus", "nvlink",
					   "holders", "faults", "habits", NULL};
	const struct dv_yaml_node *root = dv_yaml_root(file->doc);
	struct dv_sim_machine *machine = file->machine;
	int r;

	if (!root || root->type != DV_YAML_MAP)
		return dv_yaml_fail(file->doc, root, "F06", file->err, "a machine is a map");
	r = dv_yaml_only_keys(file->doc, root, keys, file->err);
	if (r == 0)
		r = dv_sim_read_text(file, root, "name", machine->name, sizeof(machine->name));
	if (r == 0 && !dv_is_name(machine->name, DV_NAME_MOST))
		return dv_yaml_fail(file->doc, root, "F08", file->err, "a machine needs a name");
	machine->cuda = 13000;
	if (r == 0)
		r = dv_sim_read_u32(file, root, "cuda", 99990, &machine->cuda);
	if (r == 0)
		r = read_driver(file, root);
	if (r == 0)
		r = dv_sim_read_maps(file, root, "gpus", dv_sim_read_gpu);
	if (r == 0)
		r = read_links(file, root);
	if (r == 0)
		r = read_habits(file, root);
	if (r == 0)
		r = dv_sim_read_maps(file, root, "holders", read_holder);
	if (r == 0)
		r = dv_sim_read_maps(file, root, "faults", read_fault);
	return r == 0 ? take_ci_sets(file) : r;
}

int dv_sim_machine_parse(const char *text, size_t len, const char *file_name,
			 const struct dv_catalog *catalog, struct dv_sim_machine *ret,
			 struct dv_error *err)
{
	dv_cleanup(dv_yaml_freep) struct dv_yaml *doc = NULL;
	dv_autofree struct dv_sim_machine *machine = calloc(1, sizeof(*machine));
	struct dv_sim_file file = {.catalog = catalog, .machine = machine, .err = err};
	int r;

	if (!machine)
		return dv_error_set(err, -ENOMEM, "no memory for a simulated machine");
	r = dv_yaml_parse(text, len, DV_FILE_MOST, file_name, &doc, err);
	if (r < 0)
		return r;
	file.doc = doc;
	r = read_machine(&file);
	if (r == 0)
		*ret = *machine;
	return r;
}
