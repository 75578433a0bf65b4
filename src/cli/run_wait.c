/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/run_wait.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "cli/run_lease.h"

enum {
	LOOK_FIRST_MS = 100,
	LOOK_LAST_MS = 1000,
	STOP_STEP_MS = 20,
	STOP_MOST_MS = 10000,
};

static const int handed_on[] = {SIGHUP,	 SIGINT,  SIGQUIT, SIGTERM,  SIGUSR1,
				SIGUSR2, SIGTSTP, SIGCONT, SIGWINCH, SIGALRM};

struct state {
	pid_t pid;	/* the command; 0 when it was reaped */
	int status;	/* of it, as waitpid gives it */
	bool alone;	/* nothing is left */
	bool told_left; /* that we wait for what the command left */
	bool end_left;	/* that it shall end */
	unsigned look_ms;
	uint64_t look_ns; /* when to look next */
};

static bool ends(int signo)
{
	return signo == SIGINT || signo == SIGTERM || signo == SIGHUP || signo == SIGQUIT;
}

int dv_wait_init(struct dv_wait *wait, struct dv_error *err)
{
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < DV_ARRAY_LEN(handed_on); i++)
		(void)sigaddset(&set, handed_on[i]);
	(void)sigaddset(&set, SIGCHLD);
	/* Not handed on: a pipe whose reader died is seen by write itself. */
	(void)sigaddset(&set, SIGPIPE);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return dv_error_errno(err, errno, "waiting for signals");
	if (sigprocmask(SIG_BLOCK, &set, &wait->mask) < 0 ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) {
		close(fd);
		return dv_error_errno(err, errno, "preparing to wait for the command");
	}
	wait->signal_fd = fd;
	return 0;
}

void dv_wait_fini(struct dv_wait *wait)
{
	if (wait->signal_fd < 0)
		return;
	/* What came too late to be handed on shall not end us before the lease is given back. */
	(void)dv_wait_pending(wait);
	(void)sigprocmask(SIG_SETMASK, &wait->mask, NULL);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
	close(wait->signal_fd);
	wait->signal_fd = -1;
}

int dv_wait_pending(struct dv_wait *wait)
{
	struct signalfd_siginfo info;
	int found = 0;

	while (read(wait->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (ends((int)info.ssi_signo))
			found = (int)info.ssi_signo;
	return found;
}

/* To the command; after its end, to all that it left. */
static void hand_on(struct dv_wait *wait, const struct state *state, int signo)
{
	if (state->pid) {
		(void)kill(state->pid, signo);
		return;
	}
	if (dv_watch_descendants(wait->watch, NULL) < 0)
		return;
	for (size_t i = 0; i < wait->watch->processes.len; i++)
		(void)kill(wait->watch->processes.items[i].pid, signo);
}

/* A key on the terminal sends its signal to the whole foreground group, the command included; only
 * what was sent to us alone is handed on. */
static void on_signal(struct dv_wait *wait, struct state *state,
		      const struct signalfd_siginfo *info)
{
	int signo = (int)info->ssi_signo;
	bool from_key = info->ssi_code == SI_KERNEL;

	if (signo == SIGCHLD || signo == SIGPIPE)
		return;
	/* What a shell started in the background ignores the key's signal. */
	if (!state->pid && ends(signo))
		state->end_left = true;
	else if (!from_key || !state->pid)
		hand_on(wait, state, signo);
	/* Stop like the command, so that the shell sees a stopped job. */
	if (signo == SIGTSTP)
		(void)raise(SIGSTOP);
}

static void read_signals(struct dv_wait *wait, struct state *state)
{
	struct signalfd_siginfo info;

	while (read(wait->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		on_signal(wait, state, &info);
}

static void reap(struct state *state)
{
	int status;
	pid_t pid;

	for (;;) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid <= 0)
			break;
		if (pid == state->pid) {
			state->pid = 0;
			state->status = status;
		}
	}
	state->alone = pid < 0 && errno == ECHILD;
}

static int ask(void *data, pid_t pid)
{
	const struct dv_wait *wait = data;
	struct dv_lease lease;
	int r = dv_run_lease(wait->cli, wait->lease, &lease, NULL);

	return r < 0 ? r : dv_run_lease_has(&lease, pid);
}

static void command_name(const struct dv_wait *wait, pid_t pid, char *buf, size_t size)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "proc/%d/comm", (int)pid);
	if (dv_root_read(wait->watch->root, path, buf, size, NULL) < 0)
		(void)snprintf(buf, size, "?");
}

static const char *how(const struct dv_watched *process)
{
	return process->layer ? "divvy's layer is loaded, but did not report to divvyd"
			      : "a driver is loaded without divvy's layer";
}

static int offence(const struct dv_wait *wait, const struct dv_watched *process,
		   const char *outcome, struct dv_error *err)
{
	const bool cuda = wait->watch->cuda;
	char name[64];
	int r;

	command_name(wait, process->pid, name, sizeof(name));
	r = dv_error_rule(err, -EBUSY, "G04", "process %d (%s) uses %s round the gate: %s; %s",
			  (int)process->pid, name, cuda ? "the GPU" : "OpenCL", how(process),
			  outcome);
	return dv_error_fix(
		err, r, "%s; or --unenforced warn",
		cuda ? "leave LD_LIBRARY_PATH as it is, and use CUDA through libcuda.so.1 by that "
		       "name"
		     : "leave OPENCL_LAYERS as it is, and use OpenCL through libOpenCL.so.1");
}

static void kill_all(struct dv_wait *wait, int signo)
{
	if (dv_watch_descendants(wait->watch, NULL) < 0)
		return;
	for (size_t i = 0; i < wait->watch->processes.len; i++) {
		(void)kill(wait->watch->processes.items[i].pid, signo);
		(void)kill(wait->watch->processes.items[i].pid, SIGCONT);
	}
}

/* End every process of the tenant. */
static void stop_tenant(struct dv_wait *wait, struct state *state)
{
	/* From SIGTERM to SIGKILL. */
	uint64_t term_ns = wait->cli->patience_ms / 2 * DV_NS_PER_MS;
	const struct timespec step = {.tv_nsec = STOP_STEP_MS * (long)DV_NS_PER_MS};
	uint64_t begun = dv_now_ns(), now = begun;

	while (!state->alone && now - begun < STOP_MOST_MS * DV_NS_PER_MS) {
		int signo = now - begun < term_ns ? SIGTERM : SIGKILL;

		/* SIGTERM once: a program may take a second one for haste. */
		if (now == begun || signo == SIGKILL)
			kill_all(wait, signo);
		(void)nanosleep(&step, NULL);
		reap(state);
		now = dv_now_ns();
	}
}

/* Look for processes that go round the gate; 0, or -EBUSY when the tenant was stopped for it. */
static int look(struct dv_wait *wait, struct state *state, uint64_t now, struct dv_error *err)
{
	struct dv_error said = {0};
	struct dv_watched process;
	int r;

	for (;;) {
		r = dv_watch_look(wait->watch, now, ask, wait, &process, &said);
		if (r <= 0)
			break;
		/* divvyd shows it; that it can't be told changes nothing here. */
		(void)!dv_run_unenforced(wait->cli, wait->lease, process.pid, how(&process), NULL);
		if (wait->warn_only) {
			(void)offence(wait, &process, "it goes on", &said);
			dv_warning(wait->cli, &said);
			dv_error_clear(&said);
			continue;
		}
		r = offence(wait, &process, "the tenant was stopped", err);
		stop_tenant(wait, state);
		return r;
	}
	if (r == -EOPNOTSUPP) {
		dv_outf(&wait->cli->err,
			"divvy: %s; nothing can be seen that goes round the gate\n", said.msg);
		wait->watch = NULL;
	}
	return 0;
}

static void tell_left(struct dv_wait *wait, struct state *state)
{
	if (state->told_left || state->pid || state->alone || !wait->cli->err.terminal)
		return;
	state->told_left = true;
	dv_outf(&wait->cli->err, "divvy: ");
	dv_out_wrap(&wait->cli->err, DV_STYLE_NONE, 2, 7,
		    "the command has ended, but not all that it started; the lease stays until "
		    "that has ended, too (Ctrl-C ends it)");
	(void)fflush(wait->cli->err.file);
}

static int next_ms(const struct dv_wait *wait, const struct state *state, uint64_t now)
{
	if (!wait->look && !wait->measure)
		return -1;
	return state->look_ns <= now ? 0 : (int)((state->look_ns - now) / DV_NS_PER_MS) + 1;
}

static int as_exit_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* What is to be done now and then; negative: the tenant was stopped. */
static int look_in(struct dv_wait *wait, struct state *state, uint64_t now, struct dv_error *err)
{
	struct dv_lease lease;
	int r = 0;

	if (wait->measure && dv_run_lease(wait->cli, wait->lease, &lease, NULL) == 0)
		dv_measure_add(wait->measure, &lease, dv_now_ns());
	if (wait->look)
		r = look(wait, state, now, err);
	state->look_ms = DV_MIN(2 * state->look_ms, (unsigned)LOOK_LAST_MS);
	state->look_ns = now + state->look_ms * DV_NS_PER_MS;
	return r;
}

int dv_wait_run(struct dv_wait *wait, pid_t pid, int *ret_status, struct dv_error *err)
{
	struct pollfd pollfd = {.fd = wait->signal_fd, .events = POLLIN};
	struct state state = {.pid = pid, .look_ms = LOOK_FIRST_MS};
	uint64_t now = dv_now_ns();
	int r = 0;

	if (wait->measure)
		wait->measure->begun_ns = now;
	state.look_ns = now + LOOK_FIRST_MS * DV_NS_PER_MS;
	while (r == 0) {
		(void)poll(&pollfd, 1, next_ms(wait, &state, now));
		read_signals(wait, &state);
		reap(&state);
		if (state.end_left)
			stop_tenant(wait, &state);
		if (state.alone)
			break;
		tell_left(wait, &state);
		now = dv_now_ns();
		if ((wait->look || wait->measure) && now >= state.look_ns)
			r = look_in(wait, &state, now, err);
	}
	if (r == 0)
		*ret_status = as_exit_status(state.status);
	return r;
}
