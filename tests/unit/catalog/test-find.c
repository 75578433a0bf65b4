/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a GPU or a profile by what people call it. */
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

static void test_names(void **state)
{
	const struct {
		const char *text, *id;
		size_t others;
	} known[] = {
		{"h100-80-sxm", "h100-80-sxm", 0},
		{"H100-80-SXM", "h100-80-sxm", 0},
		{"H100-80", "h100-80-sxm", 0},
		{"h100 80gb hbm3", "h100-80-sxm", 0},
		{"NVIDIA H100 80GB HBM3", "h100-80-sxm", 0},
		{"  H100 NVL", "h100-94", 0},
		/* All H100 are cut alike; the first whose memory is measured. */
		{"H100", "h100-80-sxm", 3},
		{"A100", "a100-40", 2},
		{"A100-80", "a100-80", 0},
		{"A100-SXM4-40GB", "a100-40", 0},
		{"GH200", "gh200-96", 1},
		{"H200", "h200-141", 0},
		{"H200 NVL", "h200-141", 0},
		{"AX800", "a100-80", 0},
		{"H20", "h20-96", 0}, /* the whole name of one, the beginning of another's */
		/* Whole words go before beginnings: L40 is not L40S, A10 not A100. */
		{"L40S", "l40s", 0},
		{"L40", "l40", 0},
		{"L4", "l4", 0},
		{"A10", "a10", 0},
		{"A30", "a30-24", 0},
		{"T4", "t4", 0},
		{"RTX 4090", "rtx4090", 0},
		{"rtx-4090", "rtx4090", 0},
		{"GeForce RTX 4090", "rtx4090", 0},
		{"RTX 4090 D", "rtx4090-d", 0},
		{"RTX 4080 SU", "rtx4080-super", 0},
		{"RTX PRO 6000", "rtxpro6000-96", 0},
		{"Max-Q", "rtxpro6000-96", 0},
		{"Thor", "thor-gb10b", 0},
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(known); i++) {
		const struct dv_cat_gpu *gpu = NULL;
		struct dv_error err = {0};
		size_t others = 99;

		if (dv_catalog_find(*state, known[i].text, &gpu, &others, &err) < 0)
			fail_msg("%s: %s", known[i].text, err.msg);
		assert_string_equal(gpu->id, known[i].id);
		assert_int_equal(others, known[i].others);
	}
}

static void test_refused(void **state)
{
	const struct {
		const char *text, *rule, *says;
	} wrong[] = {
		{"", "F15", "no GPU called"},
		{" - ", "F15", "no GPU called"},
		{"H900", "F15", "'H900'"},
		{"rtx409", "F15", "'rtx409'"},
		{"4", "F15", "'4'"},
		{"100-80", "F15", "'100-80'"},	     /* a word's middle */
		{"RTX PRO", "F16", "rtxpro6000-96"}, /* grids of 12 and unknown */
		{"RTX 40", "F16", "rtx4090"},
		{"NVIDIA", "F16", "more"},
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(wrong); i++) {
		const struct dv_cat_gpu *gpu = NULL;
		struct dv_error err = {0};

		if (dv_catalog_find(*state, wrong[i].text, &gpu, NULL, &err) != -EINVAL)
			fail_msg("'%s' is taken for %s", wrong[i].text, gpu->id);
		assert_null(gpu);
		assert_string_equal(err.rule, wrong[i].rule);
		if (!strstr(err.msg, wrong[i].says))
			fail_msg("%s: %s", wrong[i].text, err.msg);
		assert_true(err.fix[0] != '\0');
	}
}

static void test_nearest(void **state)
{
	const struct dv_cat_gpu *gpu = NULL;
	struct dv_error err = {0};

	assert_int_equal(dv_catalog_find(*state, "h10-80-sxm", &gpu, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.fix, "'h100-80-sxm'"));
}

static void test_profile(void **state)
{
	const struct dv_cat_gpu *gpu = dv_catalog_by_id(*state, "h100-80-sxm");
	const struct dv_cat_profile *p = NULL;
	struct dv_error err = {0};

	assert_int_equal(dv_cat_profile_find(gpu, "3G.40GB", &p, &err), 0);
	assert_string_equal(p->name, "3g.40gb");
	assert_true(dv_cat_profile_fits(p, 4));
	assert_false(dv_cat_profile_fits(p, 2));

	assert_int_equal(dv_cat_profile_find(gpu, "3g.39gb", &p, &err), -EINVAL);
	assert_string_equal(p->name, "3g.40gb"); /* untouched */
	assert_string_equal(err.rule, "M01");
	assert_non_null(strstr(err.msg, "1g.10gb, 1g.10gb+me, 1g.20gb"));
	assert_non_null(strstr(err.fix, "3g.40gb"));

	dv_error_clear(&err);
	gpu = dv_catalog_by_id(*state, "rtx4090");
	assert_int_equal(dv_cat_profile_find(gpu, "1g.10gb", &p, &err), -EOPNOTSUPP);
	assert_string_equal(err.rule, "M02");

	dv_error_clear(&err);
	gpu = dv_catalog_by_id(*state, "a100-64");
	assert_int_equal(dv_cat_profile_find(gpu, "1g.8gb", &p, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "cannot be checked"));
}

static void test_measured(void **state)
{
	assert_true(dv_cat_measured(dv_catalog_by_id(*state, "h100-80-sxm")));
	assert_true(dv_cat_measured(dv_catalog_by_id(*state, "rtx4090")));
	assert_false(dv_cat_measured(dv_catalog_by_id(*state, "h200-141"))); /* some only */
	assert_false(dv_cat_measured(dv_catalog_by_id(*state, "a100-64")));
}

static void test_vgpu(void **state)
{
	const struct dv_cat_board *board = NULL;
	const struct dv_cat_vgpu *type = NULL;
	struct dv_error err = {0};

	assert_int_equal(dv_catalog_vgpu(*state, "l40s-8q", &board, &type, &err), 0);
	assert_string_equal(type->name, "L40S-8Q");
	assert_string_equal(board->id, "L40S");
	assert_int_equal(dv_catalog_vgpu(*state, "L40S-9Q", &board, &type, &err), -EINVAL);
	assert_string_equal(type->name, "L40S-8Q");
	assert_string_equal(err.rule, "F15");
	assert_non_null(strstr(err.fix, "L40S-"));
}

/* Whatever is asked, the answer is a row that fits, or a refusal that says why. */
static void test_any_text(void **state)
{
	static const char letters[] = "hHaAlLgGrRtTxX1234890- []SsNnPpCc\xc3\xa9";
	const char *given = getenv("DV_TEST_SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : 20240607u;
	uint32_t x = seed ? seed : 1;

	print_message("seed %u\n", seed);
	for (int i = 0; i < 3000; i++) {
		const struct dv_cat_gpu *gpu = NULL;
		struct dv_error err = {0};
		char text[12];
		size_t len;

		x = x * 1664525u + 1013904223u;
		len = (x >> 16) % sizeof(text);
		for (size_t j = 0; j < len; j++) {
			x = x * 1664525u + 1013904223u;
			text[j] = letters[(x >> 16) % (sizeof(letters) - 1)];
		}
		text[len] = '\0';
		if (dv_catalog_find(*state, text, &gpu, NULL, &err) < 0) {
			assert_null(gpu);
			assert_true(err.msg[0] && err.rule[0] == 'F');
		} else {
			assert_non_null(gpu);
			assert_int_equal(err.code, 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	 cmocka_unit_test(test_refused),
		cmocka_unit_test(test_nearest),	 cmocka_unit_test(test_profile),
		cmocka_unit_test(test_measured), cmocka_unit_test(test_vgpu),
		cmocka_unit_test(test_any_text),
	};

	return cmocka_run_group_tests_name("catalog/find", tests, setup, teardown);
}
