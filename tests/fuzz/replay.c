/* SPDX-License-Identifier: Apache-2.0 */
/* Run a fuzz target on every file of the folders that are given: the corpus as an ordinary test. */
#include <dirent.h>
#include <limits.h>
#include <string.h>

#include "base/file.h"
#include "base/macro.h"
#include "fuzz.h"

enum { FILE_MOST = 16 << 20 };

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int replay(const char *path)
{
	dv_autofree char *text = NULL, *exact = NULL;
	struct dv_error err = {0};
	size_t len;

	if (dv_file_read(path, FILE_MOST, &text, &len, &err) < 0) {
		fprintf(stderr, "%s: %s\n", path, err.msg);
		return 1;
	}
	/* No byte more than there is, so that a sanitizer sees who reads beyond. */
	exact = malloc(len);
	if (len && !exact) {
		fprintf(stderr, "%s: no memory\n", path);
		return 1;
	}
	if (len)
		memcpy(exact, text, len);
	/* The last line names the culprit if the target ends the program. */
	printf("%s\n", path);
	fflush(stdout);
	(void)LLVMFuzzerTestOneInput((const uint8_t *)exact, len);
	return 0;
}

static int replay_folder(const char *folder)
{
	struct dirent **entries;
	char path[PATH_MAX];
	int failed = 0, count = scandir(folder, &entries, is_visible, alphasort);

	if (count <= 0) {
		fprintf(stderr, "%s: no corpus\n", folder);
		return 1;
	}
	for (int i = 0; i < count; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		failed += replay(path);
		free(entries[i]);
	}
	free(entries);
	return failed;
}

int main(int argc, char **argv)
{
	int failed = argc < 2;

	for (int i = 1; i < argc; i++)
		failed += replay_folder(argv[i]);
	return failed ? 1 : 0;
}
