/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/users.h"

#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>

#include "device/nvml.h"
#include "device/pci.h"

struct list {
	struct dv_nvml_user users[DV_WORKER_HOLDERS_MOST];
	unsigned count;
	struct dv_pci_nodes nodes;
	const char *paths[DV_PCI_NODES_MOST + 1];
};

static int read_list(const struct dv_method_env *env, const struct dv_gpu *gpu, struct list *ret,
		     struct dv_error *err)
{
	dv_cleanup(dv_nvml_closep) struct dv_nvml *nvml = NULL;
	int r = dv_nvml_open(env->nvml, &nvml, err);

	if (r == 0)
		r = dv_nvml_users(nvml, gpu->uuid, ret->users, DV_WORKER_HOLDERS_MOST, &ret->count,
				  err);
	if (r < 0)
		return r;
	ret->count = DV_MIN(ret->count, (unsigned)DV_WORKER_HOLDERS_MOST);
	dv_pci_find_nodes(env->root, gpu->address, &ret->nodes);
	for (unsigned i = 0; i < ret->nodes.count; i++)
		ret->paths[i] = ret->nodes.paths[i];
	return 0;
}

/* Does it compute, and is it here? */
static bool is_here(const struct dv_method_env *env, const struct list *list,
		    const struct dv_nvml_user *user, struct dv_holder *ret)
{
	const struct dv_proc_signs signs = {.nodes = list->paths};

	if (!user->computes || !dv_proc_is_holder(env->root, &signs, user->pid, ret))
		return false;
	ret->instance = user->instance;
	ret->memory_bytes = user->memory_bytes == UINT64_MAX ? 0 : user->memory_bytes;
	return true;
}

int dv_worker_users(const struct dv_method_env *env, const struct dv_gpu *gpu,
		    struct dv_worker_result *ret, struct dv_error *err)
{
	dv_autofree struct list *list = calloc(1, sizeof(*list));
	struct dv_holder holder;
	int r = list ? read_list(env, gpu, list, err) : -ENOMEM;

	for (unsigned i = 0; r == 0 && i < list->count; i++)
		if (is_here(env, list, &list->users[i], &holder) &&
		    dv_vec_push(&ret->holders, holder) < 0)
			r = -ENOMEM;
	ret->found.count = (unsigned)ret->holders.len;
	return r == -ENOMEM ? dv_error_set(err, r, "no memory to list processes") : r;
}

int dv_worker_end_user(const struct dv_method_env *env, const struct dv_gpu *gpu, pid_t pid,
		       bool hard, struct dv_error *err)
{
	/* Before it is looked for, so that it is the same process all along. */
	dv_autoclose int fd = pid > 0 ? pidfd_open(pid, 0) : -1;
	dv_autofree struct list *list = calloc(1, sizeof(*list));
	struct dv_holder holder;
	int r = list ? 0 : dv_error_set(err, -ENOMEM, "no memory to list processes");

	if (fd < 0)
		return 0;
	r = r < 0 ? r : read_list(env, gpu, list, err);
	for (unsigned i = 0; r == 0 && i < list->count; i++) {
		if (list->users[i].pid != pid || !is_here(env, list, &list->users[i], &holder))
			continue;
		if (pidfd_send_signal(fd, hard ? SIGKILL : SIGTERM, NULL, 0) < 0 && errno != ESRCH)
			return dv_error_errno(err, errno, "ending process %d (%s)", (int)pid,
					      holder.command);
		break;
	}
	return r;
}
