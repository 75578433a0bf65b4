/* SPDX-License-Identifier: Apache-2.0 */
/* Telling divvyd what happens to NVIDIA's GPUs, as the driver tells it. */
#pragma once

#include "worker/message.h"

/* Listen with `library`, and send what happens to `to`, until that hangs up or the library fails:
 * then the reason is the last message. Blocks. */
void dv_worker_watch(const char *library, int to);
