/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/machine.h"

#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/dirs.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/where.h"
#include "cli/remote.h"

extern char **environ;

enum { SAID_MOST = 1024, PATH_SIZE = 300 };

/* A machine has GPUs, and no CPU device: the processor is this machine's. */
static const char divvyd_config[] = "version: 1\ndevices:\n  cpu: {enabled: false}\n";

/* What the directory of the machine is called: its name; of a file, the beginning of the
 * file's and a hash of its whole path. */
static int name_of(const char *machine, char *buf, size_t size, struct dv_error *err)
{
	size_t len = strlen(machine);
	dv_autofree char *real = NULL;
	const char *base;

	if (!strchr(machine, '/') && (len < 6 || strcmp(machine + len - 5, ".yaml") != 0)) {
		if (!dv_is_name(machine, DV_NAME_MOST))
			return dv_error_fix(err,
					    dv_error_rule(err, -EINVAL, "F08",
							  "'%.80s' is not the name of a machine",
							  machine),
					    "name one of data/machines, or a file ending in .yaml");
		(void)dv_copy(buf, size, machine);
		return 0;
	}
	real = realpath(machine, NULL);
	if (!real)
		return dv_error_fix(
			err, dv_error_set(err, -EBADMSG, "%.300s: %s", machine, strerror(errno)),
			"check the name, and that you may read it");
	base = strrchr(real, '/') + 1;
	/* Short: a socket's address below it has little room. */
	(void)snprintf(buf, size, "%.8s-%08x", base,
		       (unsigned)dv_hash(DV_HASH_INIT, real, strlen(real)));
	for (char *c = buf; *c; c++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-",
			    *c))
			*c = '-';
	return 0;
}

/* What a process that we started says on standard error, and how it ends. */
static int hear(pid_t pid, int from, char *said, size_t size)
{
	size_t len = 0;
	int status = 0;
	ssize_t n;

	while (len < size - 1 && (n = read(from, said + len, size - 1 - len)) != 0) {
		if (n < 0 && errno != EINTR)
			break;
		len += n > 0 ? (size_t)n : 0;
	}
	said[len] = '\0';
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int make(const char *dir, const char *machine, struct dv_error *err)
{
	char *const argv[] = {(char *)"divvy-sim", (char *)"new", (char *)dir, (char *)machine,
			      NULL};
	posix_spawn_file_actions_t actions;
	char said[SAID_MOST], *line;
	pid_t pid = -1;
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return dv_error_errno(err, errno, "a pipe");
	dv_autoclose int from = ends[0], to = ends[1];

	r = posix_spawn_file_actions_init(&actions);
	if (r)
		return dv_error_errno(err, r, "starting divvy-sim");
	r = posix_spawn_file_actions_adddup2(&actions, to, STDERR_FILENO);
	r = r ? r : posix_spawn(&pid, dv_where(DV_WHERE_SIM), &actions, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	if (r)
		return dv_error_errno(err, r, "starting %s", dv_where(DV_WHERE_SIM));
	close(take_fd(to));
	r = hear(pid, from, said, sizeof(said));
	if (r == 0)
		return 0;
	/* "divvy-sim: why", and on a second line what to do. */
	line = strchr(said, '\n');
	if (line)
		*line++ = '\0';
	r = dv_error_set(err, -EINVAL, "%.400s",
			 strncmp(said, "divvy-sim: ", 11) == 0 ? said + 11 : said);
	if (!line || !*line)
		return dv_error_fix(err, r,
				    "correct the file; docs/simulated-machines.md says "
				    "what may stand in it");
	line[strcspn(line, "\n")] = '\0';
	return dv_error_fix(err, r, "%.400s", line);
}

/* Make what is missing. Somebody may make it at the same moment: then it is there. */
static int prepare(const char *dir, const char *machine, struct dv_error *err)
{
	dv_autofree char *text = NULL;
	char path[PATH_SIZE + 32];
	struct dv_error why = {0};
	size_t len = 0;
	int r = dv_dir_private(dir, err);

	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "%s/machine", dir);
	if (access(path, F_OK) < 0 && make(dir, machine, &why) < 0 && access(path, F_OK) < 0) {
		(void)rmdir(dir); /* if nothing came into it */
		if (err)
			*err = why;
		return why.code;
	}
	(void)snprintf(path, sizeof(path), "%s/libnvidia-ml.so.1", dir);
	if (access(path, F_OK) < 0) {
		r = dv_error_set(err, -ENOENT,
				 "the simulated machine was made by a divvy that is not there any "
				 "more: %s leads nowhere",
				 path);
		return dv_error_fix(err, r, "begin anew: rm -r %s", dir);
	}
	(void)snprintf(path, sizeof(path), "%s/divvyd.yaml", dir);
	if (dv_file_read(path, sizeof(divvyd_config), &text, &len, NULL) == 0 &&
	    strcmp(text, divvyd_config) == 0)
		return 0;
	return dv_file_write(path, divvyd_config, strlen(divvyd_config), 0600, err);
}

static int connect_to(struct dv_cli *cli, const char *dir, struct dv_error *err)
{
	static const char *const names[] = {"--config", "--state-dir", "--lock-dir", "--root",
					    "--nvml"};
	static const char *const files[] = {"divvyd.yaml", "divvyd", "locks", "root",
					    "libnvidia-ml.so.1"};
	char paths[DV_ARRAY_LEN(files)][PATH_SIZE + 32], run[PATH_SIZE + 32];
	const char *options[2 * DV_ARRAY_LEN(files) + 1] = {NULL};
	struct divvy_error error = {0};
	int r;

	for (size_t i = 0; i < DV_ARRAY_LEN(files); i++) {
		(void)snprintf(paths[i], sizeof(paths[i]), "%s/%s", dir, files[i]);
		options[2 * i] = names[i];
		options[2 * i + 1] = paths[i];
	}
	(void)snprintf(run, sizeof(run), "%s/run", dir);
	/* For the machine's driver, in whatever directory a program finds it. */
	if (setenv("DIVVY_SIM_MACHINE", dir, 1) < 0)
		return dv_error_errno(err, errno, "setting the environment");
	r = divvy_connect_private(run, options, &cli->client, &error);
	if (r < 0)
		return dv_remote_adopt(&error, r, err);
	cli->driver_dir = getenv("DIVVY_SIM_MACHINE");
	cli->whose = "of a simulated machine";
	return 0;
}

int dv_machine_connect(struct dv_cli *cli, struct dv_error *err)
{
	char name[DV_NAME_SIZE], run[PATH_SIZE], dir[PATH_SIZE];
	int r = name_of(cli->machine, name, sizeof(name), err);

	if (r == 0)
		r = dv_dirs_run(run, sizeof(run), err);
	if (r < 0)
		return r;
	if (snprintf(dir, sizeof(dir), "%s/machines/%s", run, name) >= (int)sizeof(dir))
		return dv_error_set(err, -E2BIG, "the directory's name is too long: %.60s...", run);
	r = prepare(dir, cli->machine, err);
	return r < 0 ? r : connect_to(cli, dir, err);
}
