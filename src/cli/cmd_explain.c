/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "base/where.h"
#include "cli/topic.h"
#include "cli/verbs.h"

static void fini_topics(struct dv_topics *topics)
{
	dv_topics_fini(topics);
}

/* The parts of the list. A rule's group is its letter. */
static const struct {
	const char *id, *title;
} groups[] = {
	{"methods", "Ways to divide"},
	{"isolation", "How far apart"},
	{"sharing", "Taking turns"},
	{"dividing", "Partitions and vGPU types"},
	{"words", "Words of divvy"},
	{"machine", "The machine"},
	{"measuring", "Measuring"},
	{"D", "Rules: advice"},
	{"F", "Rules: files and names"},
	{"M", "Rules: MIG"},
	{"V", "Rules: what is checked before"},
	{"G", "Rules: sharing"},
	{"L", "Rules: licences"},
	{"K", "Rules: Kubernetes"},
	{"S", "Rules: state"},
};

static bool is_of(const struct dv_topic *topic, const char *group)
{
	if (dv_topic_is_rule(topic))
		return topic->id[0] == group[0] && !group[1];
	return strcmp(topic->group, group) == 0;
}

static void print_group(struct dv_out *out, const struct dv_topics *topics, size_t g)
{
	bool any = false;

	for (size_t i = 0; i < topics->len; i++) {
		const struct dv_topic *topic = &topics->items[i];

		if (!is_of(topic, groups[g].id))
			continue;
		if (!any)
			dv_out_style(out, DV_STYLE_HEAD, "%s\n", groups[g].title);
		any = true;
		dv_outf(out, "  %-17s ", topic->id);
		dv_out_wrap(out, DV_STYLE_NONE, 20, 20, topic->title);
	}
	if (any)
		dv_outf(out, "\n");
}

static void print_list(struct dv_out *out, const struct dv_topics *topics)
{
	for (size_t g = 0; g < DV_ARRAY_LEN(groups); g++)
		print_group(out, topics, g);
	dv_outf(out, "divvy explain TOPIC explains one of them.\n");
}

/* The text is written for 80 columns and stands as it is; where less is to be had it is wrapped
 * line by line. */
static void print_text(struct dv_out *out, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		unsigned indent = (unsigned)strspn(text, " ");
		dv_autofree char *line = strndup(text, len);

		if (!line || len <= out->columns || indent >= out->columns) {
			dv_outf(out, "%s\n", line ? line : "(out of memory)");
		} else {
			dv_outf(out, "%*s", (int)indent, "");
			dv_out_wrap(out, DV_STYLE_NONE, indent, indent, line + indent);
		}
		text += len;
		text += *text == '\n';
	}
}

static void print_topic(struct dv_out *out, const struct dv_topic *topic)
{
	dv_out_style(out, DV_STYLE_HEAD, "%s: %s\n", topic->id, topic->title);
	dv_outf(out, "\n");
	print_text(out, topic->text);
	if (*topic->see) {
		dv_outf(out, "\nSee also: ");
		dv_out_wrap(out, DV_STYLE_NONE, 10, 10, topic->see);
	}
}

static void add_word(const char *word, void *arg)
{
	dv_json_text(arg, NULL, word);
}

static void add_words(struct dv_json *json, const char *key, const char *list)
{
	dv_json_array(json, key);
	dv_topic_each(list, add_word, json);
	dv_json_end(json);
}

static void add_topic(struct dv_json *json, const struct dv_topic *topic)
{
	dv_json_text(json, "topic", topic->id);
	dv_json_text(json, "title", topic->title);
	dv_json_text(json, "group", dv_topic_is_rule(topic) ? "rules" : topic->group);
	add_words(json, "aliases", topic->aliases);
}

static int print_json(struct dv_out *out, const struct dv_topics *topics,
		      const struct dv_topic *topic, struct dv_error *err)
{
	dv_autofree char *text = NULL;
	struct dv_buf buf = {0};
	struct dv_json json;

	dv_json_init(&json, &buf);
	dv_json_object(&json, NULL);
	dv_json_text(&json, "schema", topic ? "divvy/explain/1" : "divvy/topics/1");
	if (topic) {
		add_topic(&json, topic);
		add_words(&json, "see", topic->see);
		dv_json_text(&json, "text", topic->text);
	} else {
		dv_json_array(&json, "topics");
		for (size_t i = 0; i < topics->len; i++) {
			dv_json_object(&json, NULL);
			add_topic(&json, &topics->items[i]);
			dv_json_end(&json);
		}
		dv_json_end(&json);
	}
	dv_json_end(&json);
	if (dv_buf_take(&buf, &text) < 0)
		return dv_error_set(err, -ENOMEM, "no memory for the document");
	(void)fprintf(out->file, "%s\n", text);
	return 0;
}

/* "time slicing" is one topic, however it is quoted. */
static int join_words(const struct dv_args *args, char **ret_name, struct dv_error *err)
{
	struct dv_buf buf = {0};

	for (int i = 0; i < args->count; i++)
		dv_buf_addf(&buf, "%s%s", i ? " " : "", args->words[i]);
	if (dv_buf_take(&buf, ret_name) < 0)
		return dv_error_set(err, -ENOMEM, "no memory for a name");
	return 0;
}

static int run_explain(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err)
{
	dv_cleanup(fini_topics) struct dv_topics topics = {0};
	dv_autofree char *name = NULL;
	const struct dv_topic *topic = NULL;
	int r = join_words(args, &name, err);

	if (r == 0)
		r = dv_topics_load(dv_where(DV_WHERE_DATA), &topics, err);
	if (r < 0)
		return r;
	if (args->count) {
		topic = dv_topic_find(&topics, name);
		if (!topic)
			return dv_topic_unknown(&topics, name, err);
	}
	if (cli->json)
		return print_json(&cli->out, &topics, topic, err);
	if (topic)
		print_topic(&cli->out, topic);
	else
		print_list(&cli->out, &topics);
	return 0;
}

const struct dv_verb dv_verb_explain = {
	.name = "explain",
	.args = "[TOPIC|RULE]",
	.most = 8,
	.help = "the methods, every term and every rule, in plain language",
	.text = "A rule is what stands behind a refusal, such as G01. Without a topic it lists "
		"all there are. Works without divvyd.",
	.run = run_explain,
};
