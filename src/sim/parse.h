/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of reading a machine's file: machine.c reads the machine, parse-gpu.c its GPUs. */
#pragma once

#include "model/yaml.h"
#include "sim/machine.h"

struct dv_sim_file {
	const struct dv_yaml *doc;
	const struct dv_catalog *catalog;
	struct dv_sim_machine *machine;
	struct dv_error *err;
};

/* Values by key; absent: *ret is left as it is. -EBADMSG. */
int dv_sim_read_text(const struct dv_sim_file *file, const struct dv_yaml_node *map,
		     const char *key, char *buf, size_t size);
int dv_sim_read_bool(const struct dv_sim_file *file, const struct dv_yaml_node *map,
		     const char *key, bool *ret);
int dv_sim_read_u32(const struct dv_sim_file *file, const struct dv_yaml_node *map, const char *key,
		    uint32_t most, uint32_t *ret);
/* One of `words`, by its index. */
int dv_sim_read_word(const struct dv_sim_file *file, const struct dv_yaml_node *map,
		     const char *key, const char *const *words, uint32_t *ret);

/* Call `fn` for each map of the list under `key`, if there is one. */
typedef int dv_sim_map_fn(const struct dv_sim_file *file, const struct dv_yaml_node *map);
int dv_sim_read_maps(const struct dv_sim_file *file, const struct dv_yaml_node *map,
		     const char *key, dv_sim_map_fn *fn);

/* One entry of `gpus`: as many GPUs as its `count` says. */
int dv_sim_read_gpu(const struct dv_sim_file *file, const struct dv_yaml_node *map);
