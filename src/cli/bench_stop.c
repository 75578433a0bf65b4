/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench_stop.h"

#include <sys/signalfd.h>
#include <unistd.h>

int dv_bench_stop_begin(sigset_t *ret_before)
{
	sigset_t ends;

	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGINT);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &ends, ret_before);
	return signalfd(-1, &ends, SFD_CLOEXEC);
}

void dv_bench_stop_end(int fd, const sigset_t *before)
{
	if (fd >= 0)
		close(fd);
	(void)sigprocmask(SIG_SETMASK, before, NULL);
}
