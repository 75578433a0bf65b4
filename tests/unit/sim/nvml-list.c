/* SPDX-License-Identifier: Apache-2.0 */
/* What NVML says of GPU 0: the MiB in use, then a line "PID MIB" for each process that computes. */
#include <stdio.h>

#include "tests/gpu/nvml-load.h"

enum { PROCESSES_MOST = 512 };

int main(int argc, char **argv)
{
	static struct dv_nvml_process list[PROCESSES_MOST];
	struct dv_nvml_memory_v2 memory = {.version = DV_NVML_MEMORY_V2};
	struct dv_nvml_device *gpu = NULL;
	uint32_t count = PROCESSES_MOST;
	struct dv_nvml_api nvml;

	if (argc != 2 || !nvml_load(argv[1], &nvml) || nvml.init() != DV_NVML_SUCCESS ||
	    nvml.by_index(0, &gpu) != DV_NVML_SUCCESS ||
	    nvml.memory(gpu, &memory) != DV_NVML_SUCCESS ||
	    nvml.compute_processes(gpu, &count, list) != DV_NVML_SUCCESS)
		return 1;
	(void)printf("%llu\n", (unsigned long long)memory.used >> 20);
	for (uint32_t i = 0; i < count; i++)
		(void)printf("%u %llu\n", list[i].pid,
			     (unsigned long long)list[i].memory_bytes >> 20);
	return 0;
}
