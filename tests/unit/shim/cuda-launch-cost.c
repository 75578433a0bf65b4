/* SPDX-License-Identifier: Apache-2.0 */
/* What the CUDA shim adds to a launch, on a driver that does nothing:
 *
 *   cuda-launch-cost COUNT   launches so many times under an endless grant, to count instructions
 *   cuda-launch-cost         measures: the driver alone, and through the shim, ns for each launch;
 *                            and with a grant for a time, when each launch is followed */
#include "cuda-program.h"

static double launches(dv_cuLaunchKernel_fn *launch_kernel, struct dv_cu_function *kernel,
		       long count)
{
	uint64_t from_ns = now_ns();

	for (long i = 0; i < count; i++)
		(void)launch_kernel(kernel, 1, 1, 1, 32, 1, 1, 0, NULL, NULL, NULL);
	return (double)(now_ns() - from_ns) / (double)count;
}

static void measure(struct fake *fake, struct dv_cu_function *kernel)
{
	void *driver = dlopen("libcuda-divvy-real.so", RTLD_NOW | RTLD_NOLOAD);
	dv_cuLaunchKernel_fn *plain, *ours = CU(cuLaunchKernel);
	double best_driver = 1e9, best_shim = 1e9, best_followed = 1e9;

	CHECK(driver);
	plain = (dv_cuLaunchKernel_fn *)dlsym(driver, "cuLaunchKernel");
	for (int i = 0; i < 20; i++) {
		best_driver = DV_MIN(best_driver, launches(plain, kernel, 200000));
		best_shim = DV_MIN(best_shim, launches(ours, kernel, 200000));
	}
	fake_grant(fake, DV_GRANT_GATED | DV_GRANT_HELD, now_ns() + 100000 * MS);
	for (int i = 0; i < 20; i++)
		best_followed = DV_MIN(best_followed, launches(ours, kernel, 20000));
	printf("driver %.1f ns, shim %.1f ns, added %.1f ns a launch; followed: added %.1f ns\n",
	       best_driver, best_shim, best_shim - best_driver, best_followed - best_driver);
}

int main(int argc, char **argv)
{
	char dir[48];
	struct dv_cu_function *kernel;
	struct fake *fake;

	CHECK(temporary_make(dir, sizeof(dir), "cost") == 0);
	setenv(FAKE_DIR, dir, 1);
	fake = begin(&(struct fake_config){.mode = FAKE_ENDLESS, .linger_ns = 1000 * MS});
	kernel = FAKE(fake_cuda_kernel)(0);
	FAKE(fake_cuda_do_nothing)(1);
	if (argc > 1)
		(void)launches(CU(cuLaunchKernel), kernel, strtol(argv[1], NULL, 10));
	else
		measure(fake, kernel);
	fake_stop(fake);
	return temporary_remove(dir);
}
