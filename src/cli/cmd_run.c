/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "cli/remote.h"
#include "cli/run_cuda.h"
#include "cli/run_fds.h"
#include "cli/run_lease.h"
#include "cli/run_probe.h"
#include "cli/run_wait.h"
#include "cli/verbs.h"
#include "model/units.h"

enum {
	OPT_MEMORY,
	OPT_COMPUTE,
	OPT_POLICY,
	OPT_GPU,
	OPT_NAME,
	OPT_METHOD,
	OPT_MEASURE,
	OPT_UNENFORCED,
	OPT_MOUNTS
};

static const struct dv_option options[] = {
	[OPT_MEMORY] = {"memory", 'm', "SIZE",
			"memory limit: 8GiB; half of what is left, if not given"},
	[OPT_COMPUTE] = {"compute", 'c', "PCT",
			 "share of the time: 25%; half of what is left, if not given"},
	[OPT_POLICY] = {"policy", 0, "POLICY", "best-effort, equal-share, fixed-share or latency"},
	[OPT_GPU] = {"gpu", 0, "GPU", "on this GPU; any, if not given"},
	[OPT_NAME] = {"name", 0, "NAME",
		      "in the lease NAME if there is one, else it gets that name"},
	[OPT_METHOD] = {"method", 0, "METHOD", "slice (if not given), partition or passthrough"},
	[OPT_MEASURE] = {"measure", 0, NULL, "say at the end what it got: time, memory, waiting"},
	[OPT_UNENFORCED] = {"unenforced", 0, "WHAT",
			    "a process that goes round the gate: stop or warn; as divvyd is "
			    "configured, if not given"},
	[OPT_MOUNTS] = {"mounts", 0, "WAY",
			"private: absolute paths of NVIDIA's libraries lead to divvy's, too; "
			"shared: the machine's; private for root, if not given"},
	{NULL},
};

struct asked {
	struct dv_lease_request request;
	bool limits; /* something was asked of the lease but its name */
	bool measure;
	const char *unenforced; /* "stop", "warn", or NULL: as divvyd is configured */
	const char *mounts;	/* "private", "shared", or NULL: whatever can be had */
	struct dv_fds fds;	/* what the command shall have, as divvy was given it */
};

static int at_option(struct dv_error *err, int r, int option)
{
	return r < 0 ? dv_error_prefix(err, r, "--%s", options[option].name) : 0;
}

static int parse_method(const char *text, enum dv_method *ret, struct dv_error *err)
{
	static const char *const names[] = {"slice", "partition", "passthrough", NULL};
	const char *near = dv_nearest(text, names);
	enum dv_method method;
	int r;

	if (dv_method_parse(text, &method, NULL) < 0 || method == DV_METHOD_NONE) {
		r = dv_error_rule(err, -EINVAL, "F11", "'%.64s' is no method%s%s%s", text,
				  near ? "; is '" : "", near ? near : "", near ? "' meant?" : "");
		return dv_error_fix(err, r, "write slice, partition or passthrough");
	}
	if (method != DV_METHOD_SLICE && method != DV_METHOD_PARTITION &&
	    method != DV_METHOD_PASSTHROUGH) {
		r = dv_error_rule(err, -EOPNOTSUPP, "G09",
				  "no command can be run by method %s here: it can have a slice, a "
				  "partition or a whole device (passthrough)",
				  text);
		return dv_error_fix(err, r,
				    "write slice, partition or passthrough; `divvy gpus` says what "
				    "each GPU can do");
	}
	*ret = method;
	return 0;
}

static int parse_unenforced(const char *text, const char **ret_word, struct dv_error *err)
{
	if (strcmp(text, "stop") != 0 && strcmp(text, "warn") != 0)
		return dv_error_fix(
			err,
			dv_error_rule(err, -EINVAL, "F11", "'%.64s' is neither stop nor warn",
				      text),
			"write stop or warn, or leave it out: then it is as divvyd is configured");
	*ret_word = text;
	return 0;
}

static int parse_mounts(const char *text, const char **ret_word, struct dv_error *err)
{
	if (strcmp(text, "private") != 0 && strcmp(text, "shared") != 0)
		return dv_error_fix(
			err,
			dv_error_rule(err, -EINVAL, "F11", "'%.64s' is neither private nor shared",
				      text),
			"write private or shared, or leave it out: then root's commands "
			"have their own where that is possible");
	*ret_word = text;
	return 0;
}

static int contradiction(struct dv_error *err, const char *what, const char *fix)
{
	return dv_error_fix(err, dv_error_rule(err, -EINVAL, "F12", "%s", what), "%s", fix);
}

/* Nothing that was asked for is passed over in silence. */
static int check_together(const char *const *value, const struct asked *asked, struct dv_error *err)
{
	enum dv_method method = asked->request.method;
	bool whole = method == DV_METHOD_PASSTHROUGH;

	if (value[OPT_POLICY] && (whole || method == DV_METHOD_PARTITION))
		return contradiction(err,
				     "--policy says how a device's time is shared, and a partition "
				     "or a whole device has all of its own",
				     "leave --policy out, or ask for --method slice");
	if (whole && (value[OPT_MEMORY] || value[OPT_COMPUTE]))
		return contradiction(err,
				     "--method passthrough is a whole device, with all of its "
				     "memory and time",
				     "leave --memory and --compute out, or ask for --method slice");
	if (value[OPT_UNENFORCED] &&
	    (whole || (method == DV_METHOD_PARTITION && !value[OPT_MEMORY])))
		return contradiction(err,
				     "--unenforced is about the gate, and neither a whole device "
				     "nor a partition without --memory has one",
				     "leave --unenforced out, or ask for --method slice");
	return 0;
}

static bool warn_only(const struct asked *asked, const struct dv_api_grant *grant)
{
	return asked->unenforced ? strcmp(asked->unenforced, "warn") == 0 : !grant->stop_unenforced;
}

static int parse_text(const char *text, char *buf, size_t size, struct dv_error *err)
{
	return dv_copy(buf, size, text)
		       ? 0
		       : dv_error_set(err, -EINVAL, "longer than %zu bytes", size - 1);
}

static int parse_options(const char *const *value, struct asked *asked, struct dv_error *err)
{
	struct dv_lease_request *request = &asked->request;
	int r = 0;

	if (value[OPT_MEMORY])
		r = at_option(err, dv_size_parse(value[OPT_MEMORY], &request->memory_bytes, err),
			      OPT_MEMORY);
	if (r == 0 && value[OPT_COMPUTE])
		r = at_option(err, dv_share_parse(value[OPT_COMPUTE], &request->compute_mpct, err),
			      OPT_COMPUTE);
	if (r == 0 && value[OPT_POLICY])
		r = at_option(err, dv_policy_parse(value[OPT_POLICY], &request->policy, err),
			      OPT_POLICY);
	if (r == 0 && value[OPT_METHOD])
		r = at_option(err, parse_method(value[OPT_METHOD], &request->method, err),
			      OPT_METHOD);
	if (r == 0 && value[OPT_GPU])
		r = at_option(err,
			      parse_text(value[OPT_GPU], request->gpu, sizeof(request->gpu), err),
			      OPT_GPU);
	if (r == 0 && value[OPT_UNENFORCED])
		r = at_option(err, parse_unenforced(value[OPT_UNENFORCED], &asked->unenforced, err),
			      OPT_UNENFORCED);
	if (r == 0 && value[OPT_MOUNTS])
		r = at_option(err, parse_mounts(value[OPT_MOUNTS], &asked->mounts, err),
			      OPT_MOUNTS);
	if (r == 0 && value[OPT_NAME]) {
		r = dv_remote_check_name(value[OPT_NAME], err);
		(void)dv_copy(request->name, sizeof(request->name), value[OPT_NAME]);
	}
	asked->limits = value[OPT_MEMORY] || value[OPT_COMPUTE] || value[OPT_POLICY] ||
			value[OPT_METHOD] || value[OPT_GPU];
	asked->measure = value[OPT_MEASURE];
	request->ephemeral = true;
	return r < 0 ? r : check_together(value, asked, err);
}

/* Make a lease of our own. */
static int take_new(struct dv_cli *cli, const struct asked *asked, struct dv_api_grant *ret,
		    struct dv_error *err)
{
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	dv_autofree char *body = NULL;
	int r = dv_api_request_encode(&asked->request, &body, err);

	if (r == 0)
		r = dv_remote_call(cli, "POST", "/v1/leases", body, &answer, err);
	return r < 0 ? r : dv_api_grant_decode(answer, ret, err);
}

/* Use the lease of that name: 1, or 0 when there is none. */
static int take_old(struct dv_cli *cli, const struct asked *asked, struct dv_api_grant *ret,
		    struct dv_error *err)
{
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	struct dv_error here = {0};
	int r = dv_remote_get(cli, &answer, &here, "/v1/leases/%s/attach", asked->request.name);

	if (r == -ENOENT)
		return 0;
	if (r < 0) {
		if (err)
			*err = here;
		return r;
	}
	r = dv_api_grant_decode(answer, ret, err);
	if (r < 0)
		return r;
	if (asked->limits) {
		r = dv_error_rule(err, -EINVAL, "F12",
				  "the lease '%s' is there already, with its own limits",
				  asked->request.name);
		return dv_error_fix(err, r,
				    "leave --memory, --compute, --policy, --method and --gpu out, "
				    "or choose another name");
	}
	if (asked->unenforced && !ret->gated)
		return contradiction(err, "--unenforced is about the gate, and this lease has none",
				     "leave --unenforced out");
	return 1;
}

static bool any_alive(const struct dv_lease *lease)
{
	for (unsigned i = 0; i < lease->pid_count && i < DV_LEASE_PIDS_MOST; i++)
		if (kill(lease->pids[i], 0) == 0 || errno != ESRCH)
			return true;
	return lease->pid_count > DV_LEASE_PIDS_MOST;
}

/* Is nobody but us in it? A second command that shares an ephemeral lease keeps it. */
static bool is_last(struct dv_cli *cli, const struct dv_lease *own)
{
	const struct timespec step = {.tv_nsec = 10 * (long)DV_NS_PER_MS};
	struct dv_lease lease;

	/* divvyd may need a moment to see that a process has ended: half a second. */
	for (unsigned ms = 0; ms < cli->patience_ms / 4; ms += 10) {
		if (dv_run_lease(cli, own->name, &lease, NULL) < 0 || lease.id != own->id ||
		    !lease.pid_count)
			return true;
		if (any_alive(&lease))
			return false;
		(void)nanosleep(&step, NULL);
	}
	return true;
}

static void give_back(struct dv_cli *cli, const struct dv_lease *own)
{
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	struct dv_error err = {0};
	char path[128];

	/* It may be gone, and its name another lease's. */
	(void)snprintf(path, sizeof(path), "/v1/leases/%s?id=%" PRId64 "&leave=1", own->name,
		       own->id);
	/* Gone is gone; divvyd takes it back by itself, too, when it sees that we ended. */
	if (is_last(cli, own) && dv_remote_call(cli, "DELETE", path, NULL, &answer, &err) < 0 &&
	    err.code != -ENOENT)
		dv_outf(&cli->err, "divvy: the lease '%s' could not be given back: %s\n", own->name,
			err.msg);
}

static const char *opencl_layer_of(const struct dv_api_grant *grant)
{
	for (unsigned i = 0; i < grant->env_count; i++)
		if (strncmp(grant->env[i], "OPENCL_LAYERS=", 14) == 0)
			return grant->env[i] + 14;
	return "";
}

static struct dv_watch_layer layer_of(const struct dv_api_grant *grant,
				      const struct dv_cuda_place *cuda)
{
	struct stat st;

	if (cuda->layer[0])
		return (struct dv_watch_layer){cuda->layer, true,
					       stat(cuda->layer, &st) == 0 ? st.st_ino : 0};
	return (struct dv_watch_layer){opencl_layer_of(grant), false, 0};
}

/* Start the command in the lease and wait for it. */
static int run_command(struct dv_cli *cli, const struct dv_api_grant *grant, struct dv_wait *wait,
		       const struct dv_child_spec *spec, struct dv_error *err)
{
	struct dv_child child;
	int status = 0, r = dv_child_start(spec, &child, err);

	if (r < 0)
		return r;
	r = dv_run_enter(cli, grant, child.pid, err);
	if (r == 0)
		r = dv_child_go(&child, spec->command[0], &status, err);
	if (r < 0) {
		dv_child_end(&child);
		if (!status)
			return r;
		/* As a shell has it: 127 not found, 126 not to be run. */
		(void)dv_failure(cli, err);
		return status;
	}
	r = dv_wait_run(wait, child.pid, &status, err);
	return r < 0 ? r : status;
}

/* Each process that makes a context gives it that much of the slice, before anything of its own. */
static int check_context(const struct dv_api_grant *grant, const struct dv_cuda_place *cuda,
			 struct dv_error *err)
{
	uint64_t takes = cuda->dir[0] ? dv_cuda_place_context(cuda) : 0;
	char limit[32], context[32];
	int r;

	if (!takes || !grant->lease.memory_bytes || takes < grant->lease.memory_bytes)
		return 0;
	r = dv_error_rule(err, -ENOSPC, "G01",
			  "a CUDA context alone takes %s of this GPU, and the slice has %s",
			  dv_size_print(takes, context, sizeof(context)),
			  dv_size_print(grant->lease.memory_bytes, limit, sizeof(limit)));
	return dv_error_fix(err, r, "ask for more memory: --memory");
}

/* See that the layer works, then run the command. */
static int run_waiting(struct dv_wait *wait, const struct dv_api_grant *grant,
		       const struct dv_cuda_place *cuda, const struct dv_mounts *mounts,
		       char **command, struct dv_error *err)
{
	struct dv_child_spec spec = {.grant = grant,
				     .command = command,
				     .mask = &wait->mask,
				     .cuda_dir = cuda->dir[0] ? cuda->dir : NULL,
				     .driver_dir = wait->cli->driver_dir,
				     .mounts = mounts};
	struct dv_probe probe = {.same_pids = true};
	struct dv_error here = {0};
	int signo, r = 0;

	if (grant->gated)
		r = dv_probe_layer(wait->cli, &spec, &probe, &here);
	r = r < 0 ? r : check_context(grant, cuda, &here);
	signo = dv_wait_pending(wait);
	if (signo)
		return 128 + signo;
	if (r < 0) {
		if (err)
			*err = here;
		return r;
	}
	wait->watch->same_pids = probe.same_pids;
	wait->look = grant->gated;
	return run_command(wait->cli, grant, wait, &spec, err);
}

/* Its own mounts, NULL for the machine's. By itself only for root, whose command loses nothing by
 * that; another user's would be in a user namespace, where no program can become somebody else. */
static int choose_mounts(const struct asked *asked, struct dv_cuda_place *cuda,
			 const struct dv_mounts **ret, struct dv_error *err)
{
	if (asked->mounts && !cuda->mounts.count)
		return contradiction(
			err,
			"--mounts is about NVIDIA's libraries, and this lease is not a "
			"slice of an NVIDIA GPU",
			"leave --mounts out");
	cuda->mounts.must = asked->mounts && strcmp(asked->mounts, "private") == 0;
	*ret = cuda->mounts.must || (cuda->mounts.count && !asked->mounts && geteuid() == 0)
		       ? &cuda->mounts
		       : NULL;
	return 0;
}

static int run_granted(struct dv_cli *cli, const struct asked *asked,
		       const struct dv_api_grant *grant, char **command, struct dv_error *err)
{
	struct dv_measure measure = {0};
	struct dv_root root = {.fd = -1};
	const struct dv_mounts *mounts = NULL;
	struct dv_cuda_place cuda;
	struct dv_watch_layer layer;
	struct dv_watch watch;
	struct dv_wait wait = {.cli = cli,
			       .lease = grant->lease.name,
			       .watch = &watch,
			       .measure = asked->measure ? &measure : NULL,
			       .warn_only = warn_only(asked, grant),
			       .signal_fd = -1};
	int r = dv_root_open(cli->root, &root, err);

	if (r < 0)
		return r;
	r = dv_cuda_place_make(grant, &cuda, err);
	r = r < 0 ? r : choose_mounts(asked, &cuda, &mounts, err);
	layer = layer_of(grant, &cuda);
	dv_watch_init(&watch, &root, getpid(), &layer, cli->patience_ms);
	r = r < 0 ? r : dv_fds_keep(&root, &asked->fds, err);
	if (r == 0)
		r = dv_wait_init(&wait, err);
	if (r == 0)
		r = run_waiting(&wait, grant, &cuda, mounts, command, err);
	if (r >= 0 && measure.begun_ns &&
	    dv_measure_print(&measure, cli, grant->lease.name, r, dv_now_ns(), err) < 0)
		r = -ENOMEM;
	dv_wait_fini(&wait);
	dv_watch_fini(&watch);
	dv_root_fini(&root);
	return r;
}

static int read_fds(const struct dv_cli *cli, struct dv_fds *ret, struct dv_error *err)
{
	struct dv_root root = {.fd = -1};
	int r = dv_root_open(cli->root, &root, err);

	r = r < 0 ? r : dv_fds_read(&root, ret, err);
	dv_root_fini(&root);
	return r;
}

static int run_asked(struct dv_cli *cli, const struct asked *asked, char **command,
		     struct dv_error *err)
{
	struct dv_api_grant grant;
	bool own;
	int r = asked->request.name[0] ? take_old(cli, asked, &grant, err) : 0;

	if (r < 0)
		return r;
	/* One that was there is not ours to give back: somebody else's command is in it, perhaps
	 * one that uses no device yet. */
	own = r == 0;
	if (own)
		r = take_new(cli, asked, &grant, err);
	if (r < 0)
		return r;
	r = run_granted(cli, asked, &grant, command, err);
	if (own)
		give_back(cli, &grant.lease);
	return r;
}

static int run_run(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err)
{
	struct asked asked = {0};
	int r = parse_options(args->given.value, &asked, err);

	/* Before anything is opened. */
	r = r < 0 ? r : read_fds(cli, &asked.fds, err);
	r = r < 0 ? r : run_asked(cli, &asked, args->words, err);
	dv_vec_fini(&asked.fds);
	return r;
}

const struct dv_verb dv_verb_run = {
	.name = "run",
	.args = "[--] COMMAND [ARGUMENT...]",
	.least = 1,
	.most = -1,
	.help = "one command in a slice, a partition or on a whole device",
	.text = "The command runs as it is; its limits are held by divvyd and, in its processes, "
		"by a layer of OpenCL, or on NVIDIA's GPUs by a library that stands where the CUDA "
		"driver's libcuda.so.1 would be found; one beside it, in the place of "
		"libnvidia-ml.so.1, shows nvidia-smi and others the slice. Before it starts, a "
		"probe makes sure that "
		"the layer reports to divvyd, else nothing is started (rule G03). While it runs, "
		"its processes are looked at: for one that uses the device without the layer the "
		"whole tenant is stopped (rule G04, status 3), or with --unenforced warn it is "
		"only "
		"named.\n\n"
		"The status is the command's own, 128+n when signal n ended it, 127 when it was "
		"not found, 126 when it could not be run. Signals are handed on. The lease ends "
		"with the last process of the command, background ones included; one that was "
		"there before (--name) stays.\n\n"
		"With --measure the lease is looked at often at first, then once a second; with "
		"--json, too, the command's own output comes first.",
	.options = options,
	.run = run_run,
};
