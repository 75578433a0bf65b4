/* SPDX-License-Identifier: Apache-2.0 */
#include "report/html.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "report/svg.h"

static void expect_text(const char *in, const char *out)
{
	struct dv_buf buf = {0};

	dv_html_text(&buf, in);
	assert_string_equal(buf.data ? buf.data : "", out);
	dv_buf_fini(&buf);
}

static void test_text_is_harmless(void **state)
{
	expect_text("<b>&\"'</b>", "&lt;b&gt;&amp;&quot;&#39;&lt;/b&gt;");
	expect_text("\u00e4\u20ac\U0001f600", "\u00e4\u20ac\U0001f600");
	expect_text("a\x01\x7f", "a??");
	/* Wrong, cut and overlong sequences. */
	expect_text("\xff\xc3", "??");
	expect_text("\xe2\x82", "??");
	expect_text("\xc0\xaf", "??");
	expect_text("\xf5\x80\x80\x80", "????");
}

static void test_scale_is_round_and_not_below(void **state)
{
	assert_true(dv_svg_scale(0.9) == 1);
	assert_true(dv_svg_scale(1) == 1);
	assert_true(dv_svg_scale(1.01) == 2);
	assert_true(dv_svg_scale(21) == 25);
	assert_true(dv_svg_scale(0) == 1);
	assert_true(dv_svg_scale(-3) == 1);
	for (double v = 0.001; v < 1e6; v *= 1.37)
		assert_true(dv_svg_scale(v) >= v * (1 - 1e-9) && dv_svg_scale(v) <= v * 2.5);
}

static void test_bars_show_every_value_and_none_that_is_missing(void **state)
{
	const struct dv_bars_row rows[] = {
		{.label = "first <row>", .value = {12.5, 99}, .has = {true, false}, .mark = 10},
		{.label = "second", .value = {3, 7.25}, .has = {true, true}},
	};
	const struct dv_bars bars = {.title = "t",
				     .unit = "ms",
				     .series_count = 2,
				     .series = {"p50", "p99"},
				     .rows = rows,
				     .row_count = 2};
	struct dv_buf buf = {0};

	dv_svg_bars(&buf, &bars);
	assert_non_null(strstr(buf.data, "first &lt;row&gt;"));
	assert_non_null(strstr(buf.data, ">12.5</text>"));
	assert_non_null(strstr(buf.data, ">7.25</text>"));
	assert_null(strstr(buf.data, ">99</text>"));
	assert_non_null(strstr(buf.data, "stroke-dasharray"));
	dv_buf_fini(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_is_harmless),
		cmocka_unit_test(test_scale_is_round_and_not_below),
		cmocka_unit_test(test_bars_show_every_value_and_none_that_is_missing),
	};

	return cmocka_run_group_tests_name("report/html", tests, NULL, NULL);
}
