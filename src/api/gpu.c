/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/document.h"

static json_t *method_put(const struct dv_gpu_method *method)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_text(&out, "name", dv_method_name(method->method));
	dv_api_put_bool(&out, "ok", method->ok);
	dv_api_put_texts(&out, "rules", method->rules[0], sizeof(method->rules[0]),
			 DV_MIN(method->rule_count, (unsigned)DV_GPU_RULES_MOST));
	dv_api_put_opt(&out, "why", method->why);
	return dv_api_done(&out);
}

/* "10de:20b0", as lspci -n prints it. */
static void id_put(struct dv_api_out *out, const char *key, uint16_t vendor, uint16_t device)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%04x:%04x", vendor, device);
	if (vendor || device)
		dv_api_put_text(out, key, text);
}

static void unleased_put(struct dv_api_out *out, const struct dv_gpu *gpu)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < DV_MIN(gpu->unleased_count, (unsigned)DV_GPU_UNLEASED_MOST); i++) {
		const struct dv_gpu_unleased *process = &gpu->unleased[i];
		struct dv_api_out item = dv_api_begin();

		dv_api_put_int(&item, "pid", process->pid);
		dv_api_put_int(&item, "uid", process->uid);
		dv_api_put_text(&item, "command", process->command);
		dv_api_put_memory(&item, "memory", process->memory_bytes);
		dv_api_append(out, list, dv_api_done(&item));
	}
	dv_api_put_json(out, "unleased", list);
	dv_api_put_int(out, "unleased_count", gpu->unleased_count);
}

json_t *dv_api_gpu_put(const struct dv_gpu *gpu)
{
	struct dv_api_out out = dv_api_begin();
	json_t *methods = json_array();

	dv_api_put_text(&out, "id", gpu->id);
	dv_api_put_text(&out, "uuid", gpu->uuid);
	dv_api_put_text(&out, "kind", dv_gpu_kind_name(gpu->kind));
	dv_api_put_text(&out, "model", gpu->model);
	dv_api_put_opt(&out, "product", gpu->product);
	dv_api_put_opt(&out, "address", gpu->address);
	id_put(&out, "pci_id", gpu->pci.vendor, gpu->pci.device);
	id_put(&out, "pci_subsystem", gpu->pci.subvendor, gpu->pci.subdevice);
	dv_api_put_memory(&out, "memory", gpu->memory_bytes);
	dv_api_put_int(&out, "compute_units", gpu->compute_units);
	if (gpu->memory_slices)
		dv_api_put_int(&out, "memory_slices", gpu->memory_slices);
	if (gpu->numa_node >= 0)
		dv_api_put_int(&out, "numa_node", gpu->numa_node);
	else
		dv_api_put_json(&out, "numa_node", json_null());
	dv_api_put_text(&out, "division", dv_division_name(gpu->division));
	dv_api_put_opt(&out, "driver", gpu->driver);
	dv_api_put_opt(&out, "owned_by", gpu->owned_by);
	dv_api_put_opt(&out, "quarantine", gpu->quarantine);
	for (unsigned i = 0; i < gpu->method_count && i < DV_GPU_METHODS_MOST; i++)
		dv_api_append(&out, methods, method_put(&gpu->methods[i]));
	dv_api_put_json(&out, "methods", methods);
	if (gpu->unleased_count)
		unleased_put(&out, gpu);
	if (gpu->mig.mode != DV_MIG_NONE)
		dv_api_put_json(&out, "mig", dv_api_mig_put(&gpu->mig));
	else if (gpu->kind == DV_GPU_NVIDIA)
		dv_api_put_int(&out, "minor", gpu->mig.minor);
	return dv_api_done(&out);
}

void dv_api_put_gpus(struct dv_api_out *out, const struct dv_gpu *gpus, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		dv_api_append(out, list, dv_api_gpu_put(&gpus[i]));
	dv_api_put_json(out, "gpus", list);
}

int dv_api_gpus_encode(const struct dv_gpu *gpus, size_t count, char **ret_text,
		       struct dv_error *err)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_text(&out, "schema", "divvy/gpus/1");
	dv_api_put_gpus(&out, gpus, count);
	return dv_api_print(dv_api_done(&out), ret_text, err);
}

static int method_get(const struct dv_api_in *from, const json_t *value, struct dv_gpu_method *ret)
{
	struct dv_gpu_method method = {0};
	struct dv_api_in in;
	int r = dv_api_enter(from, value, "an item of \"methods\"", &in);

	r = r < 0 ? r : dv_api_get_word(&in, "name", dv_method_parse, &method.method);
	r = r < 0 ? r : dv_api_get_bool(&in, "ok", &method.ok);
	r = r < 0 ? r
		  : dv_api_get_texts(&in, "rules", method.rules[0], sizeof(method.rules[0]),
				     DV_GPU_RULES_MOST, &method.rule_count);
	r = r < 0 ? r : dv_api_get_text(&in, "why", method.why, sizeof(method.why));
	if (r < 0)
		return r;
	*ret = method;
	return 0;
}

static int methods_get(const struct dv_api_in *in, struct dv_gpu *gpu)
{
	const json_t *list = NULL;
	int r = dv_api_get_list(in, "methods", DV_GPU_METHODS_MOST, &list);

	if (r < 0)
		return r;
	for (; gpu->method_count < json_array_size(list); gpu->method_count++) {
		r = method_get(in, json_array_get(list, gpu->method_count),
			       &gpu->methods[gpu->method_count]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int texts_get(const struct dv_api_in *in, struct dv_gpu *gpu)
{
	const struct {
		const char *key;
		char *buf;
		size_t size;
	} texts[] = {
		{"model", gpu->model, sizeof(gpu->model)},
		{"product", gpu->product, sizeof(gpu->product)},
		{"address", gpu->address, sizeof(gpu->address)},
		{"driver", gpu->driver, sizeof(gpu->driver)},
		{"owned_by", gpu->owned_by, sizeof(gpu->owned_by)},
		{"quarantine", gpu->quarantine, sizeof(gpu->quarantine)},
	};
	int r = dv_api_need_text(in, "id", gpu->id, sizeof(gpu->id));

	r = r < 0 ? r : dv_api_need_text(in, "uuid", gpu->uuid, sizeof(gpu->uuid));
	for (size_t i = 0; r == 0 && i < DV_ARRAY_LEN(texts); i++)
		r = dv_api_get_text(in, texts[i].key, texts[i].buf, texts[i].size);
	return r;
}

static int id_get(const struct dv_api_in *in, const char *key, uint16_t *ret_vendor,
		  uint16_t *ret_device)
{
	static const char digits[] = "0123456789abcdef";
	char text[16] = "";
	int r = dv_api_get_text(in, key, text, sizeof(text));

	if (r < 0 || !text[0])
		return r;
	if (strlen(text) != 9 || strspn(text, digits) != 4 || text[4] != ':' ||
	    strspn(text + 5, digits) != 4)
		return dv_error_set(in->err, in->code, "\"%s\" is not like \"10de:20b0\"", key);
	*ret_vendor = (uint16_t)strtoul(text, NULL, 16);
	*ret_device = (uint16_t)strtoul(text + 5, NULL, 16);
	return 0;
}

static int process_get(const struct dv_api_in *from, const json_t *value,
		       struct dv_gpu_unleased *ret)
{
	struct dv_gpu_unleased process = {0};
	struct dv_api_in in;
	int64_t pid = 0;
	int r = dv_api_enter(from, value, "an item of \"unleased\"", &in);

	r = r < 0 ? r : dv_api_get_int(&in, "pid", 0, INT32_MAX, &pid);
	r = r < 0 ? r : dv_api_get_unsigned(&in, "uid", UINT32_MAX, &process.uid);
	r = r < 0 ? r : dv_api_get_text(&in, "command", process.command, sizeof(process.command));
	r = r < 0 ? r : dv_api_get_memory(&in, "memory", &process.memory_bytes);
	if (r < 0)
		return r;
	process.pid = (pid_t)pid;
	*ret = process;
	return 0;
}

static int unleased_get(const struct dv_api_in *in, struct dv_gpu *gpu)
{
	const json_t *list = NULL;
	int r = dv_api_get_list(in, "unleased", DV_GPU_UNLEASED_MOST, &list);
	unsigned count = (unsigned)json_array_size(list);

	for (unsigned i = 0; r == 0 && i < count; i++)
		r = process_get(in, json_array_get(list, i), &gpu->unleased[i]);
	gpu->unleased_count = count;
	r = r < 0 ? r : dv_api_get_unsigned(in, "unleased_count", UINT32_MAX, &gpu->unleased_count);
	if (r == 0 && (gpu->unleased_count < count ||
		       (gpu->unleased_count > count && count < DV_GPU_UNLEASED_MOST)))
		return dv_error_set(in->err, in->code,
				    "\"unleased_count\" does not fit the processes listed");
	return r;
}

int dv_api_gpu_get(const struct dv_api_in *from, const json_t *value, struct dv_gpu *ret)
{
	struct dv_gpu gpu = {0};
	struct dv_api_in in;
	const json_t *mig;
	int64_t numa = -1;
	int r = dv_api_enter(from, value, "an item of \"gpus\"", &in);

	r = r < 0 ? r : texts_get(&in, &gpu);
	r = r < 0 ? r : id_get(&in, "pci_id", &gpu.pci.vendor, &gpu.pci.device);
	r = r < 0 ? r : id_get(&in, "pci_subsystem", &gpu.pci.subvendor, &gpu.pci.subdevice);
	r = r < 0 ? r : dv_api_get_word(&in, "kind", dv_gpu_kind_parse, &gpu.kind);
	r = r < 0 ? r : dv_api_get_word(&in, "division", dv_division_parse, &gpu.division);
	r = r < 0 ? r : dv_api_get_memory(&in, "memory", &gpu.memory_bytes);
	r = r < 0 ? r : dv_api_get_unsigned(&in, "compute_units", UINT32_MAX, &gpu.compute_units);
	r = r < 0 ? r : dv_api_get_unsigned(&in, "memory_slices", UINT32_MAX, &gpu.memory_slices);
	r = r < 0 ? r : dv_api_get_int(&in, "numa_node", 0, INT32_MAX, &numa);
	r = r < 0 ? r : methods_get(&in, &gpu);
	r = r < 0 ? r : unleased_get(&in, &gpu);
	r = r < 0 ? r : dv_api_get_unsigned(&in, "minor", UINT32_MAX, &gpu.mig.minor);
	mig = json_object_get(in.obj, "mig");
	if (r == 0 && mig)
		r = dv_api_mig_get(&in, mig, &gpu.mig);
	if (r < 0)
		return r;
	gpu.numa_node = (int)numa;
	*ret = gpu;
	return 0;
}

int dv_api_get_gpus(const struct dv_api_in *in, struct dv_gpus *ret)
{
	const json_t *list = NULL;
	struct dv_gpu gpu;
	int r = dv_api_get_list(in, "gpus", DV_GPUS_MOST, &list);

	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		r = dv_api_gpu_get(in, json_array_get(list, i), &gpu);
		if (r < 0)
			return dv_error_prefix(in->err, r, "gpus[%zu]", i);
		if (dv_vec_push(ret, gpu) < 0)
			r = dv_error_set(in->err, -ENOMEM, "no memory for the list of GPUs");
	}
	return r;
}

int dv_api_gpus_decode(const char *text, struct dv_gpus *ret, struct dv_error *err)
{
	dv_autojson json_t *root = NULL;
	struct dv_gpus gpus = {0};
	int r = dv_api_load(text, strlen(text), "gpus", -EPROTO, &root, err);

	if (r < 0)
		return r;
	r = dv_api_get_gpus(&(struct dv_api_in){root, -EPROTO, err}, &gpus);
	if (r < 0) {
		dv_vec_fini(&gpus);
		return r;
	}
	*ret = gpus;
	return 0;
}
