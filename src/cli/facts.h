/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue, read from the product's data directory. The caller frees it. */
#pragma once

#include "catalog/catalog.h"

/* Read all of `directory`/gpus and `directory`/vgpu, and seal. */
int dv_facts_load(const char *directory, struct dv_catalog **ret_catalog,
		  struct dv_error *err) DV_MUST_CHECK;
