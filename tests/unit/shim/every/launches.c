/* SPDX-License-Identifier: Apache-2.0 */
/* What puts work on the device's processors, and captures, in which it does not. */
#include "every.h"

static void gated(const struct every_row *row)
{
	every_begin();
	if (row->prepare)
		row->prepare();
	every_waits(row);
	CHECK(every_stats().counters.launches == (row->bytes ? 0u : 1u));
}

static enum dv_cu_result kernel(const struct every_row *row)
{
	return THIS(cuLaunchKernel)(every.kernel, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL);
}

static enum dv_cu_result kernel_ex(const struct every_row *row)
{
	const struct dv_cu_launch how = {
		.grid_x = 1, .grid_y = 1, .grid_z = 1, .block_x = 1, .block_y = 1, .block_z = 1};

	return THIS(cuLaunchKernelEx)(&how, every.kernel, NULL, NULL);
}

static enum dv_cu_result cooperative(const struct every_row *row)
{
	return THIS(cuLaunchCooperativeKernel)(every.kernel, 1, 1, 1, 1, 1, 1, 0, NULL, NULL);
}

static enum dv_cu_result on_devices(const struct every_row *row)
{
	struct dv_cu_launch_params launch = {.function = every.kernel,
					     .grid_x = 1,
					     .grid_y = 1,
					     .grid_z = 1,
					     .block_x = 1,
					     .block_y = 1,
					     .block_z = 1,
					     .stream = every.stream};

	return THIS(cuLaunchCooperativeKernelMultiDevice)(&launch, 1, 0);
}

static enum dv_cu_result oldest(const struct every_row *row)
{
	return THIS(cuLaunch)(every.kernel);
}

static enum dv_cu_result grid(const struct every_row *row)
{
	return THIS(cuLaunchGrid)(every.kernel, 1, 1);
}

static enum dv_cu_result grid_async(const struct every_row *row)
{
	return THIS(cuLaunchGridAsync)(every.kernel, 1, 1, every.stream);
}

static void make_graph(void)
{
	struct dv_cu_kernel_node node = {.function = every.kernel,
					 .grid_x = 1,
					 .grid_y = 1,
					 .grid_z = 1,
					 .block_x = 1,
					 .block_y = 1,
					 .block_z = 1};
	struct dv_cu_node *made;

	DOES(CU(cuGraphCreate)(&every.graph, 0));
	DOES(CU(cuGraphAddKernelNode_v2)(&made, every.graph, NULL, 0, &node));
	DOES(CU(cuGraphInstantiateWithFlags)(&every.exec, every.graph, 0));
}

static enum dv_cu_result graph(const struct every_row *row)
{
	return THIS(cuGraphLaunch)(every.exec, NULL);
}

static enum dv_cu_result upload(const struct every_row *row)
{
	return THIS(cuGraphUpload)(every.exec, NULL);
}

/* --- captures --- */

static void capture(const struct every_row *row)
{
	if (every_is_own(row))
		DOES(((dv_cuStreamBeginCapture_v2_fn *)every_entry("cuStreamBeginCapture_v2_ptsz"))(
			NULL, DV_CU_STREAM_CAPTURE_MODE_RELAXED));
	else
		DOES(CU(cuStreamBeginCapture_v2)(every.stream, DV_CU_STREAM_CAPTURE_MODE_RELAXED));
}

static void end_capture(const struct every_row *row)
{
	if (every_is_own(row))
		DOES(((dv_cuStreamEndCapture_fn *)every_entry("cuStreamEndCapture_ptsz"))(
			NULL, &every.graph));
	else
		DOES(CU(cuStreamEndCapture)(every.stream, &every.graph));
}

static void launch_captured(const struct every_row *row)
{
	every_launch(every_is_own(row) ? (struct dv_cu_stream *)DV_CU_STREAM_PER_THREAD
				       : every.stream);
}

/* What is captured never waits; what is not is followed, though nobody else wants the device. */
static void begins(const struct every_row *row)
{
	struct dv_cu_stream *other;

	every_begin();
	DOES(CU(cuStreamCreate)(&other, DV_CU_STREAM_NON_BLOCKING));
	DOES(CU(cuGraphCreate)(&every.graph, 0));
	fake_grant(every.fake, ENDLESS, 0);
	every_launch(other);
	CHECK(every_stats().counters.inflight == 0);
	DOES(row->call(row));
	every_launch(other);
	CHECK(every_stats().counters.inflight == 1);
	fake_grant(every.fake, NOT_HELD, 0);
	for (int i = 0; i < 10; i++)
		launch_captured(row);
	end_capture(row);
	DOES(CU(cuStreamSynchronize)(other));
}

static void ends(const struct every_row *row)
{
	every_begin();
	fake_grant(every.fake, ENDLESS, 0);
	capture(row);
	launch_captured(row);
	DOES(row->call(row));
	launch_captured(row);
	CHECK(every_stats().counters.inflight == 0);
	fake_grant(every.fake, NOT_HELD, 0);
	DOES(CU(cuCtxSynchronize)());
	every_waits(&(const struct every_row){.symbol = "cuLaunchKernel", .call = kernel});
}

static enum dv_cu_result begin_1(const struct every_row *row)
{
	return THIS(cuStreamBeginCapture)(every_is_own(row) ? NULL : every.stream);
}

static enum dv_cu_result begin_2(const struct every_row *row)
{
	return THIS(cuStreamBeginCapture_v2)(every_is_own(row) ? NULL : every.stream,
					     DV_CU_STREAM_CAPTURE_MODE_RELAXED);
}

static enum dv_cu_result begin_to_graph(const struct every_row *row)
{
	return THIS(cuStreamBeginCaptureToGraph)(every_is_own(row) ? NULL : every.stream,
						 every.graph, NULL, NULL, 0,
						 DV_CU_STREAM_CAPTURE_MODE_RELAXED);
}

static enum dv_cu_result end(const struct every_row *row)
{
	return THIS(cuStreamEndCapture)(every_is_own(row) ? NULL : every.stream, &every.graph);
}

enum { UNCOUNTED = 1 };

const struct every_row every_launches[] = {
	BOTH(cuLaunchKernel, "_ptsz", gated, kernel),
	BOTH(cuLaunchKernelEx, "_ptsz", gated, kernel_ex),
	BOTH(cuLaunchCooperativeKernel, "_ptsz", gated, cooperative),
	PLAIN(cuLaunchCooperativeKernelMultiDevice, gated, on_devices),
	PLAIN(cuLaunch, gated, oldest),
	PLAIN(cuLaunchGrid, gated, grid),
	PLAIN(cuLaunchGridAsync, gated, grid_async),
	BOTH(cuGraphLaunch, "_ptsz", gated, graph, make_graph),
	BOTH(cuGraphUpload, "_ptsz", gated, upload, make_graph, NULL, UNCOUNTED),
	BOTH(cuStreamBeginCapture, "_ptsz", begins, begin_1),
	BOTH(cuStreamBeginCapture_v2, "_ptsz", begins, begin_2),
	BOTH(cuStreamBeginCaptureToGraph, "_ptsz", begins, begin_to_graph),
	BOTH(cuStreamEndCapture, "_ptsz", ends, end),
	{NULL},
};
