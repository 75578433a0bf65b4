/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/run_cuda.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/str.h"
#include "bench/cuda-context.h"

#define LIBRARY "libcuda.so.1"
#define NEEDED DV_CUDA_NEEDED
#define NVML_LIBRARY "libnvidia-ml.so.1"
#define NVML_NEEDED DV_NVML_NEEDED

/* A library of the driver's whose place one of ours takes. */
struct part {
	const char *layer;    /* ours */
	const char *wanted;   /* the driver's: a name for the loader, or a path */
	const char *name;     /* what programs ask for */
	const char *plain;    /* the same without a version */
	const char *needed;   /* by what name ours needs the driver's */
	char found[PATH_MAX]; /* where the loader finds the driver's */
	char real[PATH_MAX];  /* which file that is */
};

enum { FIND_MS = 30000, PATH_MOST = 512, PARTS = 2 };

#define NOTE DV_CUDA_NOTE

static const char *env_of(const struct dv_api_grant *grant, const char *name)
{
	size_t len = strlen(name);

	for (unsigned i = 0; i < grant->env_count; i++)
		if (strncmp(grant->env[i], name, len) == 0 && grant->env[i][len] == '=')
			return grant->env[i] + len + 1;
	return "";
}

/* In a process of its own: where the loader finds it. In a tenant of ours that is our library, and
 * the driver is what that needs. */
static void find(const struct part *part, int to)
{
	void *library = dlopen(part->wanted, RTLD_LAZY | RTLD_LOCAL);
	void *driver = library ? dlopen(part->needed, RTLD_LAZY | RTLD_NOLOAD) : NULL;
	struct link_map *map;
	const char *said;

	if (!library) {
		said = dlerror();
		said = said ? said : "?";
	} else if (dlinfo(driver ? driver : library, RTLD_DI_LINKMAP, &map) == 0) {
		said = map->l_name;
	} else {
		said = "";
	}
	(void)!write(to, said, strlen(said));
	_exit(0);
}

/* All that it says before it ends; false when it takes too long. */
static bool hear(int from, char *buf, size_t size)
{
	struct pollfd pollfd = {.fd = from, .events = POLLIN};
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len < size - 1) {
		int ready = poll(&pollfd, 1, FIND_MS);

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return false;
		n = read(from, buf + len, size - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	buf[len] = '\0';
	return true;
}

static int no_driver(struct dv_error *err, const char *name, const char *why)
{
	int r = dv_error_rule(err, -ENOENT, "G03",
			      "there is no CUDA driver to put a limit on: %s: %.200s; nothing was "
			      "started",
			      name, why);

	return dv_error_fix(err, r,
			    "install the driver's libraries for CUDA where the loader finds them");
}

static int find_driver(struct part *part, struct dv_error *err)
{
	char *buf = part->found;
	int ends[2], status;
	bool heard;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return dv_error_errno(err, errno, "making a pipe");
	dv_autoclose int from = ends[0], to = ends[1];

	pid = fork();
	if (pid < 0)
		return dv_error_errno(err, errno, "starting a process");
	if (pid == 0)
		find(part, to);
	close(take_fd(to));
	heard = hear(from, buf, sizeof(part->found));
	if (!heard)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (!heard)
		return no_driver(err, part->wanted, "it does not load within 30 s");
	if (buf[0] != '/')
		return no_driver(err, part->wanted, buf[0] ? buf : "the loader cannot say");
	return realpath(buf, part->real) ? 0 : no_driver(err, part->wanted, strerror(errno));
}

int dv_cuda_find(const char *name, char *buf, struct dv_error *err)
{
	struct part part = {.wanted = name,
			    .needed = strstr(name, NVML_LIBRARY) ? NVML_NEEDED : NEEDED};
	int r = find_driver(&part, err);

	if (r == 0)
		memcpy(buf, part.found, sizeof(part.found));
	return r;
}

/* Put a link there, in the place of another one if need be, without a moment in between. */
static int put_link(const char *dir, const char *name, const char *target, struct dv_error *err)
{
	char path[PATH_MOST], is[PATH_MOST], fresh[PATH_MOST + 16];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	n = readlink(path, is, sizeof(is) - 1);
	if (n > 0) {
		is[n] = '\0';
		if (strcmp(is, target) == 0)
			return 0;
	}
	(void)snprintf(fresh, sizeof(fresh), "%s.%d", path, (int)getpid());
	if (symlink(target, fresh) == 0 && rename(fresh, path) == 0)
		return 0;
	n = errno;
	(void)unlink(fresh);
	return dv_error_errno(err, (int)n, "%s", path);
}

/* The parts of a grant; `ret[1].layer` is NULL when there is no library of NVML's to replace: then
 * nobody can ask it anything. */
static int find_parts(const struct dv_api_grant *grant, struct part ret[PARTS],
		      struct dv_error *err)
{
	const char *cuda = env_of(grant, "DIVVY_CUDA_DRIVER");
	const char *nvml = env_of(grant, "DIVVY_NVML_DRIVER");
	int r;

	ret[0] = (struct part){.layer = env_of(grant, "DIVVY_CUDA_LAYER"),
			       .wanted = cuda[0] ? cuda : LIBRARY,
			       .name = LIBRARY,
			       .plain = "libcuda.so",
			       .needed = NEEDED};
	ret[1] = (struct part){.layer = env_of(grant, "DIVVY_NVML_LAYER"),
			       .wanted = nvml[0] ? nvml : NVML_LIBRARY,
			       .name = NVML_LIBRARY,
			       .plain = "libnvidia-ml.so",
			       .needed = NVML_NEEDED};
	r = find_driver(&ret[0], err);
	if (r < 0)
		return r;
	if (!ret[1].layer[0] || find_driver(&ret[1], NULL) < 0)
		ret[1].layer = NULL;
	return 0;
}

/* Ours by all the names that programs ask for, and the driver's by the one that ours needs. */
static int put_part(const char *dir, const struct part *part, struct dv_error *err)
{
	int r = put_link(dir, part->needed, part->real, err);

	r = r < 0 ? r : put_link(dir, part->name, part->layer, err);
	return r < 0 ? r : put_link(dir, part->plain, part->layer, err);
}

static int add_cover(struct dv_mounts *mounts, const struct part *part, struct dv_error *err)
{
	struct dv_cover *cover = &mounts->covers[mounts->count++];

	*cover = (struct dv_cover){.name = part->name, .plain = part->plain};
	if (!dv_copy(cover->dir, sizeof(cover->dir), part->found) ||
	    !dv_copy(cover->real, sizeof(cover->real), part->real) ||
	    !dv_copy(cover->layer, sizeof(cover->layer), part->layer))
		return dv_error_set(err, -E2BIG, "the path %.64s... is too long", part->found);
	*strrchr(cover->dir, '/') = '\0';
	return 0;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
	return dv_hash(hash, text, strlen(text) + 1);
}

int dv_cuda_place_make(const struct dv_api_grant *grant, struct dv_cuda_place *ret,
		       struct dv_error *err)
{
	struct dv_cuda_place place = {0};
	struct part parts[PARTS];
	uint64_t hash = DV_HASH_INIT;
	int r;

	*ret = place;
	if (!env_of(grant, "DIVVY_CUDA_LAYER")[0])
		return 0;
	r = find_parts(grant, parts, err);
	if (r < 0)
		return r;
	for (int i = 0; i < PARTS && parts[i].layer; i++)
		hash = hash_text(hash_text(hash, parts[i].layer), parts[i].real);
	hash = hash_text(hash, env_of(grant, "CUDA_VISIBLE_DEVICES"));
	(void)snprintf(place.dir, sizeof(place.dir), "%s/cuda-%016llx",
		       env_of(grant, "DIVVY_CACHE_DIR"), (unsigned long long)hash);
	(void)dv_copy(place.layer, sizeof(place.layer), parts[0].layer);
	if (mkdir(place.dir, 0700) < 0 && errno != EEXIST)
		return dv_error_errno(err, errno, "%s", place.dir);
	for (int i = 0; r == 0 && i < PARTS && parts[i].layer; i++)
		r = put_part(place.dir, &parts[i], err);
	for (int i = 0; r == 0 && i < PARTS && parts[i].layer; i++)
		r = add_cover(&place.mounts, &parts[i], err);
	if (r == 0)
		*ret = place;
	return r;
}

int dv_cuda_place_enter(const char *dir)
{
	const char *others = getenv("LD_LIBRARY_PATH");
	dv_autofree char *path = NULL;

	if (asprintf(&path, "%s%s%s", dir, others && others[0] ? ":" : "", others ? others : "") <
	    0)
		return ENOMEM;
	return setenv("LD_LIBRARY_PATH", path, 1) < 0 ? errno : 0;
}

static uint64_t noted(const char *dir)
{
	dv_autofree char *text = NULL;
	char path[PATH_MOST];
	size_t len;

	(void)snprintf(path, sizeof(path), "%s/" NOTE, dir);
	if (dv_file_read(path, 32, &text, &len, NULL) < 0)
		return 0;
	return strtoull(text, NULL, 10);
}

uint64_t dv_cuda_place_context(const struct dv_cuda_place *place)
{
	return noted(place->dir);
}

/* By one process at a time: two would measure each other. */
static void note_context(const char *dir)
{
	dv_autoclose int lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	void *driver = dlopen(NEEDED, RTLD_LAZY | RTLD_NOLOAD);
	struct dv_context_calls calls;
	char path[PATH_MOST], text[32];
	uint64_t bytes;

	if (!driver || !dv_context_calls_find(driver, &calls) || lock < 0 ||
	    flock(lock, LOCK_EX) < 0 || noted(dir))
		return;
	/* Without it contexts are not counted; the next one tries again. */
	if (!dv_context_measure(&calls, &bytes))
		return;
	(void)snprintf(path, sizeof(path), "%s/" NOTE, dir);
	(void)snprintf(text, sizeof(text), "%llu\n", (unsigned long long)bytes);
	(void)!dv_file_write(path, text, strlen(text), 0600, NULL);
}

int dv_cuda_probe_main(const char *said_fd, const char *hold_fd, const char *dir)
{
	int to = (int)strtol(said_fd, NULL, 10), hold = (int)strtol(hold_fd, NULL, 10);
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	char said = DV_CUDA_SAID_NOTHING_THERE, ignored;
	int (*begin)(unsigned flags) = NULL;

	if (library)
		*(void **)&begin = dlsym(library, "cuInit");
	if (begin) {
		/* Whatever it answers, divvyd has heard of it. */
		if (begin(0) == 0)
			note_context(dir);
		said = DV_CUDA_SAID_DONE;
	}
	if (write(to, &said, 1) != 1)
		return 1;
	(void)!read(hold, &ignored, 1);
	return 0;
}
