/* SPDX-License-Identifier: Apache-2.0 */
/* What the fake NVML has of its own. */
#pragma once

#include "abi/nvml-more.h"

typedef int fake_nvml_new_thing_fn(void);    /* 4242: a call that nobody knows yet */
typedef unsigned fake_nvml_changes_fn(void); /* how often the card was changed */
