/* SPDX-License-Identifier: Apache-2.0 */
/* Screens and documents of the command: without memory one is whole, or it is said that it is not.
 */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "cli/cli.h"
#include "cli/parted.h"
#include "cli/plan_show.h"
#include "cli/run_watch.h"
#include "cli/top.h"
#include "fake-divvyd.h"
#include "torture.h"

enum { PAGE_MOST = 64 << 10, MANY = 20 };

/* A stream whose memory is there before anything fails. */
static char page_text[PAGE_MOST], wanted[PAGE_MOST], stream_buffer[PAGE_MOST];
static FILE *stream;

static struct dv_lease leases[MANY];
static struct dv_gpu gpu = {.id = "0",
			    .uuid = "CPU-1",
			    .product = "a device",
			    .memory_bytes = UINT64_C(8) << 30,
			    .compute_units = 4};
static struct dv_assignment assignments[MANY];
static struct dv_unplaced unplaced = {
	.tenant = "huge", .rule_count = 2, .rules = {"G01", "G02"}, .reason = "too much"};
static struct dv_step steps[MANY];
static struct dv_plan plan = {.fleet = "lab",
			      .assignments = {.items = assignments, .len = MANY},
			      .unplaced = {.items = &unplaced, .len = 1},
			      .steps = {.items = steps, .len = MANY},
			      .waste_memory_bytes = 1 << 20,
			      .cost_note = "nothing"};

static void fill(void)
{
	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(leases[i].name, sizeof(leases[i].name),
			       "a-tenant-with-a-name-that-has-to-be-cut-somewhere-%u", i);
		(void)snprintf(leases[i].gpu_uuid, sizeof(leases[i].gpu_uuid), "CPU-1");
		leases[i].method = DV_METHOD_SLICE;
		leases[i].memory_bytes = 1 << 20;
		leases[i].window_ms = 1000;
		leases[i].got_mpct = 1000 * i;
		(void)snprintf(assignments[i].tenant, sizeof(assignments[i].tenant), "%s",
			       leases[i].name);
		assignments[i].method = DV_METHOD_SLICE;
		assignments[i].start = -1;
		(void)snprintf(steps[i].op, sizeof(steps[i].op), "slice.create");
		steps[i].disturb_count = 1;
		(void)snprintf(steps[i].disturbs[0], sizeof(steps[i].disturbs[0]), "old-%u", i);
	}
}

typedef int (*print_fn)(struct dv_out *out, struct dv_error *err);

static int print_top(struct dv_out *out, struct dv_error *err)
{
	struct dv_api_status status = {.gpus = {.items = &gpu, .len = 1},
				       .leases = {.items = leases, .len = MANY}};

	return dv_top_print(out, &status, DV_TOP_BY_NAME, err);
}

static int print_document(struct dv_out *out, struct dv_error *err)
{
	const struct dv_api_status status = {.gpus = {.items = &gpu, .len = 1},
					     .leases = {.items = leases, .len = MANY}};
	dv_autofree char *text = NULL;
	int r = dv_top_document(&status, &text, err);

	if (r == 0)
		(void)fputs(text, out->file);
	return r;
}

static int print_plan(struct dv_out *out, struct dv_error *err)
{
	return dv_plan_show(out, &plan, err);
}

static int print_help(struct dv_out *out, struct dv_error *err)
{
	dv_help(out, NULL);
	for (size_t i = 0; dv_verbs[i]; i++)
		dv_help(out, dv_verbs[i]);
	return 0;
}

static int print(print_fn fn, char *page)
{
	struct dv_out out = {.file = stream, .utf8 = true, .columns = DV_OUT_COLUMNS};
	struct dv_error err = {0};
	int r;

	rewind(stream);
	r = fn(&out, &err);
	if (fflush(stream) != 0)
		return -EIO;
	(void)fputc('\0', stream);
	(void)fflush(stream);
	memcpy(page, page_text, PAGE_MOST);
	if (r < 0)
		return r == -ENOMEM && err.code == -ENOMEM && err.msg[0] ? -ENOMEM : -EPROTO;
	return out.failed ? -ENOMEM : 0;
}

static char found[PAGE_MOST];

static int torture_print(void *arg)
{
	int r = print(*(print_fn *)arg, found);

	return r == 0 && strcmp(found, wanted) != 0 ? -EPROTO : r;
}

static void test_print(void **state)
{
	static const struct {
		const char *name;
		print_fn fn;
	} pages[] = {
		{"top", print_top},
		{"top's document", print_document},
		{"a plan", print_plan},
		{"help", print_help},
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(pages); i++) {
		print_fn fn = pages[i].fn;

		assert_int_equal(print(fn, wanted), 0);
		assert_true(strlen(wanted) > 100);
		assert_true(torture_run(pages[i].name, torture_print, &fn) > 0);
	}
}

/* The processes below this one: none, but the way there takes memory. */
static int torture_watch(void *arg)
{
	struct dv_error err = {0};
	struct dv_root root = {.fd = -1};
	struct dv_watch watch;
	int r = dv_root_open("/", &root, &err);

	if (r < 0)
		return r;
	dv_watch_init(&watch, &root, 1, &(const struct dv_watch_layer){"layer.so", false}, 100);
	r = dv_watch_descendants(&watch, &err);
	if (r < 0 && (r != -ENOMEM || err.code != -ENOMEM))
		r = r == -EOPNOTSUPP ? 0 : -EPROTO;
	dv_watch_fini(&watch);
	dv_root_fini(&root);
	return r;
}

static void test_watch(void **state)
{
	assert_true(torture_run("the processes of a tenant", torture_watch, NULL) >= 0);
}

/* jansson does not bear it well (torture-api.c); what is tortured here is ours. */
static _Alignas(max_align_t) char arena[1 << 20];
static size_t arena_used;

static void *arena_get(size_t size)
{
	size_t align = _Alignof(max_align_t);
	void *p = arena + arena_used;

	size = (size + align - 1) / align * align;
	if (size > sizeof(arena) - arena_used)
		return NULL;
	arena_used += size;
	return p;
}

static void arena_put(void *p)
{
}

/* divvyd's answer wants memory too: without it the script refuses. */
static const char *status_document;

static char *serve_status(const char *verb, const char *path)
{
	return strdup(status_document);
}

static const char parted[] =
	"version: v1\nmig-configs:\n  x:\n"
	"    - {devices: [0], mig-enabled: true, mig-devices: {\"3g.40gb\": 2}}\n"
	"    - {devices: [1], mig-enabled: false}\n";

static int torture_resolve(void *arg)
{
	struct dv_cli cli = {.out = {.file = stream}, .err = {.file = stream}};
	struct dv_api_wish wish = {.file = "f", .text = strdup(parted)};
	struct dv_error err = {0};
	int r;

	arena_used = 0;
	r = wish.text ? dv_parted_resolve(&cli, NULL, &wish, &err) : -ENOMEM;

	if (r < 0)
		r = r == -ENOMEM && (!wish.text || strcmp(wish.text, parted) == 0) ? r : -EPROTO;
	else if (!strstr(wish.text, "gpu0-3g.40gb-0") || strcmp(wish.file, "config x of f") != 0)
		r = -EPROTO;
	dv_api_wish_fini(&wish);
	return r;
}

static int torture_compare(void *arg)
{
	struct dv_cli cli = {.out = {.file = stream}, .err = {.file = stream}};
	struct dv_api_wish wish = {.file = "f", .text = (char *)parted}; /* only read */
	const struct dv_parted_question question = {.wish = &wish, .quiet = true};
	struct dv_differences differences = {0};
	char name[DV_NAME_SIZE] = "";
	struct dv_error err = {0};
	int r;

	arena_used = 0;
	r = dv_parted_compare(&cli, &question, &differences, name, &err);

	if (r < 0)
		return r == -ENOMEM && !differences.items && !name[0] ? r : -EPROTO;
	r = differences.len == 1 && strcmp(name, "x") == 0 ? 0 : -EPROTO;
	dv_vec_fini(&differences);
	return r;
}

static void test_parted(void **state)
{
	const struct fake_answer answers[] = {
		{"GET", "/v1/status", NULL, {.code = -ENOMEM, .message = "no memory"}}};

	status_document = fake_status_mig();
	fake_divvyd_serve(serve_status);
	json_set_alloc_funcs(arena_get, arena_put);
	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	assert_true(torture_run("a config of mig-parted", torture_resolve, NULL) > 10);
	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	assert_true(torture_run("held against the machine", torture_compare, NULL) > 10);
	fake_divvyd_serve(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_watch),
		cmocka_unit_test(test_parted),
	};

	stream = fmemopen(page_text, sizeof(page_text), "w");
	if (!stream || !setlocale(LC_CTYPE, "C.UTF-8"))
		return 1;
	(void)setvbuf(stream, stream_buffer, _IOFBF, sizeof(stream_buffer));
	fill();
	return cmocka_run_group_tests_name("torture/cli", tests, NULL, NULL);
}
