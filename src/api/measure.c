/* SPDX-License-Identifier: Apache-2.0 */
#include "model/measure.h"
#include "api/api.h"
#include "api/document.h"

/* Six significant decimals are more than any clock here is worth. */
static json_t *number(double value)
{
	return json_real((double)(int64_t)(value * 1e6 + (value < 0 ? -0.5 : 0.5)) / 1e6);
}

static json_t *result_put(const struct dv_result *result)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_text(&out, "case", result->name);
	if (result->skipped[0] || result->failed[0]) {
		dv_api_put_text(&out, result->failed[0] ? "failed" : "skipped",
				result->failed[0] ? result->failed : result->skipped);
		return dv_api_done(&out);
	}
	dv_api_put_text(&out, "metric", result->metric);
	dv_api_put_text(&out, "unit", result->unit);
	if (result->on[0])
		dv_api_put_text(&out, "on", result->on);
	dv_api_put_json(&out, "value", number(result->value));
	if (result->has_goal)
		dv_api_put_json(&out, "goal", number(result->goal));
	if (result->has_baseline)
		dv_api_put_json(&out, "baseline", number(result->baseline));
	dv_api_put_int(&out, "n", result->n);
	dv_api_put_json(&out, "spread", number(result->spread));
	return dv_api_done(&out);
}

int dv_api_bench_encode(const struct dv_bench *bench, char **ret_text, struct dv_error *err)
{
	struct dv_api_out out = dv_api_begin();
	json_t *list = json_array();

	dv_api_put_text(&out, "schema", "divvy/bench/1");
	dv_api_put_text(&out, "device", bench->device);
	dv_api_put_text(&out, "date", bench->date);
	dv_api_put_text(&out, "version", bench->version);
	for (size_t i = 0; i < bench->results.len; i++)
		dv_api_append(&out, list, result_put(&bench->results.items[i]));
	dv_api_put_json(&out, "results", list);
	return dv_api_print(dv_api_done(&out), ret_text, err);
}

static int number_get(const struct dv_api_in *in, const char *key, bool *ret_has, double *ret)
{
	const json_t *value = json_object_get(in->obj, key);

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_number(value))
		return dv_error_set(in->err, in->code, "'%s' is not a number", key);
	*ret = json_number_value(value);
	if (ret_has)
		*ret_has = true;
	return 0;
}

static int numbers_get(const struct dv_api_in *in, struct dv_result *result)
{
	int r = number_get(in, "value", NULL, &result->value);

	if (r == 0)
		r = number_get(in, "goal", &result->has_goal, &result->goal);
	if (r == 0)
		r = number_get(in, "baseline", &result->has_baseline, &result->baseline);
	if (r == 0)
		r = number_get(in, "spread", NULL, &result->spread);
	if (r == 0)
		r = dv_api_get_unsigned(in, "n", UINT32_MAX, &result->n);
	return r;
}

static int result_get(const struct dv_api_in *from, const json_t *value, struct dv_result *ret)
{
	struct dv_result result = {0};
	struct dv_api_in in;
	int r = dv_api_enter(from, value, "a result", &in);

	if (r == 0)
		r = dv_api_need_text(&in, "case", result.name, sizeof(result.name));
	if (r == 0)
		r = dv_api_get_text(&in, "skipped", result.skipped, sizeof(result.skipped));
	if (r == 0)
		r = dv_api_get_text(&in, "failed", result.failed, sizeof(result.failed));
	if (r == 0 && !result.skipped[0] && !result.failed[0])
		r = dv_api_need_text(&in, "metric", result.metric, sizeof(result.metric));
	if (r == 0)
		r = dv_api_get_text(&in, "unit", result.unit, sizeof(result.unit));
	if (r == 0)
		r = dv_api_get_text(&in, "on", result.on, sizeof(result.on));
	if (r == 0)
		r = numbers_get(&in, &result);
	if (r == 0)
		*ret = result;
	return r;
}

static int bench_get(const struct dv_api_in *in, struct dv_bench *bench)
{
	const json_t *list = NULL;
	int r = dv_api_get_text(in, "device", bench->device, sizeof(bench->device));

	if (r == 0)
		r = dv_api_get_text(in, "date", bench->date, sizeof(bench->date));
	if (r == 0)
		r = dv_api_get_text(in, "version", bench->version, sizeof(bench->version));
	if (r == 0)
		r = dv_api_get_list(in, "results", DV_BENCH_RESULTS_MOST, &list);
	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		struct dv_result result = {0};

		r = result_get(in, json_array_get(list, i), &result);
		if (r == 0 && dv_vec_push(&bench->results, result) < 0)
			r = dv_error_set(in->err, -ENOMEM, "no memory for results");
	}
	return r;
}

int dv_api_bench_decode(const char *text, size_t len, struct dv_bench *ret, struct dv_error *err)
{
	dv_autojson json_t *json = NULL;
	struct dv_bench bench = {0};
	struct dv_api_in in;
	int r = dv_api_load(text, len, "bench", -EBADMSG, &json, err);

	if (r < 0)
		return r;
	in = (struct dv_api_in){.obj = json, .code = -EBADMSG, .err = err};
	r = bench_get(&in, &bench);
	if (r < 0) {
		dv_vec_fini(&bench.results);
		return r;
	}
	*ret = bench;
	return 0;
}
