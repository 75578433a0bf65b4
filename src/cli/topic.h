/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of `divvy explain`: files of data/explain. The set owns all texts.
 *
 * A file is a title, then lines "aliases: a, b", "group: g", "see: x, y" as it likes, an empty
 * line, and the text as it is shown. Its name is the topic's id; that of a rule is the rule's. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/vec.h"

struct dv_topic {
	char *id;
	char *file; /* what the texts below point into */
	const char *title;
	const char *group;	   /* "" of a rule */
	const char *aliases, *see; /* "a, b", or "" */
	const char *text;
};

struct dv_topics {
	DV_VEC(struct dv_topic); /* by id, rules first */
};

/* Read all of `directory`/explain. A file that is not as described is left out; none at all is
 * -ENOENT. */
int dv_topics_load(const char *directory, struct dv_topics *ret_topics,
		   struct dv_error *err) DV_MUST_CHECK;
void dv_topics_fini(struct dv_topics *topics);

/* The topic of that id or alias, whatever the case and with blanks for dashes; or NULL. */
const struct dv_topic *dv_topic_find(const struct dv_topics *topics, const char *name);

/* -EINVAL that names the nearest topic. */
int dv_topic_unknown(const struct dv_topics *topics, const char *name, struct dv_error *err);

bool dv_topic_is_rule(const struct dv_topic *topic);

/* Call `fn` for each word of a list "a, b"; words of more than 63 bytes are passed over. */
void dv_topic_each(const char *list, void (*fn)(const char *word, void *arg), void *arg);
