/* SPDX-License-Identifier: Apache-2.0 */
/* A program that does to itself, and has done to it, what must not disturb its slice:
 *
 *   cuda-robust beat MS FILE      launches for so long, and writes into FILE how often
 *   cuda-robust churn MS          allocates, launches, waits and frees for so long
 *   cuda-robust threads N MS      the same in so many threads; at the end all memory is back
 *   cuda-robust fork              uses CUDA before and after forks; its children, too
 *   cuda-robust exec N            replaces itself so often, with memory and work on the device
 *   cuda-robust crowd N [use]     so many processes at once that ask the driver, or have contexts
 *                                 and launch; says "N MS" when all have an answer, and ends them at
 *                                 the end of its input
 *
 * A time of 0 is until its input ends. It ends with 0 when every call did what it does without a
 * slice, and says nothing else. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "abi/cuda-calls.h"

enum { MIB = 1 << 20, THREADS_MOST = 64 };

static void *cuda;
static const char *self;

#define TYPE(symbol, name, since, args) typedef enum dv_cu_result dv_##symbol##_fn args;
DV_CUDA_CALLS(TYPE)
#define CU(symbol) ((dv_##symbol##_fn *)entry(#symbol))
#define DOES(call) check(#call, call)

static void *entry(const char *symbol)
{
	void *found = dlsym(cuda, symbol);

	if (!found) {
		(void)fprintf(stderr, "no %s\n", symbol);
		exit(9);
	}
	return found;
}

static void check(const char *what, enum dv_cu_result result)
{
	if (result == DV_CUDA_SUCCESS)
		return;
	(void)fprintf(stderr, "%s: %d\n", what, (int)result);
	exit(4);
}

static void expect(bool holds, const char *what)
{
	if (holds)
		return;
	(void)fprintf(stderr, "not so: %s\n", what);
	exit(5);
}
#define EXPECT(what) expect(what, #what)

static uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

static unsigned number(const char *text)
{
	return (unsigned)strtoul(text, NULL, 10);
}

static uint64_t end_ms; /* atomic */

static void *wait_for_end(void *nothing)
{
	while (getchar() != EOF)
		;
	__atomic_store_n(&end_ms, 0, __ATOMIC_RELAXED);
	return nothing;
}

static void run_for(unsigned ms)
{
	pthread_t thread;

	end_ms = ms ? now_ms() + ms : UINT64_MAX;
	EXPECT(ms || pthread_create(&thread, NULL, wait_for_end, NULL) == 0);
}

static bool is_over(void)
{
	return now_ms() >= __atomic_load_n(&end_ms, __ATOMIC_RELAXED);
}

static struct dv_cu_context *context;
static struct dv_cu_function *spin;

static void open_driver(void)
{
	cuda = dlopen("libcuda.so.1", RTLD_NOW);
	EXPECT(cuda);
}

static void begin(void)
{
	struct dv_cu_module *module;

	open_driver();
	DOES(CU(cuInit)(0));
	DOES(CU(cuCtxCreate_v2)(&context, 0, 0));
	DOES(CU(cuModuleLoadData)(&module, "divvy-sim-kernel name=spin args=8 ns=arg0\n"));
	DOES(CU(cuModuleGetFunction)(&spin, module, "spin"));
}

static void launch(struct dv_cu_stream *stream, uint64_t us)
{
	uint64_t ns = us * 1000;
	void *params[] = {&ns};

	DOES(CU(cuLaunchKernel)(spin, 1, 1, 1, 1, 1, 1, 0, stream, params, NULL));
}

static size_t free_bytes(void)
{
	size_t bytes, total;

	DOES(CU(cuMemGetInfo_v2)(&bytes, &total));
	return bytes;
}

static int beat(unsigned ms, const char *path)
{
	FILE *file = fopen(path, "w");

	EXPECT(file);
	begin();
	run_for(ms);
	for (unsigned long count = 1; !is_over(); count++) {
		launch(NULL, 500);
		DOES(CU(cuCtxSynchronize)());
		rewind(file);
		(void)fprintf(file, "%lu\n", count);
		(void)fflush(file);
	}
	return fclose(file);
}

static void churn_once(struct dv_cu_stream *stream, unsigned seed)
{
	dv_cu_ptr direct, pooled;

	DOES(CU(cuMemAlloc_v2)(&direct, (size_t)(1 + seed % 7) * MIB));
	DOES(CU(cuMemAllocAsync)(&pooled, 4096, stream));
	launch(stream, 100);
	DOES(CU(cuMemFreeAsync)(pooled, stream));
	launch(stream, 100);
	DOES(CU(cuStreamSynchronize)(stream));
	DOES(CU(cuMemFree_v2)(direct));
}

static void *churn_in_thread(void *arg)
{
	unsigned seed = *(unsigned *)arg;
	struct dv_cu_stream *stream;

	DOES(CU(cuCtxSetCurrent)(context));
	DOES(CU(cuStreamCreate)(&stream, seed % 2));
	while (!is_over())
		churn_once(stream, seed++);
	DOES(CU(cuStreamDestroy_v2)(stream));
	return NULL;
}

static int threads(unsigned n, unsigned ms)
{
	pthread_t all[THREADS_MOST];
	unsigned seeds[THREADS_MOST];
	size_t before;

	EXPECT(n <= THREADS_MOST);
	begin();
	before = free_bytes();
	run_for(ms);
	for (unsigned i = 0; i < n; i++) {
		seeds[i] = i;
		EXPECT(pthread_create(&all[i], NULL, churn_in_thread, &seeds[i]) == 0);
	}
	for (unsigned i = 0; i < n; i++)
		EXPECT(pthread_join(all[i], NULL) == 0);
	DOES(CU(cuCtxSynchronize)());
	EXPECT(free_bytes() == before);
	return 0;
}

static bool ended_well(pid_t pid)
{
	int status;

	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

/* In a child of a process that has started CUDA nothing works, as without a slice; another program
 * may be started there. */
static int fork_all(void)
{
	dv_cu_ptr held, more = 0;
	size_t left;
	pid_t pid;

	for (int i = 0; i < 3; i++) { /* children that are first */
		pid = fork();
		if (pid == 0) {
			begin();
			DOES(CU(cuMemAlloc_v2)(&held, MIB));
			launch(NULL, 1000);
			_exit(0);
		}
		EXPECT(ended_well(pid));
	}
	begin();
	DOES(CU(cuMemAlloc_v2)(&held, (size_t)64 * MIB));
	left = free_bytes();
	launch(NULL, 50000);
	for (int i = 0; i < 3; i++) {
		pid = fork();
		if (pid == 0) {
			EXPECT(CU(cuMemAlloc_v2)(&more, MIB) == DV_CUDA_ERROR_NOT_INITIALIZED);
			EXPECT(CU(cuInit)(0) == DV_CUDA_ERROR_NOT_INITIALIZED);
			_exit(0);
		}
		EXPECT(ended_well(pid));
		pid = fork();
		if (pid == 0) {
			(void)execl(self, self, "churn", "50", NULL);
			_exit(9);
		}
		EXPECT(ended_well(pid));
		/* The parent's are its own, and still there. */
		churn_once(NULL, 3);
	}
	DOES(CU(cuCtxSynchronize)());
	EXPECT(free_bytes() == left);
	return 0;
}

static int exec_on(unsigned n)
{
	char left[16];
	dv_cu_ptr held;

	begin();
	DOES(CU(cuMemAlloc_v2)(&held, (size_t)256 * MIB));
	launch(NULL, 20000);
	if (!n)
		return 0;
	(void)snprintf(left, sizeof(left), "%u", n - 1);
	(void)execl(self, self, "exec", left, NULL);
	return 9;
}

/* --- many --- */

static void ask(void)
{
	size_t bytes;
	int count;

	open_driver();
	DOES(CU(cuInit)(0));
	DOES(CU(cuDeviceGetCount)(&count));
	DOES(CU(cuDeviceTotalMem_v2)(&bytes, 0));
	EXPECT(count == 1);
}

static void answer(bool uses, int ready, int end)
{
	char byte = 1;

	if (uses) {
		begin();
		launch(NULL, 1000);
		DOES(CU(cuCtxSynchronize)());
	} else {
		ask();
	}
	EXPECT(write(ready, &byte, 1) == 1);
	EXPECT(read(end, &byte, 1) == 0);
}

static int crowd(unsigned n, bool uses)
{
	uint64_t begin_ms = now_ms();
	int ready[2], end[2];
	unsigned well = 0;
	int status;
	char byte;

	EXPECT(pipe(ready) == 0 && pipe(end) == 0);
	for (unsigned i = 0; i < n; i++) {
		pid_t pid = fork();

		EXPECT(pid >= 0);
		if (pid == 0) {
			(void)close(end[1]);
			(void)close(ready[0]);
			answer(uses, ready[1], end[0]);
			_exit(0);
		}
	}
	(void)close(ready[1]);
	for (unsigned i = 0; i < n; i++)
		EXPECT(read(ready[0], &byte, 1) == 1);
	(void)printf("%u %llu\n", n, (unsigned long long)(now_ms() - begin_ms));
	(void)fflush(stdout);
	while (getchar() != EOF)
		;
	(void)close(end[1]);
	while (wait(&status) > 0)
		well += WIFEXITED(status) && WEXITSTATUS(status) == 0;
	return well == n ? 0 : 6;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	self = "/proc/self/exe";
	if (strcmp(what, "beat") == 0 && argc > 3)
		return beat(number(argv[2]), argv[3]);
	if (strcmp(what, "churn") == 0 && argc > 2)
		return threads(1, number(argv[2]));
	if (strcmp(what, "threads") == 0 && argc > 3)
		return threads(number(argv[2]), number(argv[3]));
	if (strcmp(what, "fork") == 0)
		return fork_all();
	if (strcmp(what, "exec") == 0 && argc > 2)
		return exec_on(number(argv[2]));
	if (strcmp(what, "crowd") == 0 && argc > 2)
		return crowd(number(argv[2]), argc > 3);
	return 2;
}
