/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "cli/remote.h"
#include "cli/show.h"
#include "cli/verbs.h"

enum state { CAN, NOT_NOW, CANNOT };
enum { MIG_SIZE = 512 };

/* What the device can do is one thing, what it can do as it is divided now another: the first lease
 * decides, until the last has ended (rules S01 and S02). */
static enum state state_of(const struct dv_gpu *gpu, const struct dv_gpu_method *method)
{
	if (!method->ok)
		return CANNOT;
	if (gpu->division == DV_DIVISION_NONE)
		return CAN;
	/* A slice may be one of a partition. */
	if (gpu->division == DV_DIVISION_MIG && method->method == DV_METHOD_SLICE)
		return CAN;
	return gpu->division == DV_DIVISION_WHOLE ||
			       dv_method_division(method->method) != gpu->division
		       ? NOT_NOW
		       : CAN;
}

/* How it is in use, for a sentence: "in use as partitions". */
static const char *use_text(const struct dv_gpu *gpu, char buf[DV_SHOW_SIZE])
{
	(void)snprintf(buf, DV_SHOW_SIZE, "in use %s%s",
		       gpu->division == DV_DIVISION_WHOLE ? "" : "as ",
		       dv_division_name(gpu->division));
	return buf;
}

/* The methods in that state, with their rules if they have some; "" for none. */
static int methods_text(const struct dv_gpu *gpu, enum state state, char **ret_text,
			struct dv_error *err)
{
	struct dv_buf buf = {0};
	char use[DV_SHOW_SIZE];

	for (unsigned i = 0; i < gpu->method_count; i++) {
		const struct dv_gpu_method *method = &gpu->methods[i];

		if (state_of(gpu, method) != state)
			continue;
		dv_buf_addf(&buf, "%s%s", buf.len ? ", " : "", dv_method_name(method->method));
		for (unsigned j = 0; j < method->rule_count; j++)
			dv_buf_addf(&buf, "%s%s%s", j ? " " : " (", method->rules[j],
				    j + 1 == method->rule_count ? ")" : "");
	}
	if (state == NOT_NOW && buf.len)
		dv_buf_addf(&buf, ": %s", use_text(gpu, use));
	if (dv_buf_take(&buf, ret_text) < 0)
		return dv_error_set(err, -ENOMEM, "no memory to list methods");
	return 0;
}

static void print_wrapped(struct dv_out *out, const char *what, const char *text)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): all of them are set by now */
	if (!*text)
		return;
	dv_outf(out, "   %-9s ", what);
	dv_out_wrap(out, DV_STYLE_NONE, 13, 13, text);
}

static int print_short(struct dv_out *out, const struct dv_gpu *gpu, struct dv_error *err)
{
	dv_autofree char *can = NULL;
	dv_autofree char *not_now = NULL;
	dv_autofree char *cannot = NULL;
	char facts[DV_FACTS_SIZE + 128], known[DV_FACTS_SIZE], mig[MIG_SIZE], numa[32] = "";
	int r = methods_text(gpu, CAN, &can, err);

	if (r == 0)
		r = methods_text(gpu, NOT_NOW, &not_now, err);
	if (r == 0)
		r = methods_text(gpu, CANNOT, &cannot, err);
	if (r < 0)
		return r;
	if (gpu->numa_node >= 0)
		(void)snprintf(numa, sizeof(numa), ", NUMA node %d", gpu->numa_node);
	(void)snprintf(facts, sizeof(facts), "%s%s%s%s", dv_show_facts(gpu, true, known), numa,
		       gpu->driver[0] ? ", driver " : "", gpu->driver);
	dv_outf(out, "%s  ", gpu->id);
	dv_out_style(out, DV_STYLE_HEAD, "%s\n", gpu->product[0] ? gpu->product : gpu->model);
	dv_outf(out, "   ");
	dv_out_wrap(out, DV_STYLE_NONE, 3, 3, facts);
	print_wrapped(out, "division", dv_division_name(gpu->division));
	print_wrapped(out, "MIG", dv_show_mig(gpu, mig, sizeof(mig)));
	print_wrapped(out, "owner", gpu->owned_by);
	print_wrapped(out, "locked", gpu->quarantine);
	print_wrapped(out, "unleased", dv_show_unleased(gpu, mig, sizeof(mig)));
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	print_wrapped(out, "can do", *can ? can : *not_now ? "nothing more" : "nothing");
	print_wrapped(out, "not now", not_now);
	print_wrapped(out, "cannot", cannot);
	return 0;
}

static int print_list(struct dv_out *out, const struct dv_gpus *gpus, struct dv_error *err)
{
	bool why = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < gpus->len; i++) {
		r = print_short(out, &gpus->items[i], err);
		for (unsigned j = 0; j < gpus->items[i].method_count; j++)
			why |= !gpus->items[i].methods[j].ok;
	}
	if (r == 0 && why)
		dv_outf(out, "\nWhy not: divvy gpus GPU\n");
	return r;
}

static void print_fact(struct dv_out *out, const char *what, const char *text)
{
	if (*text)
		dv_outf(out, "  %-9s %s\n", what, text);
}

static void print_methods(struct dv_out *out, const struct dv_gpu *gpu)
{
	static const struct {
		enum dv_style style;
		const char *sign;
	} signs[] = {
		[CAN] = {DV_STYLE_GOOD, "✓"},
		[NOT_NOW] = {DV_STYLE_WARN, "·"},
		[CANNOT] = {DV_STYLE_BAD, "✗"},
	};
	char use[DV_SHOW_SIZE];

	for (unsigned i = 0; i < gpu->method_count; i++) {
		const struct dv_gpu_method *method = &gpu->methods[i];
		const char *name = dv_method_name(method->method);
		enum state state = state_of(gpu, method);
		dv_autofree char *text = NULL;
		struct dv_buf buf = {0};

		for (unsigned j = 0; j < method->rule_count; j++)
			dv_buf_addf(&buf, "%s%s", j ? ", " : "", method->rules[j]);
		if (method->rule_count && method->why[0])
			dv_buf_add(&buf, ": ");
		if (state == NOT_NOW)
			dv_buf_addf(&buf, "not now: %s", use_text(gpu, use));
		else
			dv_buf_add(&buf, method->why);
		if (dv_buf_take(&buf, &text) < 0) {
			out->failed = true;
			continue;
		}
		dv_outf(out, "  ");
		/* All are two columns wide where there is no UTF-8. */
		dv_out_style(out, signs[state].style, "%s", signs[state].sign);
		if (state == NOT_NOW && !out->utf8)
			dv_outf(out, " ");
		dv_outf(out, " %-11s %s", name, *text ? "" : "yes");
		dv_out_wrap(out, DV_STYLE_NONE, out->utf8 ? 16 : 17, out->utf8 ? 16 : 17, text);
	}
}

static void print_one(struct dv_out *out, const struct dv_gpu *gpu)
{
	char buf[DV_SHOW_SIZE], mig[MIG_SIZE];

	dv_outf(out, "%s  ", gpu->id);
	dv_out_style(out, DV_STYLE_HEAD, "%s\n", gpu->product[0] ? gpu->product : gpu->model);
	print_fact(out, "model", gpu->model);
	print_fact(out, "uuid", gpu->uuid);
	print_fact(out, "address", gpu->address);
	print_fact(out, "driver", gpu->driver);
	if (gpu->memory_bytes)
		print_fact(out, "memory", dv_show_size(gpu->memory_bytes, buf));
	(void)snprintf(buf, sizeof(buf), "%u %s%s", gpu->compute_units,
		       gpu->kind == DV_GPU_CPU ? "CPU" : "compute unit",
		       dv_plural(gpu->compute_units));
	if (gpu->compute_units)
		print_fact(out, "compute", buf);
	(void)snprintf(buf, sizeof(buf), "%d", gpu->numa_node);
	print_fact(out, "NUMA node", gpu->numa_node < 0 ? "unknown" : buf);
	print_fact(out, "division", dv_division_name(gpu->division));
	print_fact(out, "MIG", dv_show_mig(gpu, mig, sizeof(mig)));
	print_fact(out, "owner", gpu->owned_by);
	print_fact(out, "locked", gpu->quarantine);
	print_fact(out, "unleased", dv_show_unleased(gpu, mig, sizeof(mig)));
	dv_outf(out, "\n");
	dv_out_style(out, DV_STYLE_HEAD, "What it can do here\n");
	if (gpu->method_count)
		print_methods(out, gpu);
	else
		dv_outf(out, "  nothing: this version has no method for it\n");
}

static int find(const struct dv_gpus *gpus, const char *text, const struct dv_gpu **ret_gpu,
		struct dv_error *err)
{
	const struct dv_gpu *found = NULL;
	int r;

	for (size_t i = 0; i < gpus->len; i++) {
		if (!dv_gpu_matches(&gpus->items[i], text))
			continue;
		if (found) {
			r = dv_error_set(err, -EINVAL, "'%s' names GPU %s and GPU %s", text,
					 found->id, gpus->items[i].id);
			return dv_error_fix(err, r, "name it by its number, uuid or address");
		}
		found = &gpus->items[i];
	}
	if (!found) {
		r = dv_error_rule(err, -ENODEV, "S18", "there is no GPU called '%.60s'", text);
		return dv_error_fix(err, r, "`divvy gpus` lists what was found");
	}
	*ret_gpu = found;
	return 0;
}

static int print_found(struct dv_cli *cli, const struct dv_gpu *gpu, struct dv_error *err)
{
	dv_autofree char *text = NULL;
	int r;

	if (!cli->json) {
		print_one(&cli->out, gpu);
		return 0;
	}
	r = dv_api_gpus_encode(gpu, 1, &text, err);
	if (r == 0)
		dv_remote_print(cli, text);
	return r;
}

static void gpus_finip(struct dv_gpus *gpus)
{
	dv_vec_fini(gpus);
}

static int run_gpus(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err)
{
	dv_cleanup(gpus_finip) struct dv_gpus gpus = {0};
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	const struct dv_gpu *gpu = NULL;
	int r = dv_remote_get(cli, &answer, err, "/v1/gpus");

	if (r < 0)
		return r;
	if (cli->json && !args->count) {
		dv_remote_print(cli, answer);
		return 0;
	}
	r = dv_api_gpus_decode(answer, &gpus, err);
	if (r < 0)
		return r;
	if (!args->count)
		return print_list(&cli->out, &gpus, err);
	r = find(&gpus, args->words[0], &gpu, err);
	return r < 0 ? r : print_found(cli, gpu, err);
}

const struct dv_verb dv_verb_gpus = {
	.name = "gpus",
	.args = "[GPU]",
	.most = 1,
	.help = "GPUs: model, memory, what each can do here, and why not the rest",
	.text = "What it cannot do now, because it is in use in another way, it can do again when "
		"its last lease has ended. GPU is its number, uuid, PCI address, model, or the "
		"beginning of words of its "
		"product's name (H100-80, \"RTX 4090\").",
	.run = run_gpus,
};
