/* SPDX-License-Identifier: Apache-2.0 */
/* Entry points of the CUDA driver: modules, functions, launches. See abi/cuda-calls.h. */
#pragma once

#include "abi/cuda-graph.h"

/* clang-format off */
#define DV_CUDA_LAUNCH_CALLS(X) \
	X(cuFuncGetAttribute, cuFuncGetAttribute, 2020, (int *pi, uint32_t attrib, struct dv_cu_function *hfunc)) \
	X(cuFuncGetModule, cuFuncGetModule, 11000, (struct dv_cu_module **hmod, struct dv_cu_function *hfunc)) \
	X(cuFuncGetName, cuFuncGetName, 12030, (const char **name, struct dv_cu_function *hfunc)) \
	X(cuFuncGetParamInfo, cuFuncGetParamInfo, 12040, (struct dv_cu_function *func, size_t param_index, size_t *param_offset, size_t *param_size)) \
	X(cuFuncIsLoaded, cuFuncIsLoaded, 12040, (uint32_t *state, struct dv_cu_function *function)) \
	X(cuFuncLoad, cuFuncLoad, 12040, (struct dv_cu_function *function)) \
	X(cuFuncSetAttribute, cuFuncSetAttribute, 9000, (struct dv_cu_function *hfunc, uint32_t attrib, int value)) \
	X(cuFuncSetBlockShape, cuFuncSetBlockShape, 2000, (struct dv_cu_function *hfunc, int x, int y, int z)) \
	X(cuFuncSetCacheConfig, cuFuncSetCacheConfig, 3000, (struct dv_cu_function *hfunc, uint32_t config)) \
	X(cuFuncSetSharedMemConfig, cuFuncSetSharedMemConfig, 4020, (struct dv_cu_function *hfunc, uint32_t config)) \
	X(cuFuncSetSharedSize, cuFuncSetSharedSize, 2000, (struct dv_cu_function *hfunc, uint32_t bytes)) \
	X(cuKernelGetAttribute, cuKernelGetAttribute, 12000, (int *pi, uint32_t attrib, struct dv_cu_kernel *kernel, int dev)) \
	X(cuKernelGetFunction, cuKernelGetFunction, 12000, (struct dv_cu_function **func, struct dv_cu_kernel *kernel)) \
	X(cuKernelGetLibrary, cuKernelGetLibrary, 12050, (struct dv_cu_library **lib, struct dv_cu_kernel *kernel)) \
	X(cuKernelGetName, cuKernelGetName, 12030, (const char **name, struct dv_cu_kernel *hfunc)) \
	X(cuKernelGetParamInfo, cuKernelGetParamInfo, 12040, (struct dv_cu_kernel *kernel, size_t param_index, size_t *param_offset, size_t *param_size)) \
	X(cuKernelSetAttribute, cuKernelSetAttribute, 12000, (uint32_t attrib, int val, struct dv_cu_kernel *kernel, int dev)) \
	X(cuKernelSetCacheConfig, cuKernelSetCacheConfig, 12000, (struct dv_cu_kernel *kernel, uint32_t config, int dev)) \
	X(cuLaunch, cuLaunch, 2000, (struct dv_cu_function *f)) \
	X(cuLaunchCooperativeKernelMultiDevice, cuLaunchCooperativeKernelMultiDevice, 9000, (struct dv_cu_launch_params *launch_params_list, uint32_t num_devices, uint32_t flags)) \
	X(cuLaunchGrid, cuLaunchGrid, 2000, (struct dv_cu_function *f, int grid_width, int grid_height)) \
	X(cuLaunchGridAsync, cuLaunchGridAsync, 2000, (struct dv_cu_function *f, int grid_width, int grid_height, struct dv_cu_stream *stream)) \
	X(cuLibraryEnumerateKernels, cuLibraryEnumerateKernels, 12040, (struct dv_cu_kernel **kernels, uint32_t num_kernels, struct dv_cu_library *lib)) \
	X(cuLibraryGetGlobal, cuLibraryGetGlobal, 12000, (dv_cu_ptr *dptr, size_t *bytes, struct dv_cu_library *library, const char *name)) \
	X(cuLibraryGetKernel, cuLibraryGetKernel, 12000, (struct dv_cu_kernel **kernel, struct dv_cu_library *library, const char *name)) \
	X(cuLibraryGetKernelCount, cuLibraryGetKernelCount, 12040, (uint32_t *count, struct dv_cu_library *lib)) \
	X(cuLibraryGetManaged, cuLibraryGetManaged, 12000, (dv_cu_ptr *dptr, size_t *bytes, struct dv_cu_library *library, const char *name)) \
	X(cuLibraryGetModule, cuLibraryGetModule, 12000, (struct dv_cu_module **mod, struct dv_cu_library *library)) \
	X(cuLibraryLoadData, cuLibraryLoadData, 12000, (struct dv_cu_library **library, const void *code, uint32_t *jit_options, void **jit_options_values, uint32_t num_jit_options, uint32_t *library_options, void **library_option_values, uint32_t num_library_options)) \
	X(cuLibraryLoadFromFile, cuLibraryLoadFromFile, 12000, (struct dv_cu_library **library, const char *file_name, uint32_t *jit_options, void **jit_options_values, uint32_t num_jit_options, uint32_t *library_options, void **library_option_values, uint32_t num_library_options)) \
	X(cuLibraryUnload, cuLibraryUnload, 12000, (struct dv_cu_library *library)) \
	X(cuModuleEnumerateFunctions, cuModuleEnumerateFunctions, 12040, (struct dv_cu_function **functions, uint32_t num_functions, struct dv_cu_module *mod)) \
	X(cuModuleGetFunction, cuModuleGetFunction, 2000, (struct dv_cu_function **hfunc, struct dv_cu_module *hmod, const char *name)) \
	X(cuModuleGetFunctionCount, cuModuleGetFunctionCount, 12040, (uint32_t *count, struct dv_cu_module *mod)) \
	X(cuModuleGetGlobal_v2, cuModuleGetGlobal, 3020, (dv_cu_ptr *dptr, size_t *bytes, struct dv_cu_module *hmod, const char *name)) \
	X(cuModuleGetLoadingMode, cuModuleGetLoadingMode, 11070, (uint32_t *mode)) \
	X(cuModuleLoad, cuModuleLoad, 2000, (struct dv_cu_module **module, const char *fname)) \
	X(cuModuleLoadData, cuModuleLoadData, 2000, (struct dv_cu_module **module, const void *image)) \
	X(cuModuleLoadDataEx, cuModuleLoadDataEx, 2010, (struct dv_cu_module **module, const void *image, uint32_t num_options, uint32_t *options, void **option_values)) \
	X(cuModuleLoadFatBinary, cuModuleLoadFatBinary, 2000, (struct dv_cu_module **module, const void *fat_cubin)) \
	X(cuModuleUnload, cuModuleUnload, 2000, (struct dv_cu_module *hmod)) \
	X(cuOccupancyAvailableDynamicSMemPerBlock, cuOccupancyAvailableDynamicSMemPerBlock, 10020, (size_t *dynamic_smem_size, struct dv_cu_function *func, int num_blocks, int block_size)) \
	X(cuOccupancyMaxActiveBlocksPerMultiprocessor, cuOccupancyMaxActiveBlocksPerMultiprocessor, 6050, (int *num_blocks, struct dv_cu_function *func, int block_size, size_t dynamic_smem_size)) \
	X(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags, cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags, 7000, (int *num_blocks, struct dv_cu_function *func, int block_size, size_t dynamic_smem_size, uint32_t flags)) \
	X(cuOccupancyMaxPotentialBlockSize, cuOccupancyMaxPotentialBlockSize, 6050, (int *min_grid_size, int *block_size, struct dv_cu_function *func, dv_cu_occupancy_fn *block_size_to_dynamic_smem_size, size_t dynamic_smem_size, int block_size_limit)) \
	X(cuOccupancyMaxPotentialBlockSizeWithFlags, cuOccupancyMaxPotentialBlockSizeWithFlags, 7000, (int *min_grid_size, int *block_size, struct dv_cu_function *func, dv_cu_occupancy_fn *block_size_to_dynamic_smem_size, size_t dynamic_smem_size, int block_size_limit, uint32_t flags)) \
	X(cuParamSetSize, cuParamSetSize, 2000, (struct dv_cu_function *hfunc, uint32_t numbytes)) \
	X(cuParamSetf, cuParamSetf, 2000, (struct dv_cu_function *hfunc, int offset, float value)) \
	X(cuParamSeti, cuParamSeti, 2000, (struct dv_cu_function *hfunc, int offset, uint32_t value)) \
	X(cuParamSetv, cuParamSetv, 2000, (struct dv_cu_function *hfunc, int offset, void *ptr, uint32_t numbytes))

#define DV_CUDA_LAUNCH_PTSZ_CALLS(X) \
	X(cuLaunchCooperativeKernel, cuLaunchCooperativeKernel, 9000, (struct dv_cu_function *f, uint32_t grid_dim_x, uint32_t grid_dim_y, uint32_t grid_dim_z, uint32_t block_dim_x, uint32_t block_dim_y, uint32_t block_dim_z, uint32_t shared_mem_bytes, struct dv_cu_stream *stream, void **kernel_params)) \
	X(cuLaunchHostFunc, cuLaunchHostFunc, 10000, (struct dv_cu_stream *stream, dv_cu_host_fn *fn, void *user_data)) \
	X(cuLaunchKernel, cuLaunchKernel, 4000, (struct dv_cu_function *f, uint32_t grid_dim_x, uint32_t grid_dim_y, uint32_t grid_dim_z, uint32_t block_dim_x, uint32_t block_dim_y, uint32_t block_dim_z, uint32_t shared_mem_bytes, struct dv_cu_stream *stream, void **kernel_params, void **extra)) \
	X(cuLaunchKernelEx, cuLaunchKernelEx, 11060, (const struct dv_cu_launch *config, struct dv_cu_function *f, void **kernel_params, void **extra))

#define DV_CUDA_LAUNCH_PTDS_CALLS(X)

/* clang-format on */
