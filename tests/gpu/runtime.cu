/* SPDX-License-Identifier: Apache-2.0 */
/* runtime SLICE-BYTES: a program of the CUDA runtime: memory, kernels, a graph, the limit. 0: any. */
#include <cstdio>
#include <cstdlib>

__global__ void add(unsigned *words, unsigned count, unsigned value)
{
	unsigned i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < count)
		words[i] += value;
}

#define TRY(call)                                                                                  \
	do {                                                                                       \
		cudaError_t r_ = (call);                                                           \
		if (r_ != cudaSuccess) {                                                           \
			std::fprintf(stderr, "%s: %s\n", #call, cudaGetErrorString(r_));           \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

int main(int argc, char **argv)
{
	const size_t wanted = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 0;
	const unsigned count = 1u << 20;
	size_t free_bytes = 0, total = 0;
	unsigned *words = nullptr, first = 0;
	cudaStream_t stream;
	cudaGraph_t graph;
	cudaGraphExec_t exec;
	void *more = nullptr;

	TRY(cudaMemGetInfo(&free_bytes, &total));
	std::printf("%zu of %zu bytes free\n", free_bytes, total);
	if (wanted && total != wanted)
		return 2;
	TRY(cudaMalloc(&words, count * sizeof(*words)));
	TRY(cudaMemset(words, 0, count * sizeof(*words)));
	TRY(cudaStreamCreate(&stream));
	TRY(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
	for (int i = 0; i < 10; i++)
		add<<<count / 256, 256, 0, stream>>>(words, count, 1);
	TRY(cudaStreamEndCapture(stream, &graph));
	TRY(cudaGraphInstantiate(&exec, graph, 0));
	for (int i = 0; i < 10; i++)
		TRY(cudaGraphLaunch(exec, stream));
	TRY(cudaStreamSynchronize(stream));
	TRY(cudaMemcpy(&first, words, sizeof(first), cudaMemcpyDeviceToHost));
	if (first != 100)
		return 3;
	if (cudaMalloc(&more, total) != cudaErrorMemoryAllocation)
		return 4;
	(void)cudaGetLastError();
	TRY(cudaMallocAsync(&more, 1 << 20, stream));
	TRY(cudaFreeAsync(more, stream));
	TRY(cudaFree(words));
	TRY(cudaDeviceSynchronize());
	std::printf("memory, kernels, a graph, the limit\n");
	return 0;
}
