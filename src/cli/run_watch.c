/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/run_watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

/* The beginning of a library's file name that all its versions share: "libpocl.so". */
static bool stem(const char *path, char *buf, size_t size)
{
	const char *base = strrchr(path, '/');
	const char *so;

	base = base ? base + 1 : path;
	so = strstr(base, ".so");
	if (!so || so == base || (size_t)(so + 3 - base) >= size)
		return false;
	memcpy(buf, base, (size_t)(so + 3 - base));
	buf[so + 3 - base] = '\0';
	return true;
}

static void add_driver(struct dv_watch *watch, const char *path)
{
	char name[sizeof(watch->drivers[0])];

	if (watch->driver_count == DV_WATCH_DRIVERS_MOST || !stem(path, name, sizeof(name)))
		return;
	for (unsigned i = 0; i < watch->driver_count; i++)
		if (strcmp(watch->drivers[i], name) == 0)
			return;
	(void)dv_copy(watch->drivers[watch->driver_count++], sizeof(name), name);
}

static int read_vendor(const char *name, void *arg, struct dv_error *err)
{
	struct dv_watch *watch = arg;
	char path[320], text[512];

	(void)snprintf(path, sizeof(path), "etc/OpenCL/vendors/%s", name);
	if (dv_root_read(watch->root, path, text, sizeof(text), NULL) == 0) {
		text[strcspn(text, "\n")] = '\0';
		add_driver(watch, text);
	}
	return 0;
}

void dv_watch_init(struct dv_watch *watch, const struct dv_root *root, pid_t top,
		   const struct dv_watch_layer *layer, unsigned patience_ms)
{
	const char *base = strrchr(layer->path, '/');

	memset(watch, 0, sizeof(*watch));
	watch->root = root;
	watch->top = top;
	watch->patience_ns = patience_ms * DV_NS_PER_MS;
	watch->same_pids = true;
	watch->cuda = layer->cuda;
	watch->inode = layer->inode;
	(void)dv_copy(watch->layer, sizeof(watch->layer), base ? base + 1 : layer->path);
	if (layer->cuda) {
		add_driver(watch, "libcuda.so");
		add_driver(watch, "libnvidia-opencl.so");
		return;
	}
	add_driver(watch, "libpocl.so");
	(void)!dv_root_list(root, "etc/OpenCL/vendors", read_vendor, watch, NULL);
}

void dv_watch_fini(struct dv_watch *watch)
{
	dv_vec_fini(&watch->processes);
}

/* The parent's number and the start time; false when the process is gone or a zombie. */
static bool read_stat(const struct dv_root *root, pid_t pid, pid_t *ret_parent, uint64_t *ret_start)
{
	char path[64], text[1024], state;
	const char *p;
	long parent;

	(void)snprintf(path, sizeof(path), "proc/%d/stat", (int)pid);
	if (dv_root_read(root, path, text, sizeof(text), NULL) < 0)
		return false;
	/* The command's name may hold anything, even ')'. */
	p = strrchr(text, ')');
	if (!p || sscanf(p,
			 ") %c %ld %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
			 "%*d %*d %" SCNu64,
			 &state, &parent, ret_start) != 3)
		return false;
	*ret_parent = (pid_t)parent;
	return state != 'Z' && state != 'X';
}

static struct dv_watched *find(struct dv_watch *watch, pid_t pid)
{
	for (size_t i = 0; i < watch->processes.len; i++)
		if (watch->processes.items[i].pid == pid)
			return &watch->processes.items[i];
	return NULL;
}

/* Note that a process was seen; a number used anew is a new process. */
static int note(struct dv_watch *watch, pid_t pid)
{
	struct dv_watched fresh = {.pid = pid, .found = true};
	struct dv_watched *known = find(watch, pid);

	if (!read_stat(watch->root, pid, &fresh.parent, &fresh.start))
		return 0;
	if (known && known->start == fresh.start) {
		known->found = true;
		known->parent = fresh.parent;
		return 0;
	}
	if (known) {
		*known = fresh;
		return 0;
	}
	if (watch->processes.len == DV_WATCH_PROCESSES_MOST)
		return 0;
	return dv_vec_push(&watch->processes, fresh);
}

struct children {
	struct dv_watch *watch;
	pid_t pid;
	bool any_list; /* the kernel has the lists of children */
};

static int read_children(const char *name, void *arg, struct dv_error *err)
{
	struct children *children = arg;
	char path[96], text[16384];
	char *p = text, *end;
	ssize_t n;
	int r = 0;

	(void)snprintf(path, sizeof(path), "proc/%d/task/%.20s/children", (int)children->pid, name);
	n = children->watch->root->ops->read(children->watch->root, path, text, sizeof(text) - 1);
	if (n < 0)
		return 0; /* a thread that ended */
	children->any_list = true;
	text[n] = '\0';
	while (r == 0) {
		long pid = strtol(p, &end, 10);

		if (end == p || pid <= 0 || pid > INT32_MAX)
			break;
		p = end;
		r = note(children->watch, (pid_t)pid);
	}
	return r;
}

static int look_under(struct dv_watch *watch, pid_t pid, bool *ret_any_list)
{
	struct children children = {watch, pid, false};
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "proc/%d/task", (int)pid);
	r = dv_root_list(watch->root, path, read_children, &children, NULL);
	*ret_any_list = children.any_list;
	return r == -ENOMEM ? r : 0; /* else the process ended meanwhile */
}

int dv_watch_descendants(struct dv_watch *watch, struct dv_error *err)
{
	bool any_list = false, ignored;
	int r;

	for (size_t i = 0; i < watch->processes.len; i++)
		watch->processes.items[i].found = false;
	r = look_under(watch, watch->top, &any_list);
	if (r == 0 && !any_list)
		return dv_error_set(err, -EOPNOTSUPP,
				    "this kernel does not list the children of a process");
	/* Found ones may stand anywhere in the list, and new ones come at its end: go through it
	 * until nothing is added to it. */
	for (bool again = r == 0; again;) {
		size_t found = 0, before = 0;

		for (size_t i = 0; i < watch->processes.len; i++)
			before += watch->processes.items[i].found;
		for (size_t i = 0; r == 0 && i < watch->processes.len; i++)
			if (watch->processes.items[i].found)
				r = look_under(watch, watch->processes.items[i].pid, &ignored);
		for (size_t i = 0; i < watch->processes.len; i++)
			found += watch->processes.items[i].found;
		again = r == 0 && found > before;
	}
	if (r < 0)
		return dv_error_set(err, -ENOMEM, "no memory to list the command's processes");
	for (size_t i = watch->processes.len; i-- > 0;)
		if (!watch->processes.items[i].found)
			dv_vec_remove(&watch->processes, i);
	return 0;
}

/* Does this line of a maps file name a file that begins with `name`? */
static bool maps_file(const char *line, const char *name)
{
	const char *path = strchr(line, '/');
	const char *base = path ? strrchr(path, '/') : NULL;

	return base && strncmp(base + 1, name, strlen(name)) == 0;
}

static void judge_line(const struct dv_watch *watch, const char *line, struct dv_watched *process)
{
	unsigned long inode;

	if (watch->layer[0] && maps_file(line, watch->layer)) {
		process->layer = true;
		return;
	}
	for (unsigned i = 0; i < watch->driver_count; i++) {
		if (!maps_file(line, watch->drivers[i]))
			continue;
		/* In mounts of the tenant's own the layer is seen under the driver's name. */
		if (watch->inode && sscanf(line, "%*s %*s %*s %*s %lu", &inode) == 1 &&
		    inode == watch->inode)
			process->layer = true;
		else
			process->driver = true;
		return;
	}
}

static int read_maps(const struct dv_watch *watch, struct dv_watched *process)
{
	size_t size = 256 << 10;
	dv_autofree char *text = NULL;
	char path[64], *save = NULL;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "proc/%d/maps", (int)process->pid);
	for (;;) {
		free(text);
		text = malloc(size);
		if (!text)
			return -ENOMEM;
		n = watch->root->ops->read(watch->root, path, text, size - 1);
		if (n < (ssize_t)size - 1 || size >= DV_WATCH_MAPS_MOST)
			break;
		size *= 4;
	}
	process->driver = process->layer = false;
	text[n < 0 ? 0 : n] = '\0';
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		judge_line(watch, line, process);
	return 0;
}

/* Is this process, or one that it was forked from, known to divvyd? A child of a fork has the
 * driver and the layer mapped and reports anew only when it uses them. */
static bool descends_from_attached(struct dv_watch *watch, const struct dv_watched *process)
{
	for (int depth = 0; process && depth < 64; depth++) {
		if (process->attached)
			return true;
		process = find(watch, process->parent);
	}
	return false;
}

/* Does it use the driver without having reported? Not when that cannot be found out. */
static bool goes_round(struct dv_watch *watch, struct dv_watched *process, dv_watch_ask_fn ask,
		       void *data)
{
	if (!process->layer)
		process->attached = false; /* it became another program */
	if (!process->driver || process->attached)
		return false;
	if (!process->layer)
		return true;
	if (!watch->same_pids || descends_from_attached(watch, process))
		return false;
	switch (ask(data, process->pid)) {
	case 0:
		return true;
	case 1:
		process->attached = true;
		return false;
	default:
		return false;
	}
}

int dv_watch_look(struct dv_watch *watch, uint64_t now_ns, dv_watch_ask_fn ask, void *data,
		  struct dv_watched *ret, struct dv_error *err)
{
	int r = dv_watch_descendants(watch, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < watch->processes.len; i++) {
		struct dv_watched *process = &watch->processes.items[i];

		if (read_maps(watch, process) < 0)
			return dv_error_set(err, -ENOMEM, "no memory to look into process %d",
					    (int)process->pid);
		if (!goes_round(watch, process, ask, data)) {
			process->since_ns = 0;
			continue;
		}
		if (!process->since_ns)
			process->since_ns = now_ns ? now_ns : 1;
		if (process->told || now_ns - process->since_ns < watch->patience_ns)
			continue;
		process->told = true;
		*ret = *process;
		return 1;
	}
	return 0;
}
