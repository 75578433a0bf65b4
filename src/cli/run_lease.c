/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/run_lease.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/remote.h"

int dv_run_lease(struct dv_cli *cli, const char *name, struct dv_lease *ret, struct dv_error *err)
{
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	struct dv_leases leases = {0};
	int r = dv_remote_get(cli, &answer, err, "/v1/leases/%s", name);

	if (r == 0)
		r = dv_api_leases_decode(answer, &leases, err);
	if (r < 0)
		return r;
	if (leases.len == 1)
		*ret = leases.items[0];
	else
		r = dv_error_set(err, -EPROTO, "divvyd answered %zu leases, not one", leases.len);
	dv_vec_fini(&leases);
	return r;
}

bool dv_run_lease_has(const struct dv_lease *lease, pid_t pid)
{
	for (unsigned i = 0; i < lease->pid_count && i < DV_LEASE_PIDS_MOST; i++)
		if (lease->pids[i] == pid)
			return true;
	return lease->pid_count > DV_LEASE_PIDS_MOST;
}

static int post_process(struct dv_cli *cli, const char *name, const char *what,
			const struct dv_api_process *process, struct dv_error *err)
{
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	dv_autofree char *body = NULL;
	char path[128];
	int r = dv_api_process_encode(process, &body, err);

	(void)snprintf(path, sizeof(path), "/v1/leases/%s/%s", name, what);
	return r < 0 ? r : dv_remote_call(cli, "POST", path, body, &answer, err);
}

int dv_run_enter(struct dv_cli *cli, const struct dv_api_grant *grant, pid_t pid,
		 struct dv_error *err)
{
	const struct dv_api_process process = {.pid = pid};

	return grant->cgroup[0] ? post_process(cli, grant->lease.name, "enter", &process, err) : 0;
}

int dv_run_unenforced(struct dv_cli *cli, const char *name, pid_t pid, const char *text,
		      struct dv_error *err)
{
	struct dv_api_process process = {.pid = pid};

	(void)dv_copy(process.text, sizeof(process.text), text);
	return post_process(cli, name, "unenforced", &process, err);
}
