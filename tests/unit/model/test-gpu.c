/* SPDX-License-Identifier: Apache-2.0 */
#include "model/gpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "random.h"

static const struct dv_gpu h100 = {
	.id = "0",
	.uuid = "GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f",
	.kind = DV_GPU_NVIDIA,
	.model = "h100-80-sxm",
	.product = "NVIDIA H100 80GB HBM3",
	.address = "0000:1b:00.0",
};

static const struct dv_gpu rtx = {
	.id = "1",
	.uuid = "GPU-1",
	.kind = DV_GPU_NVIDIA,
	.model = "rtx-4090",
	.product = "NVIDIA GeForce RTX 4090",
};

static void test_kinds(void **state)
{
	struct dv_error err = {0};
	enum dv_gpu_kind kind;

	for (int i = 0; i < DV_GPU_KIND_COUNT; i++) {
		assert_int_equal(
			dv_gpu_kind_parse(dv_gpu_kind_name((enum dv_gpu_kind)i), &kind, &err), 0);
		assert_int_equal(kind, i);
	}
	assert_int_equal(dv_gpu_kind_parse("nvidea", &kind, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "did you mean 'nvidia'"));
	assert_string_equal(dv_gpu_kind_name(DV_GPU_KIND_COUNT), "unknown");
}

static void test_matches_identity(void **state)
{
	assert_true(dv_gpu_matches(&h100, "0"));
	assert_true(dv_gpu_matches(&h100, "GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f"));
	assert_true(dv_gpu_matches(&h100, "gpu-5C89852C-d268-c3f3-1b07-005d5ae1dc3f"));
	assert_true(dv_gpu_matches(&h100, "0000:1B:00.0"));
	assert_true(dv_gpu_matches(&h100, "h100-80-sxm"));
	assert_false(dv_gpu_matches(&h100, "1"));
	assert_false(dv_gpu_matches(&h100, "GPU-5c89852c"));
	assert_false(dv_gpu_matches(&h100, "0000:1b"));
	assert_false(dv_gpu_is_model(&rtx, ""));
	/* A device without an address is not named by nothing. */
	assert_false(dv_gpu_matches(&rtx, ""));
}

static void test_matches_product(void **state)
{
	assert_true(dv_gpu_matches(&h100, "H100-80"));
	assert_true(dv_gpu_matches(&h100, "h100 80gb"));
	assert_true(dv_gpu_matches(&h100, "H100"));
	assert_true(dv_gpu_matches(&h100, "nvidia h100"));
	assert_true(dv_gpu_matches(&h100, "HBM3"));
	assert_true(dv_gpu_matches(&h100, "80GB HBM"));
	assert_true(dv_gpu_matches(&rtx, "RTX 4090"));
	assert_true(dv_gpu_matches(&rtx, "rtx--4090"));
	assert_true(dv_gpu_matches(&rtx, "rtx 4"));
	assert_false(dv_gpu_matches(&h100, "100"));
	assert_false(dv_gpu_matches(&h100, "H10080"));
	assert_false(dv_gpu_matches(&h100, "H100 HBM3"));
	assert_false(dv_gpu_matches(&h100, "NVIDIA H100 80GB HBM3 PCIe"));
	assert_false(dv_gpu_matches(&h100, "-"));
	assert_false(dv_gpu_matches(&h100, " "));
}

/* A number is an index, or a whole word: GPU 4 of a machine with RTX 4090s is one GPU. */
static void test_matches_number(void **state)
{
	assert_true(dv_gpu_matches(&rtx, "1"));
	assert_true(dv_gpu_matches(&rtx, "4090"));
	assert_false(dv_gpu_matches(&rtx, "4"));
	assert_false(dv_gpu_matches(&h100, "80"));
}

/* The oracle writes every run of words out, in one form, and looks at its beginning. */
static void normal_form(const char *text, char *buf)
{
	size_t n = 0;

	for (; *text; text++) {
		if (*text != ' ' && *text != '-')
			buf[n++] = (char)(*text >= 'A' && *text <= 'Z' ? *text + 32 : *text);
		else if (n && buf[n - 1] != ' ')
			buf[n++] = ' ';
	}
	while (n && buf[n - 1] == ' ')
		n--;
	buf[n] = '\0';
}

static bool oracle_matches(const char *product, const char *text)
{
	char words[128], wanted[128];
	bool number;

	normal_form(product, words);
	normal_form(text, wanted);
	number = wanted[strspn(wanted, "0123456789")] == '\0';
	for (const char *run = words; run; run = strchr(run, ' ')) {
		run += *run == ' ';
		if (!wanted[0] || strncmp(run, wanted, strlen(wanted)) != 0)
			continue;
		if (!number || run[strlen(wanted)] == '\0' || run[strlen(wanted)] == ' ')
			return true;
	}
	return false;
}

static void random_words(char *buf, unsigned letters)
{
	/* Few letters, so that many match. */
	while (letters--)
		*buf++ = "aAb14 --"[random_below(8)];
	*buf = '\0';
}

static void test_matches_oracle(void **state)
{
	unsigned matches = 0;

	random_start("model/gpu");
	for (int i = 0; i < 50000; i++) {
		struct dv_gpu gpu = {.model = "none"};
		char text[8];
		bool wanted;

		random_words(gpu.product, random_below(20));
		random_words(text, random_below(7));
		/* A separator at the end asks for another word to follow; not of interest here. */
		if (text[0] && strchr(" -", text[strlen(text) - 1]))
			continue;
		wanted = oracle_matches(gpu.product, text);
		if (dv_gpu_is_model(&gpu, text) != wanted)
			fail_msg("'%s' in '%s': wanted %d", text, gpu.product, wanted);
		matches += wanted;
	}
	assert_true(matches > 1000);
}

static void test_method_entry(void **state)
{
	struct dv_gpu gpu = h100;

	assert_null(dv_gpu_method(&gpu, DV_METHOD_SLICE));
	gpu.method_count = 2;
	gpu.methods[0].method = DV_METHOD_MIG;
	gpu.methods[1].method = DV_METHOD_SLICE;
	assert_ptr_equal(dv_gpu_method(&gpu, DV_METHOD_SLICE), &gpu.methods[1]);
	assert_null(dv_gpu_method(&gpu, DV_METHOD_VGPU));
}

static void test_title(void **state)
{
	struct dv_gpu gpu = {.uuid = "GPU-1"};
	char buf[DV_GPU_TITLE_SIZE];

	assert_string_equal(dv_gpu_title(&h100, buf), "GPU 0 (NVIDIA H100 80GB HBM3)");
	assert_string_equal(dv_gpu_title(&gpu, buf), "GPU GPU-1");
	gpu.id[0] = '3';
	assert_string_equal(dv_gpu_title(&gpu, buf), "GPU 3");
	memcpy(gpu.model, "l40s", sizeof("l40s"));
	assert_string_equal(dv_gpu_title(&gpu, buf), "GPU 3 (l40s)");
}

static void test_isolates(void **state)
{
	struct dv_gpu cpu = {.kind = DV_GPU_CPU, .cgroup = "sys/fs/cgroup/divvy"};

	assert_int_equal(dv_gpu_isolates(&cpu, DV_METHOD_PARTITION).compute, DV_HOLD_ENFORCED);
	assert_int_equal(dv_gpu_isolates(&cpu, DV_METHOD_SLICE).fault, DV_HOLD_ENFORCED);
	assert_int_equal(dv_gpu_isolates(&h100, DV_METHOD_SLICE).fault, DV_HOLD_NONE);
	assert_int_equal(dv_gpu_isolates(&h100, DV_METHOD_MIG).compute, DV_HOLD_HARDWARE);
	cpu.cgroup[0] = '\0';
	assert_int_equal(dv_gpu_isolates(&cpu, DV_METHOD_PARTITION).compute, DV_HOLD_COOPERATIVE);
	assert_int_equal(dv_gpu_isolates(&cpu, DV_METHOD_PARTITION).memory, DV_HOLD_ENFORCED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),		cmocka_unit_test(test_matches_identity),
		cmocka_unit_test(test_matches_product), cmocka_unit_test(test_matches_number),
		cmocka_unit_test(test_method_entry),	cmocka_unit_test(test_matches_oracle),
		cmocka_unit_test(test_title),		cmocka_unit_test(test_isolates),
	};

	return cmocka_run_group_tests_name("model/gpu", tests, NULL, NULL);
}
