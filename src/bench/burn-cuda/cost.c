/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "bench/burn-cuda/work.h"

enum { BATCH = 400, ROUNDS_MOST = 65536, ROUNDS_LEAST = 9 };

struct sides {
	dv_cuLaunchKernel_fn *ours, *plain;
	struct dv_cu_function *kernel; /* NULL: is refused */
};

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, unsigned count)
{
	qsort(values, count, sizeof(*values), compare);
	return values[count / 2];
}

/* ns for one of a batch. */
static int time_batch(struct burn_cuda *cuda, const struct sides *sides, bool plain, double *ret_ns,
		      struct dv_error *err)
{
	dv_cuLaunchKernel_fn *launch = plain ? sides->plain : sides->ours;
	void *params[] = {&cuda->kernel_ns, &cuda->loops};
	const uint64_t from_ns = dv_now_ns();
	enum dv_cu_result result = DV_CUDA_SUCCESS;

	for (unsigned i = 0; i < BATCH; i++)
		result = launch(sides->kernel, 1, 1, 1, 1, 1, 1, 0, cuda->stream, params, NULL);
	*ret_ns = (double)(dv_now_ns() - from_ns) / BATCH;
	if (!sides->kernel)
		return result != DV_CUDA_SUCCESS
			       ? 0
			       : dv_error_set(err, -EPROTO, "a launch of nothing was accepted");
	if (burn_cuda_check(result, "cuLaunchKernel", err) < 0)
		return err ? err->code : -EIO;
	return burn_cuda_sync(cuda, err);
}

/* Both sides, the first one in turn: what a batch leaves behind is the next one's cost. */
static int time_both(struct burn_cuda *cuda, const struct sides *sides, bool plain_first,
		     double *ret_ours, double *ret_plain, struct dv_error *err)
{
	int r = time_batch(cuda, sides, plain_first, plain_first ? ret_plain : ret_ours, err);

	return r < 0 ? r
		     : time_batch(cuda, sides, !plain_first, plain_first ? ret_ours : ret_plain,
				  err);
}

int burn_cuda_cost(struct burn_cuda *cuda, bool refused, uint64_t end_ns,
		   struct dv_cuda_record *ret, struct dv_error *err)
{
	struct sides sides = {.ours = cuda->cuLaunchKernel,
			      .kernel = refused ? NULL : cuda->kernel};
	dv_autofree double *plain = calloc(ROUNDS_MOST, sizeof(*plain));
	dv_autofree double *added = calloc(ROUNDS_MOST, sizeof(*added));
	unsigned rounds = 0;
	int r = 0;

	if (!plain || !added)
		return dv_error_set(err, -ENOMEM, "no memory for times");
	*(void **)&sides.plain = burn_cuda_below("cuLaunchKernel");
	if (!sides.plain)
		return dv_error_set(err, -ENOENT, "there is no layer to compare with");
	cuda->kernel_ns = cuda->loops = 0;
	while (r == 0 && rounds < ROUNDS_MOST && (dv_now_ns() < end_ns || rounds < ROUNDS_LEAST)) {
		double ours = 0;

		r = time_both(cuda, &sides, rounds % 2, &ours, &plain[rounds], err);
		added[rounds] = ours - plain[rounds];
		rounds++;
	}
	if (r < 0)
		return r;
	ret->added_pns = (int64_t)llround(median(added, rounds) * 1000);
	ret->plain_pns = (int64_t)llround(median(plain, rounds) * 1000);
	ret->each = BATCH;
	return 0;
}
