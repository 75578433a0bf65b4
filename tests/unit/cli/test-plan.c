/* SPDX-License-Identifier: Apache-2.0 */
/* Fleet files and plans: what is sent to divvyd and what comes of its answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../temporary.h"
#include "api/api.h"
#include "base/file.h"
#include "fake-divvyd.h"
#include "model/units.h"

static char dir[48];

static const char *put(const char *name, const char *text, size_t len)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(dv_file_write(path, text, len, 0644, NULL), 0);
	return path;
}

static const char *put_text(const char *name, const char *text)
{
	return put(name, text, strlen(text));
}

static void assert_run(struct fake_run *run, int status, const char *err_part)
{
	if (run->status != status)
		fail_msg("status %d, not %d: %s", run->status, status, run->err);
	if (err_part && !strstr(run->err, err_part))
		fail_msg("'%s' is not in: %s", err_part, run->err);
	if (!err_part)
		assert_string_equal(run->err, "");
	fake_run_fini(run);
}

static void test_file_travels_as_it_is(void **state)
{
	const struct fake_answer answers[] = {{"POST", "/v1/plan", fake_plan_stands(), {0}}};
	const char *path = put_text("lab.yaml", "# caf\xc3\xa9\nversion: 1\n");
	struct fake_run run;

	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	FAKE_RUN(&run, "plan", path);
	assert_run(&run, 0, NULL);
	assert_non_null(strstr(fake_divvyd_asked(), "# caf\xc3\xa9\\nversion: 1\\n"));
	assert_non_null(strstr(fake_divvyd_asked(), "lab.yaml"));
}

static void test_plan_is_kept_and_used(void **state)
{
	const struct fake_answer answers[] = {{"POST", "/v1/plan", fake_plan(), {0}},
					      {"GET", "/v1/leases", fake_leases(), {0}}};
	const char *path = put_text("lab.yaml", "version: 1\n");
	dv_autofree char *saved = NULL;
	struct fake_run run;
	char out[128];

	(void)snprintf(out, sizeof(out), "%s/plan.json", dir);
	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	FAKE_RUN(&run, "plan", path, "-o", out);
	assert_run(&run, 3, NULL);
	assert_int_equal(dv_file_read(out, 1 << 20, &saved, NULL, NULL), 0);
	assert_string_equal(saved, answers[0].document);
	/* What it was made of is asked for again, with its state. */
	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	FAKE_RUN(&run, "diff", out);
	assert_run(&run, 4, NULL);
	assert_non_null(strstr(fake_divvyd_asked(), "version: 1\\nname: lab\\n"));
	assert_non_null(strstr(fake_divvyd_asked(), "0123456789abcdef"));
}

static void test_files_that_are_refused(void **state)
{
	dv_autofree char *large = malloc((1 << 20) + 2);
	struct fake_run run;

	assert_non_null(large);
	memset(large, '#', (1 << 20) + 1);
	large[(1 << 20) + 1] = '\0';
	fake_divvyd(NULL, 0);
	FAKE_RUN(&run, "plan", put_text("x.yaml", "version: 1\nname: \xff\n"));
	assert_run(&run, 2, "x.yaml:2:7: a byte that is no text: 0xff");
	FAKE_RUN(&run, "plan", put("x.yaml", "a\0b", 3));
	assert_run(&run, 2, "x.yaml:1:2: a byte that is no text: 0x00");
	FAKE_RUN(&run, "plan", put_text("x.yaml", large));
	assert_run(&run, 2, "F14");
	FAKE_RUN(&run, "diff", put_text("x.json", "{\"schema\": \"divvy/bench/1\"}"));
	assert_run(&run, 2, "x.json");
	FAKE_RUN(&run, "plan", put_text("x.json", "{"));
	assert_run(&run, 2, "x.json");
	FAKE_RUN(&run, "plan", "/nonexistent/file");
	assert_run(&run, 2, "/nonexistent/file: No such file");
	FAKE_RUN(&run, "plan", "/");
	assert_run(&run, 2, "/: Is a directory");
	FAKE_RUN(&run, "plan", "/dev/zero");
	assert_run(&run, 2, "F14");
	FAKE_RUN(&run, "plan", put_text("x.json", fake_plan_stands()));
	assert_run(&run, 2, "without its fleet");
}

static void test_assert_and_diff(void **state)
{
	const struct fake_answer same[] = {{"POST", "/v1/plan", fake_plan_stands(), {0}},
					   {"GET", "/v1/leases", fake_leases(), {0}}};
	const struct fake_answer other[] = {{"POST", "/v1/plan", fake_plan(), {0}},
					    {"GET", "/v1/leases", fake_leases(), {0}}};
	const char *path = put_text("lab.yaml", "version: 1\n");
	struct fake_run run;

	fake_divvyd(same, DV_ARRAY_LEN(same));
	FAKE_RUN(&run, "assert", path);
	assert_string_equal(run.out, "");
	assert_run(&run, 0, NULL);
	FAKE_RUN(&run, "--json", "diff", path);
	assert_string_equal(run.out, "{\"schema\": \"divvy/diff/1\", \"diff\": []}\n");
	assert_run(&run, 0, NULL);
	fake_divvyd(other, DV_ARRAY_LEN(other));
	FAKE_RUN(&run, "assert", path);
	assert_string_equal(run.out, "");
	assert_run(&run, 4, "divvy diff ");
	FAKE_RUN(&run, "--json", "diff", path);
	assert_non_null(strstr(run.out, "\"tenant\": \"batch\", \"what\": \"lease\""));
	assert_run(&run, 4, NULL);
	FAKE_RUN(&run, "diff", path);
	assert_non_null(strstr(run.out, "batch"));
	assert_run(&run, 4, NULL);
}

/* Nobody is disturbed without a word, and what was looked at is what is ordered. */
static void test_apply(void **state)
{
	const struct fake_answer quiet[] = {{"POST", "/v1/plan", fake_plan_stands(), {0}},
					    {"POST", "/v1/apply", "{\"a\": 1}", {0}}};
	const struct fake_answer refused[] = {
		{"POST", "/v1/plan", fake_plan(), {0}},
		{"POST",
		 "/v1/apply",
		 NULL,
		 {.code = -ENOSPC, .rule = "G01", .message = "huge can't be placed"}}};
	const struct fake_answer stale[] = {
		{"POST", "/v1/plan", fake_plan_stands(), {0}},
		{"POST",
		 "/v1/apply",
		 NULL,
		 {.code = -ESTALE, .rule = "S12", .message = "the machine changed"}}};
	const char *path = put_text("lab.yaml", "version: 1\n");
	struct fake_run run;

	fake_divvyd(quiet, DV_ARRAY_LEN(quiet));
	FAKE_RUN(&run, "apply", path);
	assert_string_equal(run.out, "lab: as wanted already, 1 tenant stands\n");
	assert_run(&run, 0, NULL);
	assert_non_null(strstr(fake_divvyd_asked(), "\"state\":\"0123456789abcdef\""));
	FAKE_RUN(&run, "--json", "apply", path);
	assert_string_equal(run.out, "{\"a\": 1}\n");
	assert_run(&run, 0, NULL);
	fake_divvyd(stale, DV_ARRAY_LEN(stale));
	FAKE_RUN(&run, "apply", path);
	assert_run(&run, 3, "S12");
	fake_divvyd(refused, DV_ARRAY_LEN(refused));
	FAKE_RUN(&run, "apply", path, "--yes");
	assert_run(&run, 3, "huge can't be placed");
	assert_non_null(strstr(fake_divvyd_asked(), "\"consent\":true"));
}

/* What is the same for several is said once; who stands with another size is not new. */
static void test_plan_resizes(void **state)
{
	const struct fake_answer answers[] = {{"POST", "/v1/plan", fake_plan_resizes(), {0}}};
	const char *path = put_text("lab.yaml", "version: 1\n");
	struct fake_run run;

	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	FAKE_RUN(&run, "plan", path);
	assert_int_equal(run.status, 3);
	assert_non_null(strstr(run.out, "\nnot placed x-0, x-1, x-2, x-3 and 2 more: no room\n"
					"not placed x-6: no GPU\n"));
	assert_non_null(strstr(run.out, "  made anew\n"));
	fake_run_fini(&run);
}

static void test_apply_ends_all(void **state)
{
	const struct fake_answer answers[] = {{"POST", "/v1/plan", fake_plan_ends_all(), {0}},
					      {"POST", "/v1/apply", "{}", {0}}};
	const char *path = put_text("lab.yaml", "version: 1\n");
	struct fake_run run;

	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	FAKE_RUN(&run, "apply", path);
	assert_string_equal(run.out, "lab: done in 1 step, no tenants are left\n");
	fake_run_fini(&run);
}

static void test_apply_needs_consent(void **state)
{
	const struct fake_answer answers[] = {{"POST", "/v1/plan", fake_plan_disturbs(), {0}},
					      {"POST", "/v1/apply", "{\"a\": 1}", {0}}};
	const char *path = put_text("lab.yaml", "version: 1\n");
	struct fake_run run;

	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	FAKE_RUN(&run, "apply", path);
	assert_run(&run, 3, "this would disturb old, older; nothing was changed");
	assert_null(strstr(fake_divvyd_asked(), "/v1/apply"));
	FAKE_RUN(&run, "apply", path, "-y");
	assert_string_equal(run.out, "lab: done in 3 steps, 3 tenants placed\n");
	assert_run(&run, 0, NULL);
}

static struct dv_lease whole(const char *name, const char *fleet, const char *gpu)
{
	struct dv_lease lease = {.method = DV_METHOD_PASSTHROUGH, .state = DV_LEASE_READY};

	(void)snprintf(lease.name, sizeof(lease.name), "%s", name);
	(void)snprintf(lease.fleet, sizeof(lease.fleet), "%s", fleet);
	(void)snprintf(lease.gpu_uuid, sizeof(lease.gpu_uuid), "%s", gpu);
	(void)snprintf(lease.node, sizeof(lease.node), "%s", gpu);
	return lease;
}

/* A tenant of three GPUs has three leases; a name with a number of its own stays alone; what run
 * made is left out; a partition's share is its part of the CPUs. */
static void test_export(void **state)
{
	struct dv_lease leases[] = {
		whole("big.2", "lab", "GPU-2"), whole("big", "lab", "GPU-0"),
		whole("big.1", "lab", "GPU-1"), whole("v1.5", "lab", "GPU-3"),
		whole("part", "lab", "CPU-1"),	whole("run-1", "", "GPU-4"),
	};
	struct dv_gpu cpu = {
		.id = "0", .uuid = "CPU-1", .kind = DV_GPU_CPU, .model = "cpu", .compute_units = 4};
	struct dv_api_status status = {.version = "1",
				       .gpus = {.items = &cpu, .len = 1},
				       .leases = {.items = leases, .len = DV_ARRAY_LEN(leases)}};
	struct fake_answer answers[] = {{"GET", "/v1/status", NULL, {0}}};
	dv_autofree char *document = NULL;
	struct fake_run run;

	leases[4].method = DV_METHOD_PARTITION;
	(void)snprintf(leases[4].node, sizeof(leases[4].node), "CPU-1/p0+1");
	leases[5].ephemeral = true;
	assert_int_equal(dv_api_status_encode(&status, &document, NULL), 0);
	answers[0].document = document;
	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	FAKE_RUN(&run, "export");
	assert_string_equal(run.out, "version: 1\n"
				     "name: lab\n"
				     "tenants:\n"
				     "  - name: big\n"
				     "    kind: process\n"
				     "    gpus: 3\n"
				     "    method: passthrough\n"
				     "  - name: part\n"
				     "    kind: process\n"
				     "    method: partition\n"
				     "    needs: {compute: 25%}\n"
				     "  - name: v1.5\n"
				     "    kind: process\n"
				     "    gpus: 1\n"
				     "    method: passthrough\n");
	assert_run(&run, 0, NULL);
	FAKE_RUN(&run, "export", "--fleet", "other");
	assert_run(&run, 1, "nothing to export");
	FAKE_RUN(&run, "export", "--fleet", "a/b");
	assert_run(&run, 2, "F08");
	FAKE_RUN(&run, "export", "--format", "toml");
	assert_run(&run, 2, "neither divvy nor mig-parted");
	FAKE_RUN(&run, "--json", "export");
	assert_non_null(strstr(run.out, "divvy/fleet/1"));
	assert_non_null(strstr(run.out, "version: 1\\nname: lab\\n"));
	assert_run(&run, 0, NULL);
}

static int clean_up(void **state)
{
	static const char *const names[] = {"lab.yaml", "plan.json", "x.yaml", "x.json"};
	char path[128];

	for (size_t i = 0; i < DV_ARRAY_LEN(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)unlink(path);
	}
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_travels_as_it_is),
		cmocka_unit_test(test_plan_is_kept_and_used),
		cmocka_unit_test(test_files_that_are_refused),
		cmocka_unit_test(test_assert_and_diff),
		cmocka_unit_test(test_apply),
		cmocka_unit_test(test_apply_needs_consent),
		cmocka_unit_test(test_apply_ends_all),
		cmocka_unit_test(test_plan_resizes),
		cmocka_unit_test(test_export),
	};

	if (temporary_make(dir, sizeof(dir), "plan") < 0)
		return 1;
	return cmocka_run_group_tests_name("cli/plan", tests, NULL, clean_up);
}
