/* SPDX-License-Identifier: Apache-2.0 */
/* The page of `top` on a whole terminal. The page is printed as always, into memory; here its lines
 * and the few escapes that output.c makes are put on the screen. */
#include <curses.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/remote.h"
#include "cli/show.h"
#include "cli/top.h"

enum { PAIR_GOOD = 1, PAIR_WARN, PAIR_BAD };

struct live {
	struct dv_cli *cli;
	enum dv_top_sort sort;
	unsigned interval_ms;
	int first; /* line that is shown on top */
	int count; /* of lines */
	bool done;
	char *page;	      /* lines, with escapes */
	struct dv_error news; /* why it could not be read again */
};

/* Fetch and print a new page; a failure is shown and the old page stays. */
static void refresh_page(struct live *live)
{
	dv_cleanup(dv_api_status_fini) struct dv_api_status status = {0};
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	struct dv_out out = live->cli->out;
	struct dv_error *err = &live->news;
	char *page = NULL;
	size_t len = 0;
	int r;

	dv_error_clear(err);
	r = dv_remote_get(live->cli, &answer, err, "/v1/status");

	if (r == 0)
		r = dv_api_status_decode(answer, &status, err);
	out.file = r == 0 ? open_memstream(&page, &len) : NULL;
	if (stdscr)
		out.columns = (unsigned)DV_MIN(COLS, DV_OUT_COLUMNS);
	if (r == 0 && !out.file)
		r = dv_error_errno(err, errno, "making a page");
	if (r == 0)
		r = dv_top_print(&out, &status, live->sort, err);
	if (out.file && fclose(out.file) != 0 && r == 0)
		r = dv_error_errno(err, errno, "making a page");
	if (r < 0) {
		free(page);
		return;
	}
	free(live->page);
	live->page = page;
	live->count = 0;
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	for (const char *p = page; *p; p++)
		live->count += *p == '\n';
}

/* The attribute of one of our own escapes; moves *text past it. */
static attr_t take_escape(const char **text)
{
	long code = strtol(*text + 2, NULL, 10);

	*text += strcspn(*text, "m");
	if (**text)
		++*text;
	switch (code) {
	case 1:
		return A_BOLD;
	case 2:
		return A_DIM;
	case 31:
		return A_BOLD | (attr_t)COLOR_PAIR(PAIR_BAD);
	case 32:
		return (attr_t)COLOR_PAIR(PAIR_GOOD);
	case 33:
		return (attr_t)COLOR_PAIR(PAIR_WARN);
	default:
		return A_NORMAL;
	}
}

static void put_line(int y, const char *line, size_t len)
{
	const char *end = line + len;

	(void)move(y, 0);
	while (line < end) {
		size_t n = strcspn(line, "\033\n");

		/* Never past the right edge: curses would go on in the next line. */
		if (n && getcurx(stdscr) < COLS - 1)
			(void)addnstr(line, (int)n);
		line += n;
		if (line < end && *line == '\033')
			(void)attrset(take_escape(&line));
	}
	(void)attrset(A_NORMAL);
	(void)clrtoeol();
}

static void put_head(const struct live *live)
{
	static const char *const sorts[DV_TOP_SORT_COUNT] = {"got", "memory", "name"};
	dv_autofree char *news = dv_out_render(&live->cli->out, live->news.msg);
	char line[640], now[DV_SHOW_SIZE];

	if (live->news.code)
		(void)snprintf(line, sizeof(line), "old: %s", news ? news : "");
	else
		(void)snprintf(line, sizeof(line), "divvy top  %s  by %s (g, m, n)  q ends",
			       dv_show_time(dv_now_s(), now), sorts[live->sort]);
	(void)attrset(live->news.code ? A_BOLD | (attr_t)COLOR_PAIR(PAIR_BAD) : A_REVERSE);
	(void)mvaddnstr(0, 0, line, COLS - 1);
	(void)attrset(A_NORMAL);
	(void)clrtoeol();
}

static void draw(struct live *live)
{
	const char *p = live->page ? live->page : "";
	int most = live->count - (LINES - 2);

	live->first = DV_MAX(0, DV_MIN(live->first, most));
	(void)erase();
	put_head(live);
	for (int i = 0; *p; i++) {
		size_t len = strcspn(p, "\n");

		if (i >= live->first && i - live->first + 2 < LINES)
			put_line(i - live->first + 2, p, len);
		p += len + (p[len] == '\n');
	}
	(void)refresh();
}

static bool on_key(struct live *live, int key)
{
	switch (key) {
	case 'q':
	case 'Q':
	case 27: /* Esc */
		live->done = true;
		return false;
	case 'g':
		live->sort = DV_TOP_BY_GOT;
		return true;
	case 'm':
		live->sort = DV_TOP_BY_MEMORY;
		return true;
	case 'n':
		live->sort = DV_TOP_BY_NAME;
		return true;
	case KEY_DOWN:
	case 'j':
		live->first++;
		return false;
	case KEY_UP:
	case 'k':
		live->first--;
		return false;
	case KEY_NPAGE:
		live->first += LINES - 3;
		return false;
	case KEY_PPAGE:
		live->first -= LINES - 3;
		return false;
	default:
		return key == KEY_RESIZE || key == ' ';
	}
}

/* Keys, until it is time to look again. */
static void wait_for_keys(struct live *live)
{
	uint64_t end_ns = dv_now_ns() + live->interval_ms * DV_NS_PER_MS, now;

	while (!live->done && (now = dv_now_ns()) < end_ns) {
		int key;

		timeout((int)((end_ns - now) / DV_NS_PER_MS) + 1);
		key = getch();
		if (key == ERR)
			continue;
		if (on_key(live, key))
			return;
		draw(live);
	}
}

static void start_colours(const struct dv_out *out)
{
	if (!out->colour || !has_colors() || start_color() == ERR)
		return;
	(void)use_default_colors();
	(void)init_pair(PAIR_GOOD, COLOR_GREEN, -1);
	(void)init_pair(PAIR_WARN, COLOR_YELLOW, -1);
	(void)init_pair(PAIR_BAD, COLOR_RED, -1);
}

int dv_top_live(struct dv_cli *cli, unsigned interval_ms, struct dv_error *err)
{
	struct live live = {.cli = cli, .interval_ms = interval_ms};
	SCREEN *screen;
	int r;

	/* The first page before the screen is taken: without divvyd there is only a message. */
	refresh_page(&live);
	if (live.news.code) {
		if (err)
			*err = live.news;
		free(live.page);
		return live.news.code;
	}
	screen = newterm(NULL, cli->out.file, stdin);
	if (!screen) {
		free(live.page);
		r = dv_error_set(err, -EIO, "this terminal (TERM=%s) can't be used",
				 getenv("TERM") ? getenv("TERM") : "");
		return dv_error_fix(err, r, "divvy top --once");
	}
	(void)set_escdelay(25);
	start_colours(&cli->out);
	(void)cbreak();
	(void)noecho();
	(void)keypad(stdscr, TRUE);
	(void)curs_set(0);
	while (!live.done) {
		refresh_page(&live);
		draw(&live);
		wait_for_keys(&live);
	}
	(void)endwin();
	delscreen(screen);
	free(live.page);
	return 0;
}
