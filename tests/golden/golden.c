/* SPDX-License-Identifier: Apache-2.0 */
#include "golden.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/macro.h"

enum { FILE_MOST = 16 << 20 };

static const char *wanted_suffix;

static int has_suffix(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name), suffix = strlen(wanted_suffix);

	return len > suffix && strcmp(entry->d_name + len - suffix, wanted_suffix) == 0;
}

/* Show the first line that differs: enough to see what it is about. */
static void show(const char *name, const char *wanted, const char *got)
{
	unsigned line = 1;
	size_t at = 0, start = 0;

	for (; wanted[at] == got[at]; at++)
		if (wanted[at] == '\n') {
			line++;
			start = at + 1;
		}
	printf("%s: line %u differs\n  wanted: %.*s\n  got:    %.*s\n", name, line,
	       (int)strcspn(wanted + start, "\n"), wanted + start, (int)strcspn(got + start, "\n"),
	       got + start);
}

static bool compare(const char *path, const char *name, const char *got)
{
	dv_autofree char *wanted = NULL;
	struct dv_error err = {0};

	if (getenv("DV_TEST_REGENERATE")) {
		if (dv_file_write(path, got, strlen(got), 0644, &err) == 0)
			return true;
	} else if (dv_file_read(path, FILE_MOST, &wanted, NULL, &err) == 0) {
		if (strcmp(wanted, got) == 0)
			return true;
		show(name, wanted, got);
		return false;
	}
	printf("%s: %s\n", name, err.msg);
	return false;
}

static bool check(const char *dir, const char *name, golden_fn fn)
{
	char path[PATH_MAX];
	dv_autofree char *text = NULL, *got = NULL;
	struct dv_error err = {0};
	size_t len;
	int stem = (int)(strlen(name) - strlen(wanted_suffix));

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (dv_file_read(path, FILE_MOST, &text, &len, &err) < 0) {
		printf("%s: %s\n", name, err.msg);
		return false;
	}
	got = fn(name, text, len);
	if (!got) {
		printf("%s: no memory\n", name);
		return false;
	}
	(void)snprintf(path, sizeof(path), "%s/%.*s.expected", dir, stem, name);
	return compare(path, name, got);
}

int golden_run(const char *dir, const char *suffix, golden_fn fn)
{
	struct dirent **entries;
	int count, failed = 0;

	wanted_suffix = suffix;
	count = scandir(dir, &entries, has_suffix, alphasort);
	if (count <= 0) {
		printf("%s: no file ends in %s\n", dir, suffix);
		return 1;
	}
	for (int i = 0; i < count; i++) {
		failed += !check(dir, entries[i]->d_name, fn);
		free(entries[i]);
	}
	free(entries);
	printf("%d compared, %d differ\n", count, failed);
	return failed ? 1 : 0;
}
