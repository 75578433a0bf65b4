/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/message.h"

#include "base/str.h"
#include "config.h"

uint64_t dv_worker_build(void)
{
	static const uint64_t sizes[] = {sizeof(struct dv_worker_request),
					 sizeof(struct dv_worker_answer), sizeof(struct dv_gpu),
					 sizeof(struct dv_holder)};
	uint64_t hash = dv_hash(DV_HASH_INIT, DV_VERSION, sizeof(DV_VERSION));

	return dv_hash(hash, sizes, sizeof(sizes));
}
