/* SPDX-License-Identifier: Apache-2.0 */
/* What the catalogue knows of GPUs and their driver does not say. */
#pragma once

#include "model/gpu.h"

struct dv_catalog;

/* Of each of NVIDIA's GPUs that the catalogue has, by its product's name: the model's id, the
 * number of SMs, and where MIG's mode is off and the driver does not tell profiles yet, the
 * catalogue's. What the driver said stays. The catalogue is read at the first GPU that needs it and
 * kept in *catalog; one that cannot be read is logged, and the GPUs stay as they are. */
void dv_daemon_add_facts(struct dv_catalog **catalog, struct dv_gpu *gpus, size_t count);
