/* SPDX-License-Identifier: Apache-2.0 */
/* A file of data/gpus: one GPU. */
#include <string.h>

#include "catalog/rows.h"

static const char *const classes[DV_CAT_CLASS_COUNT] = {
	[DV_CAT_PROFESSIONAL] = "professional",
	[DV_CAT_CONSUMER] = "consumer",
	[DV_CAT_EMBEDDED] = "embedded",
};

static const char *const places[DV_CAT_PLACES_COUNT] = {
	[DV_CAT_PRINTED] = "printed",
	[DV_CAT_INFERRED] = "inferred",
	[DV_CAT_NO_PLACES] = "unknown",
};

static const char *const confidences[DV_CAT_CONFIDENCE_COUNT] = {
	[DV_CAT_HIGH] = "high",
	[DV_CAT_MEDIUM] = "medium",
	[DV_CAT_LOW] = "low",
};

const char *dv_cat_class_name(enum dv_cat_class class)
{
	return (unsigned)class < DV_CAT_CLASS_COUNT ? classes[class] : "unknown";
}

const char *dv_cat_places_name(enum dv_cat_places of)
{
	return (unsigned)of < DV_CAT_PLACES_COUNT ? places[of] : "unknown";
}

const char *dv_cat_confidence_name(enum dv_cat_confidence confidence)
{
	return (unsigned)confidence < DV_CAT_CONFIDENCE_COUNT ? confidences[confidence] : "unknown";
}

static void profile_fini(struct dv_cat_profile *p)
{
	dv_vec_fini(&p->sources);
}

void dv_cat_gpu_fini(struct dv_cat_gpu *gpu)
{
	for (size_t i = 0; i < gpu->mig.profiles.len; i++)
		profile_fini(&gpu->mig.profiles.items[i]);
	dv_vec_fini(&gpu->mig.profiles);
	for (size_t i = 0; i < gpu->pci.len; i++)
		dv_vec_fini(&gpu->pci.items[i].subsystems);
	dv_vec_fini(&gpu->pci);
	dv_vec_fini(&gpu->also);
	dv_vec_fini(&gpu->notes);
	dv_vec_fini(&gpu->sources);
}

static int no_memory(const struct dv_cat_file *file)
{
	return dv_error_set(file->err, -ENOMEM, "no memory for the catalogue");
}

static int read_engines(const struct dv_cat_file *file, const struct dv_yaml_node *map,
			struct dv_cat_engines *ret)
{
	static const char *const keys[] = {"copy", "decode",	   "encode",
					   "jpeg", "optical_flow", NULL};
	const struct dv_yaml_node *node = dv_yaml_get(map, "engines");
	uint32_t *const values[] = {&ret->copy, &ret->decode, &ret->encode, &ret->jpeg,
				    &ret->optical_flow};
	int r;

	for (size_t i = 0; i < DV_ARRAY_LEN(values); i++)
		*values[i] = DV_CAT_UNKNOWN;
	if (!node)
		return 0;
	if (node->type != DV_YAML_MAP)
		return dv_yaml_fail(file->doc, node, "F06", file->err, "'engines' must be a map");
	r = dv_yaml_only_keys(file->doc, node, keys, file->err);
	for (size_t i = 0; i < DV_ARRAY_LEN(values) && r == 0; i++)
		r = dv_cat_read_u32(file, node, keys[i], 1024, values[i]);
	return r;
}

/* What the row says must hold together: more instances than places is a slip of the pen. */
static int check_profile(const struct dv_cat_file *file, const struct dv_yaml_node *node,
			 const struct dv_cat_mig *mig, const struct dv_cat_profile *p)
{
	if (p->most == DV_CAT_UNKNOWN || p->most == 0 || p->compute_slices == DV_CAT_UNKNOWN ||
	    p->compute_slices == 0)
		return dv_yaml_fail(file->doc, node, "F10", file->err,
				    "'%s' needs 'most' and 'compute_slices' of 1 or more", p->name);
	if (p->start_count && p->most > p->start_count)
		return dv_yaml_fail(file->doc, node, "F12", file->err,
				    "'%s' has 'most: %u' and only %u places", p->name, p->most,
				    p->start_count);
	if (mig->compute_slices != DV_CAT_UNKNOWN && p->compute_slices > mig->compute_slices)
		return dv_yaml_fail(file->doc, node, "F12", file->err,
				    "'%s' takes %u compute slices, the GPU has %u", p->name,
				    p->compute_slices, mig->compute_slices);
	for (size_t i = 0; i < mig->profiles.len; i++)
		if (strcmp(mig->profiles.items[i].name, p->name) == 0)
			return dv_yaml_fail(file->doc, node, "F09", file->err,
					    "profile '%s' is there twice", p->name);
	return 0;
}

static int read_profile_values(const struct dv_cat_file *file, const struct dv_yaml_node *node,
			       const struct dv_cat_mig *mig, struct dv_cat_profile *p)
{
	int r = dv_cat_read_text(file, node, "name", &p->name, true);

	if (r == 0)
		r = dv_cat_read_text(file, node, "shape", &p->shape, true);
	if (r == 0)
		r = dv_cat_read_text(file, node, "note", &p->note, false);
	if (r == 0)
		r = dv_cat_read_u32(file, node, "id", 65535, &p->id);
	if (r == 0)
		r = dv_cat_read_u32(file, node, "driver_enum", 65535, &p->driver_enum);
	if (r == 0)
		r = dv_cat_read_u32(file, node, "compute_slices", DV_CAT_GRID_MOST,
				    &p->compute_slices);
	if (r == 0)
		r = dv_cat_read_u32(file, node, "size", DV_CAT_GRID_MOST, &p->size);
	if (r == 0)
		r = dv_cat_read_u32(file, node, "most", DV_CAT_GRID_MOST, &p->most);
	if (r == 0)
		r = dv_cat_read_u32(file, node, "memory_mib", DV_CAT_UNKNOWN - 1, &p->memory_mib);
	if (r == 0)
		r = dv_cat_read_u32(file, node, "multiprocessors", 65535, &p->multiprocessors);
	if (r == 0)
		r = dv_cat_read_starts(file, node, p->size, mig->grid, p->starts, &p->start_count);
	return r;
}

static int read_profile(const struct dv_cat_file *file, const struct dv_yaml_node *node,
			struct dv_cat_mig *mig)
{
	static const char *const keys[] = {
		"name",	   "shape",   "id",   "driver_enum", "compute_slices",
		"size",	   "starts",  "most", "memory_mib",  "multiprocessors",
		"engines", "sources", "note", NULL};
	struct dv_cat_profile p = {0};
	int r = dv_yaml_only_keys(file->doc, node, keys, file->err);

	if (r == 0)
		r = read_profile_values(file, node, mig, &p);
	if (r == 0)
		r = read_engines(file, node, &p.engines);
	if (r == 0)
		r = check_profile(file, node, mig, &p);
	if (r == 0)
		r = dv_cat_read_texts(file, node, "sources", true, &p.sources);
	if (r == 0 && dv_vec_push(&mig->profiles, p) < 0)
		r = no_memory(file);
	if (r < 0)
		profile_fini(&p);
	return r;
}

static int read_mig_values(const struct dv_cat_file *file, const struct dv_yaml_node *node,
			   struct dv_cat_mig *mig)
{
	int word = 0;
	int r = dv_cat_read_u32(file, node, "grid", DV_CAT_GRID_MOST, &mig->grid);

	if (r == 0)
		r = dv_cat_read_u32(file, node, "compute_slices", DV_CAT_GRID_MOST,
				    &mig->compute_slices);
	if (r == 0)
		r = dv_cat_read_u32(file, node, "most", DV_CAT_GRID_MOST, &mig->most);
	if (r == 0)
		r = dv_cat_read_text(file, node, "min_driver", &mig->min_driver, false);
	if (r == 0)
		r = dv_cat_read_known(file, node, "reset_to_toggle", &mig->reset_to_toggle);
	if (r == 0)
		r = dv_cat_read_known(file, node, "mode_survives_reboot",
				      &mig->mode_survives_reboot);
	if (r == 0)
		r = dv_cat_read_known(file, node, "peer_to_peer", &mig->peer_to_peer);
	if (r == 0)
		r = dv_cat_read_word(file, node, "placements", places, DV_CAT_PLACES_COUNT,
				     DV_CAT_NO_PLACES, &word);
	if (r < 0)
		return r;
	mig->places = (enum dv_cat_places)word;
	r = dv_cat_read_word(file, node, "confidence", confidences, DV_CAT_CONFIDENCE_COUNT,
			     DV_CAT_LOW, &word);
	mig->confidence = (enum dv_cat_confidence)word;
	return r;
}

/* The width of the grid is that of the widest profile; a row that says otherwise is wrong. */
static int check_grid(const struct dv_cat_file *file, const struct dv_yaml_node *node,
		      const struct dv_cat_mig *mig)
{
	uint32_t widest = 0;

	for (size_t i = 0; i < mig->profiles.len; i++) {
		const struct dv_cat_profile *p = &mig->profiles.items[i];

		if (p->start_count)
			widest = DV_MAX(widest, p->starts[p->start_count - 1] + p->size);
	}
	if (widest && widest != mig->grid)
		return dv_yaml_fail(file->doc, node, "F12", file->err,
				    "the places of the profiles make a grid of %u units, not %u",
				    widest, mig->grid);
	return 0;
}

static int read_mig(const struct dv_cat_file *file, const struct dv_yaml_node *node,
		    struct dv_cat_mig *mig)
{
	static const char *const keys[] = {"grid",
					   "compute_slices",
					   "most",
					   "min_driver",
					   "reset_to_toggle",
					   "mode_survives_reboot",
					   "peer_to_peer",
					   "placements",
					   "confidence",
					   "profiles",
					   NULL};
	const struct dv_yaml_node *list = NULL;
	int r;

	if (node->type != DV_YAML_MAP)
		return dv_yaml_fail(file->doc, node, "F06", file->err, "'mig' must be a map");
	r = dv_yaml_only_keys(file->doc, node, keys, file->err);
	if (r == 0)
		r = read_mig_values(file, node, mig);
	if (r == 0)
		r = dv_cat_read_maps(file, node, "profiles", true, &list);
	for (const struct dv_yaml_node *n = r == 0 ? list->first : NULL; n && r == 0; n = n->next)
		r = read_profile(file, n, mig);
	if (r == 0)
		r = check_grid(file, node, mig);
	return r;
}

static int read_subsystems(const struct dv_cat_file *file, const struct dv_yaml_node *node,
			   struct dv_cat_pci *pci)
{
	const struct dv_yaml_node *list = dv_yaml_get(node, "subsystems");

	if (list && (list->type != DV_YAML_LIST || list->count > DV_CAT_ROWS_MOST))
		return dv_yaml_fail(file->doc, list, "F06", file->err,
				    "'subsystems' must be a list");
	for (const struct dv_yaml_node *n = list ? list->first : NULL; n; n = n->next) {
		struct dv_cat_subsystem s = {0};
		int r = dv_cat_read_pci_id(file, n, &s.vendor, &s.device);

		if (r < 0)
			return r;
		if (dv_vec_push(&pci->subsystems, s) < 0)
			return no_memory(file);
	}
	return 0;
}

static int read_pci(const struct dv_cat_file *file, const struct dv_yaml_node *root,
		    struct dv_cat_gpu *gpu)
{
	static const char *const keys[] = {"id", "name", "subsystems", NULL};
	const struct dv_yaml_node *list = NULL;
	int r = dv_cat_read_maps(file, root, "pci", false, &list);

	for (const struct dv_yaml_node *n = list && r == 0 ? list->first : NULL; n && r == 0;
	     n = n->next) {
		struct dv_cat_pci pci = {0};

		r = dv_yaml_only_keys(file->doc, n, keys, file->err);
		if (r == 0)
			r = dv_cat_read_pci_id(file, dv_yaml_get(n, "id"), &pci.vendor,
					       &pci.device);
		if (r == 0)
			r = dv_cat_read_text(file, n, "name", &pci.name, false);
		if (r == 0)
			r = read_subsystems(file, n, &pci);
		if (r == 0 && dv_vec_push(&gpu->pci, pci) < 0)
			r = no_memory(file);
		if (r < 0)
			dv_vec_fini(&pci.subsystems);
	}
	return r;
}

static int read_values(const struct dv_cat_file *file, const struct dv_yaml_node *root,
		       struct dv_cat_gpu *gpu)
{
	const struct {
		const char *key;
		const char **ret;
		bool needed;
	} texts[] = {
		{"gpu", &gpu->id, true},
		{"name", &gpu->name, true},
		{"architecture", &gpu->architecture, false},
		{"chip", &gpu->chip, false},
		{"compute_capability", &gpu->compute_capability, false},
	};
	int class = DV_CAT_PROFESSIONAL, r = 0;

	for (size_t i = 0; i < DV_ARRAY_LEN(texts) && r == 0; i++)
		r = dv_cat_read_text(file, root, texts[i].key, texts[i].ret, texts[i].needed);
	if (r == 0)
		r = dv_cat_read_word(file, root, "class", classes, DV_CAT_CLASS_COUNT,
				     DV_CAT_PROFESSIONAL, &class);
	if (r == 0)
		r = dv_cat_read_u32(file, root, "memory_mib", DV_CAT_UNKNOWN - 1, &gpu->memory_mib);
	if (r == 0)
		r = dv_cat_read_u32(file, root, "multiprocessors", 65535, &gpu->multiprocessors);
	if (r == 0)
		r = dv_cat_read_known(file, root, "passthrough", &gpu->passthrough);
	if (r == 0)
		r = dv_cat_read_known(file, root, "vgpu", &gpu->vgpu);
	gpu->class = (enum dv_cat_class) class;
	return r;
}

static int read_gpu(const struct dv_cat_file *file, const struct dv_yaml_node *root,
		    struct dv_cat_gpu *gpu)
{
	static const char *const keys[] = {"gpu",
					   "name",
					   "also",
					   "architecture",
					   "chip",
					   "compute_capability",
					   "class",
					   "memory_mib",
					   "multiprocessors",
					   "passthrough",
					   "vgpu",
					   "pci",
					   "mig",
					   "notes",
					   "sources",
					   NULL};
	const struct dv_yaml_node *mig = dv_yaml_get(root, "mig");
	int r = dv_yaml_only_keys(file->doc, root, keys, file->err);

	if (r == 0)
		r = read_values(file, root, gpu);
	if (r == 0)
		r = dv_cat_read_texts(file, root, "also", false, &gpu->also);
	if (r == 0)
		r = dv_cat_read_texts(file, root, "notes", false, &gpu->notes);
	if (r == 0)
		r = dv_cat_read_texts(file, root, "sources", true, &gpu->sources);
	if (r == 0)
		r = read_pci(file, root, gpu);
	gpu->has_mig = mig;
	if (r == 0 && mig)
		r = read_mig(file, mig, &gpu->mig);
	return r;
}

int dv_cat_read_gpu(const struct dv_cat_file *file, const struct dv_yaml_node *root,
		    struct dv_cat_gpu *ret_gpu)
{
	struct dv_cat_gpu gpu = {0};
	int r = read_gpu(file, root, &gpu);

	if (r < 0) {
		dv_cat_gpu_fini(&gpu);
		return r;
	}
	*ret_gpu = gpu;
	return 0;
}
