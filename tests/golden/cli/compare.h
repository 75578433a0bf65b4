/* SPDX-License-Identifier: Apache-2.0 */
/* For the golden tests of the command: run it, and compare what it printed with a file of
 * `directory`, or with DV_TEST_REGENERATE=1 write that file anew. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "cli/cli.h"
#include "fake-divvyd.h"

enum { DOCUMENT_MOST = 1 << 20 };

static const char *directory;

static inline void compare(const char *name, const char *text)
{
	dv_autofree char *wanted = NULL;
	struct dv_error err = {0};
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	if (getenv("DV_TEST_REGENERATE")) {
		if (dv_file_write(path, text, strlen(text), 0644, &err) < 0)
			fail_msg("%s", err.msg);
		return;
	}
	if (dv_file_read(path, DOCUMENT_MOST, &wanted, NULL, &err) < 0)
		fail_msg("%s (DV_TEST_REGENERATE=1 makes it)", err.msg);
	if (strcmp(wanted, text) != 0)
		fail_msg("%s is different now:\n%s", path, text);
}

/* Every printed line fits on a terminal of 80 columns; messages in a file do not wrap, documents
 * neither. */
static inline void check_columns(const char *text)
{
	dv_autofree char *copy = strdup(text);
	char *save = NULL;

	assert_non_null(copy);
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (dv_out_width(line) > DV_OUT_COLUMNS)
			fail_msg("wider than a terminal: %s", line);
}

static inline void add_run(struct dv_buf *page, const char *const *words)
{
	struct fake_run run;

	dv_buf_add(page, "$ divvy");
	for (size_t i = 0; words[i]; i++)
		dv_buf_addf(page, " %s", words[i]);
	fake_run(&run, words);
	if (*run.out != '{')
		check_columns(run.out);
	dv_buf_addf(page, "\n%s%s%s[%d]\n\n", run.out, *run.err ? "--- standard error\n" : "",
		    run.err, run.status);
	fake_run_fini(&run);
}

#define ADD_RUN(page, ...) add_run(page, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static inline void finish(const char *name, struct dv_buf *page)
{
	dv_autofree char *text = NULL;

	assert_int_equal(dv_buf_take(page, &text), 0);
	compare(name, text);
}
