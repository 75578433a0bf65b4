/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/cuda/inside.h"

enum dv_cu_result cuGetExportTable(const void **export_table, const struct dv_cu_uuid *id)
{
	DV_NEED(export_table && id);
	return DV_CUDA_ERROR_NOT_FOUND;
}
