/* SPDX-License-Identifier: Apache-2.0 */
/* MIG of a GPU: mode, profiles, what is there. */
#include "api/document.h"

static const char *const engines[DV_MIG_ENGINE_COUNT] = {
	[DV_MIG_COPY] = "copy_engines",
	[DV_MIG_DECODE] = "decoders",
	[DV_MIG_ENCODE] = "encoders",
	[DV_MIG_JPEG] = "jpeg_engines",
	[DV_MIG_OPTICAL_FLOW] = "optical_flow_engines",
};

static json_t *starts_put(uint32_t starts)
{
	json_t *list = json_array();

	for (unsigned i = 0; list && i < DV_MIG_CELLS_MOST; i++)
		if (starts >> i & 1 && json_array_append_new(list, json_integer(i)) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

/* How an instance may be divided: [{"slices": 1, "starts": [0, 1, 2]}, ...]. */
static json_t *parts_put(const struct dv_mig_profile *profile)
{
	json_t *list = json_array();

	for (unsigned i = 1; list && i < DV_MIG_PARTS_MOST; i++) {
		struct dv_api_out out = dv_api_begin();

		if (!profile->parts[i]) {
			json_decref(dv_api_done(&out));
			continue;
		}
		dv_api_put_int(&out, "slices", i);
		dv_api_put_json(&out, "starts", starts_put(profile->parts[i]));
		if (json_array_append_new(list, dv_api_done(&out)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *profile_put(const struct dv_mig_profile *profile)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_text(&out, "name", profile->name);
	dv_api_put_int(&out, "id", profile->id);
	dv_api_put_int(&out, "memory_mib", profile->memory_mib);
	dv_api_put_bool(&out, "memory_derived", profile->memory_derived);
	dv_api_put_int(&out, "multiprocessors", profile->multiprocessors);
	dv_api_put_int(&out, "size", profile->size);
	dv_api_put_int(&out, "compute_slices", profile->compute_slices);
	dv_api_put_int(&out, "most", profile->most);
	dv_api_put_json(&out, "starts", starts_put(profile->starts));
	for (unsigned i = 0; i < DV_MIG_ENGINE_COUNT; i++)
		dv_api_put_int(&out, engines[i], profile->engines[i]);
	dv_api_put_bool(&out, "graphics", profile->graphics);
	dv_api_put_json(&out, "parts", parts_put(profile));
	dv_api_put_bool(&out, "parts_derived", profile->parts_derived);
	return dv_api_done(&out);
}

static void right_put(struct dv_api_out *out, const struct dv_mig_right *right)
{
	dv_api_put_int(out, "capability", right->minor);
	dv_api_put_bool(out, "capability_node", right->node);
}

static json_t *instance_put(const struct dv_mig_instance *instance)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_opt(&out, "profile", instance->profile);
	dv_api_put_int(&out, "id", instance->id);
	dv_api_put_int(&out, "profile_id", instance->profile_id);
	dv_api_put_int(&out, "start", instance->start);
	dv_api_put_int(&out, "size", instance->size);
	dv_api_put_int(&out, "holders", instance->holder_count);
	right_put(&out, &instance->right);
	return dv_api_done(&out);
}

static json_t *compute_put(const struct dv_mig_compute *compute)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_text(&out, "uuid", compute->uuid);
	dv_api_put_int(&out, "instance", compute->instance);
	dv_api_put_int(&out, "id", compute->id);
	dv_api_put_int(&out, "profile_id", compute->profile_id);
	dv_api_put_int(&out, "start", compute->start);
	dv_api_put_int(&out, "size", compute->size);
	right_put(&out, &compute->right);
	return dv_api_done(&out);
}

json_t *dv_api_mig_put(const struct dv_mig *mig)
{
	struct dv_api_out out = dv_api_begin();
	json_t *profiles = json_array(), *instances = json_array(), *computes = json_array();

	dv_api_put_text(&out, "mode", dv_mig_mode_name(mig->mode));
	dv_api_put_int(&out, "minor", mig->minor);
	dv_api_put_int(&out, "memory_slices", mig->cells);
	dv_api_put_int(&out, "compute_slices", mig->compute_slices);
	dv_api_put_bool(&out, "resets", mig->resets);
	dv_api_put_bool(&out, "profiles_derived", mig->profiles_derived);
	for (unsigned i = 0; i < DV_MIN(mig->profile_count, (unsigned)DV_MIG_PROFILES_MOST); i++)
		dv_api_append(&out, profiles, profile_put(&mig->profiles[i]));
	for (unsigned i = 0; i < DV_MIN(mig->instance_count, (unsigned)DV_MIG_INSTANCES_MOST); i++)
		dv_api_append(&out, instances, instance_put(&mig->instances[i]));
	for (unsigned i = 0; i < DV_MIN(mig->compute_count, (unsigned)DV_MIG_COMPUTES_MOST); i++)
		dv_api_append(&out, computes, compute_put(&mig->computes[i]));
	dv_api_put_json(&out, "profiles", profiles);
	dv_api_put_json(&out, "instances", instances);
	dv_api_put_json(&out, "computes", computes);
	return dv_api_done(&out);
}

static int small_get(const struct dv_api_in *in, const char *key, uint32_t most, uint8_t *ret)
{
	uint32_t value = 0;
	int r = dv_api_get_unsigned(in, key, most, &value);

	if (r == 0)
		*ret = (uint8_t)value;
	return r;
}

static int middle_get(const struct dv_api_in *in, const char *key, uint16_t *ret)
{
	uint32_t value = 0;
	int r = dv_api_get_unsigned(in, key, UINT16_MAX, &value);

	if (r == 0)
		*ret = (uint16_t)value;
	return r;
}

static int starts_get(const struct dv_api_in *in, unsigned most, uint32_t *ret)
{
	const json_t *list = NULL;
	int r = dv_api_get_list(in, "starts", most, &list);

	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);
		json_int_t start = json_is_integer(item) ? json_integer_value(item) : -1;

		if (start < 0 || start >= (json_int_t)most)
			return dv_error_set(in->err, in->code, "\"starts\" holds what is no start");
		*ret |= UINT32_C(1) << start;
	}
	return r;
}

static int parts_get(const struct dv_api_in *in, struct dv_mig_profile *ret)
{
	const json_t *list = NULL;
	int r = dv_api_get_list(in, "parts", DV_MIG_PARTS_MOST, &list);

	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		uint32_t slices = 0, starts = 0;
		struct dv_api_in part;

		r = dv_api_enter(in, json_array_get(list, i), "an item of \"parts\"", &part);
		r = r < 0 ? r
			  : dv_api_get_unsigned(&part, "slices", DV_MIG_PARTS_MOST - 1, &slices);
		r = r < 0 ? r : starts_get(&part, DV_MIG_PARTS_MOST, &starts);
		if (r == 0)
			ret->parts[slices] = (uint8_t)starts;
	}
	return r;
}

static int profile_get(const struct dv_api_in *from, const json_t *value,
		       struct dv_mig_profile *ret)
{
	struct dv_api_in in;
	int r = dv_api_enter(from, value, "an item of \"profiles\"", &in);

	r = r < 0 ? r : dv_api_need_text(&in, "name", ret->name, sizeof(ret->name));
	r = r < 0 ? r : dv_api_get_unsigned(&in, "id", UINT32_MAX, &ret->id);
	r = r < 0 ? r : dv_api_get_unsigned(&in, "memory_mib", UINT32_MAX, &ret->memory_mib);
	r = r < 0 ? r : dv_api_get_bool(&in, "memory_derived", &ret->memory_derived);
	r = r < 0 ? r : middle_get(&in, "multiprocessors", &ret->multiprocessors);
	r = r < 0 ? r : small_get(&in, "size", DV_MIG_CELLS_MOST, &ret->size);
	r = r < 0 ? r : small_get(&in, "compute_slices", DV_MIG_CELLS_MOST, &ret->compute_slices);
	r = r < 0 ? r : small_get(&in, "most", UINT8_MAX, &ret->most);
	r = r < 0 ? r : starts_get(&in, DV_MIG_CELLS_MOST, &ret->starts);
	for (unsigned i = 0; r == 0 && i < DV_MIG_ENGINE_COUNT; i++)
		r = small_get(&in, engines[i], UINT8_MAX, &ret->engines[i]);
	r = r < 0 ? r : parts_get(&in, ret);
	r = r < 0 ? r : dv_api_get_bool(&in, "parts_derived", &ret->parts_derived);
	return r < 0 ? r : dv_api_get_bool(&in, "graphics", &ret->graphics);
}

static int right_get(const struct dv_api_in *in, struct dv_mig_right *ret)
{
	int r = dv_api_get_unsigned(in, "capability", UINT32_MAX, &ret->minor);

	return r < 0 ? r : dv_api_get_bool(in, "capability_node", &ret->node);
}

static int instance_get(const struct dv_api_in *from, const json_t *value,
			struct dv_mig_instance *ret)
{
	struct dv_api_in in;
	int r = dv_api_enter(from, value, "an item of \"instances\"", &in);

	r = r < 0 ? r : dv_api_get_text(&in, "profile", ret->profile, sizeof(ret->profile));
	r = r < 0 ? r : dv_api_get_unsigned(&in, "id", UINT32_MAX, &ret->id);
	r = r < 0 ? r : dv_api_get_unsigned(&in, "profile_id", UINT32_MAX, &ret->profile_id);
	r = r < 0 ? r : small_get(&in, "start", DV_MIG_CELLS_MOST, &ret->start);
	r = r < 0 ? r : small_get(&in, "size", DV_MIG_CELLS_MOST, &ret->size);
	r = r < 0 ? r : middle_get(&in, "holders", &ret->holder_count);
	return r < 0 ? r : right_get(&in, &ret->right);
}

static int compute_get(const struct dv_api_in *from, const json_t *value,
		       struct dv_mig_compute *ret)
{
	struct dv_api_in in;
	int r = dv_api_enter(from, value, "an item of \"computes\"", &in);

	r = r < 0 ? r : dv_api_need_text(&in, "uuid", ret->uuid, sizeof(ret->uuid));
	r = r < 0 ? r : dv_api_get_unsigned(&in, "instance", UINT32_MAX, &ret->instance);
	r = r < 0 ? r : dv_api_get_unsigned(&in, "id", UINT32_MAX, &ret->id);
	r = r < 0 ? r : dv_api_get_unsigned(&in, "profile_id", UINT32_MAX, &ret->profile_id);
	r = r < 0 ? r : small_get(&in, "start", DV_MIG_CELLS_MOST, &ret->start);
	r = r < 0 ? r : small_get(&in, "size", DV_MIG_CELLS_MOST, &ret->size);
	return r < 0 ? r : right_get(&in, &ret->right);
}

/* Each item of list `key` by `get` into the array, with their number. */
#define LIST_GET(in, key, get, items, most, count)                                                 \
	({                                                                                         \
		const json_t *list_ = NULL;                                                        \
		int r_ = dv_api_get_list(in, key, most, &list_);                                   \
		for (; r_ == 0 && *(count) < json_array_size(list_); *(count) += r_ == 0)          \
			r_ = get(in, json_array_get(list_, *(count)), &(items)[*(count)]);         \
		r_;                                                                                \
	})

int dv_api_mig_get(const struct dv_api_in *from, const json_t *value, struct dv_mig *ret)
{
	struct dv_mig mig = {0};
	struct dv_api_in in;
	int r = dv_api_enter(from, value, "\"mig\"", &in);

	r = r < 0 ? r : dv_api_get_word(&in, "mode", dv_mig_mode_parse, &mig.mode);
	r = r < 0 ? r : dv_api_get_unsigned(&in, "minor", UINT32_MAX, &mig.minor);
	r = r < 0 ? r : small_get(&in, "memory_slices", DV_MIG_CELLS_MOST, &mig.cells);
	r = r < 0 ? r : small_get(&in, "compute_slices", DV_MIG_CELLS_MOST, &mig.compute_slices);
	r = r < 0 ? r : dv_api_get_bool(&in, "resets", &mig.resets);
	r = r < 0 ? r : dv_api_get_bool(&in, "profiles_derived", &mig.profiles_derived);
	r = r < 0 ? r
		  : LIST_GET(&in, "profiles", profile_get, mig.profiles, DV_MIG_PROFILES_MOST,
			     &mig.profile_count);
	r = r < 0 ? r
		  : LIST_GET(&in, "instances", instance_get, mig.instances, DV_MIG_INSTANCES_MOST,
			     &mig.instance_count);
	r = r < 0 ? r
		  : LIST_GET(&in, "computes", compute_get, mig.computes, DV_MIG_COMPUTES_MOST,
			     &mig.compute_count);
	if (r == 0)
		*ret = mig;
	return r;
}
