/* SPDX-License-Identifier: Apache-2.0 */
/* E5: is what cuGetProcAddress answers what is exported, and does every way of loading
 * "libcuda.so.1" come to the same library?
 *
 *   entries [--deepbind | --dlmopen] */
#include "cuda-load.h"
#include "say.h"

#define PTDS DV_CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM
/* Streams of threads came with CUDA 7. */
#define LATER(since) ((since) > 7000 ? (since) : 7000)
#define PLAIN(symbol, name, since, arguments) {#symbol, #name, since, 0},
#define PTSZ(symbol, name, since, arguments) {#symbol "_ptsz", #name, LATER(since), PTDS},
#define PTDS_CALL(symbol, name, since, arguments) {#symbol "_ptds", #name, LATER(since), PTDS},

static const struct call {
	const char *symbol, *name;
	int since;
	uint64_t flags;
} calls[] = {DV_CUDA_CALLS(PLAIN) DV_CUDA_PTSZ_CALLS(PTSZ) DV_CUDA_PTDS_CALLS(PTDS_CALL)};

typedef enum dv_cu_result ask_fn(const char *symbol, void **function, int version, uint64_t flags,
				 enum dv_cu_symbol_status *status);

static void compare(void *driver, ask_fn *ask)
{
	const size_t asked = sizeof(calls) / sizeof(calls[0]);
	unsigned exported = 0, answered = 0, same = 0;
	char others[256] = "";

	for (size_t i = 0; i < asked; i++) {
		void *is = dlsym(driver, calls[i].symbol), *got = NULL;
		size_t len = strlen(others);

		exported += is != NULL;
		if (ask(calls[i].name, &got, calls[i].since, calls[i].flags, NULL) !=
			    DV_CUDA_SUCCESS ||
		    !got)
			continue;
		answered++;
		same += got == is;
		if (got != is && len + strlen(calls[i].symbol) + 2 < sizeof(others))
			(void)snprintf(others + len, sizeof(others) - len, "%s ", calls[i].symbol);
	}
	say("E5 entry points asked for", (double)asked, "", "");
	say("E5 of these exported", exported, "", "");
	say("E5 answered by cuGetProcAddress", answered, "", "");
	say("E5 answers that are another address than the exported one", answered - same, "",
	    others);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	void *driver = strcmp(how, "--dlmopen") == 0
			       ? dlmopen(LM_ID_NEWLM, "libcuda.so.1", RTLD_NOW)
		       : strcmp(how, "--deepbind") == 0
			       ? dlopen("libcuda.so.1", RTLD_NOW | RTLD_DEEPBIND)
			       : dlopen("libcuda.so.1", RTLD_NOW);
	enum dv_cu_result (*begin)(unsigned flags) = NULL;
	ask_fn *ask = NULL;
	void *launch;
	Dl_info info;

	if (!driver)
		return say_failed("E5", "dlopen", 0);
	*(void **)&ask = dlsym(driver, "cuGetProcAddress_v2");
	*(void **)&begin = dlsym(driver, "cuInit");
	launch = dlsym(driver, "cuLaunchKernel");
	if (!ask || !begin || !launch || dladdr(launch, &info) == 0)
		return say_failed("E5", "a driver without its calls", 0);
	if (how[0] == '\0')
		compare(driver, ask);
	(void)printf("{\"what\": \"E5 cuLaunchKernel %s\", \"text\": \"%s\"}\n",
		     how[0] ? how : "dlopen", info.dli_fname);
	say("E5 cuInit", (int)begin(0), "result", how);
	return 0;
}
