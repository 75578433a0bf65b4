/* SPDX-License-Identifier: Apache-2.0 */
#include "base/dirs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static DV_PRINTF(4, 5) int print(char *buf, size_t size, struct dv_error *err, const char *fmt, ...)
{
	char path[512];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= size || (size_t)n >= sizeof(path))
		return dv_error_set(err, -E2BIG, "the directory's name is too long: %.60s...",
				    path);
	(void)snprintf(buf, size, "%s", path);
	return 0;
}

/* A directory of the environment, if it is absolute. */
static const char *env_dir(const char *name)
{
	const char *dir = secure_getenv(name);

	return dir && dir[0] == '/' ? dir : NULL;
}

static bool is_mine(const char *dir)
{
	struct stat st;

	return stat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

int dv_dirs_run(char *buf, size_t size, struct dv_error *err)
{
	const char *runtime = env_dir("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		return print(buf, size, err, "%s", DV_SYSTEM_RUN_DIR);
	if (runtime && is_mine(runtime))
		return print(buf, size, err, "%s/divvy", runtime);
	return print(buf, size, err, "/tmp/divvy-%u", geteuid());
}

int dv_dirs_state(char *buf, size_t size, struct dv_error *err)
{
	const char *state = env_dir("XDG_STATE_HOME");
	const char *home = env_dir("HOME");

	if (geteuid() == 0)
		return print(buf, size, err, "%s", DV_SYSTEM_STATE_DIR);
	if (state)
		return print(buf, size, err, "%s/divvy", state);
	if (home)
		return print(buf, size, err, "%s/.local/state/divvy", home);
	return dv_dirs_run(buf, size, err);
}
