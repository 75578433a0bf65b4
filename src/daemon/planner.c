/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/planner.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "api/api.h"
#include "base/str.h"

struct job {
	TAILQ_ENTRY(job) link;
	char file[192], state[17];
	char *text;
	struct dv_gpu *gpus;
	size_t gpu_count;
	struct dv_leases leases;
	uid_t uid;
	bool admin, defragment;
	struct dv_planner_answer answer;
	dv_planner_done_fn done;
	void (*drop)(void *arg);
	void *arg;
};
TAILQ_HEAD(jobs, job);

struct dv_planner {
	sd_event_source *source;
	int done_fd; /* eventfd: something is in `done` */
	pthread_t thread;
	bool runs;
	pthread_mutex_t mutex; /* of what follows */
	pthread_cond_t cond;
	bool end;
	unsigned count; /* asked and not answered */
	struct jobs waiting, done;
};

static void job_free(struct job *job)
{
	if (!job)
		return;
	free(job->text);
	free(job->gpus);
	dv_vec_fini(&job->leases);
	dv_plan_fini(&job->answer.plan);
	free(job->answer.document);
	free(job);
}
DV_DEFINE_FREEP(struct job, job_free)

static int make(struct job *job, struct dv_error *err)
{
	dv_cleanup(dv_fleet_fini) struct dv_fleet fleet = {0};
	struct dv_planner_answer *answer = &job->answer;
	const struct dv_plan_input input = {.fleet = &fleet,
					    .gpus = job->gpus,
					    .gpu_count = job->gpu_count,
					    .leases = &job->leases,
					    .uid = job->uid,
					    .admin = job->admin,
					    .defragment = job->defragment,
					    .state = job->state};
	int r = dv_fleet_parse(job->text, strlen(job->text), job->file, &fleet, err);

	r = r < 0 ? r : dv_plan_make(&input, &answer->plan, err);
	if (r < 0)
		return r;
	(void)dv_copy(answer->plan.file, sizeof(answer->plan.file), job->file);
	answer->plan.source = take_ptr(job->text);
	return dv_api_plan_encode(&answer->plan, &answer->document, err);
}

static void *work(void *arg)
{
	struct dv_planner *planner = arg;

	pthread_mutex_lock(&planner->mutex);
	while (!planner->end) {
		struct job *job = TAILQ_FIRST(&planner->waiting);

		if (!job) {
			pthread_cond_wait(&planner->cond, &planner->mutex);
			continue;
		}
		TAILQ_REMOVE(&planner->waiting, job, link);
		pthread_mutex_unlock(&planner->mutex);
		job->answer.r = make(job, &job->answer.err);
		pthread_mutex_lock(&planner->mutex);
		TAILQ_INSERT_TAIL(&planner->done, job, link);
		(void)eventfd_write(planner->done_fd, 1);
	}
	pthread_mutex_unlock(&planner->mutex);
	return NULL;
}

static struct job *next_done(struct dv_planner *planner)
{
	struct job *job;

	pthread_mutex_lock(&planner->mutex);
	job = TAILQ_FIRST(&planner->done);
	if (job) {
		TAILQ_REMOVE(&planner->done, job, link);
		planner->count--;
	}
	pthread_mutex_unlock(&planner->mutex);
	return job;
}

static int on_done(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	eventfd_t value;
	struct job *job;

	(void)eventfd_read(fd, &value);
	while ((job = next_done(arg))) {
		job->done(job->arg, &job->answer);
		job_free(job);
	}
	return 0;
}

int dv_planner_new(sd_event *event, struct dv_planner **ret, struct dv_error *err)
{
	dv_cleanup(dv_planner_freep) struct dv_planner *planner = calloc(1, sizeof(*planner));
	int r;

	if (!planner)
		return dv_error_set(err, -ENOMEM, "no memory to make plans");
	TAILQ_INIT(&planner->waiting);
	TAILQ_INIT(&planner->done);
	(void)pthread_mutex_init(&planner->mutex, NULL);
	(void)pthread_cond_init(&planner->cond, NULL);
	planner->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (planner->done_fd < 0)
		return dv_error_errno(err, errno, "an event of plans");
	r = sd_event_add_io(event, &planner->source, planner->done_fd, EPOLLIN, on_done, planner);
	if (r < 0)
		return dv_error_errno(err, -r, "the event loop");
	r = pthread_create(&planner->thread, NULL, work, planner);
	if (r)
		return dv_error_errno(err, r, "a thread that makes plans");
	planner->runs = true;
	*ret = take_ptr(planner);
	return 0;
}

static void drop_all(struct jobs *jobs)
{
	struct job *job;

	while ((job = TAILQ_FIRST(jobs))) {
		TAILQ_REMOVE(jobs, job, link);
		job->drop(job->arg);
		job_free(job);
	}
}

void dv_planner_free(struct dv_planner *planner)
{
	if (!planner)
		return;
	pthread_mutex_lock(&planner->mutex);
	planner->end = true;
	pthread_cond_signal(&planner->cond);
	pthread_mutex_unlock(&planner->mutex);
	if (planner->runs)
		(void)pthread_join(planner->thread, NULL);
	drop_all(&planner->waiting);
	drop_all(&planner->done);
	(void)sd_event_source_disable_unref(planner->source);
	if (planner->done_fd >= 0)
		close(planner->done_fd);
	(void)pthread_cond_destroy(&planner->cond);
	(void)pthread_mutex_destroy(&planner->mutex);
	free(planner);
}

static int copy(struct job *job, const struct dv_planner_question *question)
{
	size_t leases = question->leases->len;

	job->text = strdup(question->text);
	job->gpus = calloc(question->gpu_count + 1, sizeof(*job->gpus));
	job->leases.items = calloc(leases + 1, sizeof(*job->leases.items));
	if (!job->text || !job->gpus || !job->leases.items)
		return -ENOMEM;
	if (question->gpu_count)
		memcpy(job->gpus, question->gpus, question->gpu_count * sizeof(*job->gpus));
	if (leases)
		memcpy(job->leases.items, question->leases->items,
		       leases * sizeof(*job->leases.items));
	job->gpu_count = question->gpu_count;
	job->leases.len = leases;
	job->leases.cap = leases + 1;
	job->uid = question->uid;
	job->admin = question->admin;
	job->defragment = question->defragment;
	(void)dv_copy(job->file, sizeof(job->file), question->file);
	(void)dv_copy(job->state, sizeof(job->state), question->state);
	return 0;
}

int dv_planner_ask(struct dv_planner *planner, const struct dv_planner_question *question,
		   dv_planner_done_fn done, void (*drop)(void *arg), void *arg,
		   struct dv_error *err)
{
	dv_cleanup(job_freep) struct job *job = calloc(1, sizeof(*job));
	struct job *waits;
	int r;

	if (!job || copy(job, question) < 0)
		return dv_error_set(err, -ENOMEM, "no memory for a plan");
	job->done = done;
	job->drop = drop;
	job->arg = arg;
	pthread_mutex_lock(&planner->mutex);
	r = planner->count < DV_PLANNER_WAITING_MOST ? 0 : -EBUSY;
	if (r == 0) {
		waits = take_ptr(job);
		TAILQ_INSERT_TAIL(&planner->waiting, waits, link);
		planner->count++;
		pthread_cond_signal(&planner->cond);
	}
	pthread_mutex_unlock(&planner->mutex);
	if (r < 0) {
		dv_error_rule(err, r, "S19", "%d plans are being made already",
			      DV_PLANNER_WAITING_MOST);
		return dv_error_fix(err, r, "try again in a moment");
	}
	return 0;
}
