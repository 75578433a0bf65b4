/* SPDX-License-Identifier: Apache-2.0 */
/* The facts themselves: every file is read, every row holds together, and the geometry gives the
 * numbers of layouts that others have counted. */
#include "base/macro.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/catalog/load.h"

static int setup(void **state)
{
	*state = load_catalog();
	return 0;
}

static int teardown(void **state)
{
	dv_catalog_free(*state);
	return 0;
}

static void count_rows(const char *name, const char *text, size_t len, void *arg)
{
	const char *const *key = arg;
	char id[DV_MODEL_SIZE], *end;

	/* A file is called after the row that it holds. */
	if (strncmp(text, "# SPDX", 6) != 0)
		fail_msg("%s: no licence line", name);
	text = strstr(text, *key);
	if (!text)
		return;
	(void)snprintf(id, sizeof(id), "%.60s", text + strlen(*key));
	end = strchr(id, '\n');
	assert_non_null(end);
	*end = '\0';
	for (char *c = id; *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
	if (strncmp(name, id[0] == '"' ? id + 1 : id, strlen(name) - 5) != 0)
		fail_msg("%s holds %s", name, id);
}

static void test_files(void **state)
{
	const char *gpu = "\ngpu: ", *board = "\nvgpu_board: ";
	size_t gpus = each_file("gpus", count_rows, &gpu);
	size_t boards = each_file("vgpu", count_rows, &board);

	/* All but sources and compute instances; all but the series. */
	assert_non_null(dv_catalog_gpu(*state, gpus - 3));
	assert_null(dv_catalog_gpu(*state, gpus - 2));
	assert_non_null(dv_catalog_board(*state, boards - 2));
	assert_null(dv_catalog_board(*state, boards - 1));
	assert_true(gpus >= 65 && boards >= 52);
}

/* The most instances of one profile that stand side by side. */
static uint32_t side_by_side(const struct dv_cat_profile *p)
{
	uint32_t next = 0, count = 0;

	for (unsigned i = 0; i < p->start_count; i++) {
		if (p->starts[i] >= next) {
			count++;
			next = p->starts[i] + p->size;
		}
	}
	return count;
}

static void check_profile(const struct dv_cat_gpu *gpu, const struct dv_cat_profile *p)
{
	unsigned slices = 0, gb = 0;
	char rest[32] = "", shape[48];

	if (sscanf(p->name, "%ug.%ugb%31s", &slices, &gb, rest) < 2)
		fail_msg("%s: %s is no name of a profile", gpu->id, p->name);
	if (slices != p->compute_slices)
		fail_msg("%s: %s has %u slices", gpu->id, p->name, p->compute_slices);
	(void)snprintf(shape, sizeof(shape), "%ug%s", slices, rest);
	if (strcmp(shape, p->shape) != 0 && strncmp(p->shape + strlen(shape), "*", 1) != 0)
		fail_msg("%s: %s is not of shape %s", gpu->id, p->name, p->shape);
	for (unsigned i = 0; i < p->start_count; i++)
		assert_true(p->starts[i] + p->size <= gpu->mig.grid);
	/* Attributes take media engines of which there are few; all else is limited by room. */
	if (p->start_count && !strchr(p->shape, '+') && p->most != side_by_side(p))
		fail_msg("%s: %s: most is %u, side by side stand %u", gpu->id, p->name, p->most,
			 side_by_side(p));
	assert_true(p->sources.len > 0);
	if (p->memory_mib != DV_CAT_UNKNOWN && gpu->memory_mib != DV_CAT_UNKNOWN)
		assert_true(p->memory_mib <= gpu->memory_mib);
	if (p->multiprocessors != DV_CAT_UNKNOWN && gpu->multiprocessors != DV_CAT_UNKNOWN)
		assert_true(p->multiprocessors <= gpu->multiprocessors);
	assert_true(p->memory_mib != 0 && p->multiprocessors != 0);
}

static void test_profiles(void **state)
{
	const struct dv_cat_gpu *gpu;
	size_t profiles = 0;

	for (size_t i = 0; (gpu = dv_catalog_gpu(*state, i)); i++) {
		assert_true(gpu->sources.len > 0);
		assert_true(gpu->memory_mib != 0 && gpu->multiprocessors != 0);
		for (size_t j = 0; j < gpu->mig.profiles.len; j++, profiles++)
			check_profile(gpu, &gpu->mig.profiles.items[j]);
		if (gpu->has_mig && gpu->mig.places != DV_CAT_NO_PLACES)
			assert_true(gpu->mig.profiles.items[0].start_count > 0);
		if (gpu->has_mig && gpu->mig.places == DV_CAT_NO_PLACES)
			for (size_t j = 0; j < gpu->mig.profiles.len; j++)
				assert_int_equal(gpu->mig.profiles.items[j].start_count, 0);
	}
	assert_true(profiles >= 148);
}

static void test_known_figures(void **state)
{
	const struct {
		const char *gpu, *profile;
		uint32_t memory_mib, multiprocessors, size, most;
	} known[] = {
		{"h100-80-sxm", "1g.10gb", 9984, 16, 1, 7},
		{"h100-80-sxm", "1g.20gb", 20096, 26, 2, 4},
		{"h100-80-sxm", "7g.80gb", 81152, 132, 8, 1},
		{"a100-40", "3g.20gb", 19968, 42, 4, 2},
		{"a100-40", "7g.40gb", 40192, 98, 8, 1}, /* 98 of 108 */
		{"a30-24", "4g.24gb", 24000, 56, 4, 1},
		{"rtxpro6000-96", "2g.48gb+gfx", 48512, 94, 6, 2},
		{"h200-141", "1g.18gb", 16384, 16, 1, 7},
		{"h200-141", "3g.71gb", 71168, 60, 4, 2},
		{"b200-180", "2g.45gb", 45312, 36, 2, 3},
		{"gb200-186", "1g.23gb", 22528, 18, 1, 7},
		{"gb200-189", "1g.47gb", 46592, 32, 2, 4},
		{"gb200-189", "7g.189gb", DV_CAT_UNKNOWN, DV_CAT_UNKNOWN, 8, 1},
		{"gh200-144", "2g.36gb", 36096, 32, 2, 3},
	};
	struct dv_error err = {0};

	for (size_t i = 0; i < DV_ARRAY_LEN(known); i++) {
		const struct dv_cat_gpu *gpu = dv_catalog_by_id(*state, known[i].gpu);
		const struct dv_cat_profile *p = NULL;

		assert_non_null(gpu);
		assert_int_equal(dv_cat_profile_find(gpu, known[i].profile, &p, &err), 0);
		assert_int_equal(p->memory_mib, known[i].memory_mib);
		assert_int_equal(p->multiprocessors, known[i].multiprocessors);
		assert_int_equal(p->size, known[i].size);
		assert_int_equal(p->most, known[i].most);
	}
	assert_int_equal(dv_catalog_by_id(*state, "a30-24")->mig.grid, 4);
	assert_int_equal(dv_catalog_by_id(*state, "a100-40")->mig.grid, 8);
	assert_int_equal(dv_catalog_by_id(*state, "rtxpro6000-96")->mig.grid, 12);
	assert_int_equal(dv_catalog_by_id(*state, "rtxpro5000-48")->mig.grid, DV_CAT_UNKNOWN);
}

/* Count the layouts of a GPU made of some shapes: all of them, and those that take no more. */
struct layouts {
	const struct dv_cat_profile *profiles[16];
	size_t count;
	uint32_t grid;
	unsigned all, full;
};

static bool takes_more(const struct layouts *l, uint64_t used)
{
	for (size_t i = 0; i < l->count; i++)
		for (unsigned j = 0; j < l->profiles[i]->start_count; j++)
			if (!(used & ((UINT64_C(1) << l->profiles[i]->size) - 1)
					     << l->profiles[i]->starts[j]))
				return true;
	return false;
}

static void count_layouts(struct layouts *l, uint32_t from, uint64_t used)
{
	if (from == l->grid) {
		l->all++;
		l->full += !takes_more(l, used);
		return;
	}
	count_layouts(l, from + 1, used); /* nothing begins here */
	for (size_t i = 0; i < l->count; i++) {
		const struct dv_cat_profile *p = l->profiles[i];
		uint64_t mask = ((UINT64_C(1) << p->size) - 1) << from;

		if (dv_cat_profile_fits(p, from) && !(used & mask))
			count_layouts(l, from + 1, used | mask);
	}
}

static void test_layouts(void **state)
{
	const struct {
		const char *gpu, *shapes;
		unsigned all, full;
	} known[] = {
		{"a100-40", " 1g 2g 3g 4g 7g ", 298, 19},
		{"h100-80-sxm", " 1g 2g 3g 4g 7g ", 298, 19},
		{"h100-94", " 1g 1g*2 2g 3g 4g 7g ", 723, 78},
		{"a30-24", " 1g 2g 4g ", 26, 5},
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(known); i++) {
		const struct dv_cat_gpu *gpu = dv_catalog_by_id(*state, known[i].gpu);
		struct layouts l = {.grid = gpu->mig.grid};

		for (size_t j = 0; j < gpu->mig.profiles.len; j++) {
			char word[32];

			(void)snprintf(word, sizeof(word), " %s ",
				       gpu->mig.profiles.items[j].shape);
			if (strstr(known[i].shapes, word))
				l.profiles[l.count++] = &gpu->mig.profiles.items[j];
		}
		count_layouts(&l, 0, 0);
		assert_int_equal(l.all, known[i].all);
		assert_int_equal(l.full, known[i].full);
	}
}

static const struct dv_cat_profile *by_shape(const struct dv_cat_gpu *gpu, const char *shape)
{
	for (size_t i = 0; i < gpu->mig.profiles.len; i++)
		if (strcmp(gpu->mig.profiles.items[i].shape, shape) == 0)
			return &gpu->mig.profiles.items[i];
	return NULL;
}

/* GPUs of one grid and one maximum are cut alike: same ids, sizes, places and counts. */
static void test_families(void **state)
{
	const struct dv_cat_gpu *gpu, *like = dv_catalog_by_id(*state, "h100-80-sxm");
	size_t alike = 0;

	for (size_t i = 0; (gpu = dv_catalog_gpu(*state, i)); i++) {
		if (!gpu->has_mig || gpu->mig.grid != 8 || !gpu->mig.profiles.len)
			continue;
		assert_int_equal(gpu->mig.profiles.len, like->mig.profiles.len);
		for (size_t j = 0; j < like->mig.profiles.len; j++) {
			const struct dv_cat_profile *p = &like->mig.profiles.items[j];
			const struct dv_cat_profile *q = by_shape(gpu, p->shape);

			if (!q) {
				fail_msg("%s has no %s", gpu->id, p->shape);
				return;
			}
			assert_int_equal(p->id, q->id);
			assert_int_equal(p->driver_enum, q->driver_enum);
			assert_int_equal(p->compute_slices, q->compute_slices);
			assert_int_equal(p->size, q->size);
			assert_int_equal(p->most, q->most);
			assert_int_equal(p->start_count, q->start_count);
			assert_memory_equal(p->starts, q->starts, p->start_count);
		}
		alike++;
	}
	assert_true(alike >= 16);
}

/* What stands side by side is not more than there is. */
static void check_sum(const struct dv_cat_gpu *gpu, const struct dv_cat_profile *p)
{
	if (p->memory_mib != DV_CAT_UNKNOWN && gpu->memory_mib != DV_CAT_UNKNOWN &&
	    p->most * p->memory_mib > gpu->memory_mib)
		fail_msg("%s: %u of %s have more memory than the GPU", gpu->id, p->most, p->name);
	if (p->multiprocessors != DV_CAT_UNKNOWN && gpu->multiprocessors != DV_CAT_UNKNOWN &&
	    p->most * p->multiprocessors > gpu->multiprocessors)
		fail_msg("%s: %u of %s have more SMs than the GPU", gpu->id, p->most, p->name);
	if (gpu->mig.compute_slices != DV_CAT_UNKNOWN)
		assert_true(p->most * p->compute_slices <= gpu->mig.compute_slices);
	if (gpu->mig.most != DV_CAT_UNKNOWN)
		assert_true(p->most <= gpu->mig.most);
}

static void test_sums(void **state)
{
	const struct dv_cat_gpu *gpu;
	uint32_t most;

	for (size_t i = 0; (gpu = dv_catalog_gpu(*state, i)); i++) {
		most = 0;
		for (size_t j = 0; j < gpu->mig.profiles.len; j++) {
			check_sum(gpu, &gpu->mig.profiles.items[j]);
			most = DV_MAX(most, gpu->mig.profiles.items[j].most);
		}
		/* The GPU's maximum is that of its smallest profile, where places are known. */
		if (gpu->has_mig && gpu->mig.places != DV_CAT_NO_PLACES)
			assert_int_equal(most, gpu->mig.most);
	}
}

/* Types that share a board's time have no more memory together than it has. */
static void test_boards_are_not_overfull(void **state)
{
	const struct dv_cat_board *board;

	for (size_t i = 0; (board = dv_catalog_board(*state, i)); i++) {
		uint32_t whole = 0;

		for (size_t j = 0; j < board->types.len; j++)
			if (!board->types.items[j].partition)
				whole = DV_MAX(whole, board->types.items[j].memory_mib);
		for (size_t j = 0; j < board->types.len; j++) {
			const struct dv_cat_vgpu *t = &board->types.items[j];

			/* NVIDIA's tables round: two of H100L-47C are 10 MiB more than 94C. */
			if (!t->partition && t->most * t->memory_mib > whole + 16)
				fail_msg("%u of %s are more than the board", t->most, t->name);
		}
	}
}

/* Where a source's engines cannot be, that is said of the profiles they stand at, and only there.
 */
static void test_doubtful_engines(void **state)
{
	const struct dv_cat_gpu *gpu;
	unsigned doubtful = 0;

	for (size_t i = 0; (gpu = dv_catalog_gpu(*state, i)); i++)
		for (size_t p = 0; p < gpu->mig.profiles.len; p++) {
			bool is = dv_cat_engines_doubtful(&gpu->mig, &gpu->mig.profiles.items[p]);

			assert_true(!is || strcmp(gpu->id, "b200-180") == 0);
			doubtful += is;
		}
	/* 1g, its double, 2g and 3g; one of a kind contradicts nothing. */
	assert_int_equal(doubtful, 4);
}

/* Every profile that a configuration published with mig-parted v0.15.0 names is some GPU's. */
static void test_published_profiles(void **state)
{
	static const char *const names[] = {
		"1g.5gb",     "1g.5gb+me",	"1g.6gb",      "1g.6gb+me",	 "1g.10gb",
		"1g.10gb+me", "1g.12gb",	"1g.12gb+me",  "1g.18gb",	 "1g.18gb+me",
		"1g.20gb",    "1g.23gb",	"1g.23gb+me",  "1g.24gb",	 "1g.24gb+gfx",
		"1g.24gb+me", "1g.24gb+me.all", "1g.24gb-me",  "1g.34gb",	 "1g.34gb+me",
		"1g.35gb",    "1g.35gb+me",	"1g.36gb",     "1g.45gb",	 "1g.47gb",
		"1g.67gb",    "1g.70gb",	"2g.10gb",     "2g.12gb",	 "2g.12gb+me",
		"2g.20gb",    "2g.24gb",	"2g.35gb",     "2g.36gb",	 "2g.45gb",
		"2g.47gb",    "2g.48gb",	"2g.48gb+gfx", "2g.48gb+me.all", "2g.48gb-me",
		"2g.67gb",    "2g.70gb",	"3g.20gb",     "3g.40gb",	 "3g.47gb",
		"3g.48gb",    "3g.71gb",	"3g.72gb",     "3g.90gb",	 "3g.93gb",
		"3g.95gb",    "3g.135gb",	"3g.139gb",    "4g.20gb",	 "4g.24gb",
		"4g.40gb",    "4g.47gb",	"4g.48gb",     "4g.71gb",	 "4g.72gb",
		"4g.90gb",    "4g.93gb",	"4g.95gb",     "4g.96gb",	 "4g.96gb+gfx",
		"4g.135gb",   "4g.139gb",	"7g.40gb",     "7g.80gb",	 "7g.94gb",
		"7g.96gb",    "7g.141gb",	"7g.144gb",    "7g.180gb",	 "7g.186gb",
		"7g.189gb",   "7g.269gb",	"7g.278gb",
	};
	const struct dv_cat_gpu *gpu;

	for (size_t n = 0; n < DV_ARRAY_LEN(names); n++) {
		bool found = false;

		for (size_t i = 0; !found && (gpu = dv_catalog_gpu(*state, i)); i++)
			for (size_t p = 0; p < gpu->mig.profiles.len; p++)
				found = found ||
					strcmp(gpu->mig.profiles.items[p].name, names[n]) == 0;
		if (!found)
			fail_msg("no GPU has %s", names[n]);
	}
}

static void test_derived_memory(void **state)
{
	const struct dv_cat_gpu *gpu;
	bool derived = true;

	for (size_t i = 0; (gpu = dv_catalog_gpu(*state, i)); i++) {
		for (size_t j = 0; j < gpu->mig.profiles.len; j++) {
			const struct dv_cat_profile *p = &gpu->mig.profiles.items[j];
			uint32_t mib = dv_cat_profile_memory(p, &derived);

			assert_int_equal(derived,
					 p->memory_mib == DV_CAT_UNKNOWN && mib != DV_CAT_UNKNOWN);
			assert_true(mib > 0);
			/* "1g.0gb" says that memory is shared with the host, not that it is 0. */
			if (strstr(p->name, ".0gb"))
				assert_int_equal(mib, DV_CAT_UNKNOWN);
			else
				assert_true(mib != DV_CAT_UNKNOWN);
		}
	}
	gpu = dv_catalog_by_id(*state, "b200-180");
	assert_int_equal(dv_cat_profile_memory(&gpu->mig.profiles.items[6], &derived),
			 180 * 1024 * 9 / 10);
	assert_true(derived);
}

static void test_pci(void **state)
{
	const struct dv_cat_gpu *gpu;
	size_t ids = 0;

	for (size_t i = 0; (gpu = dv_catalog_gpu(*state, i)); i++) {
		for (size_t j = 0; j < gpu->pci.len; j++, ids++) {
			const struct dv_cat_pci *pci = &gpu->pci.items[j];

			for (size_t k = 0; k < pci->subsystems.len; k++)
				assert_ptr_equal(dv_catalog_by_pci(*state, pci->vendor, pci->device,
								   pci->subsystems.items[k].vendor,
								   pci->subsystems.items[k].device),
						 gpu);
			if (!pci->subsystems.len)
				assert_ptr_equal(dv_catalog_by_pci(*state, pci->vendor, pci->device,
								   0x1043, 1),
						 gpu);
		}
	}
	assert_true(ids >= 80);
	/* A vendor's board that pci.ids does not list is still an H100. */
	assert_string_equal(dv_catalog_by_pci(*state, 0x10de, 0x2330, 0x1028, 0x1)->id,
			    "h100-80-sxm");
	/* A16 and A2 are one chip: only the subsystem tells. */
	assert_string_equal(dv_catalog_by_pci(*state, 0x10de, 0x25b6, 0x10de, 0x14a9)->id, "a16");
	assert_string_equal(dv_catalog_by_pci(*state, 0x10de, 0x25b6, 0x10de, 0x157e)->id, "a2");
	assert_null(dv_catalog_by_pci(*state, 0x10de, 0x25b6, 0x10de, 0x1));
	assert_null(dv_catalog_by_pci(*state, 0x1002, 0x2330, 0x10de, 0x1));
}

static void check_type(const struct dv_cat_board *board, const struct dv_cat_vgpu *t)
{
	char plain[64], parted[64], attribute[8] = "";
	size_t len = strlen(board->id);
	unsigned gb = 0, of = 0;
	char series = 0;

	assert_int_equal(strncmp(t->name, board->id, len), 0);
	(void)snprintf(plain, sizeof(plain), "%s", t->name + len);
	(void)snprintf(parted, sizeof(parted), "%s", t->name + len);
	if (t->partition) {
		if (sscanf(parted, "-%u-%u%c%7s", &of, &gb, &series, attribute) < 3)
			fail_msg("%s: not the name of a type on a partition", t->name);
		assert_int_equal(of, t->partition);
		assert_int_equal(t->attribute != NULL, attribute[0] != '\0');
		if (t->attribute)
			assert_int_equal(strcasecmp(t->attribute, attribute), 0);
	} else if (sscanf(plain, "-%u%c", &gb, &series) != 2) {
		fail_msg("%s: not the name of a type", t->name);
	}
	assert_int_equal(series, t->series);
	/* An inexact framebuffer is that of the name, and says so. */
	if (!t->exact)
		assert_int_equal(t->memory_mib, gb * 1024);
	assert_true(t->memory_mib >= gb * 1024 - 1024 && t->memory_mib <= gb * 1024 + 1024);
	assert_true(t->most_mixed == DV_CAT_UNKNOWN || t->most_mixed <= t->most);
	assert_true(t->sources.len > 0);
}

static void test_vgpu_types(void **state)
{
	const struct dv_cat_board *board;
	size_t types = 0, exact = 0;

	for (size_t i = 0; (board = dv_catalog_board(*state, i)); i++) {
		for (size_t j = 0; j < board->types.len; j++, types++) {
			check_type(board, &board->types.items[j]);
			exact += board->types.items[j].exact;
			assert_non_null(dv_catalog_series(*state, board->types.items[j].series));
		}
		for (size_t j = 0; j < board->gpus.len; j++)
			assert_true(dv_cat_board_is_of(
				board, dv_catalog_by_id(*state, board->gpus.items[j])));
	}
	assert_int_equal(types, 722);
	assert_int_equal(exact, 239);
	assert_null(dv_catalog_series(*state, 'Z'));
}

static void test_limits(void **state)
{
	const struct {
		const char *type;
		bool mixed;
		uint32_t most;
		enum dv_cat_limit limit;
	} known[] = {
		{"L40S-48C", false, 1, DV_CAT_LIMIT_MEMORY},
		{"L40S-4C", false, 12, DV_CAT_LIMIT_MEMORY},
		{"l40s-4c", true, 8, DV_CAT_LIMIT_PLACES},
		{"L40S-1Q", false, 32, DV_CAT_LIMIT_BOARD},
		{"L40S-1Q", true, DV_CAT_UNKNOWN, DV_CAT_LIMIT_COUNT},
		{"H100XM-1-10C", false, 7, DV_CAT_LIMIT_PARTITIONS},
		{"H100XM-1-10CME", false, 1, DV_CAT_LIMIT_PARTITIONS},
	};
	struct dv_error err = {0};

	for (size_t i = 0; i < DV_ARRAY_LEN(known); i++) {
		const struct dv_cat_board *board = NULL;
		const struct dv_cat_vgpu *type = NULL;
		enum dv_cat_limit limit = DV_CAT_LIMIT_COUNT;

		assert_int_equal(dv_catalog_vgpu(*state, known[i].type, &board, &type, &err), 0);
		assert_int_equal(dv_cat_vgpu_most(board, type, known[i].mixed, &limit),
				 known[i].most);
		assert_int_equal(limit, known[i].limit);
	}
	assert_string_equal(dv_cat_limit_name(DV_CAT_LIMIT_PLACES), "places");
	assert_string_equal(dv_cat_limit_name((enum dv_cat_limit)99), "unknown");
}

static void test_compute_instances(void **state)
{
	const struct dv_cat_ci_set *set = dv_catalog_ci(*state, 7);

	assert_non_null(set);
	assert_int_equal(set->profiles.len, 5);
	assert_string_equal(set->profiles.items[2].name, "3c");
	assert_int_equal(set->profiles.items[2].start_count, 2);
	assert_int_equal(set->profiles.items[2].starts[1], 4);
	for (uint32_t of = 1; of < 8; of++) {
		set = dv_catalog_ci(*state, of);
		assert_int_equal(set != NULL, of < 5 || of == 7);
		/* The whole of it is always one of the ways. */
		if (set)
			assert_int_equal(set->profiles.items[set->profiles.len - 1].size, of);
	}
}

static void test_sources(void **state)
{
	const struct dv_cat_source *source = dv_catalog_source(*state, "mig-user-guide-580");

	assert_non_null(source);
	assert_non_null(strstr(source->where, "docs.nvidia.com"));
	assert_null(dv_catalog_source(*state, "hearsay"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_profiles),
		cmocka_unit_test(test_known_figures),
		cmocka_unit_test(test_layouts),
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_boards_are_not_overfull),
		cmocka_unit_test(test_doubtful_engines),
		cmocka_unit_test(test_published_profiles),
		cmocka_unit_test(test_derived_memory),
		cmocka_unit_test(test_pci),
		cmocka_unit_test(test_vgpu_types),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_compute_instances),
		cmocka_unit_test(test_sources),
	};

	return cmocka_run_group_tests_name("catalog/data", tests, setup, teardown);
}
