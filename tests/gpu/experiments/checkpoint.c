/* SPDX-License-Identifier: Apache-2.0 */
/* E8: how fast the driver takes a process's memory off the device and puts it back, and is it all
 * there then? The process is a child of this one.
 *
 *   checkpoint MIB */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cuda-load.h"
#include "say.h"

enum { LOCK_MS = 10000, PATTERN = 0x5eed };

/* cuda.h 12.8: the arguments of a lock; those of the others may be missing. */
struct lock_args {
	unsigned timeout_ms, reserved;
	uint64_t more[7];
};

typedef int step_fn(int pid, void *args);

static struct cuda cu;

/* In the child: takes memory, says so, waits for a byte, looks whether it is all there. */
static int hold(size_t bytes, int said, int go)
{
	const unsigned count = (unsigned)(bytes / sizeof(uint32_t));
	struct dv_cu_context *context = NULL;
	uint32_t *back = malloc(bytes);
	dv_cu_ptr at = 0;
	char byte = 0;

	if (!back || !cuda_load("libcuda.so.1", &cu) || cu.cuInit(0) != DV_CUDA_SUCCESS ||
	    cu.cuCtxCreate_v2(&context, 0, 0) != DV_CUDA_SUCCESS ||
	    cu.cuMemAlloc_v2(&at, bytes) != DV_CUDA_SUCCESS ||
	    cu.cuMemsetD32_v2(at, PATTERN, count) != DV_CUDA_SUCCESS ||
	    cu.cuCtxSynchronize() != DV_CUDA_SUCCESS || write(said, "", 1) != 1 ||
	    read(go, &byte, 1) != 1 || cu.cuMemcpyDtoH_v2(back, at, bytes) != DV_CUDA_SUCCESS)
		return 1;
	for (unsigned i = 0; i < count; i++)
		if (back[i] != PATTERN)
			return 1;
	return 0;
}

static int step(void *driver, const char *name, const char *what, pid_t pid, void *args, double mib)
{
	step_fn *call = NULL;
	uint64_t from_ns = now_ns();
	char note[64];
	double seconds;
	int r;

	*(void **)&call = dlsym(driver, name);
	r = call(pid, args);
	seconds = (double)(now_ns() - from_ns) / 1e9;
	(void)snprintf(note, sizeof(note), "result %d, %.3f GB/s", r,
		       mib * 1048576 / 1e9 / seconds);
	say(what, seconds * 1e3, "ms", note);
	return r;
}

static int measure(void *driver, pid_t pid, double mib, int go)
{
	struct lock_args lock = {.timeout_ms = LOCK_MS};
	int status = 1, r;

	r = step(driver, "cuCheckpointProcessLock", "E8 lock", pid, &lock, mib);
	if (r == 0)
		r = step(driver, "cuCheckpointProcessCheckpoint", "E8 off the device", pid, NULL,
			 mib);
	if (r == 0)
		r = step(driver, "cuCheckpointProcessRestore", "E8 back on it", pid, NULL, mib);
	if (r == 0)
		r = step(driver, "cuCheckpointProcessUnlock", "E8 unlock", pid, NULL, mib);
	if (r != 0 || write(go, "", 1) != 1) {
		(void)kill(pid, SIGKILL); /* it may be stuck for ever */
		(void)waitpid(pid, &status, 0);
		return say_failed("E8", "the driver answered", r);
	}
	(void)waitpid(pid, &status, 0);
	say("E8 its memory holds what it held", status == 0, "", "");
	return status != 0;
}

int main(int argc, char **argv)
{
	const double mib = argc > 1 ? strtod(argv[1], NULL) : 64;
	int said[2], go[2];
	void *driver;
	char byte;
	pid_t pid;

	if (pipe(said) < 0 || pipe(go) < 0)
		return say_failed("E8", "a pipe", errno);
	/* Before the driver is there: it does not survive a fork. */
	pid = fork();
	if (pid == 0)
		_exit(hold((size_t)mib << 20, said[1], go[0]));
	(void)close(said[1]);
	driver = cuda_load("libcuda.so.1", &cu);
	if (pid < 0 || !driver || cu.cuInit(0) != DV_CUDA_SUCCESS || read(said[0], &byte, 1) != 1)
		return say_failed("E8", "a process with memory on the device", errno);
	if (!dlsym(driver, "cuCheckpointProcessUnlock")) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return say_skipped("E8", "this driver has no checkpoint calls");
	}
	return measure(driver, pid, mib, go[1]);
}
