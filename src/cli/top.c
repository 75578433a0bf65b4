/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top.h"

#include <string.h>

#include "base/json.h"
#include "cli/show.h"
#include "model/units.h"

enum { DEVICE_BAR = 20, GOT_BAR = 8 };

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct dv_lease *)a)->name, ((const struct dv_lease *)b)->name);
}

static int by_got(const void *a, const void *b)
{
	uint32_t x = ((const struct dv_lease *)a)->got_mpct;
	uint32_t y = ((const struct dv_lease *)b)->got_mpct;

	return x == y ? by_name(a, b) : x < y ? 1 : -1;
}

static int by_memory(const void *a, const void *b)
{
	uint64_t x = ((const struct dv_lease *)a)->memory_used_bytes;
	uint64_t y = ((const struct dv_lease *)b)->memory_used_bytes;

	return x == y ? by_name(a, b) : x < y ? 1 : -1;
}

static bool lies_on(const struct dv_lease *lease, const struct dv_gpu *gpu)
{
	return strcmp(lease->gpu_uuid, gpu->uuid) == 0;
}

static const char *size_or_0(uint64_t bytes, char buf[DV_SHOW_SIZE])
{
	return bytes ? dv_show_size(bytes, buf) : "0";
}

static void print_bars(struct dv_out *out, const struct dv_gpu *gpu, const struct dv_leases *leases)
{
	char bar[DV_BAR_SIZE], used_text[DV_SHOW_SIZE], size[DV_SHOW_SIZE], share[DV_SHOW_SIZE];
	uint64_t used = 0, got = 0;

	for (size_t i = 0; i < leases->len; i++) {
		if (!lies_on(&leases->items[i], gpu))
			continue;
		used += leases->items[i].memory_used_bytes;
		got += leases->items[i].got_mpct;
	}
	dv_outf(out, "   memory %s  %s of %s used\n",
		dv_out_bar(out, used, gpu->memory_bytes, DEVICE_BAR, bar),
		size_or_0(used, used_text), dv_show_size(gpu->memory_bytes, size));
	dv_outf(out, "   time   %s  %s used\n",
		dv_out_bar(out, got, DV_MPCT_WHOLE, DEVICE_BAR, bar),
		got ? dv_show_share((uint32_t)got, share) : "0%");
}

static const struct dv_column columns[] = {
	{"TENANT", .least = 8, .whole = true},
	{"SHARE", .right = true},
	{"GOT"},
	{"", .right = true},
	{"WAIT P99", .right = true},
	{"MEMORY", .right = true},
	{"STATE"},
	{"PIDS", .right = true},
};

static void add_tenant(struct dv_table *table, struct dv_out *out, const struct dv_lease *lease)
{
	char a[DV_SHOW_SIZE], b[DV_SHOW_SIZE], bar[DV_BAR_SIZE];

	dv_table_add(table, "%s", lease->name);
	dv_table_add(table, "%s", dv_show_share(lease->compute_mpct, a));
	if (lease->window_ms) {
		dv_table_add(table, "%s",
			     dv_out_bar(out, lease->got_mpct, DV_MPCT_WHOLE, GOT_BAR, bar));
		dv_table_add(table, "%s",
			     lease->got_mpct ? dv_show_share(lease->got_mpct, a) : "0%");
		if (lease->wait_p99_ns)
			dv_table_add(table, "%.1fms", (double)lease->wait_p99_ns / 1e6);
		else
			dv_table_add(table, "-");
	} else {
		dv_table_add(table, "-");
		dv_table_add(table, "%s", "");
		dv_table_add(table, "-");
	}
	dv_table_add(table, "%s/%s", size_or_0(lease->memory_used_bytes, a),
		     dv_show_size(lease->memory_bytes, b));
	dv_table_add_style(table, dv_show_state_style(lease->state), "%s",
			   dv_lease_state_name(lease->state));
	dv_table_add(table, "%u", dv_show_pids(lease));
}

static int print_gpu(struct dv_out *out, const struct dv_gpu *gpu, const struct dv_leases *leases,
		     struct dv_error *err)
{
	dv_cleanup(dv_table_fini) struct dv_table table = {0};

	dv_outf(out, "%s  ", gpu->id);
	dv_out_style(out, DV_STYLE_HEAD, "%s\n", gpu->product[0] ? gpu->product : gpu->model);
	print_bars(out, gpu, leases);
	dv_table_init(&table, columns, DV_ARRAY_LEN(columns));
	for (size_t i = 0; i < leases->len; i++)
		if (lies_on(&leases->items[i], gpu))
			add_tenant(&table, out, &leases->items[i]);
	if (!table.cells.len) {
		dv_outf(out, "   no tenants\n");
		return 0;
	}
	return dv_table_print(&table, out, 3, err);
}

int dv_top_print(struct dv_out *out, struct dv_api_status *status, enum dv_top_sort sort,
		 struct dv_error *err)
{
	static int (*const orders[DV_TOP_SORT_COUNT])(const void *, const void *) = {
		[DV_TOP_BY_GOT] = by_got,
		[DV_TOP_BY_MEMORY] = by_memory,
		[DV_TOP_BY_NAME] = by_name,
	};
	int r = 0;

	if (status->leases.len)
		qsort(status->leases.items, status->leases.len, sizeof(*status->leases.items),
		      orders[sort]);
	for (size_t i = 0; r == 0 && i < status->gpus.len; i++)
		r = print_gpu(out, &status->gpus.items[i], &status->leases, err);
	return r;
}

int dv_top_document(const struct dv_api_status *status, char **ret_text, struct dv_error *err)
{
	struct dv_buf buf = {0};
	struct dv_json json;

	dv_json_init(&json, &buf);
	dv_json_object(&json, NULL);
	dv_json_text(&json, "schema", "divvy/top/1");
	dv_json_array(&json, "tenants");
	for (size_t i = 0; i < status->leases.len; i++) {
		const struct dv_lease *lease = &status->leases.items[i];

		dv_json_object(&json, NULL);
		dv_json_text(&json, "name", lease->name);
		dv_json_text(&json, "gpu", dv_show_gpu(lease, &status->gpus));
		dv_json_text(&json, "state", dv_lease_state_name(lease->state));
		dv_json_number(&json, "wanted_pct", lease->compute_mpct / 1e3, 3);
		if (lease->window_ms) {
			dv_json_number(&json, "got_pct", lease->got_mpct / 1e3, 3);
			dv_json_u64(&json, "window_ms", lease->window_ms);
			dv_json_number(&json, "wait_p99_ms", (double)lease->wait_p99_ns / 1e6, 3);
		} else {
			dv_json_null(&json, "got_pct");
			dv_json_null(&json, "window_ms");
			dv_json_null(&json, "wait_p99_ms");
		}
		dv_json_number(&json, "memory_mib", (double)lease->memory_used_bytes / DV_MIB, 3);
		dv_json_number(&json, "memory_limit_mib", (double)lease->memory_bytes / DV_MIB, 3);
		dv_json_end(&json);
	}
	dv_json_end(&json);
	dv_json_end(&json);
	if (dv_buf_take(&buf, ret_text) < 0)
		return dv_error_set(err, -ENOMEM, "no memory for a document");
	return 0;
}
