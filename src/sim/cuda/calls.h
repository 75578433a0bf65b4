/* SPDX-License-Identifier: Apache-2.0 */
/* The calls that name a stream, or mean the one of NULL, are there twice: their file is compiled
 * once as they are and once with DV_PER_THREAD (meson.build), where NULL is the thread's own stream
 * and the names end in _ptsz or _ptds. */
#pragma once

#include "sim/cuda/inside.h"

#ifdef DV_PER_THREAD
#define DV_PTSZ(name) name##_ptsz
#define DV_PTDS(name) name##_ptds
#define DV_THREAD true
#else
#define DV_PTSZ(name) name
#define DV_PTDS(name) name
#define DV_THREAD false
#endif

/* In this call `stream` is the handle, and then the stream. */
#define DV_CALL_ON_STREAM(stream)                                                                  \
	DV_CALL();                                                                                 \
	DV_TRY(dv_cu_stream_of(stream, DV_THREAD, &(stream)))
