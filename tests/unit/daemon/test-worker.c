/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/worker.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../temporary.h"
#include "base/file.h"

static const char *fake_worker; /* its path */

struct seen {
	unsigned units; /* of its last GPU */
	unsigned count;
	int r;
	bool left_behind;
	unsigned gpu_count;
	char uuid[DV_UUID_SIZE], msg[464], rule[DV_RULE_SIZE];
};

struct fixture {
	sd_event *event;
	struct dv_workers *workers;
	struct dv_workers_config config;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	f->config = (struct dv_workers_config){.program = fake_worker,
					       .root = "/",
					       .nvml = "libnvidia-ml.so.1",
					       .cache_dir = temporary_top(),
					       .probe_ms = 20000,
					       .step_ms = 20000,
					       .kill_ms = 20000};
	*state = f;
	return sd_event_new(&f->event) < 0 ||
	       dv_workers_new(f->event, &f->config, &f->workers, NULL) < 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	dv_workers_free(f->workers);
	sd_event_unref(f->event);
	free(f);
	return 0;
}

static void again(struct fixture *f)
{
	dv_workers_free(f->workers);
	assert_int_equal(dv_workers_new(f->event, &f->config, &f->workers, NULL), 0);
}

static void on_done(void *arg, const struct dv_worker_outcome *outcome)
{
	struct seen *seen = arg;

	seen->count++;
	seen->r = outcome->r;
	seen->left_behind = outcome->left_behind;
	seen->gpu_count = outcome->gpu_count;
	if (outcome->gpu_count)
		seen->units = outcome->gpus[outcome->gpu_count - 1].compute_units;
	if (outcome->gpu_count)
		memcpy(seen->uuid, outcome->gpus[outcome->gpu_count - 1].uuid, sizeof(seen->uuid));
	(void)snprintf(seen->msg, sizeof(seen->msg), "%s", outcome->err ? outcome->err->msg : "");
	(void)snprintf(seen->rule, sizeof(seen->rule), "%s",
		       outcome->err ? outcome->err->rule : "");
}

static int start(struct fixture *f, const char *how, struct seen *seen, struct dv_error *err)
{
	dv_autofree struct dv_worker_request *request = calloc(1, sizeof(*request));

	assert_non_null(request);
	request->what = DV_WORKER_COMMIT;
	(void)snprintf(request->gpu.product, sizeof(request->gpu.product), "%s", how);
	(void)snprintf(request->gpu.uuid, sizeof(request->gpu.uuid), "GPU-%s", how);
	return dv_workers_start(f->workers, request, on_done, seen, err);
}

static void run_until(struct fixture *f, const unsigned *count, unsigned want)
{
	for (unsigned i = 0; i < 1000 && *count < want; i++)
		assert_true(sd_event_run(f->event, 20000000) >= 0);
	assert_int_equal(*count, want);
}

static struct seen ask(struct fixture *f, const char *how)
{
	struct seen seen = {0};

	assert_int_equal(start(f, how, &seen, NULL), 0);
	assert_int_equal(seen.count, 0); /* never before start has returned */
	run_until(f, &seen.count, 1);
	return seen;
}

static void test_good(void **state)
{
	struct seen seen = ask(*state, "good");

	assert_int_equal(seen.r, 0);
	assert_int_equal(seen.gpu_count, 2);
	assert_string_equal(seen.uuid, "GPU-good");
}

static void test_refusal(void **state)
{
	struct seen seen = ask(*state, "refuse");

	assert_int_equal(seen.r, -EBUSY);
	assert_string_equal(seen.rule, "S02");
	assert_string_equal(seen.msg, "it is taken");
}

static void test_bad_answers(void **state)
{
	static const char *const ways[] = {"lie", "old", "short"};

	for (size_t i = 0; i < DV_ARRAY_LEN(ways); i++) {
		struct seen seen = ask(*state, ways[i]);

		assert_int_equal(seen.r, -EPROTO);
		assert_int_equal(seen.gpu_count, 0);
		assert_non_null(strstr(seen.msg, "cannot be read"));
	}
}

/* An answer of many messages is heard whole, or not at all. */
static void test_many_messages(void **state)
{
	struct seen seen = ask(*state, "full");

	assert_true(DV_WORKER_GPUS_MOST * sizeof(struct dv_gpu) > 2 * DV_WORKER_MESSAGE_MOST);
	assert_int_equal(seen.r, 0);
	assert_int_equal(seen.gpu_count, DV_WORKER_GPUS_MOST);
	assert_int_equal(seen.units, DV_WORKER_GPUS_MOST - 1);
	seen = ask(*state, "cut");
	assert_int_equal(seen.r, -EPROTO);
	assert_int_equal(seen.gpu_count, 0);
}

static void test_ends_without_answer(void **state)
{
	struct seen seen = ask(*state, "exit");

	assert_int_equal(seen.r, -EPROTO);
	assert_non_null(strstr(seen.msg, "status 9"));
	seen = ask(*state, "crash");
	assert_int_equal(seen.r, -EPROTO);
	assert_non_null(strstr(seen.msg, "crashed"));
}

static void test_hangs(void **state)
{
	struct fixture *f = *state;
	struct seen seen;

	f->config.step_ms = 30;
	again(f);
	seen = ask(f, "hang");
	assert_int_equal(seen.r, -ETIMEDOUT);
	assert_false(seen.left_behind);
	assert_int_equal(dv_workers_busy(f->workers), 0);
}

/* A worker that answered and then does not end is ended, and has said what it had to. */
static void test_lingers(void **state)
{
	struct fixture *f = *state;
	struct seen seen;

	f->config.kill_ms = 30;
	again(f);
	seen = ask(f, "linger");
	assert_int_equal(seen.r, 0);
	assert_int_equal(dv_workers_busy(f->workers), 0);
}

static void test_more_than_places(void **state)
{
	enum { MANY = DV_WORKERS_MOST + 5 };
	struct seen seen[MANY] = {0}, all = {0};

	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(start(*state, i % 2 ? "good" : "crash", &seen[i], NULL), 0);
	assert_int_equal(dv_workers_busy(((struct fixture *)*state)->workers), MANY);
	while (all.count < MANY) {
		assert_true(sd_event_run(((struct fixture *)*state)->event, 20000000) > 0);
		all.count = 0;
		for (unsigned i = 0; i < MANY; i++)
			all.count += seen[i].count;
	}
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(seen[i].r, i % 2 ? 0 : -EPROTO);
}

static void test_no_program(void **state)
{
	struct fixture *f = *state;
	struct dv_error err = {0};
	struct seen seen = {0};

	f->config.program = "/nonexistent/divvy-worker";
	again(f);
	assert_int_equal(start(f, "good", &seen, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/nonexistent/divvy-worker"));
	assert_int_equal(dv_workers_busy(f->workers), 0);
	assert_int_equal(seen.count, 0);
}

static void copy(const char *from, const char *to)
{
	dv_autofree char *data = NULL;
	size_t len = 0;

	assert_int_equal(dv_file_read(from, 64 << 20, &data, &len, NULL), 0);
	assert_int_equal(dv_file_write(to, data, len, 0700, NULL), 0);
}

/* An upgrade while divvyd runs: its own worker goes on working for it. */
static void test_program_replaced(void **state)
{
	struct fixture *f = *state;
	char dir[64], program[80], newer[80];
	struct seen seen;

	assert_int_equal(temporary_make(dir, sizeof(dir), "worker"), 0);
	(void)snprintf(program, sizeof(program), "%s/divvy-worker", dir);
	(void)snprintf(newer, sizeof(newer), "%s/newer", dir);
	copy(fake_worker, program);
	copy("/bin/true", newer);
	f->config.program = program;
	again(f);
	assert_int_equal(rename(newer, program), 0);
	seen = ask(f, "good");
	assert_int_equal(seen.r, 0);
	assert_string_equal(seen.uuid, "GPU-good");
	/* A new divvyd takes the new one, which is no worker here. */
	again(f);
	assert_int_equal(ask(f, "good").r, -EPROTO);
	assert_int_equal(temporary_remove(dir), 0);
}

/* Nothing that it does not own is closed when it cannot be made. */
static void test_cannot_be_made(void **state)
{
	struct fixture *f = *state;
	struct dv_workers *workers = NULL;
	char cache_dir[400];
	struct dv_error err = {0};

	memset(cache_dir, 'x', sizeof(cache_dir) - 1);
	cache_dir[sizeof(cache_dir) - 1] = '\0';
	f->config.cache_dir = cache_dir;
	assert_int_equal(dv_workers_new(f->event, &f->config, &workers, &err), -E2BIG);
	assert_null(workers);
	assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0);
	f->config.cache_dir = temporary_top();
}

static void test_free_while_running(void **state)
{
	struct seen seen = {0};

	assert_int_equal(start(*state, "hang", &seen, NULL), 0);
	again(*state);
	assert_int_equal(seen.count, 0);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_good),
		T(test_refusal),
		T(test_bad_answers),
		T(test_many_messages),
		T(test_ends_without_answer),
		T(test_hangs),
		T(test_lingers),
		T(test_more_than_places),
		T(test_program_replaced),
		T(test_cannot_be_made),
		T(test_no_program),
		T(test_free_while_running),
	};

	/* Workers start in /, so the path must be absolute. */
	fake_worker = argc > 1 ? realpath(argv[1], NULL) : NULL;
	if (!fake_worker)
		return 2;
	return cmocka_run_group_tests_name("daemon/worker", tests, NULL, NULL);
}
