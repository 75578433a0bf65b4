/* SPDX-License-Identifier: Apache-2.0 */
#include "model/gpu.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "model/word.h"

static const char *const kinds[DV_GPU_KIND_COUNT + 1] = {
	[DV_GPU_CPU] = "cpu",	  [DV_GPU_NVIDIA] = "nvidia", [DV_GPU_AMD] = "amd",
	[DV_GPU_INTEL] = "intel", [DV_GPU_OTHER] = "other",
};

const char *dv_gpu_kind_name(enum dv_gpu_kind kind)
{
	return (unsigned)kind < DV_GPU_KIND_COUNT ? kinds[kind] : "unknown";
}

int dv_gpu_kind_parse(const char *name, enum dv_gpu_kind *ret, struct dv_error *err)
{
	int i = dv_word_parse("kind of device", kinds, name, err);

	if (i < 0)
		return i;
	*ret = (enum dv_gpu_kind)i;
	return 0;
}

const struct dv_gpu_method *dv_gpu_method(const struct dv_gpu *gpu, enum dv_method method)
{
	for (unsigned i = 0; i < gpu->method_count && i < DV_GPU_METHODS_MOST; i++)
		if (gpu->methods[i].method == method)
			return &gpu->methods[i];
	return NULL;
}

const char *dv_gpu_title(const struct dv_gpu *gpu, char buf[DV_GPU_TITLE_SIZE])
{
	const char *name = gpu->product[0] ? gpu->product : gpu->model;

	if (!gpu->id[0])
		(void)snprintf(buf, DV_GPU_TITLE_SIZE, "GPU %s", gpu->uuid);
	else if (name[0])
		(void)snprintf(buf, DV_GPU_TITLE_SIZE, "GPU %s (%.90s)", gpu->id, name);
	else
		(void)snprintf(buf, DV_GPU_TITLE_SIZE, "GPU %s", gpu->id);
	return buf;
}

static bool is_gap(char c)
{
	return c == ' ' || c == '-';
}

static const char *skip_gap(const char *s)
{
	while (is_gap(*s))
		s++;
	return s;
}

static const char *skip_word(const char *s)
{
	while (*s && !is_gap(*s))
		s++;
	return s;
}

/* Does `product` begin with `text`, any number of ' ' and '-' counting as one? A number must end
 * where the word does: GPU "4" is an index, never the beginning of "4090". */
static bool begins_with(const char *product, const char *text)
{
	bool number = isdigit((unsigned char)text[0]) && text[strspn(text, "0123456789")] == '\0';

	while (*text) {
		if (is_gap(*text) != is_gap(*product))
			return false;
		if (is_gap(*text)) {
			text = skip_gap(text);
			product = skip_gap(product);
			continue;
		}
		if (tolower((unsigned char)*text) != tolower((unsigned char)*product))
			return false;
		text++;
		product++;
	}
	return !number || *product == '\0' || is_gap(*product);
}

static bool product_matches(const char *product, const char *text)
{
	text = skip_gap(text);
	if (!*text)
		return false;
	for (product = skip_gap(product); *product; product = skip_gap(skip_word(product)))
		if (begins_with(product, text))
			return true;
	return false;
}

bool dv_gpu_is_model(const struct dv_gpu *gpu, const char *text)
{
	if (!*text)
		return false;
	return strcasecmp(gpu->model, text) == 0 || product_matches(gpu->product, text);
}

bool dv_gpu_matches(const struct dv_gpu *gpu, const char *text)
{
	if (!*text)
		return false;
	return strcmp(gpu->id, text) == 0 || strcasecmp(gpu->uuid, text) == 0 ||
	       strcasecmp(gpu->address, text) == 0 || dv_gpu_is_model(gpu, text);
}

struct dv_isolates dv_gpu_isolates(const struct dv_gpu *gpu, enum dv_method method)
{
	struct dv_isolates by = dv_method_isolates(method, gpu->kind == DV_GPU_CPU);

	if (gpu->kind == DV_GPU_CPU && method == DV_METHOD_PARTITION && !gpu->cgroup[0])
		by.compute = DV_HOLD_COOPERATIVE;
	return by;
}
