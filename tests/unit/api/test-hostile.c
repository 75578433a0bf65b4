/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong types, huge numbers, unknown members, documents of something else. */
#include "api/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int request(const char *members, struct dv_lease_request *ret, struct dv_error *err)
{
	char text[1024];

	(void)snprintf(text, sizeof(text), "{\"schema\":\"divvy/request/1\"%s%s}",
		       members[0] ? "," : "", members);
	return dv_api_request_decode(text, strlen(text), ret, err);
}

static void test_request_refused(void **state)
{
	static const struct {
		const char *members, *rule, *words;
	} cases[] = {
		{"\"memory\":\"8GiB\"", "F05", "no member \"memory\""},
		{"\"nmae\":\"a\"", "F05", "no member \"nmae\""},
		{"\"\\u001b[2J\":1", "F05", "no member \"?[2J\""},
		{"\"name\":\"a/b\"", "F08", "a/b"},
		{"\"name\":\"../x\"", "F08", "is no name"},
		{"\"name\":7", "", "\"name\" is not text"},
		{"\"memory_mib\":\"8\"", "", "not a number"},
		{"\"memory_mib\":-1", "", "out of range"},
		{"\"memory_mib\":1e300", "", "out of range"},
		{"\"memory_mib\":1,\"memory_bytes\":1", "F12", "both given"},
		{"\"memory_bytes\":9223372036854775807", "", "out of range"},
		{"\"memory_bytes\":9223372036854775808", "", "not JSON"},
		{"\"memory_bytes\":1.5", "", "not a whole number"},
		{"\"compute_pct\":101", "", "out of range"},
		{"\"compute_pct\":[1]", "", "not a number"},
		{"\"compute_units\":4294967296", "", "out of range"},
		{"\"ephemeral\":1", "", "not true or false"},
		{"\"method\":\"magic\"", "", "'magic' is not a known method"},
		{"\"policy\":\"\\u001b[2J\"", "", "control characters"},
		{"\"gpu\":\"x\\ny\"", "", "control characters"},
		{"\"name\":\"a\",\"name\":\"b\"", "", "not JSON"},
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(cases); i++) {
		struct dv_lease_request ret = {.compute_units = 12345};
		struct dv_error err = {0};

		assert_int_equal(request(cases[i].members, &ret, &err), -EBADMSG);
		assert_string_equal(err.rule, cases[i].rule);
		if (!strstr(err.msg, cases[i].words))
			fail_msg("%s: message is \"%s\"", cases[i].members, err.msg);
		assert_int_equal(ret.compute_units, 12345);
	}
}

static void test_request_accepted(void **state)
{
	struct dv_lease_request ret = {0};

	assert_int_equal(request("", &ret, NULL), 0);
	assert_int_equal(ret.memory_bytes, 0);
	assert_int_equal(request("\"memory_mib\":0.5,\"gpu\":null", &ret, NULL), 0);
	assert_int_equal(ret.memory_bytes, 512 * 1024);
	assert_int_equal(request("\"compute_pct\":12.5", &ret, NULL), 0);
	assert_int_equal(ret.compute_mpct, 12500);
}

static void test_not_json(void **state)
{
	static const char *const texts[] = {"",
					    "{",
					    "[]",
					    "null",
					    "{\"schema\":7}",
					    "{}",
					    "{\"schema\":\"divvy/leases/2\"}",
					    "{\"schema\":\"divvy/gpus/1\"} trailing",
					    "\xff\xfe"};

	for (size_t i = 0; i < DV_ARRAY_LEN(texts); i++) {
		struct dv_leases leases = {0};
		struct dv_lease_request ret;
		struct dv_error err = {0};

		assert_int_equal(dv_api_leases_decode(texts[i], &leases, &err), -EPROTO);
		assert_true(err.msg[0]);
		assert_int_equal(leases.len, 0);
		assert_int_equal(dv_api_request_decode(texts[i], strlen(texts[i]), &ret, NULL),
				 -EBADMSG);
	}
}

/* A million brackets must not end the process. */
static void test_deep(void **state)
{
	const size_t len = 1 << 20;
	struct dv_lease_request ret;
	dv_autofree char *text = malloc(len);

	assert_non_null(text);
	memset(text, '[', len);
	assert_int_equal(dv_api_request_decode(text, len, &ret, NULL), -EBADMSG);
	for (size_t i = 0; i + 5 <= len; i += 5)
		memcpy(text + i, "{\"a\":", 5);
	assert_int_equal(dv_api_request_decode(text, len, &ret, NULL), -EBADMSG);
}

static void test_answers_with_unknown_members(void **state)
{
	static const char text[] =
		"{\"schema\":\"divvy/leases/1\",\"later\":{},\"leases\":[{\"name\":\"a\",\"id\":1,"
		"\"memory_mib\":512,\"compute_pct\":25,\"colour\":\"red\"}]}";
	struct dv_leases leases = {0};

	assert_int_equal(dv_api_leases_decode(text, &leases, NULL), 0);
	assert_int_equal(leases.len, 1);
	assert_int_equal(leases.items[0].memory_bytes, 512u << 20);
	assert_int_equal(leases.items[0].compute_mpct, 25000);
	dv_vec_fini(&leases);
}

static void test_answers_with_wrong_members(void **state)
{
	static const char *const items[] = {
		"7",
		"{\"id\":1}",
		"{\"name\":\"a\",\"id\":-1}",
		"{\"name\":\"a\",\"uid\":4294967296}",
		"{\"name\":\"a\",\"state\":\"confused\"}",
		"{\"name\":\"a\",\"pids\":7}",
		"{\"name\":\"a\",\"pids\":[0]}",
		"{\"name\":\"a\",\"pids\":[1,2],\"pid_count\":1}",
		"{\"name\":\"a\",\"users\":[{\"pid\":0}]}",
		"{\"name\":\"a\",\"users\":[7]}",
		"{\"name\":\"a\",\"users\":[{\"pid\":1}],\"user_count\":2}",
		"{\"name\":\"a\",\"users\":[{\"pid\":1}],\"user_count\":0}",
		"{\"name\":\"a\",\"users\":[{\"pid\":1,\"command\":\"over twenty-three bytes!\"}]}",
		"{\"name\":\"a\",\"pids\":[1,2],\"pid_count\":3}",
		"{\"name\":\"a\",\"memory_bytes\":4611686018427387904}",
		"{\"name\":\"0123456789012345678901234567890123456789012345678901234567890123\"}",
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(items); i++) {
		struct dv_leases leases = {0};
		struct dv_error err = {0};
		char text[512];

		(void)snprintf(text, sizeof(text),
			       "{\"schema\":\"divvy/leases/1\",\"leases\":[%s]}", items[i]);
		assert_int_equal(dv_api_leases_decode(text, &leases, &err), -EPROTO);
		if (strncmp(err.msg, "leases[0]: ", 11) != 0)
			fail_msg("%s: message is \"%s\"", items[i], err.msg);
		assert_null(leases.items);
	}
}

static void test_grant_env(void **state)
{
	static const char text[] = "{\"schema\":\"divvy/grant/1\",\"lease\":{\"name\":\"a\"},"
				   "\"env\":[\"NOVALUE\"]}";
	struct dv_api_grant grant;
	struct dv_error err = {0};

	assert_int_equal(dv_api_grant_decode(text, &grant, &err), -EPROTO);
	assert_string_equal(err.msg, "env[0] is not KEY=VALUE");
	assert_int_equal(dv_api_grant_decode("{\"schema\":\"divvy/grant/1\"}", &grant, NULL),
			 -EPROTO);
}

static void test_error_of_the_future(void **state)
{
	static const char text[] = "{\"schema\":\"divvy/error/1\",\"code\":\"melted\","
				   "\"message\":\"the fan stopped\"}";
	struct dv_error error = {0};

	assert_int_equal(dv_api_error_decode(text, &error, NULL), 0);
	assert_int_equal(error.code, -EIO);
	assert_string_equal(error.msg, "the fan stopped");
	assert_int_equal(dv_api_error_decode("{\"schema\":\"divvy/error/1\"}", &error, NULL),
			 -EPROTO);
}

/* A message that quotes a client can still be read back, and shown. */
static void test_error_with_control_characters(void **state)
{
	struct dv_error error = {.code = -ENOENT, .msg = "no '\x1b[2J\n\xff'"}, back = {0};
	dv_autofree char *text = NULL;

	assert_int_equal(dv_api_error_encode(&error, &text), 0);
	assert_int_equal(dv_api_error_decode(text, &back, NULL), 0);
	assert_string_equal(back.msg, "no '?[2J??"
				      "'");
}

static void test_pci_ids(void **state)
{
	static const char *const wrong[] = {"10de",	"10de:20b0:1", "10DE:20B0",
					    "0x1:20b0", "10de-20b0",   "10de:-0b0"};
	struct dv_gpu gpu = {
		.id = "0", .uuid = "GPU-1", .pci = {.vendor = 0x10de, .device = 0x20b0}};
	dv_autofree char *text = NULL;
	struct dv_gpus back = {0};

	assert_int_equal(dv_api_gpus_encode(&gpu, 1, &text, NULL), 0);
	assert_non_null(strstr(text, "\"pci_id\":\"10de:20b0\""));
	assert_null(strstr(text, "pci_subsystem"));
	for (size_t i = 0; i < DV_ARRAY_LEN(wrong); i++) {
		char one[256];

		(void)snprintf(one, sizeof(one),
			       "{\"schema\":\"divvy/gpus/1\",\"gpus\":[{\"id\":\"0\",\"uuid\":"
			       "\"GPU-1\",\"pci_id\":\"%s\"}]}",
			       wrong[i]);
		assert_int_equal(dv_api_gpus_decode(one, &back, NULL), -EPROTO);
	}
}

/* What a driver calls itself may be no UTF-8; the document still is. */
static void test_not_utf8(void **state)
{
	struct dv_gpu gpu = {.id = "0",
			     .uuid = "GPU-1",
			     .product = "Gr\xe4"
					"fik",
			     .numa_node = -1};
	dv_autofree char *text = NULL;
	struct dv_gpus back = {0};

	assert_int_equal(dv_api_gpus_encode(&gpu, 1, &text, NULL), 0);
	assert_int_equal(dv_api_gpus_decode(text, &back, NULL), 0);
	assert_string_equal(back.items[0].product, "Gr?fik");
	dv_vec_fini(&back);
}

static int plan(const char *steps, struct dv_error *err)
{
	struct dv_plan ret = {0};
	char text[1024];
	int r;

	(void)snprintf(text, sizeof(text),
		       "{\"schema\":\"divvy/plan/1\",\"state\":\"00\",\"steps\":[%s]}", steps);
	r = dv_api_plan_decode(text, strlen(text), &ret, err);
	dv_plan_fini(&ret);
	return r;
}

static void test_plan_steps(void **state)
{
	struct dv_error err = {0};

	assert_int_equal(plan("{\"id\":1,\"op\":\"x\",\"gpu\":\"0\"}", NULL), 0);
	/* Ids count up, and a step needs earlier ones only. */
	assert_int_equal(plan("{\"id\":2,\"op\":\"x\",\"gpu\":\"0\"}", NULL), -EBADMSG);
	assert_int_equal(plan("{\"id\":1,\"op\":\"x\",\"gpu\":\"0\",\"needs\":[1]}", &err),
			 -EBADMSG);
	assert_string_equal(err.msg, "steps[0]: step 1 needs something that is no earlier step");
	assert_int_equal(plan("{\"id\":1,\"op\":\"x\",\"gpu\":\"0\",\"needs\":[0]}", NULL),
			 -EBADMSG);
	assert_int_equal(plan("7", NULL), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request_refused),
		cmocka_unit_test(test_request_accepted),
		cmocka_unit_test(test_not_json),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_answers_with_unknown_members),
		cmocka_unit_test(test_answers_with_wrong_members),
		cmocka_unit_test(test_grant_env),
		cmocka_unit_test(test_error_of_the_future),
		cmocka_unit_test(test_error_with_control_characters),
		cmocka_unit_test(test_pci_ids),
		cmocka_unit_test(test_not_utf8),
		cmocka_unit_test(test_plan_steps),
	};

	return cmocka_run_group_tests_name("api/hostile", tests, NULL, NULL);
}
