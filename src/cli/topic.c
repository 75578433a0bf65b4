/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/topic.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/str.h"

enum {
	TOPICS_MOST = 1024,
	TOPIC_FILE_MOST = 64 << 10,
	NAMES_MOST = 4096, /* ids and aliases */
};

static void topic_fini(struct dv_topic *topic)
{
	free(topic->id);
	free(topic->file);
}

void dv_topics_fini(struct dv_topics *topics)
{
	for (size_t i = 0; i < topics->len; i++)
		topic_fini(&topics->items[i]);
	dv_vec_fini(topics);
}

bool dv_topic_is_rule(const struct dv_topic *topic)
{
	const char *id = topic->id;

	return isupper((unsigned char)id[0]) && isdigit((unsigned char)id[1]) &&
	       isdigit((unsigned char)id[2]) && !id[3];
}

/* Take the head apart in place; false if the file is not made so. */
static bool take_apart(struct dv_topic *topic)
{
	struct {
		const char *key;
		const char **ret;
	} const keys[] = {
		{"aliases: ", &topic->aliases},
		{"group: ", &topic->group},
		{"see: ", &topic->see},
	};
	char *line = topic->file, *end;

	topic->title = line;
	topic->aliases = topic->group = topic->see = "";
	for (; (end = strchr(line, '\n')) && end != line; line = end + 1) {
		*end = '\0';
		for (size_t i = 0; i < DV_ARRAY_LEN(keys); i++)
			if (line != topic->title &&
			    strncmp(line, keys[i].key, strlen(keys[i].key)) == 0)
				*keys[i].ret = line + strlen(keys[i].key);
	}
	if (!end || line == topic->title)
		return false;
	topic->text = end + 1;
	return *topic->text;
}

static int add_topic(const char *path, const char *name, size_t name_len, struct dv_topics *topics,
		     struct dv_error *err)
{
	struct dv_topic topic = {.id = strndup(name, name_len)};
	int r = 0;

	if (!topic.id)
		r = dv_error_set(err, -ENOMEM, "no memory for the explanations");
	if (r == 0)
		r = dv_file_read(path, TOPIC_FILE_MOST, &topic.file, NULL, err);
	if (r == 0 && !take_apart(&topic)) {
		topic_fini(&topic);
		return 0;
	}
	if (r == 0 && dv_vec_push(topics, topic) < 0)
		r = dv_error_set(err, -ENOMEM, "no memory for the explanations");
	if (r < 0)
		topic_fini(&topic);
	return r;
}

static int by_id(const void *a, const void *b)
{
	const struct dv_topic *x = a, *y = b;

	if (dv_topic_is_rule(x) != dv_topic_is_rule(y))
		return dv_topic_is_rule(x) ? -1 : 1;
	return strcmp(x->id, y->id);
}

static int read_all(DIR *dir, const char *directory, struct dv_topics *topics, struct dv_error *err)
{
	struct dirent *entry;
	int r = 0;

	while (r == 0 && topics->len < TOPICS_MOST && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);
		char path[4096];

		if (len < 5 || strcmp(entry->d_name + len - 4, ".txt") != 0)
			continue;
		if (snprintf(path, sizeof(path), "%s/explain/%s", directory, entry->d_name) <
		    (int)sizeof(path))
			r = add_topic(path, entry->d_name, len - 4, topics, err);
	}
	return r;
}

int dv_topics_load(const char *directory, struct dv_topics *ret_topics, struct dv_error *err)
{
	struct dv_topics topics = {0};
	char path[4096];
	DIR *dir;
	int r;

	(void)snprintf(path, sizeof(path), "%s/explain", directory);
	dir = opendir(path);
	if (!dir)
		return dv_error_errno(err, errno, "%s", path);
	r = read_all(dir, directory, &topics, err);
	closedir(dir);
	if (r == 0 && !topics.len)
		r = dv_error_set(err, -ENOENT, "%s holds no explanations", path);
	if (r < 0) {
		dv_topics_fini(&topics);
		return r;
	}
	qsort(topics.items, topics.len, sizeof(*topics.items), by_id);
	*ret_topics = topics;
	return 0;
}

void dv_topic_each(const char *list, void (*fn)(const char *word, void *arg), void *arg)
{
	while (*list) {
		size_t len = strcspn(list, ", ");
		char word[64];

		if (len && len < sizeof(word)) {
			memcpy(word, list, len);
			word[len] = '\0';
			fn(word, arg);
		}
		list += len;
		list += strspn(list, ", ");
	}
}

/* Names are compared in lower case, with a dash for each gap. */
static void normalise(const char *name, char *buf, size_t size)
{
	size_t n = 0;

	name += strspn(name, " ");
	for (; *name && n + 1 < size; name++)
		buf[n++] = *name == ' ' || *name == '_' ? '-' : (char)tolower((unsigned char)*name);
	while (n && buf[n - 1] == '-')
		n--;
	buf[n] = '\0';
}

struct search {
	const char *name;
	bool found;
};

static void compare_alias(const char *word, void *arg)
{
	struct search *s = arg;

	s->found = s->found || strcasecmp(word, s->name) == 0;
}

const struct dv_topic *dv_topic_find(const struct dv_topics *topics, const char *name)
{
	char wanted[64];

	normalise(name, wanted, sizeof(wanted));
	for (size_t i = 0; i < topics->len; i++) {
		struct search s = {wanted, strcasecmp(topics->items[i].id, wanted) == 0};

		dv_topic_each(topics->items[i].aliases, compare_alias, &s);
		if (s.found)
			return &topics->items[i];
	}
	return NULL;
}

/* All ids and aliases, for the nearest. */
struct names {
	char *items[NAMES_MOST + 1];
	size_t len;
};

static void add_name(const char *word, void *arg)
{
	struct names *names = arg;
	char *copy = names->len < NAMES_MOST ? strdup(word) : NULL;

	if (!copy)
		return;
	for (char *c = copy; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	names->items[names->len++] = copy;
}

int dv_topic_unknown(const struct dv_topics *topics, const char *name, struct dv_error *err)
{
	struct names names = {0};
	const struct dv_topic *topic;
	const char *near;
	char wanted[64];
	int r;

	normalise(name, wanted, sizeof(wanted));
	for (size_t i = 0; i < topics->len; i++) {
		add_name(topics->items[i].id, &names);
		dv_topic_each(topics->items[i].aliases, add_name, &names);
	}
	near = dv_nearest(wanted, (const char *const *)names.items);
	topic = near ? dv_topic_find(topics, near) : NULL;
	if (topic)
		r = dv_error_set(err, -EINVAL, "there is no topic '%.64s'; is '%s' meant?", name,
				 topic->id);
	else
		r = dv_error_set(err, -EINVAL, "there is no topic '%.64s'", name);
	while (names.len)
		free(names.items[--names.len]);
	return dv_error_fix(err, r, "divvy explain lists the topics");
}
