/* SPDX-License-Identifier: Apache-2.0 */
#include "device/cgroup.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "device/cpu.h"

enum { MOUNTINFO_MOST = 256 << 10, PATH_SIZE = 192, TRIES = 3 };

#define OWN "divvy"

/* One line of mountinfo, cut into the fields of interest (man proc_pid_mountinfo). */
struct mount {
	char *point, *options, *type, *super;
};

static bool has_word(const char *list, const char *word, const char *separators)
{
	size_t len = strlen(word);

	while (*list) {
		size_t n = strcspn(list, separators);

		if (n == len && memcmp(list, word, len) == 0)
			return true;
		list += n;
		list += strspn(list, separators);
	}
	return false;
}

static bool parse_mount(char *line, struct mount *ret)
{
	char *save = NULL, *fields[6], *word;

	for (int i = 0; i < 6; i++) {
		fields[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!fields[i])
			return false;
	}
	do
		word = strtok_r(NULL, " ", &save);
	while (word && strcmp(word, "-") != 0);
	ret->point = fields[4];
	ret->options = fields[5];
	ret->type = strtok_r(NULL, " ", &save);
	(void)strtok_r(NULL, " ", &save);
	ret->super = strtok_r(NULL, " ", &save);
	return ret->super != NULL;
}

static void none(struct dv_cgroup *ret, const char *why)
{
	ret->kind = DV_CGROUP_NONE;
	ret->base[0] = '\0';
	(void)dv_copy(ret->why, sizeof(ret->why), why);
}

/* Take this mount as the base, or say why not. Escapes such as \040 in the path are refused: no
 * distribution mounts cgroups there. */
static void take(struct dv_cgroup *ret, enum dv_cgroup_kind kind, const struct mount *mount)
{
	int n = snprintf(ret->base, sizeof(ret->base), "%s/" OWN, mount->point + 1);

	ret->kind = kind;
	ret->why[0] = '\0';
	if (mount->point[0] != '/' || strchr(mount->point, '\\') || n >= (int)sizeof(ret->base))
		none(ret, "the cgroup file system is mounted in an unusual place");
	else if (has_word(mount->options, "ro", ","))
		none(ret, "the cgroup file system is mounted read-only");
}

static bool read_word(const struct dv_root *root, const char *point, const char *file,
		      const char *word)
{
	char path[PATH_SIZE], text[1024];

	if (snprintf(path, sizeof(path), "%s/%s", point + 1, file) >= (int)sizeof(path))
		return false;
	return dv_root_read(root, path, text, sizeof(text), NULL) == 0 && has_word(text, word, " ");
}

/* A directory of version 2 that is not the machine's topmost one can hand out controllers only
 * while no process lives in it. */
static bool occupied(const struct dv_root *root, const char *point)
{
	char path[PATH_SIZE], text[4096];

	(void)snprintf(path, sizeof(path), "%s/cgroup.type", point + 1);
	if (root->ops->read(root, path, text, sizeof(text)) < 0)
		return false;
	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", point + 1);
	return root->ops->read(root, path, text, sizeof(text)) > 0;
}

static void take_v2(const struct dv_root *root, struct dv_cgroup *ret, const struct mount *mount)
{
	if (!read_word(root, mount->point, "cgroup.controllers", "cpuset")) {
		none(ret, "the kernel offers no cpuset controller here");
		return;
	}
	take(ret, DV_CGROUP_V2, mount);
	if (ret->kind == DV_CGROUP_V2 &&
	    !read_word(root, mount->point, "cgroup.subtree_control", "cpuset") &&
	    occupied(root, mount->point))
		none(ret, "processes live in this container's topmost cgroup, so it cannot be "
			  "divided");
}

int dv_cgroup_find(const struct dv_root *root, struct dv_cgroup *ret, struct dv_error *err)
{
	dv_autofree char *text = malloc(MOUNTINFO_MOST);
	struct dv_cgroup found = {0};
	char *save = NULL;
	ssize_t n;

	if (!text)
		return dv_error_set(err, -ENOMEM, "no memory to read the mounts");
	n = root->ops->read(root, "proc/self/mountinfo", text, MOUNTINFO_MOST - 1);
	if (n < 0)
		return dv_error_errno(err, (int)-n, "proc/self/mountinfo");
	text[n] = '\0';
	none(&found, "no cgroup file system with cpusets is mounted");
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct mount mount;

		if (!parse_mount(line, &mount))
			continue;
		/* A cpuset hierarchy of version 1 holds the controller, so it goes first. */
		if (strcmp(mount.type, "cgroup") == 0 && has_word(mount.super, "cpuset", ","))
			take(&found, DV_CGROUP_V1, &mount);
		else if (strcmp(mount.type, "cgroup2") == 0 && found.kind == DV_CGROUP_NONE)
			take_v2(root, &found, &mount);
	}
	*ret = found;
	return 0;
}

static int path_of(const struct dv_cgroup *cgroup, const char *name, const char *file, char *buf,
		   struct dv_error *err)
{
	if (cgroup->kind == DV_CGROUP_NONE)
		return dv_error_set(err, -EOPNOTSUPP, "no cpuset cgroup can be made: %s",
				    cgroup->why);
	if (strchr(name, '/') || name[0] == '.' ||
	    snprintf(buf, PATH_SIZE, "%s%s%s%s%s", cgroup->base, *name ? "/" : "", name,
		     *file ? "/" : "", file) >= PATH_SIZE)
		return dv_error_set(err, -EINVAL, "'%.64s' cannot be a cgroup's name", name);
	return 0;
}

static int read_file(const struct dv_root *root, const struct dv_cgroup *cgroup, const char *name,
		     const char *file, char *buf, size_t size, struct dv_error *err)
{
	char path[PATH_SIZE];
	int r = path_of(cgroup, name, file, path, err);

	return r < 0 ? r : dv_root_read(root, path, buf, size, err);
}

static int write_file(const struct dv_root *root, const struct dv_cgroup *cgroup, const char *name,
		      const char *file, const char *text, struct dv_error *err)
{
	char path[PATH_SIZE];
	int r = path_of(cgroup, name, file, path, err);

	return r < 0 ? r : dv_root_write(root, path, text, err);
}

/* Make a directory; 1 when it is new, 0 when it was there. */
static int make_directory(const struct dv_root *root, const struct dv_cgroup *cgroup,
			  const char *name, struct dv_error *err)
{
	char path[PATH_SIZE];
	int r = path_of(cgroup, name, "", path, err);

	if (r < 0)
		return r;
	r = root->ops->mkdir(root, path, 0755);
	if (r == -EEXIST)
		return 0;
	return r < 0 ? dv_error_errno(err, -r, "making %s", path) : 1;
}

/* A file of the mount itself, the directory above divvy's own. */
static int above(const struct dv_cgroup *cgroup, const char *file, char *buf)
{
	size_t len = strlen(cgroup->base) - strlen("/" OWN);

	return snprintf(buf, PATH_SIZE, "%.*s/%s", (int)len, cgroup->base, file) >= PATH_SIZE
		       ? -E2BIG
		       : 0;
}

/* Version 1 begins a directory without CPUs and memory: hand divvy's own all there are. */
static int fill_own_v1(const struct dv_root *root, const struct dv_cgroup *cgroup,
		       struct dv_error *err)
{
	static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
	char path[PATH_SIZE], text[2048];
	int r = 0;

	for (size_t i = 0; i < DV_ARRAY_LEN(files) && r == 0; i++) {
		r = above(cgroup, files[i], path);
		if (r == 0)
			r = dv_root_read(root, path, text, sizeof(text), err);
		if (r == 0)
			r = write_file(root, cgroup, "", files[i], text, err);
	}
	return r;
}

/* Version 2 hands controllers down one level at a time. */
static int fill_own_v2(const struct dv_root *root, const struct dv_cgroup *cgroup,
		       struct dv_error *err)
{
	char path[PATH_SIZE];
	int r = above(cgroup, "cgroup.subtree_control", path);

	if (r == 0)
		r = dv_root_write(root, path, "+cpuset", err);
	if (r == 0)
		r = write_file(root, cgroup, "", "cgroup.subtree_control", "+cpuset", err);
	return r;
}

static int make_own(const struct dv_root *root, const struct dv_cgroup *cgroup,
		    struct dv_error *err)
{
	int r = make_directory(root, cgroup, "", err);

	if (r < 0)
		return r;
	return cgroup->kind == DV_CGROUP_V1 ? fill_own_v1(root, cgroup, err)
					    : fill_own_v2(root, cgroup, err);
}

static bool same_list(const char *a, const char *b)
{
	uint16_t x[DV_CPUS_MOST], y[DV_CPUS_MOST];
	unsigned n, m;

	return dv_cpu_list_parse(a, x, DV_CPUS_MOST, &n, NULL) == 0 &&
	       dv_cpu_list_parse(b, y, DV_CPUS_MOST, &m, NULL) == 0 && n == m &&
	       memcmp(x, y, n * sizeof(*x)) == 0;
}

static int fill(const struct dv_root *root, const struct dv_cgroup *cgroup, const char *name,
		const struct dv_cgroup_set *want, struct dv_error *err)
{
	/* Version 2 keeps what was written beside what holds; version 1 refuses what cannot hold.
	 */
	const char *held = cgroup->kind == DV_CGROUP_V2 ? "cpuset.cpus.effective" : "cpuset.cpus";
	char mems[sizeof(want->mems)], cpus[sizeof(want->cpus)];
	int r = 0;

	(void)dv_copy(mems, sizeof(mems), want->mems);
	if (!mems[0] && cgroup->kind == DV_CGROUP_V1)
		r = read_file(root, cgroup, "", "cpuset.mems", mems, sizeof(mems), err);
	if (r == 0 && mems[0])
		r = write_file(root, cgroup, name, "cpuset.mems", mems, err);
	if (r == 0)
		r = write_file(root, cgroup, name, "cpuset.cpus", want->cpus, err);
	if (r == 0)
		r = read_file(root, cgroup, name, held, cpus, sizeof(cpus), err);
	if (r == 0 && !same_list(cpus, want->cpus))
		return dv_error_set(err, -EIO,
				    "the kernel gave %s/%s the CPUs '%.64s', not '%.64s'",
				    cgroup->base, name, cpus, want->cpus);
	return r;
}

/* Remove a directory that is empty; others', and one that is gone, are left as they are. */
static void tidy(const struct dv_root *root, const struct dv_cgroup *cgroup, const char *name)
{
	char path[PATH_SIZE];

	if (path_of(cgroup, name, "", path, NULL) == 0)
		(void)root->ops->rmdir(root, path);
}

static int try_make(const struct dv_root *root, const struct dv_cgroup *cgroup, const char *name,
		    const struct dv_cgroup_set *want, struct dv_error *err)
{
	int made, r = make_own(root, cgroup, err);

	if (r < 0) {
		tidy(root, cgroup, "");
		return r;
	}
	made = make_directory(root, cgroup, name, err);
	r = made < 0 ? made : fill(root, cgroup, name, want, err);
	if (r < 0) {
		if (made > 0)
			tidy(root, cgroup, name);
		tidy(root, cgroup, "");
	}
	return r;
}

int dv_cgroup_make(const struct dv_root *root, const struct dv_cgroup *cgroup, const char *name,
		   const struct dv_cgroup_set *want, struct dv_error *err)
{
	struct dv_error own;
	int r = 0;

	/* Somebody else's remove may tidy divvy's own directory away between two of our steps. */
	for (int i = 0; i < TRIES; i++) {
		own = (struct dv_error){0};
		r = try_make(root, cgroup, name, want, &own);
		if (r != -ENOENT)
			break;
	}
	if (r < 0 && err && !err->code)
		*err = own;
	return r;
}

/* The processes in it, for a message: "123 456 ...". */
static void name_processes(const struct dv_root *root, const struct dv_cgroup *cgroup,
			   const char *name, char *buf, size_t size)
{
	char path[PATH_SIZE], *last;
	ssize_t n = -1;

	if (path_of(cgroup, name, "cgroup.procs", path, NULL) == 0)
		n = root->ops->read(root, path, buf, size - 1);
	buf[n < 0 ? 0 : n] = '\0';
	if (n == (ssize_t)size - 1 && (last = strrchr(buf, '\n')))
		*last = '\0'; /* not half a number */
	for (char *p = buf; *p; p++)
		if (*p == '\n')
			*p = p[1] ? ' ' : '\0';
}

int dv_cgroup_remove(const struct dv_root *root, const struct dv_cgroup *cgroup, const char *name,
		     struct dv_error *err)
{
	char path[PATH_SIZE], processes[96];
	int r = path_of(cgroup, name, "", path, err);

	if (r < 0)
		return r;
	r = root->ops->rmdir(root, path);
	if (r == -EBUSY) {
		name_processes(root, cgroup, name, processes, sizeof(processes));
		dv_error_rule(err, r, "S14",
			      "processes still live in the partition's cgroup %s: %s", path,
			      processes[0] ? processes : "(in a directory below it)");
		return dv_error_fix(err, r, "end them, then release again");
	}
	if (r < 0 && r != -ENOENT)
		return dv_error_errno(err, -r, "removing %s", path);
	tidy(root, cgroup, "");
	return 0;
}

int dv_cgroup_read(const struct dv_root *root, const struct dv_cgroup *cgroup, const char *name,
		   struct dv_cgroup_set *ret, struct dv_error *err)
{
	struct dv_cgroup_set set = {0};
	int r = read_file(root, cgroup, name, "cpuset.cpus", set.cpus, sizeof(set.cpus), err);

	if (r == 0)
		r = read_file(root, cgroup, name, "cpuset.mems", set.mems, sizeof(set.mems), err);
	if (r == 0)
		*ret = set;
	return r;
}

struct listing {
	const struct dv_root *root;
	const struct dv_cgroup *cgroup;
	dv_entry_fn fn;
	void *arg;
};

/* Control files lie beside the directories; only a directory has one of its own. */
static int list_one(const char *name, void *arg, struct dv_error *err)
{
	const struct listing *listing = arg;
	char path[PATH_SIZE], first;

	if (path_of(listing->cgroup, name, "cgroup.procs", path, NULL) < 0 ||
	    listing->root->ops->read(listing->root, path, &first, 1) < 0)
		return 0;
	return listing->fn(name, listing->arg, err);
}

int dv_cgroup_list(const struct dv_root *root, const struct dv_cgroup *cgroup, dv_entry_fn fn,
		   void *arg, struct dv_error *err)
{
	struct listing listing = {.root = root, .cgroup = cgroup, .fn = fn, .arg = arg};
	struct dv_error own = {0};
	int r;

	if (cgroup->kind == DV_CGROUP_NONE)
		return 0;
	r = dv_root_list(root, cgroup->base, list_one, &listing, &own);
	if (r == -ENOENT)
		return 0;
	if (r < 0 && err && !err->code)
		*err = own;
	return r;
}

int dv_cgroup_members(const struct dv_root *root, const char *base, const char *name, pid_t *pids,
		      unsigned most, unsigned *ret_count, struct dv_error *err)
{
	struct dv_cgroup cgroup = {.kind = DV_CGROUP_V1};
	char path[PATH_SIZE], text[4096], *save = NULL;
	unsigned count = 0;
	ssize_t n;
	int r;

	(void)dv_copy(cgroup.base, sizeof(cgroup.base), base);
	r = path_of(&cgroup, name, "cgroup.procs", path, err);
	if (r < 0)
		return r;
	n = root->ops->read(root, path, text, sizeof(text) - 1);
	if (n < 0)
		return dv_error_errno(err, (int)-n, "%s", path);
	/* Not half a number. */
	if (n == (ssize_t)sizeof(text) - 1)
		while (n > 0 && text[n - 1] != '\n')
			n--;
	text[n] = '\0';
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		long pid = strtol(line, NULL, 10);

		/* 0: it is in another pid namespace, and has no number here. */
		if (count < most)
			pids[count] = (pid_t)pid;
		count++;
	}
	*ret_count = count;
	return 0;
}

int dv_cgroup_enter(const struct dv_root *root, const struct dv_cgroup *cgroup, const char *name,
		    pid_t pid, struct dv_error *err)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	return write_file(root, cgroup, name, "cgroup.procs", text, err);
}
