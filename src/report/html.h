/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of a self-contained page: no script, no outside asset, readable without colour. Everything
 * appends to the caller's buffer; dv_buf_take tells whether memory sufficed. */
#pragma once

#include "base/str.h"

/* Text with <, >, &, and quotes made harmless; bytes that are not UTF-8 become '?'. */
void dv_html_text(struct dv_buf *out, const char *text);
void dv_html_begin(struct dv_buf *out, const char *title);
void dv_html_end(struct dv_buf *out);
