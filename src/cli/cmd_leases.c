/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/remote.h"
#include "cli/show.h"
#include "cli/verbs.h"

static const struct dv_column columns[] = {
	{"NAME", .least = 8, .whole = true},
	{"OWNER", .least = 8, .whole = true},
	{"GPU"},
	{"METHOD"},
	{"MEMORY", .right = true},
	{"SHARE", .right = true},
	{"POLICY"},
	{"STATE"},
	{"PIDS", .right = true},
};

static int print_leases(struct dv_out *out, const struct dv_api_status *status,
			struct dv_error *err)
{
	dv_cleanup(dv_table_fini) struct dv_table table = {0};
	char buf[DV_SHOW_SIZE];

	dv_table_init(&table, columns, DV_ARRAY_LEN(columns));
	for (size_t i = 0; i < status->leases.len; i++) {
		const struct dv_lease *lease = &status->leases.items[i];

		dv_table_add(&table, "%s", lease->name);
		dv_table_add(&table, "%s", dv_show_user(lease->uid, buf));
		dv_table_add(&table, "%s", dv_show_gpu(lease, &status->gpus));
		dv_table_add(&table, "%s", dv_show_method(lease, buf));
		dv_table_add(&table, "%s", dv_show_size(lease->memory_bytes, buf));
		dv_table_add(&table, "%s", dv_show_share(lease->compute_mpct, buf));
		dv_table_add(&table, "%s",
			     lease->method == DV_METHOD_SLICE ? dv_policy_name(lease->policy)
							      : "-");
		dv_table_add_style(&table, dv_show_state_style(lease->state), "%s",
				   dv_show_state(lease));
		dv_table_add(&table, "%u", dv_show_pids(lease));
	}
	return dv_table_print(&table, out, 0, err);
}

static int run_leases(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err)
{
	dv_cleanup(dv_api_status_fini) struct dv_api_status status = {0};
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	int r = dv_remote_get(cli, &answer, err, cli->json ? "/v1/leases" : "/v1/status");

	if (r < 0)
		return r;
	if (cli->json) {
		dv_remote_print(cli, answer);
		return 0;
	}
	r = dv_api_status_decode(answer, &status, err);
	if (r < 0)
		return r;
	if (status.leases.len)
		return print_leases(&cli->out, &status, err);
	dv_outf(&cli->err, "no leases\n");
	return 0;
}

const struct dv_verb dv_verb_leases = {
	.name = "leases",
	.args = "",
	.help = "who has what: every lease, its limits, state and processes",
	.text = "A lease hands a GPU, a partition or a slice to one tenant. States: pending (being "
		"made), ready (nobody attached), active (processes attached), unenforced (a "
		"process "
		"uses the device round the gate), releasing, broken (a step failed and could not "
		"be "
		"undone). PIDS is how many processes there are: those that report to the gate, or, "
		"where none does, those that have it by divvy run.",
	.run = run_leases,
};
