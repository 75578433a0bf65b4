/* SPDX-License-Identifier: Apache-2.0 */
/* Which GPU a name means, against a slow and plain reading of the rule; and what happens where
 * rows differ, on catalogues made for it. */
#include "base/macro.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/catalog/load.h"
#include "tests/unit/catalog/random.h"

enum { WORDS_MOST = 16, WORD_SIZE = 24 };

/* A text as lower-case words. */
struct words {
	char items[WORDS_MOST][WORD_SIZE];
	unsigned count;
};

static void split(const char *text, struct words *ret)
{
	unsigned n = 0;

	ret->count = 0;
	for (;; text++) {
		if (isalnum((unsigned char)*text)) {
			assert_true(ret->count < WORDS_MOST && n + 1 < WORD_SIZE);
			ret->items[ret->count][n++] = (char)tolower((unsigned char)*text);
			continue;
		}
		if (n) {
			ret->items[ret->count++][n] = '\0';
			n = 0;
		}
		if (!*text)
			return;
	}
}

/* 0: no; 1: the beginning of a word; 2: whole words; 3: whole words to the end. */
static int reading(const char *name, const struct words *asked)
{
	struct words words;
	int best = 0;

	split(name, &words);
	for (unsigned at = 0; at + asked->count <= words.count; at++) {
		const char *last = asked->items[asked->count - 1];
		const char *there = words.items[at + asked->count - 1];
		bool same = true,
		     number = asked->count == 1 && last[strspn(last, "0123456789")] == 0;
		int here;

		for (unsigned i = 0; i + 1 < asked->count; i++)
			same = same && strcmp(words.items[at + i], asked->items[i]) == 0;
		if (!same || strncmp(there, last, strlen(last)) != 0)
			continue;
		if (strcmp(there, last) != 0)
			here = number ? 0 : 1;
		else
			here = at + asked->count == words.count ? 3 : 2;
		best = DV_MAX(best, here);
	}
	return best;
}

static int reading_of_gpu(const struct dv_cat_gpu *gpu, const struct words *asked)
{
	int best = reading(gpu->name, asked) * 2;

	best += best > 0;
	for (size_t i = 0; i < gpu->also.len; i++)
		best = DV_MAX(best, reading(gpu->also.items[i], asked) * 2);
	for (size_t i = 0; i < gpu->pci.len; i++)
		if (gpu->pci.items[i].name)
			best = DV_MAX(best, reading(gpu->pci.items[i].name, asked) * 2);
	return best;
}

/* The answer is one of the best by the plain reading; when it is the only one, it must be taken. */
static void check_meaning(const struct dv_catalog *catalog, const char *text)
{
	const struct dv_cat_gpu *gpu, *found = NULL, *only = NULL;
	struct dv_error err = {0};
	struct words asked;
	size_t count = 0, others = 0;
	int best = 0, r;

	split(text, &asked);
	if (!asked.count || dv_catalog_by_id(catalog, text))
		return;
	for (size_t i = 0; (gpu = dv_catalog_gpu(catalog, i)); i++)
		best = DV_MAX(best, reading_of_gpu(gpu, &asked));
	for (size_t i = 0; best && (gpu = dv_catalog_gpu(catalog, i)); i++) {
		if (reading_of_gpu(gpu, &asked) == best) {
			only = gpu;
			count++;
		}
	}
	r = dv_catalog_find(catalog, text, &found, &others, &err);
	if (!count && strcmp(err.rule, "F15") != 0)
		fail_msg("'%s' means nothing, and is %s", text, found ? found->id : err.msg);
	if (count == 1 && found != only)
		fail_msg("'%s' means %s: %s", text, only->id, r ? err.msg : found->id);
	if (count > 1 && r == 0 && (reading_of_gpu(found, &asked) != best || others != count - 1))
		fail_msg("'%s' is taken for %s, one of %zu", text, found->id, count);
	if (count > 1 && r < 0 && strcmp(err.rule, "F16") != 0)
		fail_msg("'%s' means %zu: %s", text, count, err.msg);
}

/* Every beginning of every run of words of every name. */
static void test_all_beginnings(void **state)
{
	struct dv_catalog *catalog = load_catalog();
	const struct dv_cat_gpu *gpu;
	size_t asked = 0;

	for (size_t i = 0; (gpu = dv_catalog_gpu(catalog, i)); i++) {
		size_t len = strlen(gpu->name);

		for (size_t at = 0; at < len; at++) {
			char text[64];

			if (at && isalnum((unsigned char)gpu->name[at - 1]))
				continue;
			for (size_t n = 1; n <= len - at && n < sizeof(text); n += 1 + n / 6) {
				(void)snprintf(text, sizeof(text), "%.*s", (int)n, gpu->name + at);
				check_meaning(catalog, text);
				asked++;
			}
		}
	}
	assert_true(asked > 1000);
	dv_catalog_free(catalog);
}

/* Pieces of names put together anyhow. */
static void test_mixed_words(void **state)
{
	static const char *const pieces[] = {"H100", "h",    "A1",  "A10",    "80", "80GB",
					     "SXM",  "RTX",  "pro", "6000",   "40", "4090",
					     "L4",   "L40S", "NVL", "nvidia", "GB", "PCIe",
					     "Ada",  "x",    "1",   "GeForce"};
	static const char *const gaps[] = {" ", "-", "  ", "_", "", " [", "/"};
	struct dv_catalog *catalog = load_catalog();
	struct chance c = chance_begin(7);

	for (int i = 0; i < 2000; i++) {
		char text[64] = "";

		for (unsigned n = 1 + chance_below(&c, 3); n; n--) {
			size_t len = strlen(text);

			(void)snprintf(text + len, sizeof(text) - len, "%s%s",
				       pieces[chance_below(&c, DV_ARRAY_LEN(pieces))],
				       n > 1 ? gaps[chance_below(&c, DV_ARRAY_LEN(gaps))] : "");
		}
		check_meaning(catalog, text);
	}
	dv_catalog_free(catalog);
}

static struct dv_catalog *make(const char *const *files)
{
	struct dv_catalog *catalog = NULL;
	struct dv_error err = {0};

	assert_int_equal(dv_catalog_new(&catalog, &err), 0);
	add_file("sources", "sources: {s: {what: S}}\n", 24, catalog);
	for (; *files; files++)
		add_file("made", *files, strlen(*files), catalog);
	assert_int_equal(dv_catalog_seal(catalog, &err), 0);
	return catalog;
}

#define ROW(id, name, memory, grid, profile)                                                       \
	"gpu: " id "\nname: " name "\nsources: [s]\nmig:\n  grid: " grid                           \
	"\n  profiles:\n    - {" profile memory ", compute_slices: 1, sources: [s]}\n"
#define WHOLE_8 "name: 1g.8gb, shape: 1g, size: 8, starts: [0], most: 1"
#define HALF_8 "name: 1g.8gb, shape: 1g, size: 4, starts: [0, 4], most: 2"
#define WHOLE_4 "name: 1g.8gb, shape: 1g, size: 4, starts: [0], most: 1"

static void assert_found(const struct dv_catalog *catalog, const char *text, const char *id)
{
	const struct dv_cat_gpu *gpu = NULL;
	struct dv_error err = {0};

	if (dv_catalog_find(catalog, text, &gpu, NULL, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	assert_string_equal(gpu->id, id);
}

static void assert_refused(const struct dv_catalog *catalog, const char *text, const char *says)
{
	const struct dv_cat_gpu *gpu = NULL;
	struct dv_error err = {0};

	assert_int_equal(dv_catalog_find(catalog, text, &gpu, NULL, &err), -EINVAL);
	assert_null(gpu);
	if (!strstr(err.msg, says))
		fail_msg("says \"%s\", wanted \"%s\"", err.msg, says);
}

/* The first whose memory is known, whatever the order of the files. */
static void test_measured_goes_first(void **state)
{
	const char *const forth[] = {ROW("x-1", "X 1", "", "8", WHOLE_8),
				     ROW("x-2", "X 2", ", memory_mib: 9", "8", WHOLE_8),
				     ROW("x-3", "X 3", ", memory_mib: 9", "8", WHOLE_8), NULL};
	const char *const back[] = {forth[2], forth[1], forth[0], NULL};
	struct dv_catalog *a = make(forth), *b = make(back);

	assert_found(a, "X", "x-2");
	assert_found(b, "X", "x-2");
	assert_found(a, "X 1", "x-1"); /* named, it needs no measurement */
	dv_catalog_free(a);
	dv_catalog_free(b);
}

static void test_nothing_measured(void **state)
{
	const char *const files[] = {ROW("x-1", "X 1", "", "8", WHOLE_8),
				     ROW("x-2", "X 2", "", "8", WHOLE_8), NULL};
	struct dv_catalog *catalog = make(files);

	assert_refused(catalog, "X", "x-1, x-2");
	dv_catalog_free(catalog);
}

static void test_other_grid(void **state)
{
	const char *const files[] = {ROW("x-1", "X 1", ", memory_mib: 9", "8", WHOLE_8),
				     ROW("x-2", "X 2", ", memory_mib: 9", "4", WHOLE_4), NULL};
	struct dv_catalog *catalog = make(files);

	assert_refused(catalog, "X", "x-1, x-2");
	dv_catalog_free(catalog);
}

static void test_other_places(void **state)
{
	const char *const files[] = {ROW("x-1", "X 1", ", memory_mib: 9", "8", WHOLE_8),
				     ROW("x-2", "X 2", ", memory_mib: 9", "8", HALF_8), NULL};
	struct dv_catalog *catalog = make(files);

	assert_refused(catalog, "X", "x-1, x-2");
	dv_catalog_free(catalog);
}

/* A GPU's own name goes before another's second name. */
static void test_own_name_first(void **state)
{
	const char *const files[] = {
		"gpu: a\nname: Other\nalso: [X 96GB]\nsources: [s]\n",
		"gpu: b\nname: X 80GB\nsources: [s]\n",
		NULL,
	};
	struct dv_catalog *catalog = make(files);

	assert_found(catalog, "X", "b");
	assert_found(catalog, "X 96", "a");
	dv_catalog_free(catalog);
}

/* Two without MIG have nothing in common to plan with. */
static void test_without_mig(void **state)
{
	const char *const files[] = {
		"gpu: a\nname: X 1\nmemory_mib: 9\nsources: [s]\n",
		"gpu: b\nname: X 2\nmemory_mib: 9\nsources: [s]\n",
		NULL,
	};
	struct dv_catalog *catalog = make(files);

	assert_refused(catalog, "X", "a, b");
	dv_catalog_free(catalog);
}

/* A message stays one line of bounded length, however many are meant. */
static void test_many_candidates(void **state)
{
	struct dv_catalog *catalog = NULL;
	const struct dv_cat_gpu *gpu = NULL;
	struct dv_error err = {0};

	assert_int_equal(dv_catalog_new(&catalog, &err), 0);
	for (int i = 0; i < 200; i++) {
		char text[128];

		(void)snprintf(text, sizeof(text),
			       "gpu: a-gpu-with-a-long-name-%03d\nname: X %d\nsources: [s]\n", i,
			       i);
		add_file("made", text, strlen(text), catalog);
	}
	add_file("sources", "sources: {s: {what: S}}\n", 24, catalog);
	assert_int_equal(dv_catalog_seal(catalog, &err), 0);
	assert_int_equal(dv_catalog_find(catalog, "X", &gpu, NULL, &err), -EINVAL);
	assert_true(strlen(err.msg) + 1 < sizeof(err.msg));
	assert_non_null(strstr(err.msg, "name-000, "));
	assert_non_null(strstr(err.msg, " more"));
	dv_catalog_free(catalog);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_beginnings),	    cmocka_unit_test(test_mixed_words),
		cmocka_unit_test(test_measured_goes_first), cmocka_unit_test(test_nothing_measured),
		cmocka_unit_test(test_other_grid),	    cmocka_unit_test(test_other_places),
		cmocka_unit_test(test_own_name_first),	    cmocka_unit_test(test_without_mig),
		cmocka_unit_test(test_many_candidates),
	};

	return cmocka_run_group_tests_name("catalog/meaning", tests, NULL, NULL);
}
