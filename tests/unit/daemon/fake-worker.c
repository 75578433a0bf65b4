/* SPDX-License-Identifier: Apache-2.0 */
/* A worker that behaves as badly as the request's gpu.product says. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "worker/message.h"

extern char **environ;

static struct dv_worker_request request;
static struct {
	struct dv_worker_answer head;
	struct dv_gpu gpus[DV_WORKER_GPUS_MOST];
} answer;

/* As many messages as it takes, at most `most` of them. */
static int say_in_parts(size_t len, unsigned most)
{
	for (size_t at = 0; at < len && most > 0; most--) {
		size_t part = DV_MIN(len - at, (size_t)DV_WORKER_MESSAGE_MOST);

		if (send(DV_WORKER_FD, (const char *)&answer + at, part, 0) != (ssize_t)part)
			return 1;
		at += part;
	}
	return 0;
}

static int say(size_t len)
{
	return send(DV_WORKER_FD, &answer, len, 0) == (ssize_t)len ? 0 : 1;
}

/* What divvyd promises a worker: nothing inherited but the one socket, no environment of others. */
static bool as_promised(void)
{
	unsigned vars = 0;

	for (char **e = environ; *e; e++)
		vars++;
	return vars == 3 && !getenv("HOME") && getenv("POCL_CACHE_DIR") && close(4) < 0 &&
	       close(5) < 0 && close(10) < 0;
}

int main(void)
{
	if (recv(DV_WORKER_FD, &request, sizeof(request), 0) != (ssize_t)sizeof(request))
		return 3;
	answer.head.build = dv_worker_build();
	answer.head.gpu_count = 2;
	answer.gpus[0] = request.gpu;
	answer.gpus[1] = request.gpu;
	if (strcmp(request.gpu.product, "good") == 0)
		return as_promised() ? say(sizeof(answer.head) + 2 * sizeof(answer.gpus[0])) : 4;
	if (strcmp(request.gpu.product, "refuse") == 0) {
		answer.head.gpu_count = 0;
		answer.head.r = dv_error_rule(&answer.head.err, -EBUSY, "S02", "it is taken");
		return say(sizeof(answer.head));
	}
	if (strcmp(request.gpu.product, "lie") == 0) {
		answer.head.gpu_count = 1;
		return say(sizeof(answer.head) + 2 * sizeof(answer.gpus[0]));
	}
	if (strcmp(request.gpu.product, "old") == 0) {
		answer.head.build++;
		return say(sizeof(answer.head));
	}
	if (strcmp(request.gpu.product, "full") == 0 || strcmp(request.gpu.product, "cut") == 0) {
		answer.head.gpu_count = DV_WORKER_GPUS_MOST;
		for (unsigned i = 0; i < DV_WORKER_GPUS_MOST; i++) {
			answer.gpus[i] = request.gpu;
			answer.gpus[i].compute_units = i;
		}
		return say_in_parts(sizeof(answer), request.gpu.product[0] == 'f' ? 1000 : 2);
	}
	if (strcmp(request.gpu.product, "short") == 0)
		return say(8);
	if (strcmp(request.gpu.product, "crash") == 0)
		raise(SIGKILL);
	if (strcmp(request.gpu.product, "linger") == 0 &&
	    say(sizeof(answer.head) + 2 * sizeof(answer.gpus[0])) != 0)
		return 1;
	if (strcmp(request.gpu.product, "hang") == 0 || strcmp(request.gpu.product, "linger") == 0)
		for (;;)
			pause();
	return 9;
}
