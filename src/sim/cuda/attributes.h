/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of simulated devices: what differs between chips is the machine's, the rest is the
 * same for all. */
#pragma once

#include "sim/cuda/inside.h"

/* False: there is no such attribute. */
bool dv_cu_attribute(const struct dv_cu_device *device, uint32_t attribute, int *ret);
