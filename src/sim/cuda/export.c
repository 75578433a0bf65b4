/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/cuda/inside.h"

/* The driver's private tables. The CUDA runtime asks for seven of them, and by the last it makes
 * sure that the driver is the vendor's own. That answer is not imitated, so none is offered: a
 * program with the runtime is told at its first call that the symbol is not found, and needs a real
 * driver. */
enum dv_cu_result cuGetExportTable(const void **export_table, const struct dv_cu_uuid *id)
{
	DV_NEED(export_table && id);
	*export_table = NULL;
	return DV_CUDA_ERROR_NOT_FOUND;
}
