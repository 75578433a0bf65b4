/* SPDX-License-Identifier: Apache-2.0 */
/* What the layer adds to a launch, on a driver that does nothing:
 *
 *   launch-cost COUNT      launches so many times under an endless grant, for counting instructions
 *   launch-cost            measures: the driver alone, and through the layer, ns for each launch */
#include <time.h>

#include "base/macro.h"
#include "layer.h"

static double launches(const cl_icd_dispatch *table, long count)
{
	static const size_t global = 64;
	cl_kernel kernel = fake_opencl_kernel(0);
	cl_command_queue queue =
		table->clCreateCommandQueue(fake_opencl_context, fake_opencl_device, 0, NULL);
	struct timespec from, to;

	clock_gettime(CLOCK_MONOTONIC, &from);
	for (long i = 0; i < count; i++)
		(void)table->clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, NULL, 0, NULL,
						    NULL);
	clock_gettime(CLOCK_MONOTONIC, &to);
	return ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) /
	       (double)count;
}

int main(int argc, char **argv)
{
	struct fake *fake = begin(&(struct fake_config){.mode = FAKE_ENDLESS});
	const cl_icd_dispatch *driver = fake_opencl_start();

	fake_opencl_do_nothing(true);
	if (argc > 1) {
		launches(cl, strtol(argv[1], NULL, 10));
	} else {
		double best_driver = 1e9, best_layer = 1e9;

		for (int i = 0; i < 20; i++) {
			best_driver = DV_MIN(best_driver, launches(driver, 200000));
			best_layer = DV_MIN(best_layer, launches(cl, 200000));
		}
		printf("driver %.1f ns, layer %.1f ns, added %.1f ns a launch\n", best_driver,
		       best_layer, best_layer - best_driver);
	}
	fake_stop(fake);
	return 0;
}
