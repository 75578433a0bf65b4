/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* An `out` that writes into memory. */
struct page {
	struct dv_out out;
	char *text;
	size_t len;
};

static void page_open(struct page *page, bool utf8, bool colour)
{
	memset(page, 0, sizeof(*page));
	page->out = (struct dv_out){.file = open_memstream(&page->text, &page->len),
				    .utf8 = utf8,
				    .colour = colour,
				    .columns = DV_OUT_COLUMNS};
	assert_non_null(page->out.file);
}

static void page_is(struct page *page, const char *wanted)
{
	assert_int_equal(fclose(page->out.file), 0);
	assert_string_equal(page->text, wanted);
	free(page->text);
}

static void assert_rendered(bool utf8, const char *text, const char *wanted)
{
	struct dv_out out = {.utf8 = utf8};
	dv_autofree char *rendered = dv_out_render(&out, text);

	assert_non_null(rendered);
	assert_string_equal(rendered, wanted);
}

static void test_render(void **state)
{
	assert_rendered(true, "plain\ntwo", "plain\ntwo");
	assert_rendered(true, "\033[31mred\a\x7f\ttab", "?[31mred?? tab");
	assert_rendered(true,
			"\xc2\x9b"
			"31m",
			"?31m"); /* the control sequence of 8 bits */
	assert_rendered(true, "bad \xff\xc3", "bad ??");
	assert_rendered(true, "✓ café", "✓ café");
	assert_rendered(false, "✓ café → …", "ok caf? -> ...");
}

static void test_width(void **state)
{
	assert_int_equal(dv_out_width(""), 0);
	assert_int_equal(dv_out_width("abc"), 3);
	assert_int_equal(dv_out_width("é✓"), 2);
	assert_int_equal(dv_out_width("日本"), 4);	/* two columns each */
	assert_int_equal(dv_out_width("e\xcc\x81"), 1); /* an accent of its own */
}

static void test_bar(void **state)
{
	struct dv_out out = {.utf8 = true};
	char bar[DV_BAR_SIZE];

	assert_string_equal(dv_out_bar(&out, 0, 8, 4, bar), "░░░░");
	assert_string_equal(dv_out_bar(&out, 8, 8, 4, bar), "████");
	assert_string_equal(dv_out_bar(&out, 3, 8, 4, bar), "█▌░░");
	assert_string_equal(dv_out_bar(&out, 1, UINT64_MAX, 4, bar), "▏░░░");
	assert_string_equal(dv_out_bar(&out, 9, 8, 4, bar), "████");
	assert_string_equal(dv_out_bar(&out, 5, 0, 4, bar), "▏░░░");
	out.utf8 = false;
	assert_string_equal(dv_out_bar(&out, 3, 8, 4, bar), "[##..]");
	assert_string_equal(dv_out_bar(&out, 0, 8, 4, bar), "[....]");
	assert_int_equal(strlen(dv_out_bar(&out, 1, 2, 1000, bar)), DV_BAR_COLUMNS_MOST + 2);
}

static void test_colour_only_adds(void **state)
{
	struct page page;

	page_open(&page, true, true);
	dv_out_style(&page.out, DV_STYLE_BAD, "%s", "no\033[2J");
	dv_out_style(&page.out, DV_STYLE_NONE, " x");
	page_is(&page, "\033[31mno?[2J\033[0m x");
	page_open(&page, true, false);
	dv_out_style(&page.out, DV_STYLE_BAD, "no");
	page_is(&page, "no");
}

static void test_wrap(void **state)
{
	struct page page;

	page_open(&page, true, false);
	page.out.columns = 20;
	dv_out_wrap(&page.out, DV_STYLE_NONE, 2, 0, "some words that go on\nfor more than a line");
	page_is(&page, "some words that go\n  on for more than a\n  line\n");
	page_open(&page, true, false);
	page.out.columns = 20;
	dv_out_wrap(&page.out, DV_STYLE_NONE, 2, 0, "a-word-that-is-longer-than-a-line x");
	page_is(&page, "a-word-that-is-longer-than-a-line\n  x\n");
}

static const struct dv_column columns[] = {
	{"NAME"},
	{"SIZE", .right = true},
	{"WHAT", .least = 8},
};

static void fill(struct dv_table *table)
{
	dv_table_init(table, columns, DV_ARRAY_LEN(columns));
	dv_table_add(table, "größe");
	dv_table_add(table, "%d", 7);
	dv_table_add(table, "a text that is rather long for its place");
	dv_table_add(table, "b");
	dv_table_add_style(table, DV_STYLE_GOOD, "12345");
	dv_table_add(table, "%s", "");
}

static void test_table(void **state)
{
	struct dv_table table;
	struct page page;

	fill(&table);
	page_open(&page, true, false);
	assert_int_equal(dv_table_print(&table, &page.out, 1, NULL), 0);
	page_is(&page, " NAME    SIZE  WHAT\n"
		       " größe      7  a text that is rather long for its place\n"
		       " b      12345\n");
	dv_table_fini(&table);
}

/* A name is never cut: where it does not fit it has a line to itself. */
static void test_table_whole(void **state)
{
	static const struct dv_column names[] = {
		{"N"}, {"NAME", .least = 8, .whole = true}, {"SIZE", .right = true}, {"GPU"}};
	struct dv_table table;
	struct page page;

	dv_table_init(&table, names, DV_ARRAY_LEN(names));
	for (int i = 1; i <= 2; i++) {
		dv_table_add(&table, "%d", i);
		dv_table_add(&table, "%s", i == 1 ? "short" : "a-name-that-is-too-long");
		dv_table_add(&table, "8GiB");
		dv_table_add(&table, "0");
	}
	page_open(&page, true, false);
	page.out.columns = 26;
	assert_int_equal(dv_table_print(&table, &page.out, 1, NULL), 0);
	page_is(&page, " N  NAME         SIZE  GPU\n"
		       " 1  short        8GiB  0\n"
		       " 2  a-name-that-is-too-long\n"
		       "                 8GiB  0\n");
	dv_table_fini(&table);
}

/* Sentences in the last column are not cut: they go on below themselves. */
static void test_table_wrap(void **state)
{
	static const struct dv_column log[] = {{"ID", .right = true},
					       {"OUTCOME", .least = 8, .wrap = true}};
	struct dv_table table;
	struct page page;

	dv_table_init(&table, log, DV_ARRAY_LEN(log));
	dv_table_add(&table, "7");
	dv_table_add(&table, "undone: the driver größe failed");
	dv_table_add(&table, "8");
	dv_table_add(&table, "done");
	page_open(&page, true, false);
	page.out.columns = 22;
	assert_int_equal(dv_table_print(&table, &page.out, 1, NULL), 0);
	page_is(&page, " ID  OUTCOME\n"
		       "  7  undone: the\n"
		       "     driver größe\n"
		       "     failed\n"
		       "  8  done\n");
	dv_table_fini(&table);
}

static void test_table_cut(void **state)
{
	struct dv_table table;
	struct page page;

	fill(&table);
	page_open(&page, true, false);
	page.out.columns = 30;
	assert_int_equal(dv_table_print(&table, &page.out, 0, NULL), 0);
	page_is(&page, "NAME    SIZE  WHAT\n"
		       "größe      7  a text that is …\n"
		       "b      12345\n");
	dv_table_fini(&table);
	fill(&table);
	page_open(&page, false, false);
	page.out.columns = 30;
	assert_int_equal(dv_table_print(&table, &page.out, 0, NULL), 0);
	page_is(&page, "NAME    SIZE  WHAT\n"
		       "gr??e      7  a text that i...\n"
		       "b      12345\n");
	dv_table_fini(&table);
}

static void test_table_of_wide_signs(void **state)
{
	static const struct dv_column one[] = {{"N", .least = 8}};
	struct dv_table table;
	struct page page;

	dv_table_init(&table, one, 1);
	dv_table_add(&table, "日本日本日本日本");
	page_open(&page, true, false);
	page.out.columns = 10;
	assert_int_equal(dv_table_print(&table, &page.out, 0, NULL), 0);
	page_is(&page, "N\n日本日本…\n");
	dv_table_fini(&table);
}

static void test_init(void **state)
{
	dv_autofree char *text = NULL;
	struct dv_out out;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);

	assert_non_null(file);
	dv_out_init(&out, file);
	assert_false(out.terminal);
	assert_false(out.colour);
	assert_true(out.utf8);
	assert_int_equal(out.columns, DV_OUT_COLUMNS);
	assert_non_null(setlocale(LC_CTYPE, "C"));
	dv_out_init(&out, file);
	assert_false(out.utf8);
	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
	assert_int_equal(fclose(file), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_render),	    cmocka_unit_test(test_width),
		cmocka_unit_test(test_bar),	    cmocka_unit_test(test_colour_only_adds),
		cmocka_unit_test(test_wrap),	    cmocka_unit_test(test_table),
		cmocka_unit_test(test_table_whole), cmocka_unit_test(test_table_cut),
		cmocka_unit_test(test_table_wrap),  cmocka_unit_test(test_table_of_wide_signs),
		cmocka_unit_test(test_init),
	};

	/* glibc's own: there is no machine without it. */
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return 77;
	return cmocka_run_group_tests_name("cli/output", tests, NULL, NULL);
}
