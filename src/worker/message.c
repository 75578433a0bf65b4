/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/message.h"

#include "base/str.h"
#include "config.h"

uint64_t dv_worker_build(void)
{
	static const uint64_t sizes[] = {sizeof(struct dv_worker_request),
					 sizeof(struct dv_worker_answer), sizeof(struct dv_gpu),
					 sizeof(struct dv_holder), sizeof(struct dv_worker_news)};
	uint64_t hash = dv_hash(DV_HASH_INIT, DV_VERSION, sizeof(DV_VERSION));

	return dv_hash(hash, sizes, sizeof(sizes));
}

size_t dv_worker_answer_size(const struct dv_worker_answer *answer, size_t len)
{
	if (len < sizeof(*answer) || answer->build != dv_worker_build() || answer->r > 0 ||
	    answer->gpu_count > DV_WORKER_GPUS_MOST ||
	    answer->holder_count > DV_WORKER_HOLDERS_MOST)
		return 0;
	return sizeof(*answer) + answer->gpu_count * sizeof(struct dv_gpu) +
	       answer->holder_count * sizeof(struct dv_holder);
}
