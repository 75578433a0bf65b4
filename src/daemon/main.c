/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"
#include "config.h"
#include "daemon/daemon.h"
#include "daemon/ready.h"

static int fail(int *ready_fd, const struct dv_error *err)
{
	dv_log_error(DV_LOG_ERROR, err, "divvyd");
	if (err->fix[0])
		dv_log(DV_LOG_ERROR, "divvyd: %s", err->fix);
	dv_ready_failed(ready_fd, err);
	return dv_error_exit(err);
}

static int run(const struct dv_daemon_options *options, int *ready_fd, struct dv_place *place)
{
	dv_cleanup(dv_daemon_freep) struct dv_daemon *daemon = NULL;
	struct dv_error err = {0};
	int r;

	if (dv_daemon_new(options, place, &daemon, &err) < 0)
		return fail(ready_fd, &err);
	dv_log(DV_LOG_INFO, "divvyd %s at %s", DV_VERSION, daemon->place.socket);
	dv_ready_up(ready_fd);
	r = sd_event_loop(daemon->event);
	(void)sd_notify(0, "STOPPING=1");
	if (r >= 0)
		return 0;
	dv_log(DV_LOG_ERROR, "the event loop failed: %s", strerror(-r));
	return 1;
}

static int already_there(int *ready_fd, const struct dv_daemon_options *options)
{
	dv_ready_taken(ready_fd);
	/* Of two that are started at once, the one that comes second has nothing to do. */
	if (options->automatic)
		return 0;
	dv_log(DV_LOG_ERROR, "divvyd: another divvyd runs here already");
	return 3;
}

int main(int argc, char **argv)
{
	struct dv_daemon_options options = {.ready_fd = -1};
	struct dv_error err = {0};
	struct dv_place place;
	int ready_fd, r;

	if (dv_daemon_options(argc, argv, &options, &err) < 0)
		return fail(&options.ready_fd, &err);
	if (options.help || options.version) {
		if (options.help)
			(void)fputs(dv_daemon_help, stdout);
		else
			(void)printf("divvyd %s\n", DV_VERSION);
		return fflush(stdout) == 0 ? 0 : 1;
	}
	ready_fd = options.ready_fd;
	if (options.debug)
		dv_log_set_level(DV_LOG_DEBUG);
	if (options.automatic && dv_ready_detach(&err) < 0)
		return fail(&ready_fd, &err);
	r = dv_place_open(&options, &place, &err);
	if (r < 0)
		return fail(&ready_fd, &err);
	return r > 0 ? already_there(&ready_fd, &options) : run(&options, &ready_fd, &place);
}
