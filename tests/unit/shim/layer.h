/* SPDX-License-Identifier: Apache-2.0 */
/* A process whose OpenCL is the fake driver under the layer, with a lease of the fake divvyd. */
#pragma once

#include <stdlib.h>

#include "fake-divvyd.h"
#include "fake-opencl.h"
#include "process.h"

static const cl_icd_dispatch *cl; /* as a program sees it */

static inline struct fake *begin(const struct fake_config *config)
{
	struct fake *fake = fake_start(config);
	cl_uint entries;

	CHECK(fake);
	setenv("DIVVY_LEASE_SOCKET", fake_path(fake), 1);
	setenv("DIVVY_LEASE_NONCE", FAKE_NONCE, 1);
	CHECK(clInitLayer(DV_OPENCL_ENTRIES_LEAST, fake_opencl_start(), &entries, &cl) ==
	      CL_SUCCESS);
	CHECK(entries == DV_OPENCL_ENTRIES_LEAST);
	return fake;
}

static inline bool used_is(const struct fake_stats *stats, uint64_t bytes)
{
	return stats->used == bytes;
}
