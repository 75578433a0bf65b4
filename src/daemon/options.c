/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/options.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { IDLE_S = 30, IDLE_S_MOST = 86400 };

const char dv_daemon_help[] =
	"usage: divvyd [OPTION ...]\n"
	"\n"
	"The daemon of divvy: owns the devices of this machine, hands out leases on them, and\n"
	"answers on a unix socket (see docs/api.md). root's divvyd is the system's; anybody\n"
	"else's is that user's own and is started by divvy when needed.\n"
	"\n"
	"  --config FILE     configuration, if not /etc/divvy/divvyd.yaml\n"
	"  --run-dir DIR     where the sockets are, if not the usual place\n"
	"  --state-dir DIR   where the state is, if not the usual place\n"
	"  --lock-dir DIR    where devices are locked, if not /run/lock/divvy\n"
	"  --root DIR        look for devices under DIR, where /proc, /sys and /dev are\n"
	"  --nvml FILE       NVIDIA's library, if not libnvidia-ml.so.1\n"
	"  --auto            go to the background, and end when idle without leases\n"
	"  --idle SECONDS    with --auto: after how long (30)\n"
	"  --ready-fd N      say on descriptor N that it is up, or why not\n"
	"  --debug           say more on standard error\n"
	"  --help            this text\n"
	"  --version         the version\n"
	"\n"
	"Exit status: 0 ended as asked, 1 failed, 2 wrong usage or configuration, 3 refused.\n";

enum option_id {
	CONFIG = 1,
	RUN_DIR,
	STATE_DIR,
	LOCK_DIR,
	ROOT,
	NVML,
	AUTO,
	IDLE,
	READY_FD,
	DEBUG,
	HELP,
	VERSION
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, CONFIG},
	{"run-dir", required_argument, NULL, RUN_DIR},
	{"state-dir", required_argument, NULL, STATE_DIR},
	{"lock-dir", required_argument, NULL, LOCK_DIR},
	{"root", required_argument, NULL, ROOT},
	{"nvml", required_argument, NULL, NVML},
	{"auto", no_argument, NULL, AUTO},
	{"idle", required_argument, NULL, IDLE},
	{"ready-fd", required_argument, NULL, READY_FD},
	{"debug", no_argument, NULL, DEBUG},
	{"help", no_argument, NULL, HELP},
	{"version", no_argument, NULL, VERSION},
	{NULL, 0, NULL, 0},
};

static int number(const char *option, const char *text, long least, long most, long *ret,
		  struct dv_error *err)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || value < least || value > most)
		return dv_error_set(err, -EINVAL, "%s takes a number from %ld to %ld, not '%s'",
				    option, least, most, text);
	*ret = value;
	return 0;
}

/* One that is open: what else would come out of it is not for us. */
static int ready_fd(const char *text, int *ret, struct dv_error *err)
{
	long fd = -1;
	int r = number("--ready-fd", text, 3, 1 << 20, &fd, err);

	if (r < 0)
		return r;
	if (fcntl((int)fd, F_GETFD) < 0)
		return dv_error_set(err, -EINVAL, "--ready-fd: descriptor %ld is not open", fd);
	*ret = (int)fd;
	return 0;
}

static int absolute(const char *option, const char *text, const char **ret, struct dv_error *err)
{
	if (text[0] != '/')
		return dv_error_set(err, -EINVAL, "%s takes an absolute path, not '%s'", option,
				    text);
	*ret = text;
	return 0;
}

static int take(enum option_id id, const char *value, struct dv_daemon_options *options,
		struct dv_error *err)
{
	long seconds = 0;
	int r;

	switch (id) {
	case CONFIG:
		options->config = value;
		return 0;
	case RUN_DIR:
		return absolute("--run-dir", value, &options->run_dir, err);
	case STATE_DIR:
		return absolute("--state-dir", value, &options->state_dir, err);
	case LOCK_DIR:
		return absolute("--lock-dir", value, &options->lock_dir, err);
	case ROOT:
		return absolute("--root", value, &options->root, err);
	case NVML:
		return absolute("--nvml", value, &options->nvml, err);
	case AUTO:
		options->automatic = true;
		return 0;
	case IDLE:
		r = number("--idle", value, 0, IDLE_S_MOST, &seconds, err);
		options->idle_s = (unsigned)seconds;
		return r;
	case READY_FD:
		return ready_fd(value, &options->ready_fd, err);
	case DEBUG:
		options->debug = true;
		return 0;
	case HELP:
		options->help = true;
		return 0;
	case VERSION:
		options->version = true;
		return 0;
	}
	return dv_error_set(err, -EINVAL, "unknown option");
}

int dv_daemon_options(int argc, char **argv, struct dv_daemon_options *ret, struct dv_error *err)
{
	struct dv_daemon_options options = {.idle_s = IDLE_S, .ready_fd = -1};
	int id, r;

	opterr = 0;
	optind = 0; /* so that it can be called again */
	while ((id = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		if (id == '?' || id == ':') {
			r = dv_error_set(err, -EINVAL, "%s '%s'",
					 id == ':' ? "a value is missing after" : "unknown option",
					 argv[optind - 1]);
			return dv_error_fix(err, r, "see divvyd --help");
		}
		r = take((enum option_id)id, optarg, &options, err);
		if (r < 0)
			return r;
	}
	if (optind < argc) {
		r = dv_error_set(err, -EINVAL, "divvyd takes no word '%s'", argv[optind]);
		return dv_error_fix(err, r, "see divvyd --help");
	}
	*ret = options;
	return 0;
}
