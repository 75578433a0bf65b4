/* SPDX-License-Identifier: Apache-2.0 */
/* What `divvy explain` finds: by id, alias and the way people write; every word that divvy prints
 * has a text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../temporary.h"
#include "base/file.h"
#include "cli/topic.h"
#include "config.h"
#include "model/lease.h"
#include "model/method.h"

static int setup(void **state)
{
	struct dv_topics *topics = calloc(1, sizeof(*topics));
	struct dv_error err = {0};

	if (!topics || dv_topics_load(DV_SOURCE_DIR "/data", topics, &err) < 0)
		return -1;
	*state = topics;
	return 0;
}

static int teardown(void **state)
{
	dv_topics_fini(*state);
	free(*state);
	return 0;
}

static void test_names(void **state)
{
	const struct {
		const char *name, *id;
	} known[] = {
		{"G01", "G01"},
		{"g01", "G01"},
		{"mig", "mig"},
		{"MIG", "mig"},
		{"Best Effort", "best-effort"},
		{"best_effort", "best-effort"},
		{"  p99 ", "p99"},
		{"time slicing", "timeslice"},
		{"Multi-Instance GPU", "mig"},
		{"vt-d", "iommu"},
		{"license", "licence"},
		{"faq", "misconceptions"},
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(known); i++) {
		const struct dv_topic *topic = dv_topic_find(*state, known[i].name);

		if (!topic)
			fail_msg("'%s' is not found", known[i].name);
		assert_string_equal(topic->id, known[i].id);
	}
	assert_null(dv_topic_find(*state, ""));
	assert_null(dv_topic_find(*state, "zzz"));
	assert_null(dv_topic_find(*state, "best-effort, besteffort"));
}

static void test_unknown(void **state)
{
	struct dv_error err = {0};

	assert_int_equal(dv_topic_unknown(*state, "quarntine", &err), -EINVAL);
	assert_string_equal(err.msg, "there is no topic 'quarntine'; is 'quarantine' meant?");
	assert_non_null(strstr(err.fix, "divvy explain"));
	dv_error_clear(&err);
	/* Near an alias: the topic is named. */
	assert_int_equal(dv_topic_unknown(*state, "licenses-", &err), -EINVAL);
	assert_non_null(strstr(err.msg, "'licence'"));
	dv_error_clear(&err);
	assert_int_equal(dv_topic_unknown(*state, "xylophone", &err), -EINVAL);
	assert_string_equal(err.msg, "there is no topic 'xylophone'");
}

static void want(const struct dv_topics *topics, const char *word)
{
	if (!dv_topic_find(topics, word))
		fail_msg("nothing explains '%s'", word);
}

static void test_every_word_of_the_model(void **state)
{
	for (int i = DV_METHOD_NONE + 1; i < DV_METHOD_COUNT; i++)
		want(*state, dv_method_name((enum dv_method)i));
	for (int i = 0; i < DV_KIND_COUNT; i++)
		want(*state, dv_kind_name((enum dv_kind)i));
	for (int i = 0; i < DV_DIVISION_COUNT; i++)
		want(*state, dv_division_name((enum dv_division)i));
	for (int i = 0; i < DV_POLICY_COUNT; i++)
		want(*state, dv_policy_name((enum dv_policy)i));
	for (int i = 0; i < DV_ISOLATION_COUNT; i++)
		want(*state, dv_isolation_name((enum dv_isolation)i));
	for (int i = 0; i < DV_HOLD_COUNT; i++)
		want(*state, dv_hold_name((enum dv_hold)i));
	for (int i = 0; i < DV_LEASE_STATE_COUNT; i++)
		want(*state, dv_lease_state_name((enum dv_lease_state)i));
}

static void test_rules_first(void **state)
{
	const struct dv_topics *topics = *state;
	bool rules = true;

	assert_true(topics->len > 100);
	for (size_t i = 0; i < topics->len; i++) {
		bool rule = dv_topic_is_rule(&topics->items[i]);

		assert_true(rules || !rule);
		rules = rule;
		assert_true(topics->items[i].title[0] && topics->items[i].text[0]);
		assert_int_equal(topics->items[i].group[0] == '\0', rule);
	}
}

struct words {
	char text[256];
	unsigned count;
};

static void collect(const char *word, void *arg)
{
	struct words *w = arg;

	(void)snprintf(w->text + strlen(w->text), sizeof(w->text) - strlen(w->text), "<%s>", word);
	w->count++;
}

static void test_lists(void **state)
{
	struct words w = {0};
	char longest[100];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	dv_topic_each(" a, bc,d ,, e", collect, &w);
	assert_string_equal(w.text, "<a><bc><d><e>");
	dv_topic_each("", collect, &w);
	dv_topic_each(longest, collect, &w);
	assert_int_equal(w.count, 4);
}

/* A directory with files of many kinds: the good ones count. */
static void test_other_files(void **state)
{
	const struct {
		const char *name, *text;
	} files[] = {
		{"good.txt", "a title\ngroup: words\nsee: x\nodd: y\n\ntext\n"},
		{"no-text.txt", "a title\n\n"},
		{"no-head.txt", "a title\ngroup: words\n"},
		{"no-title.txt", "\ntext\n"},
		{"empty.txt", ""},
		{"other.md", "a title\n\ntext\n"},
		{".txt", "a title\n\ntext\n"},
	};
	char dir[48], path[128];
	struct dv_topics topics = {0};
	struct dv_error err = {0};

	assert_int_equal(temporary_make(dir, sizeof(dir), "topic"), 0);
	assert_int_equal(dv_topics_load(dir, &topics, &err), -ENOENT); /* no folder */
	dv_error_clear(&err);
	(void)snprintf(path, sizeof(path), "%s/explain", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(dv_topics_load(dir, &topics, &err), -ENOENT); /* nothing in it */
	for (size_t i = 0; i < DV_ARRAY_LEN(files); i++) {
		(void)snprintf(path, sizeof(path), "%s/explain/%s", dir, files[i].name);
		dv_error_clear(&err);
		assert_int_equal(
			dv_file_write(path, files[i].text, strlen(files[i].text), 0600, &err), 0);
	}
	assert_int_equal(dv_topics_load(dir, &topics, &err), 0);
	assert_int_equal(topics.len, 1);
	assert_string_equal(topics.items[0].id, "good");
	assert_string_equal(topics.items[0].title, "a title");
	assert_string_equal(topics.items[0].see, "x");
	assert_string_equal(topics.items[0].aliases, "");
	assert_string_equal(topics.items[0].text, "text\n");
	dv_topics_fini(&topics);
	for (size_t i = 0; i < DV_ARRAY_LEN(files); i++) {
		(void)snprintf(path, sizeof(path), "%s/explain/%s", dir, files[i].name);
		assert_int_equal(remove(path), 0);
	}
	(void)snprintf(path, sizeof(path), "%s/explain", dir);
	assert_int_equal(remove(path), 0);
	assert_int_equal(remove(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_every_word_of_the_model),
		cmocka_unit_test(test_rules_first),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_other_files),
	};

	return cmocka_run_group_tests_name("cli/topic", tests, setup, teardown);
}
