/* SPDX-License-Identifier: Apache-2.0 */
/* A program that uses NVML alone, by the library's name or by a path, and prints what it is shown,
 * one word and one answer a line; a number beside a word is NVML's result where that is not
 * success:
 *
 *   nvml-look [LIBRARY] [UUID SERIAL ADDRESS]   the last three: of a device to look for
 *   nvml-look --stay                            only begins, and stays */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/gpu/nvml-load.h"

enum { MOST = 64 };

static struct dv_nvml_api nvml;

static void say(const char *word, enum dv_nvml_result result, unsigned long long value)
{
	if (result == DV_NVML_SUCCESS)
		printf("%s %llu\n", word, value);
	else
		printf("%s failed %d\n", word, (int)result);
}

static void say_text(const char *word, enum dv_nvml_result result, const char *text)
{
	if (result == DV_NVML_SUCCESS)
		printf("%s %s\n", word, text);
	else
		printf("%s failed %d\n", word, (int)result);
}

static void names(struct dv_nvml_device *gpu)
{
	char uuid[DV_NVML_UUID_SIZE] = "", serial[DV_NVML_SERIAL_SIZE] = "";
	struct dv_nvml_pci pci = {0};
	uint32_t index = 99;
	enum dv_nvml_result r = nvml.uuid(gpu, uuid, sizeof(uuid));

	say_text("uuid", r, uuid);
	r = nvml.serial(gpu, serial, sizeof(serial));
	say_text("serial", r, serial);
	r = nvml.pci(gpu, &pci);
	say_text("address", r, pci.address);
	r = nvml.index(gpu, &index);
	say("index", r, index);
}

static void serials(uint32_t count)
{
	char serial[DV_NVML_SERIAL_SIZE], word[32];
	struct dv_nvml_device *gpu;

	for (uint32_t i = 0; i < count; i++) {
		snprintf(word, sizeof(word), "serial_%u", i);
		if (nvml.by_index(i, &gpu) == DV_NVML_SUCCESS)
			say_text(word, nvml.serial(gpu, serial, sizeof(serial)), serial);
	}
}

static void memory(struct dv_nvml_device *gpu)
{
	struct dv_nvml_memory_v2 v2 = {.version = DV_NVML_MEMORY_V2};
	struct dv_nvml_memory v1 = {0};
	struct dv_nvml_bar1 bar1 = {0};
	enum dv_nvml_result r = nvml.memory_v1(gpu, &v1);

	say("total", r, v1.total >> 20);
	say("used", r, v1.used >> 20);
	say("free", r, v1.free >> 20);
	r = nvml.memory(gpu, &v2);
	say("total_v2", r, v2.total >> 20);
	say("used_v2", r, v2.used >> 20);
	say("free_v2", r, v2.free >> 20);
	r = nvml.bar1(gpu, &bar1);
	say("bar1", r, bar1.total >> 20);
}

static void parts(struct dv_nvml_device *gpu)
{
	char uuid[DV_NVML_UUID_SIZE], word[32];
	struct dv_nvml_memory memory = {0};
	struct dv_nvml_device *part;
	uint32_t most = 0, count = 0;

	if (nvml.mig_most(gpu, &most) != DV_NVML_SUCCESS)
		return;
	for (uint32_t i = 0; i < most; i++) {
		if (nvml.mig_by_index(gpu, i, &part) != DV_NVML_SUCCESS ||
		    nvml.uuid(part, uuid, sizeof(uuid)) != DV_NVML_SUCCESS ||
		    nvml.memory_v1(part, &memory) != DV_NVML_SUCCESS)
			continue;
		snprintf(word, sizeof(word), "part_%u", count++);
		say_text(word, DV_NVML_SUCCESS, uuid);
		snprintf(word, sizeof(word), "part_%u_total", i);
		say(word, DV_NVML_SUCCESS, memory.total >> 20);
	}
	say("parts", DV_NVML_SUCCESS, count);
}

static void processes(struct dv_nvml_device *gpu)
{
	struct dv_nvml_process list[MOST];
	struct dv_nvml_process_v1 old[MOST];
	struct dv_nvml_process_utilization use[MOST];
	uint32_t count = MOST;
	char word[32];
	enum dv_nvml_result r = nvml.compute_processes(gpu, &count, list);

	say("computing", r, count);
	for (uint32_t i = 0; r == DV_NVML_SUCCESS && i < count; i++) {
		snprintf(word, sizeof(word), "pid %u", list[i].pid);
		say(word, r, list[i].memory_bytes >> 20);
	}
	count = MOST;
	r = nvml.compute_processes_v1(gpu, &count, old);
	say("computing_v1", r, count);
	count = MOST;
	r = nvml.graphics_processes(gpu, &count, list);
	say("rendering", r, count);
	count = MOST;
	r = nvml.process_utilization(gpu, use, &count, 0);
	for (uint32_t i = 0; r == DV_NVML_SUCCESS && i < count; i++) {
		snprintf(word, sizeof(word), "busy %u", use[i].pid);
		say(word, r, use[i].sm);
	}
}

static void search(const char *uuid, const char *serial, const char *address)
{
	struct dv_nvml_device *found;

	say("by_uuid", nvml.by_uuid(uuid, &found), 1);
	say("by_serial", nvml.by_serial(serial, &found), 1);
	say("by_address", nvml.by_address(address, &found), 1);
	say("by_index", nvml.by_index(1, &found), 1);
}

static void changes(void *library, struct dv_nvml_device *gpu)
{
	static const char *const calls[] = {"nvmlDeviceSetPowerManagementLimit",
					    "nvmlDeviceSetComputeMode",
					    "nvmlDeviceSetGpuLockedClocks", "nvmlDeviceSetMigMode"};
	enum dv_nvml_result activation;
	enum dv_nvml_result (*change)(struct dv_nvml_device *, uint32_t, void *);

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		*(void **)&change = dlsym(library, calls[i]);
		if (change)
			say(calls[i], change(gpu, 1, &activation), 0);
	}
}

int main(int argc, char **argv)
{
	const bool stay = argc > 1 && strcmp(argv[1], "--stay") == 0;
	void *library = nvml_load(argc > 1 && !stay ? argv[1] : "libnvidia-ml.so.1", &nvml);
	struct dv_nvml_utilization use = {0};
	struct dv_nvml_device *gpu = NULL;
	enum dv_nvml_result r;
	uint32_t count = 0;

	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		return 9;
	}
	r = nvml.init();
	say("init", r, 0);
	if (r != DV_NVML_SUCCESS)
		return 1;
	if (stay) {
		fflush(stdout);
		pause();
	}
	r = nvml.count(&count);
	say("count", r, count);
	serials(count);
	r = nvml.by_index(0, &gpu);
	if (r != DV_NVML_SUCCESS)
		return 1;
	names(gpu);
	memory(gpu);
	parts(gpu);
	processes(gpu);
	r = nvml.utilization(gpu, &use);
	say("gpu", r, use.gpu);
	if (argc > 4)
		search(argv[2], argv[3], argv[4]);
	changes(library, gpu);
	return nvml.shutdown() == DV_NVML_SUCCESS ? 0 : 1;
}
