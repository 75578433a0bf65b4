/* SPDX-License-Identifier: Apache-2.0 */
#include "report/html.h"

#include <string.h>

static const char style[] =
	":root{--ink:#1c2430;--soft:#5b6675;--line:#d8dee6;--page:#fff;--band:#f4f6f9;"
	"--a:#2a6fbb;--b:#d9822b;--c:#4c9a6a;--bad:#b3261e}\n"
	"@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa6b5;--line:#36404d;"
	"--page:#12171e;--band:#1b222c;--a:#6aa9ef;--b:#f0a860;--c:#7cc79a;--bad:#ff8a80}}\n"
	"body{margin:2rem auto;max-width:62rem;padding:0 "
	"1rem;color:var(--ink);background:var(--page);"
	"font:16px/1.5 system-ui,sans-serif}\n"
	"h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}\n"
	"p{max-width:46rem}.soft{color:var(--soft)}\n"
	"table{border-collapse:collapse;width:100%;font-size:.92rem}\n"
	"th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);text-align:left;"
	"vertical-align:top}\n"
	"th{color:var(--soft);font-weight:600}td.n,th.n{text-align:right;"
	"font-variant-numeric:tabular-nums}\n"
	"tbody tr:nth-child(odd){background:var(--band)}\n"
	"svg{width:100%;height:auto;display:block;margin:.5rem 0}svg text{fill:var(--ink);"
	"font:12px system-ui,sans-serif}\n"
	".miss{color:var(--bad);font-weight:600}\n";

/* Bytes of the UTF-8 character that starts here; 0: none starts here. */
static size_t character(const unsigned char *p)
{
	size_t len = *p < 0x80		       ? 1
		     : *p >= 0xf0 && *p < 0xf5 ? 4
		     : *p >= 0xe0	       ? 3
		     : *p >= 0xc2	       ? 2
					       : 0;

	if (*p >= 0xf5)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

void dv_html_text(struct dv_buf *out, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p;) {
		size_t len = character(p);

		if (*p == '<')
			dv_buf_add(out, "&lt;");
		else if (*p == '>')
			dv_buf_add(out, "&gt;");
		else if (*p == '&')
			dv_buf_add(out, "&amp;");
		else if (*p == '"')
			dv_buf_add(out, "&quot;");
		else if (*p == '\'')
			dv_buf_add(out, "&#39;");
		else if (!len || *p == 0x7f || (*p < 0x20 && *p != '\n' && *p != '\t'))
			dv_buf_add(out, "?");
		else
			dv_buf_add_n(out, p, len);
		p += len ? len : 1;
	}
}

void dv_html_begin(struct dv_buf *out, const char *title)
{
	dv_buf_add(out, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
			"<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
			"<title>");
	dv_html_text(out, title);
	dv_buf_add(out, "</title>\n<style>\n");
	dv_buf_add(out, style);
	dv_buf_add(out, "</style>\n<body>\n<h1>");
	dv_html_text(out, title);
	dv_buf_add(out, "</h1>\n");
}

void dv_html_end(struct dv_buf *out)
{
	dv_buf_add(out, "</body>\n</html>\n");
}
