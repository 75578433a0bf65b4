/* SPDX-License-Identifier: Apache-2.0 */
/* divvy-worker: does one step or probe for divvyd, answers, and ends. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "worker/act.h"
#include "worker/drop.h"
#include "worker/watch.h"

enum { WAIT_MS = 10000 };

/* One whole request; everything else is refused. */
static int receive(struct dv_worker_request *ret, struct dv_error *err)
{
	struct pollfd poll_fd = {.fd = DV_WORKER_FD, .events = POLLIN};
	ssize_t n;

	if (poll(&poll_fd, 1, WAIT_MS) == 0)
		return dv_error_set(err, -ETIMEDOUT, "no request came");
	do
		n = recv(DV_WORKER_FD, ret, sizeof(*ret), MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return dv_error_errno(err, errno, "reading the request");
	if (n == 0)
		return dv_error_set(err, -ECONNREFUSED, "divvyd hung up");
	if ((size_t)n != sizeof(*ret))
		return dv_error_set(err, -EPROTO, "a request of %zd bytes, not %zu", n,
				    sizeof(*ret));
	return dv_worker_check(ret, err);
}

/* A divvyd that is gone has forgotten this step, and its successor will find out what was done: do
 * nothing more in its name. */
static bool asked_for(void)
{
	struct pollfd poll_fd = {.fd = DV_WORKER_FD, .events = POLLIN};

	return poll(&poll_fd, 1, 0) == 0 || !(poll_fd.revents & (POLLHUP | POLLERR));
}

static int send_whole(const char *data, size_t len)
{
	int room = DV_WORKER_MESSAGE_MOST;

	(void)setsockopt(DV_WORKER_FD, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	for (size_t at = 0; at < len;) {
		ssize_t n = send(DV_WORKER_FD, data + at,
				 DV_MIN(len - at, (size_t)DV_WORKER_MESSAGE_MOST), MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int answer(int r, const struct dv_error *err, const struct dv_worker_result *result)
{
	struct dv_worker_answer answer = {.build = dv_worker_build(),
					  .r = r,
					  .err = *err,
					  .gpu_count = (unsigned)result->gpus.len,
					  .holder_count = (unsigned)result->holders.len,
					  .holders_more = result->found.more,
					  .holders_unreadable = result->found.unreadable};
	const size_t gpus = result->gpus.len * sizeof(*result->gpus.items);
	const size_t holders = result->holders.len * sizeof(*result->holders.items);
	dv_autofree char *whole = malloc(sizeof(answer) + gpus + holders);

	if (!whole)
		return -ENOMEM;
	memcpy(whole, &answer, sizeof(answer));
	if (gpus)
		memcpy(whole + sizeof(answer), result->gpus.items, gpus);
	if (holders)
		memcpy(whole + sizeof(answer) + gpus, result->holders.items, holders);
	return send_whole(whole, sizeof(answer) + gpus + holders);
}

static int work(const struct dv_worker_request *request, struct dv_worker_result *ret,
		struct dv_error *err)
{
	struct dv_method_env env = {.privileged = geteuid() == 0, .nvml = request->nvml};
	struct dv_root root;
	int r = dv_root_open(request->root, &root, err);

	if (r < 0)
		return r;
	env.root = &root;
	r = dv_worker_act(&env, request, ret, err);
	dv_root_fini(&root);
	return r;
}

int main(int argc, char **argv)
{
	static struct dv_worker_request request;
	struct dv_worker_result result = {0};
	struct dv_error err = {0};
	int r;

	if (argc > 1) {
		(void)fprintf(stderr,
			      "divvy-worker takes no arguments: divvyd starts it, with a "
			      "request on descriptor %d\n",
			      DV_WORKER_FD);
		return 2;
	}
	/* It was started by a descriptor, and would be called by that one's number. */
	(void)prctl(PR_SET_NAME, "divvy-worker");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	r = receive(&request, &err);
	if (r == 0)
		r = dv_worker_drop(&request, &err);
	if (r == 0 && !asked_for())
		r = dv_error_set(&err, -ECONNREFUSED, "divvyd hung up");
	if (r == 0 && request.what == DV_WORKER_WATCH) {
		dv_worker_watch(request.nvml, DV_WORKER_FD);
		return 0;
	}
	if (r == 0)
		r = work(&request, &result, &err);
	if (answer(r, &err, &result) < 0) {
		(void)fprintf(stderr, "divvy-worker: nobody to answer to%s%s\n", r < 0 ? ": " : "",
			      err.msg);
		r = 1;
	} else {
		r = 0;
	}
	dv_worker_result_fini(&result);
	return r;
}
