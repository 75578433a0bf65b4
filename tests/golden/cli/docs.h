/* SPDX-License-Identifier: Apache-2.0 */
/* The man page's list of verbs and the completions of the shells, made from the command's own
 * tables. The buffers are the caller's. */
#pragma once

#include "base/str.h"

void docs_man(struct dv_buf *buf);
void docs_bash(struct dv_buf *buf);
void docs_zsh(struct dv_buf *buf);
void docs_fish(struct dv_buf *buf);
