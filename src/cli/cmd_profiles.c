/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "api/api.h"
#include "base/where.h"
#include "cli/facts.h"
#include "cli/profiles.h"
#include "cli/remote.h"
#include "cli/verbs.h"

enum { OPT_SOURCES };

static const struct dv_option options[] = {
	[OPT_SOURCES] = {"sources", 0, NULL, "say where each fact comes from"},
	{NULL},
};

/* A number, an address or a UUID is a GPU of this machine; anything else is a name. */
static bool is_of_machine(const char *text)
{
	return text[strspn(text, "0123456789")] == '\0' || strchr(text, ':') ||
	       strncasecmp(text, "GPU-", 4) == 0 || strncasecmp(text, "CPU-", 4) == 0;
}

static int fail_no_profiles(const struct dv_gpu *gpu, struct dv_error *err)
{
	int r;

	if (gpu->kind == DV_GPU_CPU) {
		r = dv_error_rule(err, -EOPNOTSUPP, "M02",
				  "the CPU device has no fixed profiles: a partition takes any "
				  "number of its %u CPU%s side by side",
				  gpu->compute_units, dv_plural(gpu->compute_units));
		return dv_error_fix(err, r, "divvy explain partition");
	}
	r = dv_error_rule(err, -EOPNOTSUPP, "F15", "the catalogue knows nothing of GPU %s, '%s'",
			  gpu->id, gpu->product[0] ? gpu->product : gpu->model);
	return dv_error_fix(err, r, "`divvy gpus %s` shows what it can do here", gpu->id);
}

/* What is kept for as long as a GPU of this machine is shown. */
struct found {
	struct dv_gpus gpus;
	struct dv_cat_gpu row; /* with the driver's own list, if it has one */
};

static void found_finip(struct found *found)
{
	dv_profiles_driver_fini(&found->row);
	dv_vec_fini(&found->gpus);
}

/* The driver's own list goes before the catalogue's row. */
static int take(const struct dv_gpu *gpu, struct dv_profiles *p, struct found *found,
		struct dv_error *err)
{
	int r;

	p->gpu = dv_catalog_by_id(p->catalog, gpu->model);
	/* A driver tells the product's name, which the catalogue has. */
	if (!p->gpu && gpu->product[0])
		(void)!dv_catalog_find(p->catalog, gpu->product, &p->gpu, NULL, NULL);
	if (!gpu->mig.profile_count || gpu->mig.profiles_derived)
		return p->gpu ? 0 : fail_no_profiles(gpu, err);
	r = dv_profiles_of_driver(gpu, p->gpu, &found->row, err);
	if (r < 0)
		return r;
	p->gpu = &found->row;
	p->driver = gpu->driver;
	return 0;
}

static int find_on_machine(struct dv_cli *cli, struct dv_profiles *p, struct found *found,
			   struct dv_error *err)
{
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	int r = dv_remote_get(cli, &answer, err, "/v1/gpus");

	if (r == 0)
		r = dv_api_gpus_decode(answer, &found->gpus, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < found->gpus.len; i++)
		if (dv_gpu_matches(&found->gpus.items[i], p->asked))
			return take(&found->gpus.items[i], p, found, err);
	return dv_error_fix(
		err, dv_error_rule(err, -ENODEV, "S18", "there is no GPU called '%.60s'", p->asked),
		"`divvy gpus` lists what was found");
}

static const struct dv_cat_board *find_board(const struct dv_catalog *catalog, const char *id)
{
	const struct dv_cat_board *board;

	for (size_t i = 0; (board = dv_catalog_board(catalog, i)); i++)
		if (strcasecmp(board->id, id) == 0)
			return board;
	return NULL;
}

/* A GPU of the catalogue; else a vGPU board that has no row of its own, else a vGPU type. */
static int find_in_catalog(struct dv_profiles *p, struct dv_error *err)
{
	int r;

	if (dv_catalog_find(p->catalog, p->asked, &p->gpu, &p->others, NULL) == 0)
		return 0;
	p->board = find_board(p->catalog, p->asked);
	if (p->board)
		return 0;
	r = dv_catalog_vgpu(p->catalog, p->asked, &p->board, &p->type, NULL);
	return r == 0 ? 0 : dv_catalog_find(p->catalog, p->asked, &p->gpu, &p->others, err);
}

static int run_profiles(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err)
{
	dv_cleanup(dv_catalog_freep) struct dv_catalog *catalog = NULL;
	dv_cleanup(found_finip) struct found found = {0};
	dv_autofree char *text = NULL;
	struct dv_profiles p = {.sources = args->given.value[OPT_SOURCES]};
	int r = dv_facts_load(dv_where(DV_WHERE_DATA), &catalog, err);

	if (r < 0)
		return r;
	p.catalog = catalog;
	if (args->count) {
		p.asked = args->words[0];
		r = is_of_machine(p.asked) ? find_on_machine(cli, &p, &found, err)
					   : find_in_catalog(&p, err);
	}
	if (r < 0)
		return r;
	if (!cli->json)
		return dv_profiles_print(&cli->out, &p, err);
	r = dv_profiles_json(&p, &text, err);
	if (r == 0)
		(void)fprintf(cli->out.file, "%s\n", text);
	return r;
}

const struct dv_verb dv_verb_profiles = {
	.name = "profiles",
	.args = "[GPU|MODEL]",
	.most = 1,
	.help = "the partitions and vGPU types of a GPU or model",
	.text = "MODEL is an id of the catalogue or the beginning of words of a product's name "
		"(H100-80, \"RTX 4090\"), a vGPU board or type; GPU is the number, address or "
		"UUID of a GPU of this machine, whose partitions are then its driver's own list, "
		"if "
		"that tells one. Without one, all models are listed. Models need neither divvyd "
		"nor a GPU.\n\n"
		"Figures with ~ are derived (memory: from the profile's name, less 10 %) or "
		"inferred (places: from GPUs of the same grid); ? is not known.",
	.options = options,
	.run = run_profiles,
};
