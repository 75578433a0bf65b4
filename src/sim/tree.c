/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"

enum { PATH_SIZE = 192, TEXT_SIZE = 4096, DEPTH_MOST = 16 };

/* What should be there: paths below root/, files and links alike. */
struct tree {
	int root;
	struct dv_error *err;
	int r; /* the first failure; after it nothing is done any more */
	DV_VEC(char *) paths;
};

uint32_t dv_sim_capability_minor(uint32_t gpu_minor, uint32_t gi, int ci)
{
	uint32_t minor = 3 + 135 * gpu_minor + 9 * gi;

	return ci < 0 ? minor : minor + 1 + (uint32_t)ci;
}

static void fail(struct tree *tree, const char *path)
{
	if (tree->r == 0)
		tree->r = dv_error_errno(tree->err, errno, "%s", path);
}

static void remember(struct tree *tree, const char *path)
{
	char *copy = strdup(path);

	if (!copy || dv_vec_push(&tree->paths, copy) < 0) {
		free(copy);
		if (tree->r == 0)
			tree->r = dv_error_set(tree->err, -ENOMEM, "no memory for a list of files");
	}
}

static void make_parents(struct tree *tree, const char *path)
{
	char part[PATH_SIZE];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		(void)snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		if (mkdirat(tree->root, part, 0755) < 0 && errno != EEXIST)
			fail(tree, part);
	}
}

static bool is_text(const struct tree *tree, const char *path, const char *text, size_t len)
{
	dv_autoclose int fd = openat(tree->root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	char buf[TEXT_SIZE];

	return fd >= 0 && fstat(fd, &st) == 0 && (size_t)st.st_size == len && len <= sizeof(buf) &&
	       read(fd, buf, len) == (ssize_t)len && memcmp(buf, text, len) == 0;
}

static void put(struct tree *tree, const char *path, const char *text)
{
	size_t len = strlen(text);

	remember(tree, path);
	if (tree->r < 0 || is_text(tree, path, text, len))
		return;
	make_parents(tree, path);
	dv_autoclose int fd = openat(tree->root, path,
				     O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		fail(tree, path);
}

static void putf(struct tree *tree, const char *path, const char *fmt, ...) DV_PRINTF(3, 4);

static void putf(struct tree *tree, const char *path, const char *fmt, ...)
{
	char text[TEXT_SIZE];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	put(tree, path, text);
}

static void link_to(struct tree *tree, const char *path, const char *target)
{
	char is[PATH_SIZE] = "";

	remember(tree, path);
	if (tree->r < 0)
		return;
	if (readlinkat(tree->root, path, is, sizeof(is) - 1) > 0 && strcmp(is, target) == 0)
		return;
	make_parents(tree, path);
	(void)unlinkat(tree->root, path, 0);
	if (symlinkat(target, tree->root, path) < 0)
		fail(tree, path);
}

/* --- what is wanted --- */

static void put_capability(struct tree *tree, uint32_t minor, const char *path)
{
	char node[PATH_SIZE];

	putf(tree, path, "DeviceFileMinor: %u\nDeviceFileMode: 256\nDeviceFileModify: 1\n", minor);
	(void)snprintf(node, sizeof(node), "dev/nvidia-caps/nvidia-cap%u", minor);
	put(tree, node, "");
}

static void put_instances(struct tree *tree, const struct dv_sim_gpu_state *gpu)
{
	char path[PATH_SIZE];

	for (unsigned i = 0; i < DV_SIM_GIS_MOST; i++) {
		const struct dv_sim_gi *gi = &gpu->gis[i];

		if (!gi->used)
			continue;
		(void)snprintf(path, sizeof(path),
			       "proc/driver/nvidia/capabilities/gpu%u/mig/gi%u/access", gpu->minor,
			       gi->id);
		put_capability(tree, dv_sim_capability_minor(gpu->minor, gi->id, -1), path);
		for (unsigned j = 0; j < DV_SIM_CIS_MOST; j++) {
			uint32_t ci = gi->cis[j].id;

			if (!gi->cis[j].used)
				continue;
			(void)snprintf(path, sizeof(path),
				       "proc/driver/nvidia/capabilities/gpu%u/mig/gi%u/ci%u/access",
				       gpu->minor, gi->id, ci);
			put_capability(tree, dv_sim_capability_minor(gpu->minor, gi->id, (int)ci),
				       path);
		}
	}
}

static void put_pci(struct tree *tree, const struct dv_sim_gpu *gpu,
		    const struct dv_sim_model *model)
{
	const struct {
		const char *name;
		unsigned value;
	} numbers[] = {{"vendor", model->vendor},
		       {"device", model->device},
		       {"subsystem_vendor", model->subvendor},
		       {"subsystem_device", model->subdevice},
		       {"class", 0x030200}};
	char path[PATH_SIZE];

	for (size_t i = 0; i < DV_ARRAY_LEN(numbers); i++) {
		(void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/%s", gpu->address,
			       numbers[i].name);
		putf(tree, path, "0x%0*x\n", i == 4 ? 6 : 4, numbers[i].value);
	}
	(void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/numa_node", gpu->address);
	putf(tree, path, "%d\n", gpu->numa_node);
	(void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/driver", gpu->address);
	link_to(tree, path, "../../../../bus/pci/drivers/nvidia");
}

static void put_gpu(struct tree *tree, const struct dv_sim_gpu *gpu,
		    const struct dv_sim_model *model, const struct dv_sim_gpu_state *state)
{
	char path[PATH_SIZE];

	put_pci(tree, gpu, model);
	(void)snprintf(path, sizeof(path), "proc/driver/nvidia/gpus/%s/information", gpu->address);
	putf(tree, path,
	     "Model: \t\t %s\nIRQ:   \t\t 64\nGPU UUID: \t %s\nBus Type: \t PCIe\n"
	     "Bus Location: \t %s\nDevice Minor: \t %u\nGPU Excluded:\t No\n",
	     gpu->name, gpu->uuid, gpu->address, state->minor);
	(void)snprintf(path, sizeof(path), "dev/nvidia%u", state->minor);
	put(tree, path, "");
	put_instances(tree, state);
}

static void put_holder(struct tree *tree, const struct dv_sim_machine *machine,
		       const struct dv_sim_state *state, const struct dv_sim_holder *holder)
{
	char path[PATH_SIZE], node[PATH_SIZE];
	unsigned fd = 4;

	(void)snprintf(path, sizeof(path), "proc/%u/comm", holder->pid);
	putf(tree, path, "%s\n", holder->name);
	(void)snprintf(path, sizeof(path), "proc/%u/status", holder->pid);
	putf(tree, path, "Name:\t%s\nPid:\t%u\nUid:\t%u\t%u\t%u\t%u\n", holder->name, holder->pid,
	     holder->uid, holder->uid, holder->uid, holder->uid);
	(void)snprintf(path, sizeof(path), "proc/%u/maps", holder->pid);
	put(tree, path, "");
	(void)snprintf(path, sizeof(path), "proc/%u/fd/3", holder->pid);
	link_to(tree, path, "/dev/nvidiactl");
	for (uint32_t i = 0; i < machine->gpu_count; i++) {
		if (!(holder->gpus & UINT32_C(1) << i))
			continue;
		(void)snprintf(path, sizeof(path), "proc/%u/fd/%u", holder->pid, fd++);
		(void)snprintf(node, sizeof(node), "/dev/nvidia%u", state->gpus[i].minor);
		link_to(tree, path, node);
	}
}

/* The driver's table of all capabilities that there may be. */
static void put_minors(struct tree *tree)
{
	struct dv_buf text = {0};
	dv_autofree char *all = NULL;

	dv_buf_add(&text, "config 1\nmonitor 2\n");
	for (uint32_t gpu = 0; gpu < 32; gpu++)
		for (uint32_t gi = 0; gi < 15; gi++) {
			dv_buf_addf(&text, "gpu%u/gi%u/access %u\n", gpu, gi,
				    dv_sim_capability_minor(gpu, gi, -1));
			for (int ci = 0; ci < 8; ci++)
				dv_buf_addf(&text, "gpu%u/gi%u/ci%d/access %u\n", gpu, gi, ci,
					    dv_sim_capability_minor(gpu, gi, ci));
		}
	if (dv_buf_take(&text, &all) < 0) {
		tree->r = dv_error_set(tree->err, -ENOMEM, "no memory for the table of minors");
		return;
	}
	/* It never changes, so it need not be compared. */
	if (faccessat(tree->root, "proc/driver/nvidia-caps/mig-minors", F_OK, 0) == 0)
		remember(tree, "proc/driver/nvidia-caps/mig-minors");
	else
		put(tree, "proc/driver/nvidia-caps/mig-minors", all);
}

static void put_all(struct tree *tree, const struct dv_sim_machine *machine,
		    const struct dv_sim_state *state)
{
	putf(tree, "proc/driver/nvidia/version",
	     "NVRM version: NVIDIA UNIX x86_64 Kernel Module  %s\n", machine->driver);
	put_capability(tree, 1, "proc/driver/nvidia/capabilities/mig/config");
	put_capability(tree, 2, "proc/driver/nvidia/capabilities/mig/monitor");
	put(tree, "dev/nvidiactl", "");
	put(tree, "dev/nvidia-uvm", "");
	put(tree, "sys/bus/pci/drivers/nvidia/module", "");
	put_minors(tree);
	for (uint32_t i = 0; i < machine->gpu_count; i++)
		put_gpu(tree, &machine->gpus[i], &machine->models[machine->gpus[i].model],
			&state->gpus[i]);
	for (unsigned i = 0; i < DV_SIM_HOLDERS_MOST; i++)
		if (state->holders[i].name[0])
			put_holder(tree, machine, state, &state->holders[i]);
}

/* --- what is not wanted --- */

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Remove what is below `path` and not wanted; directories that become empty go, too. */
static void sweep(struct tree *tree, const char *path, unsigned depth)
{
	int fd = openat(tree->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	char below[PATH_SIZE * 2];
	const char *key = below;

	if (!dir) {
		dv_closep(&fd);
		return;
	}
	while (depth < DEPTH_MOST && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (snprintf(below, sizeof(below), "%s%s%s", depth ? path : "", depth ? "/" : "",
			     entry->d_name) >= (int)sizeof(below))
			continue;
		if (entry->d_type == DT_DIR)
			sweep(tree, below, depth + 1);
		else if (!bsearch(&key, tree->paths.items, tree->paths.len,
				  sizeof(*tree->paths.items), compare))
			(void)unlinkat(tree->root, below, 0);
	}
	(void)closedir(dir);
	if (depth)
		(void)unlinkat(tree->root, path, AT_REMOVEDIR); /* fails while there is something */
}

int dv_sim_tree_write(const char *dir, const struct dv_sim_machine *machine,
		      const struct dv_sim_state *state, struct dv_error *err)
{
	struct tree tree = {.err = err};
	char path[PATH_SIZE * 4];

	(void)snprintf(path, sizeof(path), "%s/root", dir);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return dv_error_errno(err, errno, "%s", path);
	tree.root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (tree.root < 0)
		return dv_error_errno(err, errno, "%s", path);
	put_all(&tree, machine, state);
	if (tree.r == 0 && tree.paths.len) {
		qsort(tree.paths.items, tree.paths.len, sizeof(*tree.paths.items), compare);
		sweep(&tree, ".", 0);
	}
	for (size_t i = 0; i < tree.paths.len; i++)
		free(tree.paths.items[i]);
	dv_vec_fini(&tree.paths);
	close(tree.root);
	return tree.r;
}
