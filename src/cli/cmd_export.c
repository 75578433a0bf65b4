/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "cli/remote.h"
#include "cli/show.h"
#include "cli/verbs.h"
#include "model/fleet.h"
#include "model/tree.h"
#include "model/units.h"
#include "plan/mig-parted.h"

enum { OPT_FORMAT, OPT_FLEET, OPT_CONFIG };

static const struct dv_option options[] = {
	[OPT_FORMAT] = {"format", 0, "FORMAT", "divvy (if not given), or mig-parted"},
	[OPT_FLEET] = {"fleet", 0, "NAME", "only what this fleet made"},
	[OPT_CONFIG] = {"config", 'c', "CONFIG",
			"of format mig-parted: call the config so, not current"},
	{NULL},
};

/* A tenant of several whole GPUs has leases NAME, NAME.1, NAME.2, ...: the tenant that such a
 * lease belongs to, or NULL. */
static struct dv_tenant *head_of(struct dv_fleet *fleet, const struct dv_lease *lease)
{
	const char *dot = strrchr(lease->name, '.');

	if (lease->method != DV_METHOD_PASSTHROUGH || !dot || !dot[1] ||
	    strspn(dot + 1, "0123456789") != strlen(dot + 1))
		return NULL;
	for (size_t i = 0; i < fleet->tenants.len; i++) {
		struct dv_tenant *tenant = &fleet->tenants.items[i];

		if (tenant->gpus && strlen(tenant->name) == (size_t)(dot - lease->name) &&
		    strncmp(tenant->name, lease->name, (size_t)(dot - lease->name)) == 0)
			return tenant;
	}
	return NULL;
}

static uint32_t share_of(const struct dv_lease *lease, const struct dv_gpus *gpus)
{
	struct dv_node node;

	if (lease->compute_mpct || dv_node_parse(lease->node, &node, NULL) < 0 ||
	    !node.has_partition)
		return lease->compute_mpct;
	for (size_t i = 0; i < gpus->len; i++)
		if (strcmp(gpus->items[i].uuid, lease->gpu_uuid) == 0 &&
		    gpus->items[i].compute_units)
			return (uint32_t)((uint64_t)node.size * DV_MPCT_WHOLE /
					  gpus->items[i].compute_units);
	return 0;
}

static int add_lease(struct dv_fleet *fleet, const struct dv_lease *lease,
		     const struct dv_gpus *gpus)
{
	struct dv_tenant tenant = {.kind = lease->kind, .method = lease->method, .start = -1};
	struct dv_tenant *head = head_of(fleet, lease);

	if (head) {
		head->gpus++;
		return 0;
	}
	(void)dv_copy(tenant.name, sizeof(tenant.name), lease->name);
	(void)dv_copy(tenant.group, sizeof(tenant.group), lease->name);
	if (lease->method == DV_METHOD_PASSTHROUGH) {
		tenant.gpus = 1;
	} else if (lease->method == DV_METHOD_MIG) {
		(void)dv_copy(tenant.profile, sizeof(tenant.profile), lease->profile);
	} else {
		tenant.needs.memory_bytes = lease->memory_bytes;
		tenant.needs.compute_mpct = share_of(lease, gpus);
		tenant.policy = lease->policy;
		tenant.policy_set = lease->method == DV_METHOD_SLICE;
		(void)dv_copy(tenant.profile, sizeof(tenant.profile), lease->profile);
	}
	return dv_vec_push(&fleet->tenants, tenant);
}

/* The heads of tenants come before their further GPUs. */
static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct dv_lease *)a)->name, ((const struct dv_lease *)b)->name);
}

/* The name of the one fleet that made them all, else "exported". */
static const char *fleet_name(const struct dv_leases *leases)
{
	const char *name = NULL;

	for (size_t i = 0; i < leases->len; i++) {
		const char *fleet = leases->items[i].fleet;

		if (leases->items[i].ephemeral)
			continue;
		if (!fleet[0] || (name && strcmp(name, fleet) != 0))
			return "exported";
		name = fleet;
	}
	return name ? name : "exported";
}

static int fill(struct dv_api_status *status, const char *only, struct dv_fleet *fleet,
		struct dv_error *err)
{
	struct dv_leases *leases = &status->leases;

	(void)dv_copy(fleet->name, sizeof(fleet->name), only ? only : fleet_name(leases));
	if (leases->len)
		qsort(leases->items, leases->len, sizeof(*leases->items), by_name);
	for (size_t i = 0; i < leases->len; i++) {
		const struct dv_lease *lease = &leases->items[i];

		/* What `run` made ends by itself and is nobody's wish. */
		if (lease->ephemeral || (only && strcmp(only, lease->fleet) != 0))
			continue;
		if (add_lease(fleet, lease, &status->gpus) < 0)
			return dv_error_set(err, -ENOMEM, "no memory for the fleet");
	}
	if (fleet->tenants.len)
		return 0;
	if (only)
		return dv_error_fix(
			err,
			dv_error_set(err, -ENOENT,
				     "there is nothing to export: no lease of the fleet "
				     "'%s'",
				     only),
			"`divvy leases` lists what there is");
	return dv_error_fix(
		err,
		dv_error_set(err, -ENOENT,
			     "there is nothing to export: no lease but those of divvy run"),
		"make some with: divvy apply FILE");
}

/* Is it mig-parted's format? */
static int read_format(const struct dv_args *args, bool *ret_parted, struct dv_error *err)
{
	const char *format = args->given.value[OPT_FORMAT];
	const char *none = NULL;
	bool parted = format && strcmp(format, "mig-parted") == 0;

	if (format && !parted && strcmp(format, "divvy") != 0)
		return dv_error_fix(
			err,
			dv_error_rule(err, -EINVAL, "F11",
				      "--format: '%.64s' is neither divvy nor mig-parted", format),
			"write divvy or mig-parted, or leave --format out");
	if (parted && args->given.value[OPT_FLEET])
		none = "--fleet: a file of mig-parted is of all GPUs, whoever divided them";
	if (!parted && args->given.value[OPT_CONFIG])
		none = "--config: a fleet has no configs";
	if (none)
		return dv_error_fix(err, dv_error_rule(err, -EINVAL, "F12", "%s", none),
				    parted ? "leave --fleet out" : "add --format mig-parted");
	*ret_parted = parted;
	return 0;
}

static int print_parted(const struct dv_api_status *status, const char *name, char **ret_text,
			struct dv_error *err)
{
	const struct dv_parted_machine machine = {status->gpus.items, status->gpus.len,
						  &status->leases};
	dv_cleanup(dv_mig_parted_fini) struct dv_mig_parted parted = {0};
	int r = dv_parted_export(name, &machine, &parted, err);

	return r < 0 ? r : dv_mig_parted_print(&parted, ret_text, err);
}

static int print_fleet(struct dv_api_status *status, const char *only, char **ret_text,
		       struct dv_error *err)
{
	dv_cleanup(dv_fleet_fini) struct dv_fleet fleet = {0};
	int r = fill(status, only, &fleet, err);

	return r < 0 ? r : dv_fleet_print(&fleet, ret_text, err);
}

/* A config of ours is named as leases are. */
static int check_names(const struct dv_args *args, struct dv_error *err)
{
	const char *only = args->given.value[OPT_FLEET], *config = args->given.value[OPT_CONFIG];
	int r = only ? dv_remote_check_name(only, err) : 0;

	return r < 0 || !config ? r : dv_remote_check_name(config, err);
}

/* The file as a document: divvy/fleet/1, as divvyd takes it; divvy/mig-parted/1, the same of the
 * other format. */
static int print_document(struct dv_cli *cli, bool parted, const char *text, struct dv_error *err)
{
	const struct dv_api_wish wish = {.text = (char *)text}; /* only read */
	dv_autofree char *document = NULL;
	struct dv_buf buf = {0};
	struct dv_json json;
	int r = 0;

	if (parted) {
		dv_json_init(&json, &buf);
		dv_json_object(&json, NULL);
		dv_json_text(&json, "schema", "divvy/mig-parted/1");
		dv_json_text(&json, "text", text);
		dv_json_end(&json);
		if (dv_buf_take(&buf, &document) < 0)
			r = dv_error_set(err, -ENOMEM, "no memory for the document");
	} else {
		r = dv_api_wish_encode(&wish, &document, err);
	}
	if (r == 0)
		dv_remote_print(cli, document);
	return r;
}

static int run_export(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err)
{
	dv_cleanup(dv_api_status_fini) struct dv_api_status status = {0};
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	dv_autofree char *text = NULL;
	const char *config = args->given.value[OPT_CONFIG];
	bool parted = false;
	int r = read_format(args, &parted, err);

	if (r == 0)
		r = check_names(args, err);
	if (r == 0)
		r = dv_remote_get(cli, &answer, err, "/v1/status");
	if (r == 0)
		r = dv_api_status_decode(answer, &status, err);
	if (r == 0 && parted)
		r = print_parted(&status, config ? config : "current", &text, err);
	else if (r == 0)
		r = print_fleet(&status, args->given.value[OPT_FLEET], &text, err);
	if (r < 0)
		return r;
	if (cli->json)
		return print_document(cli, parted, text, err);
	dv_outf(&cli->out, "%s", text);
	return 0;
}

const struct dv_verb dv_verb_export = {
	.name = "export",
	.args = "",
	.help = "what there is, as a fleet file",
	.text = "Leases that divvy run made are left out; they end by themselves. In the format "
		"mig-parted it is the MIG mode of every GPU and the partitions that are there, "
		"whoever "
		"made them, as a config called current.",
	.options = options,
	.run = run_export,
};
