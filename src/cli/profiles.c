/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/profiles.h"

#include <string.h>

enum { TEXT = 96 };

bool dv_profiles_has(const struct dv_profiles *p, const struct dv_cat_board *board)
{
	return board == p->board || (p->gpu && dv_cat_board_is_of(board, p->gpu));
}

static void add_sources(const struct dv_catalog *catalog, const struct dv_cat_texts *ids,
			struct dv_profiles_sources *to)
{
	for (size_t i = 0; i < ids->len; i++) {
		const struct dv_cat_source *source = dv_catalog_source(catalog, ids->items[i]);
		bool there = !source || to->len == DV_PROFILES_SOURCES_MOST;

		for (size_t j = 0; j < to->len && !there; j++)
			there = to->items[j] == source;
		if (!there)
			to->items[to->len++] = source;
	}
}

void dv_profiles_sources(const struct dv_profiles *p, struct dv_profiles_sources *ret)
{
	const struct dv_cat_board *board;

	ret->len = 0;
	if (p->gpu) {
		add_sources(p->catalog, &p->gpu->sources, ret);
		for (size_t i = 0; i < p->gpu->mig.profiles.len; i++)
			add_sources(p->catalog, &p->gpu->mig.profiles.items[i].sources, ret);
	}
	for (size_t i = 0; (board = dv_catalog_board(p->catalog, i)); i++) {
		if (!dv_profiles_has(p, board))
			continue;
		add_sources(p->catalog, &board->sources, ret);
		for (size_t j = 0; j < board->types.len; j++)
			if (!p->type || p->type == &board->types.items[j])
				add_sources(p->catalog, &board->types.items[j].sources, ret);
	}
}

static const char *show_number(uint32_t value, char buf[TEXT])
{
	if (value == DV_CAT_UNKNOWN)
		return "?";
	(void)snprintf(buf, TEXT, "%u", value);
	return buf;
}

/* All in one unit, to be compared by eye; documents have the exact figure. */
static const char *show_mib(uint32_t mib, bool doubtful, char buf[TEXT])
{
	int used;

	if (mib == DV_CAT_UNKNOWN)
		return "?";
	used = snprintf(buf, TEXT, "%s%.2f", doubtful ? "~" : "", mib / 1024.0);
	while (used > 0 && buf[used - 1] == '0')
		used--;
	if (used > 0 && buf[used - 1] == '.')
		used--;
	(void)snprintf(buf + used, TEXT - (size_t)used, "GiB");
	return buf;
}

static const char *show_known(enum dv_cat_known known)
{
	return known == DV_CAT_YES ? "yes" : known == DV_CAT_NO ? "no" : "?";
}

/* "0-6", "0,2,4" */
static const char *show_places(const struct dv_cat_profile *p, bool inferred, char buf[TEXT])
{
	size_t used;

	if (!p->start_count)
		return "?";
	used = (size_t)snprintf(buf, TEXT, "%s%u", inferred ? "~" : "", p->starts[0]);
	if (p->start_count > 2 && p->size == 1 &&
	    p->starts[p->start_count - 1] - p->starts[0] + 1u == p->start_count) {
		(void)snprintf(buf + used, TEXT - used, "-%u", p->starts[p->start_count - 1]);
		return buf;
	}
	for (unsigned i = 1; i < p->start_count && used < TEXT; i++)
		used += (size_t)snprintf(buf + used, TEXT - used, ",%u", p->starts[i]);
	return buf;
}

static const char *show_part(const struct dv_cat_gpu *gpu, const struct dv_cat_profile *p,
			     char buf[TEXT])
{
	if (gpu->multiprocessors == DV_CAT_UNKNOWN || p->multiprocessors == DV_CAT_UNKNOWN)
		return "?";
	(void)snprintf(buf, TEXT, "%.1f%%", 100.0 * p->multiprocessors / gpu->multiprocessors);
	return buf;
}

static void print_fact(struct dv_out *out, const char *what, const char *text)
{
	dv_outf(out, "  %-11s ", what);
	dv_out_wrap(out, DV_STYLE_NONE, 14, 14, text);
}

static void print_texts(struct dv_out *out, const char *what, const struct dv_cat_texts *texts)
{
	struct dv_buf buf = {0};
	dv_autofree char *all = NULL;

	for (size_t i = 0; i < texts->len; i++)
		dv_buf_addf(&buf, "%s%s", i ? ", " : "", texts->items[i]);
	if (texts->len && dv_buf_take(&buf, &all) == 0)
		print_fact(out, what, all);
	dv_buf_fini(&buf);
}

static void print_mig_facts(struct dv_out *out, const struct dv_cat_mig *mig, const char *driver)
{
	char text[256], most[TEXT];

	(void)snprintf(text, sizeof(text), "at most %s partitions, driver %s%s",
		       show_number(mig->most, most),
		       mig->min_driver ? mig->min_driver : "not known",
		       mig->min_driver ? " or newer" : "");
	print_fact(out, "MIG", text);
	(void)snprintf(text, sizeof(text),
		       "switching it needs a reset: %s; stays over a reboot: %s",
		       show_known(mig->reset_to_toggle), show_known(mig->mode_survives_reboot));
	print_fact(out, "", text);
	if (driver) {
		(void)snprintf(text, sizeof(text), "profiles and places: from its driver, %s",
			       driver[0] ? driver : "whose version is not known");
		print_fact(out, "", text);
		return;
	}
	(void)snprintf(text, sizeof(text), "places: %s%s; confidence: %s",
		       dv_cat_places_name(mig->places),
		       mig->places == DV_CAT_PRINTED	? " by a real driver"
		       : mig->places == DV_CAT_INFERRED ? " from GPUs of the same grid"
							: "",
		       dv_cat_confidence_name(mig->confidence));
	print_fact(out, "", text);
}

static void print_gpu_facts(struct dv_out *out, const struct dv_cat_gpu *gpu, const char *driver)
{
	char text[256], buf[TEXT];

	print_texts(out, "also", &gpu->also);
	if (gpu->chip) {
		(void)snprintf(text, sizeof(text), "%s %s%s%s",
			       gpu->architecture ? gpu->architecture : "", gpu->chip,
			       gpu->compute_capability ? ", compute capability " : "",
			       gpu->compute_capability ? gpu->compute_capability : "");
		print_fact(out, "chip", text);
	}
	print_fact(out, "memory", show_mib(gpu->memory_mib, false, buf));
	(void)snprintf(text, sizeof(text), "%s%s", show_number(gpu->multiprocessors, buf),
		       gpu->multiprocessors == DV_CAT_UNKNOWN ? "" : " SMs");
	print_fact(out, "compute", text);
	print_fact(out, "passthrough", show_known(gpu->passthrough));
	print_fact(out, "vGPU types", show_known(gpu->vgpu));
	if (gpu->has_mig)
		print_mig_facts(out, &gpu->mig, driver);
	else
		print_fact(out, "MIG", "no (M02)");
}

static int print_mig(struct dv_out *out, const struct dv_cat_gpu *gpu, struct dv_error *err)
{
	static const struct dv_column columns[] = {
		{"PROFILE", false, 0}, {"MEMORY", true, 0},  {"SMS", true, 0}, {"OF GPU", true, 0},
		{"UNITS", true, 0},    {"PLACES", false, 0}, {"MOST", true, 0}};
	dv_cleanup(dv_table_fini) struct dv_table table;
	char buf[TEXT];

	dv_table_init(&table, columns, DV_ARRAY_LEN(columns));
	dv_outf(out, "\n");
	dv_out_style(out, DV_STYLE_HEAD, "MIG profiles");
	if (gpu->mig.grid == DV_CAT_UNKNOWN)
		dv_outf(out, " (need no licence; the grid is not known)\n");
	else
		dv_outf(out, " (need no licence; a grid of %u units)\n", gpu->mig.grid);
	if (!gpu->mig.profiles.len) {
		dv_outf(out, "  ? none are known\n");
		return 0;
	}
	for (size_t i = 0; i < gpu->mig.profiles.len; i++) {
		const struct dv_cat_profile *p = &gpu->mig.profiles.items[i];
		bool derived;
		uint32_t mib = dv_cat_profile_memory(p, &derived);

		dv_table_add(&table, "%s", p->name);
		dv_table_add(&table, "%s", show_mib(mib, derived, buf));
		dv_table_add(&table, "%s", show_number(p->multiprocessors, buf));
		dv_table_add(&table, "%s", show_part(gpu, p, buf));
		dv_table_add(&table, "%s", show_number(p->size, buf));
		dv_table_add(&table, "%s", show_places(p, gpu->mig.places == DV_CAT_INFERRED, buf));
		dv_table_add(&table, "%s", show_number(p->most, buf));
	}
	return dv_table_print(&table, out, 2, err);
}

static void add_type(struct dv_table *table, const struct dv_cat_board *board,
		     const struct dv_cat_vgpu *type)
{
	enum dv_cat_limit limit = DV_CAT_LIMIT_COUNT;
	uint32_t most = dv_cat_vgpu_most(board, type, false, &limit);
	char buf[TEXT];

	dv_table_add(table, "%s", type->name);
	dv_table_add(table, "%s", show_mib(type->memory_mib, !type->exact, buf));
	dv_table_add(table, "%s", show_number(most, buf));
	dv_table_add(table, "%s", type->partition ? "-" : show_number(type->most_mixed, buf));
	dv_table_add(table, "%s", dv_cat_limit_name(limit));
	dv_table_add(table, "%c", type->series);
}

static int print_board(struct dv_out *out, const struct dv_profiles *p,
		       const struct dv_cat_board *board, bool series[26], struct dv_error *err)
{
	static const struct dv_column columns[] = {{"TYPE", false, 0},	{"MEMORY", true, 0},
						   {"MOST", true, 0},	{"MIXED", true, 0},
						   {"LIMIT", false, 0}, {"LICENCE", false, 0}};
	dv_cleanup(dv_table_fini) struct dv_table table;

	dv_table_init(&table, columns, DV_ARRAY_LEN(columns));
	dv_outf(out, "\n");
	dv_out_style(out, DV_STYLE_HEAD, "vGPU types of the board %s", board->id);
	dv_outf(out, " (%s)\n", board->name);
	for (size_t i = 0; i < board->types.len; i++) {
		const struct dv_cat_vgpu *type = &board->types.items[i];

		if (p->type && p->type != type)
			continue;
		add_type(&table, board, type);
		series[type->series - 'A'] = true;
	}
	return dv_table_print(&table, out, 2, err);
}

static void print_licences(struct dv_out *out, const struct dv_profiles *p, const bool series[26])
{
	dv_outf(out, "\n");
	for (int letter = 'A'; letter <= 'Z'; letter++) {
		const struct dv_cat_series *s = dv_catalog_series(p->catalog, (char)letter);

		if (!series[letter - 'A'] || !s)
			continue;
		dv_outf(out, "  licence %c: ", letter);
		dv_out_wrap(out, DV_STYLE_NONE, 13, 13, s->licence);
	}
}

static int print_boards(struct dv_out *out, const struct dv_profiles *p, struct dv_error *err)
{
	const struct dv_cat_board *board;
	bool series[26] = {false}, any = false;
	int r = 0;

	for (size_t i = 0; r == 0 && (board = dv_catalog_board(p->catalog, i)); i++) {
		if (!dv_profiles_has(p, board))
			continue;
		r = print_board(out, p, board, series, err);
		any = true;
	}
	if (r == 0 && any)
		print_licences(out, p, series);
	return r;
}

static void print_note(struct dv_out *out, const char *of, const char *note)
{
	if (!note)
		return;
	dv_outf(out, "  note: %s%s", of, *of ? ": " : "");
	dv_out_wrap(out, DV_STYLE_NONE, 8, 8 + (*of ? (unsigned)strlen(of) + 2 : 0), note);
}

static bool has_doubtful_engines(const struct dv_cat_gpu *gpu)
{
	for (size_t i = 0; i < gpu->mig.profiles.len; i++)
		if (dv_cat_engines_doubtful(&gpu->mig, &gpu->mig.profiles.items[i]))
			return true;
	return false;
}

static void print_notes(struct dv_out *out, const struct dv_profiles *p)
{
	const struct dv_cat_board *board;

	for (size_t i = 0; p->gpu && i < p->gpu->notes.len; i++)
		print_note(out, "", p->gpu->notes.items[i]);
	if (p->gpu && has_doubtful_engines(p->gpu))
		print_note(out, "doubtful",
			   "the numbers of engines contradict how many partitions there can be; no "
			   "plan counts them");
	for (size_t i = 0; p->gpu && i < p->gpu->mig.profiles.len; i++)
		print_note(out, p->gpu->mig.profiles.items[i].name,
			   p->gpu->mig.profiles.items[i].note);
	for (size_t i = 0; (board = dv_catalog_board(p->catalog, i)); i++) {
		if (!dv_profiles_has(p, board))
			continue;
		for (size_t j = 0; j < board->types.len; j++)
			if (!p->type || p->type == &board->types.items[j])
				print_note(out, board->types.items[j].name,
					   board->types.items[j].note);
	}
}

static void print_sources(struct dv_out *out, const struct dv_profiles *p)
{
	struct dv_profiles_sources sources;

	if (!p->sources) {
		dv_outf(out, "  Where this comes from: divvy profiles %s --sources\n",
			p->gpu	  ? p->gpu->id
			: p->type ? p->type->name
				  : p->board->id);
		return;
	}
	dv_profiles_sources(p, &sources);
	dv_outf(out, "\n");
	dv_out_style(out, DV_STYLE_HEAD, "Sources\n");
	for (size_t i = 0; i < sources.len; i++) {
		dv_outf(out, "  ");
		dv_out_wrap(out, DV_STYLE_NONE, 4, 2, sources.items[i]->what);
		if (sources.items[i]->where)
			dv_outf(out, "    %s\n", sources.items[i]->where); /* never broken */
	}
}

static int print_models(struct dv_out *out, const struct dv_catalog *catalog, struct dv_error *err)
{
	static const struct dv_column columns[] = {{"MODEL", false, 0}, {"NAME", false, 20},
						   {"MEMORY", true, 0}, {"SMS", true, 0},
						   {"MIG", true, 0},	{"VGPU", false, 0}};
	dv_cleanup(dv_table_fini) struct dv_table table;
	const struct dv_cat_gpu *gpu;
	char buf[TEXT];
	int r;

	dv_table_init(&table, columns, DV_ARRAY_LEN(columns));
	for (size_t i = 0; (gpu = dv_catalog_gpu(catalog, i)); i++) {
		dv_table_add(&table, "%s", gpu->id);
		dv_table_add(&table, "%s", gpu->name);
		dv_table_add(&table, "%s", show_mib(gpu->memory_mib, false, buf));
		dv_table_add(&table, "%s", show_number(gpu->multiprocessors, buf));
		dv_table_add(&table, "%s", gpu->has_mig ? show_number(gpu->mig.most, buf) : "-");
		dv_table_add(&table, "%s", show_known(gpu->vgpu));
	}
	r = dv_table_print(&table, out, 0, err);
	if (r == 0)
		dv_outf(out, "\nMIG: partitions at most. ? is not known. One of them: divvy "
			     "profiles MODEL\n");
	return r;
}

int dv_profiles_print(struct dv_out *out, const struct dv_profiles *p, struct dv_error *err)
{
	int r = 0;

	if (!p->asked)
		return print_models(out, p->catalog, err);
	if (p->gpu) {
		dv_out_style(out, DV_STYLE_HEAD, "%s", p->gpu->id);
		dv_outf(out, "  %s\n", p->gpu->name);
		if (p->others)
			dv_outf(out,
				"  '%.24s' fits %zu more that are divided alike; this one's memory "
				"is known\n",
				p->asked, p->others);
		print_gpu_facts(out, p->gpu, p->driver);
		if (p->gpu->has_mig)
			r = print_mig(out, p->gpu, err);
	} else {
		dv_out_style(out, DV_STYLE_HEAD, "%s", p->board->id);
		dv_outf(out, "  %s\n", p->board->name);
	}
	if (r == 0)
		r = print_boards(out, p, err);
	if (r < 0)
		return r;
	dv_outf(out, "\n");
	print_notes(out, p);
	dv_outf(out, "  ~ derived or inferred, not measured; ? not known\n");
	print_sources(out, p);
	return 0;
}
