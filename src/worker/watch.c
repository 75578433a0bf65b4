/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/watch.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/str.h"
#include "device/nvml.h"

/* How long a divvyd that is gone may be overlooked; its end kills us before (PR_SET_PDEATHSIG). */
enum { WAIT_MS = 30000 };

static bool tell(int to, struct dv_worker_news *news)
{
	news->build = dv_worker_build();
	return send(to, news, sizeof(*news), MSG_NOSIGNAL) == (ssize_t)sizeof(*news);
}

static bool is_heard(int to)
{
	struct pollfd poll_fd = {.fd = to, .events = POLLIN};

	return poll(&poll_fd, 1, 0) == 0 || !(poll_fd.revents & (POLLHUP | POLLERR));
}

static bool pass_on(int to, const struct dv_nvml_news *from)
{
	struct dv_worker_news news = {
		.xid = from->xid, .instance = from->instance, .part = from->part};

	(void)dv_copy(news.gpu, sizeof(news.gpu), from->uuid);
	news.tells = DV_WORKER_MIG;
	if (from->mig_changed && !tell(to, &news))
		return false;
	news.tells = DV_WORKER_XID;
	return !from->xid || tell(to, &news);
}

static int watch(const struct dv_nvml *nvml, int to, struct dv_error *err)
{
	dv_cleanup(dv_nvml_watch_endp) struct dv_nvml_watch *watch = NULL;
	struct dv_worker_news listens = {.tells = DV_WORKER_LISTENS, .instance = -1, .part = -1};
	struct dv_nvml_news news;
	int r = dv_nvml_watch_begin(nvml, &watch, err);

	if (r < 0 || !tell(to, &listens))
		return r;
	while (is_heard(to)) {
		r = dv_nvml_watch_next(watch, WAIT_MS, &news, err);
		if (r < 0)
			return r;
		if (r > 0 && !pass_on(to, &news))
			break;
	}
	return 0;
}

void dv_worker_watch(const char *library, int to)
{
	dv_cleanup(dv_nvml_closep) struct dv_nvml *nvml = NULL;
	struct dv_worker_news deaf = {.tells = DV_WORKER_DEAF, .instance = -1, .part = -1};
	struct dv_error err = {0};
	int r = dv_nvml_open(library, &nvml, &err);

	if (r == 0)
		r = watch(nvml, to, &err);
	if (r == 0)
		return;
	(void)snprintf(deaf.why, sizeof(deaf.why), "%.190s", err.msg);
	(void)tell(to, &deaf);
}
