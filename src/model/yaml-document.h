/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of a YAML document, for yaml.c that builds it and yaml-read.c that answers from it. */
#pragma once

#include <stddef.h>

#include "model/yaml.h"

/* Nodes and texts lie in blocks that live and die with the document. */
struct dv_yaml_block {
	struct dv_yaml_block *next;
	size_t used, size;
	_Alignas(max_align_t) char data[];
};

struct dv_yaml {
	struct dv_yaml_node *root;
	struct dv_yaml_block *blocks;
	char file[192];
};

/* Refuse at a place of the file; as dv_yaml_fail, with the code and the place given. */
struct dv_yaml_place {
	const char *file;
	int line, column;
};
int dv_yaml_fail_at(struct dv_yaml_place place, int code, const char *rule, struct dv_error *err,
		    const char *fmt, ...) DV_PRINTF(5, 6);
