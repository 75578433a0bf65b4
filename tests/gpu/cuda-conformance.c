/* SPDX-License-Identifier: Apache-2.0 */
/* Does a libcuda.so.1 keep to what divvy takes for granted, and does the simulated one keep to it
 * as the real one does? The library is the only argument. It uses the first device: a context, some
 * memory, kernels of milliseconds; it sets nothing that outlives the process. Prints a JSON object
 * of what it saw; ends with 1 on a surprise, 77 where there is no library, no driver or no device.
 */
#include "cuda-conformance.h"

struct cuda cu;
unsigned checks, surprises;
struct dv_cu_context *context;
struct dv_cu_function *spin, *fill, *add;

void check_at(const char *file, int line, bool holds_true, const char *what, long got)
{
	const char *name = NULL;

	checks++;
	if (holds_true)
		return;
	surprises++;
	if (got && cu.cuGetErrorName)
		(void)cu.cuGetErrorName((enum dv_cu_result)got, &name);
	(void)fprintf(stderr, "surprise at %s:%d: %s (got %ld %s)\n", file, line, what, got,
		      name ? name : "");
}

void saw_number(const char *name, double value)
{
	(void)printf("  \"%s\": %.10g,\n", name, value);
}

void saw_text(const char *name, const char *value)
{
	(void)printf("  \"%s\": \"%s\",\n", name, value);
}

double now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

void spin_for(struct dv_cu_stream *stream, unsigned long long ns)
{
	void *params[] = {&ns};

	OK(cu.cuLaunchKernel(spin, 1, 1, 1, 1, 1, 1, 0, stream, params, NULL));
}

void launch_on(struct dv_cu_stream *stream, struct dv_cu_function *function, dv_cu_ptr to,
	       uint32_t value, uint32_t count)
{
	void *params[] = {&to, &value, &count};

	OK(cu.cuLaunchKernel(function, (count + 255) / 256, 1, 1, 256, 1, 1, 0, stream, params,
			     NULL));
}

bool holds(dv_cu_ptr at, uint32_t value, uint32_t count)
{
	dv_autofree uint32_t *words = calloc(count, sizeof(*words));
	bool same = words &&
		    cu.cuMemcpyDtoH_v2(words, at, count * sizeof(*words)) == DV_CUDA_SUCCESS;

	for (uint32_t i = 0; same && i < count; i++)
		same = words[i] == value;
	return same;
}

static void module_functions(void)
{
	struct dv_cu_module *module = NULL;

	OK(cu.cuModuleLoadData(&module, cuda_kernels));
	if (!module)
		return;
	OK(cu.cuModuleGetFunction(&spin, module, "dv_spin"));
	OK(cu.cuModuleGetFunction(&fill, module, "dv_fill"));
	OK(cu.cuModuleGetFunction(&add, module, "dv_add"));
	IS(cu.cuModuleGetFunction(&spin, module, "dv_nothing"), ERROR_NOT_FOUND);
}

static int look(const char *library)
{
	enum dv_cu_result result;
	int count = 0;

	IS(cu.cuDeviceGetCount(&count), ERROR_NOT_INITIALIZED);
	IS(cu.cuInit(1), ERROR_INVALID_VALUE);
	result = cu.cuInit(0);
	if (result != DV_CUDA_SUCCESS) {
		(void)printf("%s: no driver answers (%d)\n", library, (int)result);
		return 77;
	}
	(void)printf("{\n");
	saw_text("library", library);
	part_names();
	part_devices();
	part_context();
	if (context)
		module_functions();
	if (spin && fill && add) {
		part_memory();
		part_physical();
		part_pools();
		part_copies();
		part_streams();
		part_events();
		part_capture();
		part_graphs();
		part_wrong();
		OK(cu.cuCtxSynchronize());
		OK(cu.cuDevicePrimaryCtxRelease_v2(0));
	}
	(void)printf("  \"checks\": %u,\n  \"surprises\": %u\n}\n", checks, surprises);
	return surprises ? 1 : 0;
}

int main(int argc, char **argv)
{
	const char *library = argc > 1 ? argv[1] : "libcuda.so.1";
	int version = 0;

	if (!cuda_load(library, &cu)) {
		(void)printf("no %s here: nothing to compare with\n", library);
		return 77;
	}
	if (!cu.cuInit || !cu.cuGetProcAddress_v2 || !cu.cuMemCreate || !cu.cuDriverGetVersion ||
	    cu.cuDriverGetVersion(&version) != DV_CUDA_SUCCESS || version < 12000) {
		(void)printf("%s: a driver before CUDA 12\n", library);
		return 77;
	}
	return look(library);
}
