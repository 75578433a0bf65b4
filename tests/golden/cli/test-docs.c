/* SPDX-License-Identifier: Apache-2.0 */
/* Help, man page and completions say the same: the latter are made from the tables of which the
 * help is printed. argv[1] is the source tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "compare.h"
#include "docs.h"

#define BEGIN "; The next part is made from the command's tables, up to the line that says so.\n"
#define END "; The made part ends here.\n"

static void compare_made(const char *name, void (*make)(struct dv_buf *buf))
{
	dv_autofree char *text = NULL;
	struct dv_buf buf = {0};

	make(&buf);
	assert_int_equal(dv_buf_take(&buf, &text), 0);
	compare(name, text);
}

static void test_completions(void **state)
{
	compare_made("data/completions/divvy.bash", docs_bash);
	compare_made("data/completions/_divvy", docs_zsh);
	compare_made("data/completions/divvy.fish", docs_fish);
}

/* The made part of the page, in what a person wrote around it. */
static void test_man_page(void **state)
{
	dv_autofree char *page = NULL;
	dv_autofree char *wanted = NULL;
	struct dv_error err = {0};
	struct dv_buf buf = {0};
	char path[512], *begin, *end;

	(void)snprintf(path, sizeof(path), "%s/man/divvy.1.scd", directory);
	if (dv_file_read(path, DOCUMENT_MOST, &page, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	begin = strstr(page, BEGIN);
	end = strstr(page, END);
	assert_non_null(begin);
	assert_non_null(end);
	dv_buf_add_n(&buf, page, (size_t)(begin - page));
	dv_buf_add(&buf, BEGIN "\n");
	docs_man(&buf);
	dv_buf_add(&buf, end);
	assert_int_equal(dv_buf_take(&buf, &wanted), 0);
	compare("man/divvy.1.scd", wanted);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_completions),
		cmocka_unit_test(test_man_page),
	};

	if (argc < 2)
		return 77;
	directory = argv[1];
	return cmocka_run_group_tests_name("golden/docs", tests, NULL, NULL);
}
