/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/ready.h"

#include <string.h>
#include <systemd/sd-daemon.h>

#include "api/api.h"

int dv_ready_detach(struct dv_error *err)
{
	pid_t pid = fork();

	if (pid < 0)
		return dv_error_errno(err, errno, "going to the background");
	if (pid > 0)
		_exit(0);
	if (setsid() < 0)
		return dv_error_errno(err, errno, "going to the background");
	if (chdir("/") < 0)
		return dv_error_errno(err, errno, "/");
	return 0;
}

/* Nobody may be listening any more, which is no failure of ours. */
static void say(int *fd, const char *text)
{
	if (*fd < 0)
		return;
	(void)!write(*fd, text, strlen(text));
	close(*fd);
	*fd = -1;
}

void dv_ready_up(int *fd)
{
	(void)sd_notify(0, "READY=1");
	say(fd, "ready\n");
}

void dv_ready_taken(int *fd)
{
	say(fd, "taken\n");
}

void dv_ready_failed(int *fd, const struct dv_error *err)
{
	dv_autofree char *text = NULL;

	(void)sd_notifyf(0, "STATUS=%s", err->msg);
	say(fd, dv_api_error_encode(err, &text) == 0 ? text : err->msg);
}
