/* SPDX-License-Identifier: Apache-2.0 */
#include "device/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum { MAPS_MOST = 4 << 20, DESCRIPTORS_MOST = 65536 };

struct scan {
	const struct dv_root *root;
	const struct dv_proc_signs *signs;
	struct dv_holder *holders;
	unsigned most;
	struct dv_proc_found found;
	char *maps; /* MAPS_MOST bytes */
	pid_t self;
};

/* The file name of a mapping begins with one of the signs. */
static bool maps_library(const char *maps, const char *const *libraries)
{
	for (const char *line = maps; line; line = strchr(line, '\n')) {
		size_t len;
		const char *base;

		line += *line == '\n';
		len = strcspn(line, "\n");
		base = memrchr(line, '/', len);
		if (!base)
			continue;
		for (const char *const *sign = libraries; *sign; sign++)
			if (strncmp(base + 1, *sign, strlen(*sign)) == 0)
				return true;
	}
	return false;
}

/* 1: a holder, and `what` says why; 0: none; negative: cannot be looked into, or is gone. */
static int look_at_maps(struct scan *scan, const char *pid, char *what, size_t size)
{
	char path[64];
	ssize_t n;

	if (!scan->signs->libraries)
		return 0;
	(void)snprintf(path, sizeof(path), "proc/%s/maps", pid);
	n = scan->root->ops->read(scan->root, path, scan->maps, MAPS_MOST - 1);
	if (n < 0)
		return (int)n;
	scan->maps[n] = '\0';
	if (maps_library(scan->maps, scan->signs->libraries)) {
		(void)dv_copy(what, size, scan->signs->library_what);
		return 1;
	}
	return n == MAPS_MOST - 1 ? -E2BIG : 0;
}

struct descriptors {
	const struct scan *scan;
	const char *pid;
	unsigned count;
	const char *node; /* the one found */
};

static int look_at_descriptor(const char *name, void *arg, struct dv_error *err)
{
	struct descriptors *d = arg;
	char path[96], link[256];
	ssize_t n;

	if (d->node)
		return 0;
	if (++d->count > DESCRIPTORS_MOST)
		return -E2BIG;
	if (snprintf(path, sizeof(path), "proc/%s/fd/%s", d->pid, name) >= (int)sizeof(path))
		return 0;
	n = d->scan->root->ops->readlink(d->scan->root, path, link, sizeof(link) - 1);
	if (n < 0)
		return n == -ENOENT ? 0 : (int)n;
	link[n] = '\0';
	for (const char *const *node = d->scan->signs->nodes; *node; node++)
		if (strcmp(link, *node) == 0)
			d->node = *node;
	return 0;
}

static int look_at_descriptors(struct scan *scan, const char *pid, char *what, size_t size)
{
	struct descriptors d = {.scan = scan, .pid = pid};
	char path[64];
	int r;

	if (!scan->signs->nodes)
		return 0;
	(void)snprintf(path, sizeof(path), "proc/%s/fd", pid);
	r = dv_root_list(scan->root, path, look_at_descriptor, &d, NULL);
	if (r < 0)
		return r;
	if (!d.node)
		return 0;
	(void)snprintf(what, size, "has %s open", d.node);
	return 1;
}

int dv_proc_uid(const struct dv_root *root, pid_t pid, uid_t *ret, struct dv_error *err)
{
	char path[64], text[4096];
	const char *line;
	unsigned uid;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "proc/%d/status", (int)pid);
	n = root->ops->read(root, path, text, sizeof(text) - 1);
	if (n < 0)
		return dv_error_errno(err, (int)-n, "%s", path);
	text[n] = '\0';
	line = strstr(text, "\nUid:");
	if (!line || sscanf(line, "\nUid: %u", &uid) != 1)
		return dv_error_set(err, -EPROTO, "%s has no user", path);
	*ret = uid;
	return 0;
}

/* A process chooses its own name: only plain characters reach a terminal. */
void dv_proc_command(const struct dv_root *root, pid_t pid, char *buf, size_t size)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "proc/%d/comm", (int)pid);
	if (dv_root_read(root, path, buf, size, NULL) < 0)
		buf[0] = '\0';
	for (char *p = buf; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
}

pid_t dv_proc_child(const struct dv_root *root, pid_t pid)
{
	char path[64], text[256];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "proc/%d/task/%d/children", (int)pid, (int)pid);
	n = root->ops->read(root, path, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return (pid_t)strtol(text, NULL, 10);
}

static void add(struct scan *scan, const char *name, const char *what)
{
	struct dv_holder holder = {.pid = (pid_t)strtol(name, NULL, 10), .instance = -1};

	if (scan->found.count == scan->most) {
		scan->found.more++;
		return;
	}
	dv_proc_command(scan->root, holder.pid, holder.command, sizeof(holder.command));
	if (!holder.command[0])
		(void)dv_copy(holder.command, sizeof(holder.command), "?");
	if (dv_proc_uid(scan->root, holder.pid, &holder.uid, NULL) < 0)
		return; /* ended meanwhile */
	(void)dv_copy(holder.what, sizeof(holder.what), what);
	scan->holders[scan->found.count++] = holder;
}

static int look_at(const char *name, void *arg, struct dv_error *err)
{
	struct scan *scan = arg;
	char what[128];
	int r;

	if (!*name || strlen(name) > 9 || name[strspn(name, "0123456789")] ||
	    strtol(name, NULL, 10) == scan->self)
		return 0;
	r = look_at_maps(scan, name, what, sizeof(what));
	if (r == 0)
		r = look_at_descriptors(scan, name, what, sizeof(what));
	if (r > 0)
		add(scan, name, what);
	else if (r < 0 && r != -ENOENT && r != -ESRCH)
		scan->found.unreadable++;
	return 0;
}

int dv_proc_holders(const struct dv_root *root, const struct dv_proc_signs *signs,
		    struct dv_holder *holders, unsigned most, struct dv_proc_found *ret,
		    struct dv_error *err)
{
	dv_autofree char *maps = malloc(MAPS_MOST);
	struct scan scan = {.root = root,
			    .signs = signs,
			    .holders = holders,
			    .most = most,
			    .maps = maps,
			    .self = getpid()};
	int r;

	if (!maps)
		return dv_error_set(err, -ENOMEM, "no memory to look through the processes");
	r = dv_root_list(root, "proc", look_at, &scan, err);
	if (r < 0)
		return r;
	*ret = scan.found;
	return 0;
}

bool dv_proc_is_holder(const struct dv_root *root, const struct dv_proc_signs *signs, pid_t pid,
		       struct dv_holder *ret)
{
	dv_autofree char *maps = malloc(MAPS_MOST);
	struct scan scan = {.root = root,
			    .signs = signs,
			    .holders = ret,
			    .most = 1,
			    .maps = maps,
			    .self = getpid()};
	char name[16];

	(void)snprintf(name, sizeof(name), "%d", (int)pid);
	return maps && look_at(name, &scan, NULL) == 0 && scan.found.count == 1;
}
