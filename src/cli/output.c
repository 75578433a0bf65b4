/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output.h"

#include <langinfo.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <wchar.h>

static const char *const style_on[DV_STYLE_COUNT] = {
	[DV_STYLE_NONE] = "",	      [DV_STYLE_HEAD] = "\033[1m",  [DV_STYLE_DIM] = "\033[2m",
	[DV_STYLE_GOOD] = "\033[32m", [DV_STYLE_WARN] = "\033[33m", [DV_STYLE_BAD] = "\033[31m",
};

/* Signs that our own texts use, and what stands for them in ASCII. */
static const struct {
	const char *sign, *ascii;
} spellings[] = {
	{"✓", "ok"}, {"✗", "no"}, {"→", "->"}, {"←", "<-"},  {"…", "..."},  {"≤", "<="},
	{"≥", ">="}, {"×", "x"},  {"·", "."},  {"µ", "u"},   {"±", "+-"},   {"█", "#"},
	{"░", "."},  {"├", "|"},  {"└", "`"},  {"─", "-"},   {"│", "|"},    {"–", "-"},
	{"’", "'"},  {"“", "\""}, {"”", "\""}, {"®", "(R)"}, {"™", "(TM)"},
};

void dv_out_init(struct dv_out *out, FILE *file)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	int fd = fileno(file);
	struct winsize size;

	memset(out, 0, sizeof(*out));
	out->file = file;
	out->columns = DV_OUT_COLUMNS;
	out->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	out->terminal = fd >= 0 && isatty(fd);
	if (!out->terminal)
		return;
	out->colour = !(no_color && no_color[0]) && term && term[0] && strcmp(term, "dumb") != 0;
	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40)
		out->columns = DV_MIN(size.ws_col, (unsigned)DV_OUT_COLUMNS);
}

static void render_sign(const struct dv_out *out, const char *p, size_t n, struct dv_buf *buf)
{
	/* U+0080 to U+009F are control characters too. */
	bool control = n == 2 && (unsigned char)p[0] == 0xc2 && (unsigned char)p[1] < 0xa0;

	if (out->utf8) {
		if (control)
			dv_buf_add(buf, "?");
		else
			dv_buf_add_n(buf, p, n);
		return;
	}
	for (size_t i = 0; i < DV_ARRAY_LEN(spellings); i++) {
		if (strlen(spellings[i].sign) == n && memcmp(spellings[i].sign, p, n) == 0) {
			dv_buf_add(buf, spellings[i].ascii);
			return;
		}
	}
	dv_buf_add(buf, "?");
}

char *dv_out_render(const struct dv_out *out, const char *text)
{
	struct dv_buf buf = {0};
	char *rendered = NULL;

	while (*text) {
		size_t n = dv_utf8_len(text);

		if (n > 1)
			render_sign(out, text, n, &buf);
		else if (n == 1 && (*text == '\n' || (*text >= ' ' && *text != 0x7f)))
			dv_buf_add_n(&buf, text, 1);
		else
			dv_buf_add(&buf, *text == '\t' ? " " : "?");
		text += n ? n : 1;
	}
	return dv_buf_take(&buf, &rendered) < 0 ? NULL : rendered;
}

unsigned dv_out_width(const char *rendered)
{
	mbstate_t state = {0};
	unsigned width = 0;

	while (*rendered) {
		wchar_t c;
		size_t n = mbrtowc(&c, rendered, strlen(rendered), &state);
		int w = 1;

		if (n == (size_t)-1 || n == (size_t)-2) {
			memset(&state, 0, sizeof(state));
			n = 1;
		} else {
			w = wcwidth(c);
		}
		width += w < 0 ? 1 : (unsigned)w;
		rendered += n;
	}
	return width;
}

static const char *out_of_memory(struct dv_out *out)
{
	out->failed = true;
	return "(out of memory)";
}

static void put(struct dv_out *out, enum dv_style style, const char *text)
{
	bool styled = out->colour && style != DV_STYLE_NONE && *text;

	if (styled)
		(void)fputs(style_on[style], out->file);
	(void)fputs(text, out->file);
	if (styled)
		(void)fputs("\033[0m", out->file);
}

void dv_out_text(struct dv_out *out, enum dv_style style, const char *text)
{
	dv_autofree char *rendered = dv_out_render(out, text);

	put(out, style, rendered ? rendered : out_of_memory(out));
}

static void DV_PRINTF(3, 0)
	out_va(struct dv_out *out, enum dv_style style, const char *fmt, va_list args)
{
	dv_autofree char *text = NULL;

	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	dv_out_text(out, style, text ? text : out_of_memory(out));
}

void dv_outf(struct dv_out *out, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	out_va(out, DV_STYLE_NONE, fmt, args);
	va_end(args);
}

void dv_out_style(struct dv_out *out, enum dv_style style, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	out_va(out, style, fmt, args);
	va_end(args);
}

void dv_out_wrap(struct dv_out *out, enum dv_style style, unsigned indent, unsigned at,
		 const char *text)
{
	dv_autofree char *rendered = dv_out_render(out, text);
	char *save = NULL;
	bool first = true;

	if (!rendered) {
		put(out, DV_STYLE_NONE, out_of_memory(out));
		put(out, DV_STYLE_NONE, "\n");
		return;
	}
	for (char *word = strtok_r(rendered, " \n", &save); word;
	     word = strtok_r(NULL, " \n", &save)) {
		unsigned width = dv_out_width(word);

		if (!first && at + 1 + width > out->columns) {
			(void)fprintf(out->file, "\n%*s", (int)indent, "");
			at = indent;
		} else if (!first) {
			(void)fputc(' ', out->file);
			at++;
		}
		put(out, style, word);
		at += width;
		first = false;
	}
	(void)fputc('\n', out->file);
}

const char *dv_out_bar(const struct dv_out *out, uint64_t part, uint64_t whole, unsigned columns,
		       char buf[DV_BAR_SIZE])
{
	/* Eighths of a column. */
	static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	double share = whole ? (double)part / (double)whole : 0;
	unsigned filled, rest;
	char *end = buf;

	columns = DV_MIN(columns, (unsigned)DV_BAR_COLUMNS_MOST);
	share = share > 1 ? 1 : share;
	filled = (unsigned)(share * columns * 8 + 0.5);
	if (part && !filled)
		filled = 1; /* a little is not nothing */
	if (!out->utf8) {
		filled = (filled + 7) / 8;
		*end++ = '[';
		for (unsigned i = 0; i < columns; i++)
			*end++ = i < filled ? '#' : '.';
		*end++ = ']';
		*end = '\0';
		return buf;
	}
	rest = filled % 8;
	for (unsigned i = 0; i < columns; i++)
		end = stpcpy(end, i < filled / 8	    ? "█"
				  : i == filled / 8 && rest ? eighths[rest]
							    : "░");
	*end = '\0';
	return buf;
}
