/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes, shares and times as people write them: "8GiB", "25%", "200ms". A bare number is refused
 * with the unit to use. Inside, memory is bytes, a share is thousandths of a percent, time is ns.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"

#define DV_KIB (UINT64_C(1) << 10)
#define DV_MIB (UINT64_C(1) << 20)
#define DV_GIB (UINT64_C(1) << 30)
#define DV_MPCT_WHOLE 100000u /* 100 % */

/* "512MiB", "8GiB", "8G" (the same), "1.5GiB"; more than 0, whole KiB, less than 2^62. -EINVAL. */
int dv_size_parse(const char *text, uint64_t *ret_bytes, struct dv_error *err) DV_MUST_CHECK;
/* "25%", "12.5%"; more than 0, at most 100 %, at most 3 decimals. -EINVAL. */
int dv_share_parse(const char *text, uint32_t *ret_mpct, struct dv_error *err) DV_MUST_CHECK;
/* "200ms", "500us", "2s"; more than 0, at most 1 h. -EINVAL. */
int dv_time_parse(const char *text, uint64_t *ret_ns, struct dv_error *err) DV_MUST_CHECK;

/* The shortest exact form: "8GiB", "1536MiB", "25%", "12.5%", "200ms". */
const char *dv_size_print(uint64_t bytes, char *buf, size_t size);
const char *dv_share_print(uint32_t mpct, char *buf, size_t size);
const char *dv_time_print(uint64_t ns, char *buf, size_t size);
