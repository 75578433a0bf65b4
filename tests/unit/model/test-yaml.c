/* SPDX-License-Identifier: Apache-2.0 */
#include "model/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/str.h"
#include "random.h"

static struct dv_yaml *parse(const char *text)
{
	struct dv_error err = {0};
	struct dv_yaml *doc = NULL;

	if (dv_yaml_parse(text, strlen(text), DV_FILE_MOST, "x.yaml", &doc, &err) < 0)
		fail_msg("%s", err.msg);
	return doc;
}

static void refuse(const char *text, int code, const char *rule, const char *says)
{
	struct dv_yaml *untouched = (struct dv_yaml *)&refuse, *doc = untouched;
	struct dv_error err = {0};

	assert_int_equal(dv_yaml_parse(text, strlen(text), DV_FILE_MOST, "x.yaml", &doc, &err),
			 code);
	assert_ptr_equal(doc, untouched);
	assert_string_equal(err.rule, rule);
	assert_string_equal(err.file, "x.yaml");
	if (!strstr(err.msg, says))
		fail_msg("'%s' does not say '%s'", err.msg, says);
	assert_int_equal(dv_yaml_parse(text, strlen(text), DV_FILE_MOST, "x.yaml", &doc, NULL),
			 code);
}

static void test_nodes(void **state)
{
	dv_cleanup(dv_yaml_freep) struct dv_yaml *doc =
		parse("# a comment\nname: lab\nlist:\n  - 1\n  - 'two'\n  - {a: b, c: [d]}\n");
	const struct dv_yaml_node *root = dv_yaml_root(doc), *list, *item;

	assert_string_equal(dv_yaml_file(doc), "x.yaml");
	assert_int_equal(root->type, DV_YAML_MAP);
	assert_int_equal(root->count, 2);
	assert_string_equal(dv_yaml_get(root, "name")->text, "lab");
	assert_int_equal(dv_yaml_get(root, "name")->line, 2);
	assert_int_equal(dv_yaml_get(root, "name")->column, 7);
	list = dv_yaml_get(root, "list");
	assert_int_equal(list->type, DV_YAML_LIST);
	assert_int_equal(list->count, 3);
	item = list->first;
	assert_string_equal(item->text, "1");
	assert_true(item->plain);
	item = item->next;
	assert_string_equal(item->text, "two");
	assert_false(item->plain);
	item = item->next;
	assert_null(item->next);
	assert_int_equal(item->type, DV_YAML_MAP);
	assert_int_equal(item->line, 6);
	assert_int_equal(item->column, 5);
	assert_string_equal(dv_yaml_get(item, "c")->first->text, "d");
	assert_null(dv_yaml_get(item, "d"));
	assert_null(dv_yaml_get(list, "a"));
}

static void test_not_yaml(void **state)
{
	refuse("a: [1, 2\n", -EBADMSG, "F01", "x.yaml:2:1: not readable as YAML: ");
	refuse("a: b: c\n", -EBADMSG, "F01", "x.yaml:1:5: ");
	refuse("a: \"\\q\"\n", -EBADMSG, "F01", "x.yaml:1:");
	refuse("", -EBADMSG, "F01", "x.yaml:1:1: the file is empty");
	refuse("# only a comment\n", -EBADMSG, "F01", "the file is empty");
	refuse("a: 1\n---\nb: 2\n", -EBADMSG, "F01", "x.yaml:2:1: a second document begins here");
	refuse("ab: 1\nc: \xff\xfe\n", -EBADMSG, "F01", "x.yaml:2:4: not readable as YAML");
	refuse("a: \"b\\0c\"\n", -EBADMSG, "F01", "x.yaml:1:4: control characters");
	refuse("a: \"b\\x1b[31m\"\n", -EBADMSG, "F01", "control characters");
	refuse("a: \"b\\x9b\"\n", -EBADMSG, "F01", "control characters");
	refuse("{[a]: b}\n", -EBADMSG, "F06", "x.yaml:1:2: a key must be a word");
	refuse("? {a: b}\n: c\n", -EBADMSG, "F06", "a key must be a word");
}

static void test_tab_is_told(void **state)
{
	static const char text[] = "a:\n\tb: 1\n";
	struct dv_error err = {0};
	struct dv_yaml *doc;

	assert_int_equal(dv_yaml_parse(text, strlen(text), DV_FILE_MOST, "x", &doc, &err),
			 -EBADMSG);
	assert_int_equal(err.line, 2);
	assert_int_equal(err.column, 1);
	assert_non_null(strstr(err.fix, "spaces"));
}

static void test_no_clever_yaml(void **state)
{
	refuse("a: &x 1\nb: *x\n", -EBADMSG, "F04", "x.yaml:1:4: anchors");
	refuse("a: *x\n", -EBADMSG, "F04", "x.yaml:1:4: aliases");
	refuse("a: !!str 1\n", -EBADMSG, "F04", "tags");
	refuse("a: !mine {b: 1}\n", -EBADMSG, "F04", "tags");
	refuse("a: &m [1]\n", -EBADMSG, "F04", "anchors");
	refuse("&m a: 1\n", -EBADMSG, "F04", "anchors");
	refuse("%TAG ! tag:x,2000:\n---\na: 1\n", -EBADMSG, "F04", "%TAG");
}

static void test_doubled_key(void **state)
{
	refuse("a: 1\nb: 2\na: 3\n", -EBADMSG, "F02",
	       "x.yaml:3:1: key 'a' appears twice, first in line 1");
	refuse("{a: 1, 'a': 2}\n", -EBADMSG, "F02", "x.yaml:1:8: ");
	refuse("l:\n  - {a: 1}\n  - {b: 1, c: 1, b: 1}\n", -EBADMSG, "F02", "x.yaml:3:18: key 'b'");
	/* Of several, the first in the file. */
	refuse("z: 1\na: 1\nz: 2\na: 2\n", -EBADMSG, "F02", "x.yaml:3:1: key 'z'");
	refuse("a: 1\nz: 1\na: 2\nz: 2\n", -EBADMSG, "F02", "x.yaml:3:1: key 'a'");
	refuse("a: 1\na: 2\na: 3\n", -EBADMSG, "F02", "x.yaml:2:1: key 'a'");
}

static void test_depth(void **state)
{
	dv_cleanup(dv_yaml_freep) struct dv_yaml *doc =
		parse("[[[[[[[[[[[[[[[[16]]]]]]]]]]]]]]]]\n");

	assert_non_null(doc);
	refuse("[[[[[[[[[[[[[[[[[17]]]]]]]]]]]]]]]]]\n", -EBADMSG, "F03",
	       "x.yaml:1:17: nested too deep: more than 16 levels");
	refuse("- - - - - - - - - - - - - - - - - 17\n", -EBADMSG, "F03", "x.yaml:1:33: ");
}

static char *repeat(const char *text, size_t times)
{
	struct dv_buf buf = {0};
	char *all;

	while (times--)
		dv_buf_add(&buf, text);
	assert_int_equal(dv_buf_take(&buf, &all), 0);
	return all;
}

/* Refused by their first bytes, however long they are. */
static void test_mass_of_nesting(void **state)
{
	static const char *const pieces[] = {"[", "{a: ", "- ", "[\n", "? ", "{", "[{a: "};

	for (size_t i = 0; i < DV_ARRAY_LEN(pieces); i++) {
		dv_autofree char *text = repeat(pieces[i], ((size_t)10 << 20) / strlen(pieces[i]));
		struct dv_error err = {0};
		struct dv_yaml *doc;

		assert_int_equal(dv_yaml_parse(text, strlen(text), DV_FILE_MOST, "x", &doc, &err),
				 -E2BIG);
		assert_string_equal(err.rule, "F14");
		assert_non_null(strstr(err.msg, "1024 KiB"));
		dv_error_clear(&err);
		assert_int_equal(
			dv_yaml_parse(text, strlen(text), (size_t)64 << 20, "x", &doc, &err),
			-EBADMSG);
		assert_true(strcmp(err.rule, "F03") == 0 || strcmp(err.rule, "F06") == 0);
	}
}

/* A map of 100,000 keys: squared time would run into the test's time limit. */
static void test_many_keys(void **state)
{
	struct dv_buf buf = {0};
	struct dv_error err = {0};
	struct dv_yaml *doc = NULL;

	for (unsigned i = 0; i < 100000; i++)
		dv_buf_addf(&buf, "key%u: 1\n", i);
	assert_false(buf.failed);
	assert_int_equal(dv_yaml_parse(buf.data, buf.len, (size_t)4 << 20, "x", &doc, &err), 0);
	assert_int_equal(dv_yaml_root(doc)->count, 100000);
	dv_yaml_free(doc);
	dv_buf_add(&buf, "key77777: 1\n");
	assert_int_equal(dv_yaml_parse(buf.data, buf.len, (size_t)4 << 20, "x", &doc, &err),
			 -EBADMSG);
	assert_non_null(strstr(err.msg, "x:100001:1: key 'key77777' appears twice, first in line "
					"77778"));
	dv_buf_fini(&buf);
}

static const char *const keys[] = {"memory", "compute", "p99", NULL};

static void check_keys(const char *text, const char *rule, const char *says)
{
	dv_cleanup(dv_yaml_freep) struct dv_yaml *doc = parse(text);
	struct dv_error err = {0};
	int r = dv_yaml_only_keys(doc, dv_yaml_root(doc), keys, &err);

	assert_int_equal(r, rule[0] ? -EBADMSG : 0);
	assert_string_equal(err.rule, rule);
	assert_string_equal(err.msg, says);
}

static void test_only_keys(void **state)
{
	check_keys("p99: 1\nmemory: 2\n", "", "");
	check_keys("p99: 1\nmemry: 2\n", "F05",
		   "x.yaml:2:1: unknown key 'memry'; did you mean 'memory'? "
		   "allowed: memory, compute, p99");
	check_keys("{zzz: 1}\n", "F05",
		   "x.yaml:1:2: unknown key 'zzz'; allowed: memory, compute, p99");
	check_keys("[memory]\n", "F06",
		   "x.yaml:1:1: here is a list; wanted a map with: memory, compute, p99");
	check_keys("memory\n", "F06",
		   "x.yaml:1:1: here is a text; wanted a map with: memory, compute, p99");
	check_keys("---\n...\n", "F06",
		   "x.yaml:2:1: here is nothing; wanted a map with: memory, compute, p99");
}

/* One scalar, and what each reader makes of it; "" stands for: takes it. */
static void check_scalar(const char *text, const char *number, const char *truth,
			 const char *string)
{
	dv_cleanup(dv_yaml_freep) struct dv_yaml *doc = parse(text);
	const struct dv_yaml_node *node = dv_yaml_get(dv_yaml_root(doc), "a");
	struct dv_error errs[3] = {0};
	uint64_t value = 77;
	bool yes = false;
	char buf[8] = "before";

	(void)!dv_yaml_u64(doc, node, 2, 10, &value, &errs[0]);
	(void)!dv_yaml_bool(doc, node, &yes, &errs[1]);
	(void)!dv_yaml_text(doc, node, buf, sizeof(buf), &errs[2]);
	assert_string_equal(errs[0].rule, number);
	assert_string_equal(errs[1].rule, truth);
	assert_string_equal(errs[2].rule, string);
	if (number[0])
		assert_int_equal(value, 77);
	if (truth[0])
		assert_false(yes);
	if (string[0])
		assert_string_equal(buf, "before");
	else
		assert_string_equal(buf, node->text);
}

static void test_scalars(void **state)
{
	check_scalar("a: 2\n", "", "F06", "");
	check_scalar("a: 10\n", "", "F06", "");
	check_scalar("a: 1\n", "F07", "F06", "");
	check_scalar("a: 11\n", "F07", "F06", "");
	check_scalar("a: 99999999999999999999999\n", "F07", "F06", "F14");
	check_scalar("a: '5'\n", "F06", "F06", "");
	check_scalar("a: -5\n", "F06", "F06", "");
	check_scalar("a: 5.0\n", "F06", "F06", "");
	check_scalar("a: 0x5\n", "F06", "F06", "");
	check_scalar("a: true\n", "F06", "", "");
	check_scalar("a: 'true'\n", "F06", "F06", "");
	check_scalar("a: yes\n", "F06", "F06", "");
	check_scalar("a:\n", "F06", "F06", "F06");
	check_scalar("a: ~\n", "F06", "F06", "F06");
	check_scalar("a: null\n", "F06", "F06", "F06");
	check_scalar("a: 'null'\n", "F06", "F06", "");
	check_scalar("a: ''\n", "F06", "F06", "");
	check_scalar("a: [1]\n", "F06", "F06", "F06");
	check_scalar("a: {b: 1}\n", "F06", "F06", "F06");
	check_scalar("a: 1234567\n", "F07", "F06", "");
	check_scalar("a: 12345678\n", "F07", "F06", "F14");
}

static void test_bool_values(void **state)
{
	dv_cleanup(dv_yaml_freep) struct dv_yaml *doc = parse("a: true\nb: false\n");
	bool value = false;

	assert_int_equal(dv_yaml_bool(doc, dv_yaml_get(dv_yaml_root(doc), "a"), &value, NULL), 0);
	assert_true(value);
	assert_int_equal(dv_yaml_bool(doc, dv_yaml_get(dv_yaml_root(doc), "b"), &value, NULL), 0);
	assert_false(value);
}

/* A message is one tidy line even when it quotes a text that is none, or cuts a character. */
static void test_messages_are_tidy(void **state)
{
	dv_cleanup(dv_yaml_freep) struct dv_yaml *doc = parse("a: \"x\\ny\\tz\"\nb: \xc3\xa9\n");
	struct dv_error err = {0};
	const struct dv_yaml_node *a = dv_yaml_get(dv_yaml_root(doc), "a");
	const struct dv_yaml_node *b = dv_yaml_get(dv_yaml_root(doc), "b");

	assert_int_equal(dv_yaml_fail(doc, a, "F11", &err, "'%s'", a->text), -EBADMSG);
	assert_string_equal(err.msg, "x.yaml:1:4: 'x?y?z'");
	assert_int_equal(err.line, 1);
	assert_int_equal(err.column, 4);
	dv_error_clear(&err);
	assert_int_equal(dv_yaml_fail(doc, b, "F11", &err, "'%.1s' of '%s'", b->text, b->text),
			 -EBADMSG);
	assert_string_equal(err.msg, "x.yaml:2:4: '?' of '\xc3\xa9'");
}

static void test_byte_order_mark(void **state)
{
	dv_cleanup(dv_yaml_freep) struct dv_yaml *doc = parse("\xef\xbb\xbf"
							      "a: 1\n");

	assert_string_equal(dv_yaml_get(dv_yaml_root(doc), "a")->text, "1");
}

/* A random document, written in YAML and, in one form only, as what must be read back. */
struct writing {
	struct dv_buf yaml, wanted;
	bool flow; /* inside of [] or {}: no way back to lines */
	unsigned depth;
};

static void write_node(struct writing *w, unsigned indent);

static void write_scalar(struct writing *w, bool key)
{
	static const char *const words[] = {"a", "name", "8GiB", "20%", "x y", "1", "true", "-7"};
	static const char *const quotes[] = {"", "'", "\""};
	const char *quote = quotes[random_below(3)];
	unsigned number = random_below(1000);

	if (key) {
		dv_buf_addf(&w->yaml, "%sk%zu%s: ", quote, w->wanted.len, quote);
		dv_buf_addf(&w->wanted, "k%zu=", w->wanted.len);
		return;
	}
	dv_buf_addf(&w->yaml, "%s%s %u%s", quote, words[number % 8], number, quote);
	dv_buf_addf(&w->wanted, "(%s %u%s)", words[number % 8], number, quote[0] ? "" : "!");
}

static void write_flow(struct writing *w, bool map, unsigned count)
{
	bool was = w->flow;

	w->flow = true;
	dv_buf_add(&w->yaml, map ? "{" : "[");
	while (count--) {
		if (map)
			write_scalar(w, true);
		write_node(w, 0);
		if (count)
			dv_buf_add(&w->yaml, random_below(2) ? ", " : ",\n   ");
	}
	dv_buf_add(&w->yaml, map ? "}" : "]");
	w->flow = was;
}

static void write_block(struct writing *w, bool map, unsigned count, unsigned indent)
{
	while (count--) {
		dv_buf_addf(&w->yaml, "\n%*s", (int)indent, "");
		if (random_below(8) == 0)
			dv_buf_addf(&w->yaml, "# a comment\n%*s", (int)indent, "");
		if (map)
			write_scalar(w, true);
		else
			dv_buf_add(&w->yaml, "- ");
		write_node(w, indent + 2);
	}
}

static void write_node(struct writing *w, unsigned indent)
{
	unsigned count = 1 + random_below(4);
	bool map = random_below(2);

	if (w->depth > 4 || (w->depth && random_below(3) == 0)) {
		write_scalar(w, false);
		return;
	}
	w->depth++;
	dv_buf_add(&w->wanted, map ? "{" : "[");
	if (w->flow || random_below(3) == 0)
		write_flow(w, map, count);
	else
		write_block(w, map, count, indent);
	dv_buf_add(&w->wanted, map ? "}" : "]");
	w->depth--;
}

/* Not deeper than what write_node makes. */
static void read_back(const struct dv_yaml_node *node, struct dv_buf *got)
{
	if (node->type == DV_YAML_SCALAR) {
		dv_buf_addf(got, "(%s%s)", node->text, node->plain ? "!" : "");
		return;
	}
	dv_buf_add(got, node->type == DV_YAML_MAP ? "{" : "[");
	for (const struct dv_yaml_node *child = node->first; child; child = child->next) {
		if (node->type == DV_YAML_MAP)
			dv_buf_addf(got, "%s=", child->text);
		read_back(node->type == DV_YAML_MAP ? child->value : child, got);
	}
	dv_buf_add(got, node->type == DV_YAML_MAP ? "}" : "]");
}

/* Every node's place is where its text begins. */
static void check_places(const struct dv_yaml_node *node, const char *yaml)
{
	const char *line = yaml;

	for (int i = 1; i < node->line; i++)
		line = strchr(line, '\n') + 1;
	line += node->column - 1;
	if (node->type == DV_YAML_SCALAR)
		assert_int_equal(strncmp(line + !node->plain, node->text, strlen(node->text)), 0);
	for (const struct dv_yaml_node *child = node->first; child; child = child->next) {
		check_places(child, yaml);
		if (node->type == DV_YAML_MAP)
			check_places(child->value, yaml);
	}
}

static void test_random_documents(void **state)
{
	random_start("model/yaml");
	for (int i = 0; i < 3000; i++) {
		struct writing w = {0};
		struct dv_buf got = {0};

		write_node(&w, 0);
		dv_buf_add(&w.yaml, "\n");
		assert_false(w.yaml.failed);
		dv_cleanup(dv_yaml_freep) struct dv_yaml *doc = parse(w.yaml.data);

		read_back(dv_yaml_root(doc), &got);
		if (strcmp(got.data, w.wanted.data) != 0)
			fail_msg("%s\nwanted %s\ngot    %s", w.yaml.data, w.wanted.data, got.data);
		check_places(dv_yaml_root(doc), w.yaml.data);
		dv_buf_fini(&w.yaml);
		dv_buf_fini(&w.wanted);
		dv_buf_fini(&got);
	}
}

/* Cut anywhere, with any byte changed: an answer, and when it is no, a place. */
static void test_damaged_documents(void **state)
{
	random_start("model/yaml damaged");
	for (int i = 0; i < 3000; i++) {
		struct writing w = {0};
		struct dv_error err = {0};
		struct dv_yaml *doc = NULL;
		size_t len;

		write_node(&w, 0);
		assert_false(w.yaml.failed);
		w.yaml.data[random_below((unsigned)w.yaml.len)] = (char)random_below(256);
		len = random_below((unsigned)w.yaml.len + 1);
		if (dv_yaml_parse(w.yaml.data, len, DV_FILE_MOST, "x", &doc, &err) < 0) {
			assert_int_equal(err.code, -EBADMSG);
			assert_true(err.line > 0 && err.column > 0);
			assert_string_not_equal(err.rule, "");
		}
		dv_yaml_free(doc);
		dv_buf_fini(&w.yaml);
		dv_buf_fini(&w.wanted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_not_yaml),
		cmocka_unit_test(test_tab_is_told),
		cmocka_unit_test(test_no_clever_yaml),
		cmocka_unit_test(test_doubled_key),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_mass_of_nesting),
		cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_only_keys),
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_bool_values),
		cmocka_unit_test(test_messages_are_tidy),
		cmocka_unit_test(test_byte_order_mark),
		cmocka_unit_test(test_random_documents),
		cmocka_unit_test(test_damaged_documents),
	};

	return cmocka_run_group_tests_name("model/yaml", tests, NULL, NULL);
}
