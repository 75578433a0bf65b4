/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/daemon.h"

static void test_found(void **state)
{
	static const struct {
		const char *verb, *path, *name;
		void (*handle)(struct dv_daemon *, struct dv_request *, const char *);
	} cases[] = {
		{"GET", "/v1/status", "", dv_handle_status},
		{"GET", "/v1/leases", "", dv_handle_leases},
		{"POST", "/v1/leases", "", dv_handle_take},
		{"GET", "/v1/leases/tts-0", "tts-0", dv_handle_lease},
		{"DELETE", "/v1/leases/tts-0", "tts-0", dv_handle_release},
		{"GET", "/v1/leases/attach/attach", "attach", dv_handle_attach},
		{"POST", "/v1/leases/a/unenforced", "a", dv_handle_unenforced},
		{"POST", "/v1/leases/a/enter", "a", dv_handle_enter},
		{"GET", "/v1/gpus/0000:01:00.0/holders", "0000:01:00.0", dv_handle_who},
		{"GET", "/metrics", "", dv_handle_metrics},
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(cases); i++) {
		const struct dv_route *route = NULL;
		char name[64];

		assert_int_equal(dv_route_find(cases[i].verb, cases[i].path, &route, name,
					       sizeof(name), NULL),
				 0);
		assert_ptr_equal(route->handle, cases[i].handle);
		assert_string_equal(name, cases[i].name);
	}
}

static void test_not_found(void **state)
{
	static const struct {
		const char *verb, *path;
		int r;
	} cases[] = {
		{"GET", "/", -ENOENT},
		{"GET", "", -ENOENT},
		{"GET", "v1/status", -ENOENT},
		{"GET", "/v1", -ENOENT},
		{"GET", "/v1/", -ENOENT},
		{"GET", "/v1/statuss", -ENOENT},
		{"GET", "/v1/status/", -ENOENT},
		{"GET", "//v1/status", -ENOENT},
		{"GET", "/v1/leases/a/b/c", -ENOENT},
		{"GET", "/v1/leases//attach", -ENOENT},
		{"GET", "/v2/status", -ENOENT},
		{"POST", "/v1/status", -EINVAL},
		{"get", "/v1/status", -EINVAL},
		{"DELETE", "/v1/leases", -EINVAL},
		{"GET", "/v1/leases/a/enter", -EINVAL},
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(cases); i++) {
		const struct dv_route *route = NULL;
		struct dv_error err = {0};
		char name[64];
		int r = dv_route_find(cases[i].verb, cases[i].path, &route, name, sizeof(name),
				      &err);

		if (r != cases[i].r)
			fail_msg("%s %s: %d", cases[i].verb, cases[i].path, r);
		assert_true(err.msg[0]);
		assert_null(route);
	}
}

static void test_long_name(void **state)
{
	const struct dv_route *route = NULL;
	char path[400] = "/v1/leases/", name[64];

	memset(path + 11, 'a', 300);
	assert_int_equal(dv_route_find("GET", path, &route, name, sizeof(name), NULL), -ENOENT);
	path[11 + 63] = '\0';
	assert_int_equal(dv_route_find("GET", path, &route, name, sizeof(name), NULL), 0);
	assert_int_equal(strlen(name), 63);
}

/* Everything that changes something, or shows what others' processes do, is for members only. */
static void test_who_may(void **state)
{
	const struct dv_identity stranger = {.uid = 1000}, member = {.uid = 1001, .allowed = true};

	for (const struct dv_route *route = dv_routes; route->verb; route++) {
		struct dv_error err = {0};
		int r = dv_route_admit(route, &stranger, "divvy", &err);

		assert_int_equal(dv_route_admit(route, &member, "divvy", NULL), 0);
		if (strcmp(route->verb, "GET") != 0)
			assert_int_equal(r, -EPERM);
		if (r == 0)
			continue;
		assert_string_equal(err.rule, "S17");
		assert_non_null(strstr(err.msg, "group 'divvy'"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_not_found),
		cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_who_may),
	};

	return cmocka_run_group_tests_name("daemon/routes", tests, NULL, NULL);
}
