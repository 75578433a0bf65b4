/* SPDX-License-Identifier: Apache-2.0 */
#include "device/cpu.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/units.h"

enum { NODES_MOST = 256, LIST_SIZE = 4096 };

/* One number of a list; -1 when there is none. */
static long number(const char **text)
{
	char *end;
	long value;

	if (**text < '0' || **text > '9')
		return -1;
	errno = 0;
	value = strtol(*text, &end, 10);
	*text = end;
	return errno || value > UINT16_MAX ? -1 : value;
}

/* The next range "first" or "first-last" of a list, which ascends from *past. 1, 0 at the end, or
 * -EPROTO. */
static int next_range(const char **at, long *past, long *ret_first, long *ret_last)
{
	long first, last;

	if (!**at)
		return 0;
	first = last = number(at);
	if (**at == '-') {
		++*at;
		last = number(at);
	}
	if (first < *past || last < first)
		return -EPROTO;
	if (**at == ',' && (*at)[1])
		++*at;
	else if (**at)
		return -EPROTO;
	*past = last + 1;
	*ret_first = first;
	*ret_last = last;
	return 1;
}

int dv_cpu_list_parse(const char *text, uint16_t *ret_cpus, unsigned most, unsigned *ret_count,
		      struct dv_error *err)
{
	uint16_t cpus[DV_CPUS_MOST];
	unsigned count = 0;
	const char *at = text;
	long past = 0, first, last;
	int r;

	most = DV_MIN(most, DV_CPUS_MOST);
	while ((r = next_range(&at, &past, &first, &last)) > 0) {
		if ((unsigned long)(last - first) >= most - count)
			return dv_error_set(err, -E2BIG, "more than %u numbers in '%.64s'", most,
					    text);
		for (long cpu = first; cpu <= last; cpu++)
			cpus[count++] = (uint16_t)cpu;
	}
	if (r < 0)
		return dv_error_set(err, r, "'%.64s' is not a list of CPUs", text);
	memcpy(ret_cpus, cpus, count * sizeof(*cpus));
	*ret_count = count;
	return 0;
}

/* Whether a list, which may name far more CPUs than there are, names this one. */
static bool list_has(const char *text, uint16_t cpu)
{
	long past = 0, first, last;

	while (next_range(&text, &past, &first, &last) > 0)
		if (cpu >= first && cpu <= last)
			return true;
	return false;
}

static int compare_numbers(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

int dv_cpu_list_print(const uint16_t *cpus, unsigned count, char *buf, size_t size,
		      struct dv_error *err)
{
	uint16_t sorted[DV_CPUS_MOST];
	char text[LIST_SIZE] = "";
	size_t len = 0;

	if (count > DV_CPUS_MOST)
		return dv_error_set(err, -E2BIG, "more than %d CPUs", DV_CPUS_MOST);
	memcpy(sorted, cpus, count * sizeof(*cpus));
	qsort(sorted, count, sizeof(*sorted), compare_numbers);
	for (unsigned i = 0; i < count; i++) {
		unsigned first = i;

		while (i + 1 < count && sorted[i + 1] <= sorted[i] + 1)
			i++;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u", len ? "," : "",
					sorted[first]);
		if (sorted[i] > sorted[first])
			len += (size_t)snprintf(text + len, sizeof(text) - len, "-%u", sorted[i]);
	}
	if (len >= size)
		return dv_error_set(err, -E2BIG,
				    "a list of %u CPUs has %zu characters, at most %zu fit", count,
				    len, size - 1);
	memcpy(buf, text, len + 1);
	return 0;
}

/* The text after "key<blanks>:<blanks>" in a file of such lines; false: no such line. */
static bool field(const char *text, const char *key, char *buf, size_t size)
{
	size_t len = strlen(key), end;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) != 0)
			continue;
		line += len + strspn(line + len, " \t");
		if (*line != ':')
			continue;
		line += 1 + strspn(line + 1, " \t");
		end = strcspn(line, "\n");
		(void)snprintf(buf, size, "%.*s", (int)DV_MIN(end, size - 1), line);
		return true;
	}
	return false;
}

/* The beginning of a file under /proc, whose lines of interest come first: a long file is cut. */
static int read_start(const struct dv_root *root, const char *path, char *buf, size_t size,
		      struct dv_error *err)
{
	ssize_t n = root->ops->read(root, path, buf, size - 1);

	if (n < 0)
		return dv_error_errno(err, (int)-n, "%s", path);
	buf[n] = '\0';
	return 0;
}

/* The CPUs this process may use and that are on: the kernel's mask also names absent ones. */
static int read_allowed(const struct dv_root *root, uint16_t *cpus, unsigned *ret_count,
			struct dv_error *err)
{
	uint16_t online[DV_CPUS_MOST];
	char text[16384], list[LIST_SIZE];
	unsigned online_count, count = 0;
	int r = dv_root_read(root, "sys/devices/system/cpu/online", list, sizeof(list), err);

	if (r < 0)
		return r;
	r = dv_cpu_list_parse(list, online, DV_CPUS_MOST, &online_count, err);
	if (r < 0)
		return r;
	r = read_start(root, "proc/self/status", text, sizeof(text), err);
	if (r < 0)
		return r;
	if (!field(text, "Cpus_allowed_list", list, sizeof(list)))
		return dv_error_set(err, -EPROTO, "proc/self/status has no Cpus_allowed_list");
	for (unsigned i = 0; i < online_count; i++)
		if (list_has(list, online[i]))
			cpus[count++] = online[i];
	if (count == 0)
		return dv_error_set(err, -EPROTO, "proc/self/status allows no CPU that is on");
	*ret_count = count;
	return 0;
}

/* The lowest CPU that shares this one's core; itself where the kernel does not say. */
static uint16_t core_of(const struct dv_root *root, uint16_t cpu)
{
	uint16_t siblings[DV_CPUS_MOST];
	char path[96], list[LIST_SIZE];
	unsigned count;

	(void)snprintf(path, sizeof(path),
		       "sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu);
	if (dv_root_read(root, path, list, sizeof(list), NULL) < 0 ||
	    dv_cpu_list_parse(list, siblings, DV_CPUS_MOST, &count, NULL) < 0 || count == 0)
		return cpu;
	return siblings[0];
}

static void read_node(const struct dv_root *root, unsigned node, struct dv_cpu_info *info)
{
	uint16_t cpus[DV_CPUS_MOST];
	char path[96], list[LIST_SIZE];
	unsigned count;

	(void)snprintf(path, sizeof(path), "sys/devices/system/node/node%u/cpulist", node);
	if (dv_root_read(root, path, list, sizeof(list), NULL) < 0 ||
	    dv_cpu_list_parse(list, cpus, DV_CPUS_MOST, &count, NULL) < 0)
		return;
	for (unsigned i = 0; i < count; i++)
		for (unsigned j = 0; j < info->count; j++)
			if (info->cpus[j].cpu == cpus[i])
				info->cpus[j].node = (int16_t)node;
}

static void read_nodes(const struct dv_root *root, struct dv_cpu_info *info)
{
	uint16_t nodes[NODES_MOST];
	char list[LIST_SIZE];
	unsigned count = 0;

	if (dv_root_read(root, "sys/devices/system/node/has_memory", info->memory_nodes,
			 sizeof(info->memory_nodes), NULL) < 0)
		info->memory_nodes[0] = '\0';
	if (dv_root_read(root, "sys/devices/system/node/online", list, sizeof(list), NULL) < 0 ||
	    dv_cpu_list_parse(list, nodes, NODES_MOST, &count, NULL) < 0)
		return; /* a kernel without NUMA: one node, not named */
	for (unsigned i = 0; i < count; i++)
		read_node(root, nodes[i], info);
}

static int compare_places(const void *a, const void *b)
{
	const struct dv_cpu_one *x = a, *y = b;

	if (x->node != y->node)
		return x->node - y->node;
	if (x->core != y->core)
		return x->core - y->core;
	return x->cpu - y->cpu;
}

static int read_memory(const struct dv_root *root, uint64_t *ret_bytes, struct dv_error *err)
{
	char text[8192], value[64];
	uint64_t kib;
	int r = read_start(root, "proc/meminfo", text, sizeof(text), err);

	if (r < 0)
		return r;
	if (!field(text, "MemTotal", value, sizeof(value)) ||
	    sscanf(value, "%" SCNu64 " kB", &kib) != 1 || kib == 0 || kib > UINT64_MAX / DV_KIB)
		return dv_error_set(err, -EPROTO, "proc/meminfo has no MemTotal");
	*ret_bytes = kib * DV_KIB;
	return 0;
}

/* The machine id itself is not for showing (man machine-id): derive one from it. Without one, the
 * machine's name has to do; what matters is that every user derives the same. */
static void derive_uuid(const struct dv_root *root, char *buf, size_t size)
{
	static const char salt_high[] = "divvy CPU device, high",
			  salt_low[] = "divvy CPU device, low";
	char id[256] = "";
	uint64_t high, low;

	if (dv_root_read(root, "etc/machine-id", id, sizeof(id), NULL) < 0 || !id[0])
		if (dv_root_read(root, "proc/sys/kernel/hostname", id, sizeof(id), NULL) < 0)
			id[0] = '\0';
	high = dv_hash(dv_hash(DV_HASH_INIT, salt_high, sizeof(salt_high)), id, strlen(id));
	low = dv_hash(dv_hash(DV_HASH_INIT, salt_low, sizeof(salt_low)), id, strlen(id));
	(void)snprintf(buf, size, "CPU-%08x-%04x-%04x-%04x-%04x%08x", (unsigned)(high >> 32),
		       (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff),
		       (unsigned)(low >> 48), (unsigned)(low >> 32 & 0xffff), (unsigned)low);
}

int dv_cpu_read(const struct dv_root *root, struct dv_cpu_info *ret, struct dv_error *err)
{
	dv_autofree struct dv_cpu_info *info = calloc(1, sizeof(*info));
	uint16_t cpus[DV_CPUS_MOST];
	char text[4096];
	int r;

	if (!info)
		return dv_error_set(err, -ENOMEM, "no memory to read the machine's CPUs");
	r = read_allowed(root, cpus, &info->count, err);
	if (r < 0)
		return r;
	r = read_memory(root, &info->memory_bytes, err);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < info->count; i++)
		info->cpus[i] = (struct dv_cpu_one){
			.cpu = cpus[i], .core = core_of(root, cpus[i]), .node = -1};
	read_nodes(root, info);
	qsort(info->cpus, info->count, sizeof(info->cpus[0]), compare_places);
	if (read_start(root, "proc/cpuinfo", text, sizeof(text), NULL) < 0 ||
	    !field(text, "model name", info->model, sizeof(info->model)))
		info->model[0] = '\0';
	derive_uuid(root, info->uuid, sizeof(info->uuid));
	*ret = *info;
	return 0;
}
