/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of reading a mig-parted file: mig-parted-text.c finds it, mig-parted.c reads it. */
#pragma once

#include "model/yaml.h"

/* Find the document that has mig-configs at its top, in the file or in a ConfigMap of it; the
 * document is the caller's. Lines and columns are those of the whole file. -EBADMSG. */
int dv_mig_parted_open(const char *text, size_t len, const char *file, struct dv_yaml **ret,
		       struct dv_error *err) DV_MUST_CHECK;
