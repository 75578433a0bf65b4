/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/pidfd.h>

#include "base/log.h"
#include "daemon/daemon.h"
#include "device/proc.h"

struct dv_launcher {
	struct dv_daemon *daemon;
	int64_t lease_id;
	char lease[DV_NAME_SIZE];
	pid_t pid;
	int pid_fd;
	sd_event_source *source;
	bool gone;	/* it, or its interest */
	bool releasing; /* the lease, on behalf of this one */
	bool failed;	/* and that did not go well */
};

static void launcher_free(struct dv_launcher *launcher)
{
	(void)sd_event_source_disable_unref(launcher->source);
	if (launcher->pid_fd >= 0)
		close(launcher->pid_fd);
	free(launcher);
}

/* Does a launcher other than this one (may be NULL) keep the lease, or let it go right now? */
static bool is_held(const struct dv_daemon *daemon, int64_t lease_id, const struct dv_launcher *but)
{
	for (size_t i = 0; i < daemon->launchers.len; i++) {
		const struct dv_launcher *launcher = daemon->launchers.items[i];

		if (launcher != but && launcher->lease_id == lease_id &&
		    (!launcher->gone || launcher->releasing))
			return true;
	}
	return false;
}

/* Forget the launchers of leases that are no more, and those that left a lease to others. */
static void sweep(struct dv_daemon *daemon)
{
	for (size_t i = daemon->launchers.len; i > 0; i--) {
		struct dv_launcher *launcher = daemon->launchers.items[i - 1];
		const struct dv_lease *lease = dv_engine_lease(daemon->engine, launcher->lease);

		if (lease && lease->id == launcher->lease_id && !launcher->gone)
			continue;
		/* The last of an ephemeral lease stays, to release it. */
		if (lease && lease->id == launcher->lease_id && lease->ephemeral &&
		    !is_held(daemon, lease->id, launcher))
			continue;
		if (launcher->releasing)
			continue; /* its answer comes back to it */
		launcher_free(launcher);
		dv_vec_remove(&daemon->launchers, i - 1);
	}
}

static void released(void *arg, int r, const struct dv_lease *lease, const struct dv_error *err)
{
	struct dv_launcher *launcher = arg;

	launcher->releasing = false;
	launcher->failed = r < 0 && r != -ENOENT;
	if (launcher->failed)
		dv_log_error(DV_LOG_WARNING, err, "releasing a lease whose launcher is gone");
	dv_daemon_touch(launcher->daemon);
}

static bool has_clients(const struct dv_daemon *daemon, int64_t lease_id)
{
	dv_autofree struct dv_gate_stats *stats = malloc(sizeof(*stats));

	return stats && dv_gate_stats(daemon->gate, lease_id, stats, NULL) == 0 &&
	       stats->client_count > 0;
}

static bool has_members(const struct dv_daemon *daemon, const struct dv_lease *lease)
{
	struct dv_lease seen = *lease;

	dv_observe_users(daemon, &seen);
	return seen.user_count > 0;
}

static void look(struct dv_launcher *launcher)
{
	struct dv_daemon *daemon = launcher->daemon;
	const struct dv_lease *lease = dv_engine_lease(daemon->engine, launcher->lease);
	const struct dv_identity self = dv_users_self();
	struct dv_error err = {0};
	int r;

	launcher->failed = false;
	if (!launcher->gone || launcher->releasing || !lease || lease->id != launcher->lease_id ||
	    !lease->ephemeral || is_held(daemon, lease->id, launcher) ||
	    has_clients(daemon, launcher->lease_id))
		return;
	/* Nobody says when the last of these ends, so that has to be looked for. */
	launcher->failed = has_members(daemon, lease);
	if (launcher->failed) {
		dv_daemon_touch(daemon);
		return;
	}
	launcher->releasing = true;
	r = dv_engine_release_id(daemon->engine, launcher->lease_id, &self, released, launcher,
				 &err);
	if (r < 0)
		released(launcher, r, NULL, &err);
}

static void leave(struct dv_launcher *launcher)
{
	launcher->gone = true;
	(void)sd_event_source_set_enabled(launcher->source, SD_EVENT_OFF);
}

static int on_gone(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct dv_launcher *launcher = arg;

	leave(launcher);
	look(launcher);
	dv_observe_changes(launcher->daemon);
	return 0;
}

static int watch(struct dv_daemon *daemon, struct dv_launcher *launcher)
{
	int r;

	if (daemon->launchers.len >= DV_LAUNCHERS_MOST || dv_vec_reserve(&daemon->launchers) < 0)
		return -ENOMEM;
	if (launcher->pid_fd < 0) {
		launcher->gone = true;
		return 0;
	}
	r = sd_event_add_io(daemon->event, &launcher->source, launcher->pid_fd, EPOLLIN, on_gone,
			    launcher);
	return r < 0 ? r : 0;
}

static struct dv_launcher *find(const struct dv_daemon *daemon, int64_t lease_id, pid_t pid)
{
	for (size_t i = 0; i < daemon->launchers.len; i++) {
		struct dv_launcher *launcher = daemon->launchers.items[i];

		if (launcher->lease_id == lease_id && launcher->pid == pid && !launcher->gone)
			return launcher;
	}
	return NULL;
}

void dv_launcher_watch(struct dv_daemon *daemon, const struct dv_lease *lease, pid_t pid,
		       int pid_fd_take)
{
	dv_autoclose int pid_fd = pid_fd_take;
	struct dv_launcher *launcher;

	sweep(daemon);
	if (find(daemon, lease->id, pid))
		return;
	launcher = calloc(1, sizeof(*launcher));
	if (!launcher) {
		dv_log(DV_LOG_WARNING, "no memory to watch who took lease %s", lease->name);
		return;
	}
	launcher->daemon = daemon;
	launcher->lease_id = lease->id;
	(void)dv_copy(launcher->lease, sizeof(launcher->lease), lease->name);
	launcher->pid = pid;
	launcher->pid_fd = take_fd(pid_fd);
	if (watch(daemon, launcher) < 0) {
		dv_log(DV_LOG_WARNING, "the process that took lease %s can't be watched",
		       lease->name);
		launcher_free(launcher);
		return;
	}
	daemon->launchers.items[daemon->launchers.len++] = launcher;
	look(launcher);
	dv_observe_changes(daemon);
}

void dv_launchers_recover(struct dv_daemon *daemon)
{
	const struct dv_leases *leases = dv_engine_leases(daemon->engine);

	for (size_t i = 0; i < leases->len; i++) {
		const struct dv_lease lease = leases->items[i];

		/* The engine let those go whose launcher was gone; one that went since has no
		 * pidfd, or one that is readable at once. */
		if (lease.ephemeral)
			dv_launcher_watch(daemon, &lease, lease.launcher,
					  pidfd_open(lease.launcher, 0));
	}
}

void dv_launchers_look(struct dv_daemon *daemon)
{
	for (size_t i = 0; i < daemon->launchers.len; i++)
		look(daemon->launchers.items[i]);
}

bool dv_launcher_leave(struct dv_daemon *daemon, int64_t lease_id, pid_t pid)
{
	struct dv_launcher *launcher = find(daemon, lease_id, pid);
	bool held = is_held(daemon, lease_id, launcher);

	/* Else it is watched on: the lease may be hard to release. */
	if (launcher && held)
		leave(launcher);
	return held;
}

bool dv_launchers_failed(const struct dv_daemon *daemon)
{
	for (size_t i = 0; i < daemon->launchers.len; i++)
		if (daemon->launchers.items[i]->failed)
			return true;
	return false;
}

unsigned dv_launchers_of(const struct dv_daemon *daemon, int64_t lease_id,
			 struct dv_lease_user *ret, unsigned most)
{
	unsigned count = 0;

	for (size_t i = 0; i < daemon->launchers.len; i++) {
		const struct dv_launcher *launcher = daemon->launchers.items[i];
		pid_t child;

		if (launcher->lease_id != lease_id || launcher->gone || count++ >= most)
			continue;
		child = dv_proc_child(&daemon->root, launcher->pid);
		ret[count - 1] = (struct dv_lease_user){.pid = child ? child : launcher->pid};
		dv_proc_command(&daemon->root, ret[count - 1].pid, ret[count - 1].command,
				sizeof(ret[count - 1].command));
	}
	return count;
}

unsigned dv_launchers_pids(const struct dv_daemon *daemon, int64_t lease_id, pid_t *ret,
			   unsigned most)
{
	unsigned count = 0;

	for (size_t i = 0; i < daemon->launchers.len && count < most; i++) {
		const struct dv_launcher *launcher = daemon->launchers.items[i];

		if (launcher->lease_id == lease_id && !launcher->gone)
			ret[count++] = launcher->pid;
	}
	return count;
}

void dv_launchers_fini(struct dv_daemon *daemon)
{
	for (size_t i = 0; i < daemon->launchers.len; i++)
		launcher_free(daemon->launchers.items[i]);
	dv_vec_fini(&daemon->launchers);
}
