/* SPDX-License-Identifier: Apache-2.0 */
/* Leave the host's thread as it was found: errno, and no cancellation while a lock is held. */
#pragma once

#include <errno.h>
#include <pthread.h>

struct dv_shim_kept {
	int error, cancel;
};

static inline struct dv_shim_kept dv_shim_keep(void)
{
	struct dv_shim_kept kept = {.error = errno};

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &kept.cancel);
	return kept;
}

static inline void dv_shim_unkeep(struct dv_shim_kept *kept)
{
	pthread_setcancelstate(kept->cancel, NULL);
	errno = kept->error;
}

/* First declaration of a function that the host calls. */
#define DV_SHIM_KEEP                                                                               \
	__attribute__((cleanup(dv_shim_unkeep), unused)) struct dv_shim_kept kept_ = dv_shim_keep()
