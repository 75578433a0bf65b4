/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that the simulated library exports, declared. */
#pragma once

#include "abi/cuda-calls.h"
#include "base/macro.h"

#define DV_CU_PROTOTYPE(symbol, name, since, arguments)                                            \
	DV_EXPORT enum dv_cu_result symbol arguments;
#define DV_CU_PROTOTYPE_PTSZ(symbol, name, since, arguments)                                       \
	DV_EXPORT enum dv_cu_result symbol##_ptsz arguments;
#define DV_CU_PROTOTYPE_PTDS(symbol, name, since, arguments)                                       \
	DV_EXPORT enum dv_cu_result symbol##_ptds arguments;

DV_CUDA_CALLS(DV_CU_PROTOTYPE)
DV_CUDA_PTSZ_CALLS(DV_CU_PROTOTYPE_PTSZ)
DV_CUDA_PTDS_CALLS(DV_CU_PROTOTYPE_PTDS)
