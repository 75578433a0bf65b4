/* SPDX-License-Identifier: Apache-2.0 */
/* The same once more, for streams of threads: calls.h. */
#define DV_PER_THREAD 1

#include "sim/cuda/launch-calls.c"
