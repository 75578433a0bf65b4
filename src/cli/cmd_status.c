/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/root.h"
#include "cli/remote.h"
#include "cli/show.h"
#include "cli/verbs.h"
#include "model/tree.h"
#include "model/units.h"

enum { DEVICE_BAR = 20, TENANT_BAR = 8 };

static const char *division_words(enum dv_division division)
{
	switch (division) {
	case DV_DIVISION_NONE:
		return "free";
	case DV_DIVISION_WHOLE:
		return "given whole";
	case DV_DIVISION_MIG:
		return "in MIG partitions";
	case DV_DIVISION_SLICES:
		return "in slices";
	case DV_DIVISION_VGPU:
		return "in vGPUs";
	case DV_DIVISION_SRIOV:
		return "in virtual functions";
	case DV_DIVISION_PARTITIONS:
		return "in partitions";
	case DV_DIVISION_COUNT:
		break;
	}
	return "?";
}

static bool lies_on(const struct dv_lease *lease, const struct dv_gpu *gpu)
{
	return strcmp(lease->gpu_uuid, gpu->uuid) == 0;
}

static void print_bar(struct dv_out *out, const char *what, uint64_t part, uint64_t whole,
		      const char *words)
{
	char bar[DV_BAR_SIZE];

	dv_outf(out, "   %-7s %s  %s\n", what, dv_out_bar(out, part, whole, DEVICE_BAR, bar),
		words);
}

/* How much of the device is given away. */
static void print_given(struct dv_out *out, const struct dv_gpu *gpu,
			const struct dv_leases *leases)
{
	char words[2 * DV_SHOW_SIZE + 32], a[DV_SHOW_SIZE], b[DV_SHOW_SIZE];
	uint64_t memory = 0, share = 0, units = 0;
	struct dv_node node;

	for (size_t i = 0; i < leases->len; i++) {
		const struct dv_lease *lease = &leases->items[i];

		if (!lies_on(lease, gpu))
			continue;
		memory += lease->memory_bytes;
		share += lease->compute_mpct;
		if (dv_node_parse(lease->node, &node, NULL) == 0 && node.has_partition)
			units += node.size;
	}
	if (gpu->division == DV_DIVISION_SLICES) {
		(void)snprintf(words, sizeof(words), "%s of %s given",
			       memory ? dv_show_size(memory, a) : "0",
			       dv_show_size(gpu->memory_bytes, b));
		print_bar(out, "memory", memory, gpu->memory_bytes, words);
		(void)snprintf(words, sizeof(words), "%s given",
			       share ? dv_show_share((uint32_t)share, a) : "0%");
		print_bar(out, "time", share, DV_MPCT_WHOLE, words);
	} else if (gpu->division == DV_DIVISION_PARTITIONS) {
		(void)snprintf(words, sizeof(words), "%u of %u CPU%s given", (unsigned)units,
			       gpu->compute_units, dv_plural(gpu->compute_units));
		print_bar(out, "CPUs", units, gpu->compute_units, words);
	}
}

/* ", 1.6GiB by the driver", where that differs by more than what rounding makes of it. */
static const char *seen_text(const struct dv_lease *lease, char *buf, size_t size)
{
	char text[DV_SHOW_SIZE];

	buf[0] = '\0';
	if (lease->memory_seen_bytes > lease->memory_used_bytes + 2 * DV_MIB)
		(void)snprintf(buf, size, ", %s by the driver",
			       dv_show_size(lease->memory_seen_bytes, text));
	return buf;
}

static void add_tenant(struct dv_table *table, struct dv_out *out, const struct dv_lease *lease)
{
	char a[DV_SHOW_SIZE], b[DV_SHOW_SIZE], seen[DV_SHOW_SIZE + 24], bar[DV_BAR_SIZE];

	dv_table_add(table, "%s", lease->name);
	dv_table_add(table, "%s", dv_show_method(lease, a));
	if (lease->memory_bytes)
		dv_table_add(
			table, "%s %s of %s%s",
			dv_out_bar(out, lease->memory_used_bytes, lease->memory_bytes, TENANT_BAR,
				   bar),
			lease->memory_used_bytes ? dv_show_size(lease->memory_used_bytes, a) : "0",
			dv_show_size(lease->memory_bytes, b), seen_text(lease, seen, sizeof(seen)));
	else
		dv_table_add(table, "%s", dv_show_part(lease, a));
	dv_table_add(table, "%s", dv_show_share(lease->compute_mpct, a));
	dv_table_add(table, "%s",
		     lease->window_ms && lease->got_mpct ? dv_show_share(lease->got_mpct, a)
		     : lease->window_ms			 ? "0%"
							 : "-");
	dv_table_add_style(table, dv_show_state_style(lease->state), "%s", dv_show_state(lease));
}

static const struct dv_column tenant_columns[] = {
	{"TENANT", .least = 8, .whole = true},
	{"METHOD"},
	{"MEMORY USED"},
	{"SHARE", .right = true},
	{"GOT", .right = true},
	{"STATE"},
};

static int print_tenants(struct dv_out *out, const struct dv_gpu *gpu,
			 const struct dv_leases *leases, struct dv_error *err)
{
	dv_cleanup(dv_table_fini) struct dv_table table = {0};

	dv_table_init(&table, tenant_columns, DV_ARRAY_LEN(tenant_columns));
	for (size_t i = 0; i < leases->len; i++)
		if (lies_on(&leases->items[i], gpu))
			add_tenant(&table, out, &leases->items[i]);
	if (table.cells.len == 0)
		return 0;
	return dv_table_print(&table, out, 3, err);
}

static int print_gpu(struct dv_out *out, const struct dv_gpu *gpu, const struct dv_leases *leases,
		     struct dv_error *err)
{
	char facts[DV_FACTS_SIZE], mig[512];

	dv_outf(out, "\n%s  ", gpu->id);
	dv_out_style(out, DV_STYLE_HEAD, "%s", gpu->product[0] ? gpu->product : gpu->model);
	dv_outf(out, "\n   %s, %s\n", dv_show_facts(gpu, false, facts),
		division_words(gpu->division));
	if (gpu->mig.mode != DV_MIG_NONE)
		dv_outf(out, "   MIG %s\n", dv_show_mig(gpu, mig, sizeof(mig)));
	print_given(out, gpu, leases);
	if (gpu->owned_by[0])
		dv_outf(out, "   divided by another divvyd: %s\n", gpu->owned_by);
	if (gpu->quarantine[0])
		dv_out_style(out, DV_STYLE_BAD, "   nothing new is placed here: %s\n",
			     gpu->quarantine);
	if (gpu->unleased_count)
		dv_out_style(out, DV_STYLE_BAD, "   computes here without a lease: %s\n",
			     dv_show_unleased(gpu, mig, sizeof(mig)));
	return print_tenants(out, gpu, leases, err);
}

static int count_entry(const char *name, void *arg, struct dv_error *err)
{
	++*(unsigned *)arg;
	return 0;
}

/* With no GPU: what was looked at, and what there is instead. */
static void print_no_gpu(struct dv_cli *cli, const struct dv_gpus *gpus)
{
	char text[320], where[96] = "this machine has no PCI bus";
	struct dv_root root = {.fd = -1};
	unsigned count = 0;

	if (dv_root_open(cli->root, &root, NULL) == 0 &&
	    dv_root_list(&root, "sys/bus/pci/devices", count_entry, &count, NULL) == 0)
		(void)snprintf(where, sizeof(where),
			       count == 1 ? "the %u device in /sys/bus/pci/devices is none"
					  : "none of the %u devices in /sys/bus/pci/devices is one",
			       count);
	dv_root_fini(&root);
	(void)snprintf(text, sizeof(text), "No GPU here: %s. %s", where,
		       gpus->len ? "The CPU is offered instead, through OpenCL: whole, in slices "
				   "or in partitions."
				 : "The CPU device is switched off in divvyd's configuration.");
	dv_outf(&cli->out, "\n");
	dv_out_wrap(&cli->out, DV_STYLE_NONE, 0, 0, text);
}

static bool has_gpu(const struct dv_gpus *gpus)
{
	for (size_t i = 0; i < gpus->len; i++)
		if (gpus->items[i].kind != DV_GPU_CPU)
			return true;
	return false;
}

static int print_status(struct dv_cli *cli, const struct dv_api_status *status,
			struct dv_error *err)
{
	struct dv_out *out = &cli->out;
	int r;

	dv_outf(out, "divvyd %s, %s, pid %u\n", status->version,
		cli->whose	 ? cli->whose
		: status->system ? "the machine's"
				 : "your own",
		status->pid);
	for (size_t i = 0; i < status->gpus.len; i++) {
		r = print_gpu(out, &status->gpus.items[i], &status->leases, err);
		if (r < 0)
			return r;
	}
	if (!has_gpu(&status->gpus))
		print_no_gpu(cli, &status->gpus);
	if (status->warnings.len)
		dv_outf(out, "\n");
	for (size_t i = 0; i < status->warnings.len; i++) {
		dv_out_style(out, DV_STYLE_WARN, "warning:");
		dv_outf(out, " ");
		dv_out_wrap(out, DV_STYLE_NONE, 9, 9, status->warnings.items[i]);
	}
	return 0;
}

static int run_status(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err)
{
	dv_cleanup(dv_api_status_fini) struct dv_api_status status = {0};
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	int r = dv_remote_get(cli, &answer, err, "/v1/status");

	if (r < 0)
		return r;
	if (cli->json) {
		dv_remote_print(cli, answer);
		return 0;
	}
	r = dv_api_status_decode(answer, &status, err);
	return r < 0 ? r : print_status(cli, &status, err);
}

const struct dv_verb dv_verb_status = {
	.name = "status",
	.args = "",
	.help = "one screen: GPUs, how each is divided, tenants, warnings",
	.text = "What divvy without a verb shows, too. GOT is the share of the device's time that "
		"a "
		"tenant got of late, SHARE what it was promised.",
	.run = run_status,
};
