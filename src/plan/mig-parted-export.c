/* SPDX-License-Identifier: Apache-2.0 */
/* What there is, as a config: GPUs that are alike share an entry. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "plan/mig-parted-inside.h"

static int no_memory(struct dv_error *err)
{
	return dv_error_set(err, -ENOMEM, "no memory to write a config");
}

static bool is_same(const struct dv_mig_parted_entry *entry, bool enabled,
		    const struct dv_parted_layout *layout)
{
	if (entry->enabled != enabled || entry->counts.len != layout->count)
		return false;
	for (unsigned i = 0; i < layout->count; i++)
		if (entry->counts.items[i].count != layout->of[i].count ||
		    strcmp(entry->counts.items[i].profile, layout->of[i].profile) != 0)
			return false;
	return true;
}

static int fill_entry(struct dv_mig_parted_entry *entry, const struct dv_parted_layout *layout)
{
	for (unsigned i = 0; i < layout->count; i++) {
		struct dv_mig_parted_count count = {.count = layout->of[i].count};

		(void)dv_copy(count.profile, sizeof(count.profile), layout->of[i].profile);
		if (dv_vec_push(&entry->counts, count) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int add_gpu(struct dv_mig_parted_config *config, const struct dv_gpu *gpu,
		   const struct dv_leases *leases, unsigned number)
{
	struct dv_mig_parted_entry *entry = NULL, empty = {.enabled = dv_parted_mode(&gpu->mig)};
	struct dv_parted_layout layout;

	dv_parted_layout_of(gpu, leases, &layout);
	for (size_t i = 0; i < config->entries.len && !entry; i++)
		if (is_same(&config->entries.items[i], empty.enabled, &layout))
			entry = &config->entries.items[i];
	if (!entry) {
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): room was made */
		if (dv_vec_push(&config->entries, empty) < 0)
			return -ENOMEM;
		entry = &config->entries.items[config->entries.len - 1];
		if (fill_entry(entry, &layout) < 0)
			return -ENOMEM;
	}
	return dv_vec_push(&entry->devices, number);
}

static int add_gpus(struct dv_mig_parted_config *config, const struct dv_parted_machine *machine)
{
	const size_t count = machine->gpu_count;
	dv_autofree int *numbers = dv_parted_numbers(machine->gpus, count);
	dv_autofree size_t *order = calloc(count + 1, sizeof(*order));
	unsigned nvidia = 0;

	if (!numbers || !order)
		return -ENOMEM;
	for (size_t g = 0; g < count; g++) {
		nvidia += numbers[g] >= 0;
		order[numbers[g] >= 0 ? (size_t)numbers[g] : count] = g;
	}
	for (unsigned number = 0; number < nvidia; number++)
		if (add_gpu(config, &machine->gpus[order[number]], machine->leases, number) < 0)
			return -ENOMEM;
	return 0;
}

int dv_parted_export(const char *name, const struct dv_parted_machine *machine,
		     struct dv_mig_parted *ret, struct dv_error *err)
{
	dv_cleanup(dv_mig_parted_fini) struct dv_mig_parted parted = {0};
	struct dv_mig_parted_config *config, empty = {0};

	(void)dv_copy(empty.name, sizeof(empty.name), name);
	if (dv_vec_push(&parted.configs, empty) < 0)
		return no_memory(err);
	config = &parted.configs.items[0];
	if (add_gpus(config, machine) < 0)
		return no_memory(err);
	if (!config->entries.len)
		return dv_error_fix(err,
				    dv_error_rule(err, -ENOENT, "S18",
						  "there is nothing to export: no GPU of NVIDIA"),
				    "`divvy gpus` lists what there is");
	config->entries.items[0].all = config->entries.len == 1;
	*ret = parted;
	memset(&parted, 0, sizeof(parted));
	return 0;
}
