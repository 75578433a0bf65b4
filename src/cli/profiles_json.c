/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "cli/profiles.h"

static void add_number(struct dv_json *json, const char *key, uint32_t value)
{
	if (value == DV_CAT_UNKNOWN)
		dv_json_null(json, key);
	else
		dv_json_u64(json, key, value);
}

static void add_known(struct dv_json *json, const char *key, enum dv_cat_known known)
{
	if (known == DV_CAT_OPEN)
		dv_json_null(json, key);
	else
		dv_json_bool(json, key, known == DV_CAT_YES);
}

static void add_texts(struct dv_json *json, const char *key, const struct dv_cat_texts *texts)
{
	dv_json_array(json, key);
	for (size_t i = 0; i < texts->len; i++)
		dv_json_text(json, NULL, texts->items[i]);
	dv_json_end(json);
}

static void add_engines(struct dv_json *json, const struct dv_cat_engines *engines)
{
	dv_json_object(json, "engines");
	add_number(json, "copy", engines->copy);
	add_number(json, "decode", engines->decode);
	add_number(json, "encode", engines->encode);
	add_number(json, "jpeg", engines->jpeg);
	add_number(json, "optical_flow", engines->optical_flow);
	dv_json_end(json);
}

static void add_profile(struct dv_json *json, const struct dv_cat_gpu *gpu,
			const struct dv_cat_profile *p)
{
	bool derived;
	uint32_t mib = dv_cat_profile_memory(p, &derived);

	dv_json_object(json, NULL);
	dv_json_text(json, "profile", p->name);
	add_number(json, "id", p->id);
	add_number(json, "compute_slices", p->compute_slices);
	add_number(json, "size", p->size);
	dv_json_array(json, "starts");
	for (unsigned i = 0; i < p->start_count; i++)
		dv_json_u64(json, NULL, p->starts[i]);
	dv_json_end(json);
	add_number(json, "most", p->most);
	add_number(json, "memory_mib", mib);
	add_number(json, "multiprocessors", p->multiprocessors);
	if (gpu->multiprocessors == DV_CAT_UNKNOWN || p->multiprocessors == DV_CAT_UNKNOWN)
		dv_json_null(json, "compute_pct");
	else
		dv_json_number(json, "compute_pct",
			       100.0 * p->multiprocessors / gpu->multiprocessors, 1);
	dv_json_array(json, "derived");
	if (derived)
		dv_json_text(json, NULL, "memory_mib");
	if (gpu->mig.places == DV_CAT_INFERRED)
		dv_json_text(json, NULL, "starts");
	dv_json_end(json);
	dv_json_array(json, "doubtful");
	if (dv_cat_engines_doubtful(&gpu->mig, p))
		dv_json_text(json, NULL, "engines");
	dv_json_end(json);
	add_engines(json, &p->engines);
	dv_json_null(json, "licence"); /* MIG needs none */
	dv_json_text(json, "note", p->note);
	add_texts(json, "sources", &p->sources);
	dv_json_end(json);
}

static void add_mig(struct dv_json *json, const struct dv_cat_gpu *gpu, const char *driver)
{
	if (!gpu->has_mig) {
		dv_json_null(json, "mig");
		return;
	}
	dv_json_object(json, "mig");
	dv_json_text(json, "driver", driver); /* whose list it is; null: the catalogue's */
	add_number(json, "grid", gpu->mig.grid);
	add_number(json, "compute_slices", gpu->mig.compute_slices);
	add_number(json, "most", gpu->mig.most);
	dv_json_text(json, "min_driver", gpu->mig.min_driver);
	add_known(json, "reset_to_toggle", gpu->mig.reset_to_toggle);
	add_known(json, "mode_survives_reboot", gpu->mig.mode_survives_reboot);
	add_known(json, "peer_to_peer", gpu->mig.peer_to_peer);
	dv_json_text(json, "placements", dv_cat_places_name(gpu->mig.places));
	dv_json_text(json, "confidence", dv_cat_confidence_name(gpu->mig.confidence));
	dv_json_array(json, "profiles");
	for (size_t i = 0; i < gpu->mig.profiles.len; i++)
		add_profile(json, gpu, &gpu->mig.profiles.items[i]);
	dv_json_end(json);
	dv_json_end(json);
}

static void add_type(struct dv_json *json, const struct dv_profiles *p,
		     const struct dv_cat_board *board, const struct dv_cat_vgpu *type)
{
	const struct dv_cat_series *series = dv_catalog_series(p->catalog, type->series);
	enum dv_cat_limit limit = DV_CAT_LIMIT_COUNT;
	uint32_t most = dv_cat_vgpu_most(board, type, false, &limit);

	dv_json_object(json, NULL);
	dv_json_text(json, "type", type->name);
	dv_json_text(json, "series", (const char[]){type->series, '\0'});
	dv_json_text(json, "licence", series ? series->licence : NULL);
	if (type->partition)
		dv_json_u64(json, "partition", type->partition);
	else
		dv_json_null(json, "partition");
	dv_json_text(json, "attribute", type->attribute);
	dv_json_u64(json, "memory_mib", type->memory_mib);
	add_number(json, "most", most);
	add_number(json, "most_mixed", type->most_mixed);
	dv_json_text(json, "limit", dv_cat_limit_name(limit));
	dv_json_array(json, "derived");
	if (!type->exact)
		dv_json_text(json, NULL, "memory_mib");
	dv_json_end(json);
	dv_json_text(json, "note", type->note);
	add_texts(json, "sources", &type->sources);
	dv_json_end(json);
}

static void add_boards(struct dv_json *json, const struct dv_profiles *p)
{
	const struct dv_cat_board *board;

	dv_json_array(json, "boards");
	for (size_t i = 0; (board = dv_catalog_board(p->catalog, i)); i++) {
		if (!dv_profiles_has(p, board))
			continue;
		dv_json_object(json, NULL);
		dv_json_text(json, "board", board->id);
		dv_json_text(json, "name", board->name);
		dv_json_array(json, "types");
		for (size_t j = 0; j < board->types.len; j++)
			if (!p->type || p->type == &board->types.items[j])
				add_type(json, p, board, &board->types.items[j]);
		dv_json_end(json);
		dv_json_end(json);
	}
	dv_json_end(json);
}

static void add_facts(struct dv_json *json, const struct dv_cat_gpu *gpu)
{
	dv_json_text(json, "model", gpu->id);
	dv_json_text(json, "name", gpu->name);
	dv_json_text(json, "class", dv_cat_class_name(gpu->class));
	add_number(json, "memory_mib", gpu->memory_mib);
	add_number(json, "multiprocessors", gpu->multiprocessors);
	add_known(json, "passthrough", gpu->passthrough);
	add_known(json, "vgpu", gpu->vgpu);
}

static void add_sources(struct dv_json *json, const struct dv_profiles *p)
{
	struct dv_profiles_sources sources;

	dv_profiles_sources(p, &sources);
	dv_json_array(json, "sources");
	for (size_t i = 0; i < sources.len; i++) {
		dv_json_object(json, NULL);
		dv_json_text(json, "id", sources.items[i]->id);
		dv_json_text(json, "what", sources.items[i]->what);
		dv_json_text(json, "where", sources.items[i]->where);
		dv_json_end(json);
	}
	dv_json_end(json);
}

static void add_one(struct dv_json *json, const struct dv_profiles *p)
{
	if (p->gpu) {
		add_facts(json, p->gpu);
		dv_json_u64(json, "others", p->others);
		add_texts(json, "also", &p->gpu->also);
		dv_json_text(json, "architecture", p->gpu->architecture);
		dv_json_text(json, "chip", p->gpu->chip);
		dv_json_text(json, "compute_capability", p->gpu->compute_capability);
		add_mig(json, p->gpu, p->driver);
		add_texts(json, "notes", &p->gpu->notes);
	} else {
		dv_json_null(json, "model");
		dv_json_text(json, "name", p->board->name);
		dv_json_null(json, "mig");
	}
	add_boards(json, p);
	add_sources(json, p);
}

int dv_profiles_json(const struct dv_profiles *p, char **ret_text, struct dv_error *err)
{
	const struct dv_cat_gpu *gpu;
	struct dv_buf buf = {0};
	struct dv_json json;

	dv_json_init(&json, &buf);
	dv_json_object(&json, NULL);
	dv_json_text(&json, "schema", p->asked ? "divvy/profiles/1" : "divvy/models/1");
	if (p->asked) {
		add_one(&json, p);
	} else {
		dv_json_array(&json, "models");
		for (size_t i = 0; (gpu = dv_catalog_gpu(p->catalog, i)); i++) {
			dv_json_object(&json, NULL);
			add_facts(&json, gpu);
			if (gpu->has_mig)
				add_number(&json, "mig_most", gpu->mig.most);
			else
				dv_json_u64(&json, "mig_most", 0);
			dv_json_end(&json);
		}
		dv_json_end(&json);
	}
	dv_json_end(&json);
	if (dv_buf_take(&buf, ret_text) < 0)
		return dv_error_set(err, -ENOMEM, "no memory for the document");
	return 0;
}
