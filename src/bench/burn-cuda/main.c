/* SPDX-License-Identifier: Apache-2.0 */
/* divvy-burn-cuda: an ordinary CUDA program with kernels of a known length, for benches. It
 * launches for a while and leaves what it saw in a file (bench/cuda-record.h). */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "bench/burn-cuda/work.h"
#include "bench/pause.h"
#include "model/units.h"

enum { EACH_MOST = 10000, PROCESSES_MOST = 1000 };

struct options {
	uint64_t kernel_ns, loops, think_ns, jitter_ns, seconds_ns, start_ns;
	uint64_t each, inflight, graph, processes;
	const char *out, *memory, *cost, *start_fd, *start_one;
	bool calibrate, apart, contexts;
};

static const char usage[] =
	"Usage: divvy-burn-cuda [options]\n"
	"Launch CUDA kernels of a known length on the first device, for a while.\n"
	"  --kernel TIME     length of a launch, alone on the device (default 1ms)\n"
	"  --loops N         use this many loops instead of calibrating (see --calibrate)\n"
	"  --calibrate       print \"LOOPS REAL_NS\" for --kernel, and end\n"
	"  --each N          launches for which one is waited (default 1)\n"
	"  --inflight N      so many of these kept on the stream, 1 to 64 (default 1: wait for "
	"each)\n"
	"  --graph N         launch a graph of N kernels instead of a kernel\n"
	"  --think TIME      pause between launches\n"
	"  --jitter TIME     draw each pause uniformly from --think less and more this; every run\n"
	"                    draws the same\n"
	"  --for TIME        how long (default 5s)\n"
	"  --start NS        begin at this CLOCK_MONOTONIC time\n"
	"  --cost launch|refused\n"
	"                    in a slice: what cuLaunchKernel costs with and without the layer\n"
	"  --memory WAY      allocate instead: alloc, pitch, managed, handle, async, context, "
	"fill\n"
	"  --processes N     start so many of itself at once that begin to use the driver\n"
	"  --apart           one after the other\n"
	"  --contexts        each makes a context\n"
	"  --out FILE        where the record goes\n";

enum { APART = 256, CONTEXTS, START_FD, START_ONE };

static const struct option longs[] = {{"kernel", required_argument, NULL, 'k'},
				      {"loops", required_argument, NULL, 'l'},
				      {"calibrate", no_argument, NULL, 'c'},
				      {"each", required_argument, NULL, 'e'},
				      {"inflight", required_argument, NULL, 'i'},
				      {"graph", required_argument, NULL, 'g'},
				      {"think", required_argument, NULL, 't'},
				      {"jitter", required_argument, NULL, 'j'},
				      {"for", required_argument, NULL, 'f'},
				      {"start", required_argument, NULL, 's'},
				      {"cost", required_argument, NULL, 'C'},
				      {"memory", required_argument, NULL, 'm'},
				      {"processes", required_argument, NULL, 'p'},
				      {"apart", no_argument, NULL, APART},
				      {"contexts", no_argument, NULL, CONTEXTS},
				      {"start-fd", required_argument, NULL, START_FD},
				      {"start-one", required_argument, NULL, START_ONE},
				      {"out", required_argument, NULL, 'o'},
				      {"help", no_argument, NULL, 'h'},
				      {NULL, 0, NULL, 0}};

static int parse_count(const char *text, uint64_t most, uint64_t *ret, struct dv_error *err)
{
	uint64_t n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || n < 1 || n > most)
		return dv_error_set(err, -EINVAL, "'%s' is no whole number from 1 to %" PRIu64,
				    text, most);
	*ret = n;
	return 0;
}

static int parse_number(int c, const char *arg, struct options *o, struct dv_error *err)
{
	switch (c) {
	case 'k':
		return dv_time_parse(arg, &o->kernel_ns, err);
	case 't':
		return dv_time_parse(arg, &o->think_ns, err);
	case 'j':
		return dv_time_parse(arg, &o->jitter_ns, err);
	case 'f':
		return dv_time_parse(arg, &o->seconds_ns, err);
	case 'l':
		return parse_count(arg, UINT64_MAX, &o->loops, err);
	case 's':
		return parse_count(arg, UINT64_MAX, &o->start_ns, err);
	case 'e':
		return parse_count(arg, EACH_MOST, &o->each, err);
	case 'i':
		return parse_count(arg, BURN_CUDA_INFLIGHT_MOST, &o->inflight, err);
	case 'g':
		return parse_count(arg, BURN_CUDA_GRAPH_MOST, &o->graph, err);
	case 'p':
		return parse_count(arg, PROCESSES_MOST, &o->processes, err);
	default:
		return dv_error_set(err, -EINVAL, "unknown option; see --help");
	}
}

static int parse_option(int c, const char *arg, struct options *o, struct dv_error *err)
{
	switch (c) {
	case 'c':
		o->calibrate = true;
		return 0;
	case 'C':
		o->cost = arg;
		return 0;
	case 'm':
		o->memory = arg;
		return 0;
	case APART:
		o->apart = true;
		return 0;
	case CONTEXTS:
		o->contexts = true;
		return 0;
	case START_FD:
		o->start_fd = arg;
		return 0;
	case START_ONE:
		o->start_one = arg;
		return 0;
	case 'o':
		o->out = arg;
		return 0;
	default:
		return parse_number(c, arg, o, err);
	}
}

static int parse(int argc, char **argv, struct options *o, struct dv_error *err)
{
	int c;

	*o = (struct options){
		.kernel_ns = DV_NS_PER_MS, .seconds_ns = 5 * DV_NS_PER_S, .each = 1, .inflight = 1};
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		int r;

		if (c == 'h') {
			(void)fputs(usage, stdout);
			exit(0);
		}
		r = parse_option(c, optarg, o, err);
		if (r < 0)
			return r;
	}
	if (o->jitter_ns > o->think_ns)
		return dv_error_set(err, -EINVAL, "--jitter is at most what --think is");
	if (o->cost && strcmp(o->cost, "launch") != 0 && strcmp(o->cost, "refused") != 0)
		return dv_error_set(err, -EINVAL, "--cost is 'launch' or 'refused'");
	return optind < argc ? dv_error_set(err, -EINVAL, "unexpected '%s'", argv[optind]) : 0;
}

static void sleep_until(uint64_t ns)
{
	struct timespec at = {.tv_sec = (time_t)(ns / DV_NS_PER_S),
			      .tv_nsec = (long)(ns % DV_NS_PER_S)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

struct run {
	struct burn_cuda cuda;
	const struct options *o;
	uint64_t end_ns;
	struct dv_cuda_record record;
	uint64_t *times, *ended;
	uint64_t begun[BURN_CUDA_INFLIGHT_MOST]; /* a ring: head is the oldest */
	unsigned head, count;
	uint64_t drawn; /* state of the generator of pauses */
};

static void note(struct run *run, uint64_t begun_ns, uint64_t now_ns)
{
	if (run->record.count == DV_CUDA_TIMES_MOST || now_ns > run->end_ns)
		return;
	run->ended[run->record.count] = now_ns;
	run->times[run->record.count++] = now_ns - begun_ns;
}

/* Who waits for each asks the stream, as programs do. */
static int finish_oldest(struct run *run, struct dv_error *err)
{
	const unsigned at = run->head;
	int r = run->o->inflight == 1 ? burn_cuda_sync(&run->cuda, err)
				      : burn_cuda_wait(&run->cuda, at, err);

	run->head = (run->head + 1) % (unsigned)run->o->inflight;
	run->count--;
	if (r == 0)
		note(run, run->begun[at], dv_now_ns());
	return r;
}

static int launch_one(struct run *run, struct dv_error *err)
{
	const unsigned at = (run->head + run->count) % (unsigned)run->o->inflight;
	int r;

	run->begun[at] = dv_now_ns();
	r = burn_cuda_launch(&run->cuda, (unsigned)run->o->each, err);
	if (r == 0 && run->o->inflight > 1)
		r = burn_cuda_mark(&run->cuda, at, err);
	if (r == 0)
		run->count++;
	return r;
}

static int burn(struct run *run, struct dv_error *err)
{
	int r = 0;

	while (r == 0 && dv_now_ns() < run->end_ns) {
		while (r == 0 && run->count < run->o->inflight && dv_now_ns() < run->end_ns)
			r = launch_one(run, err);
		if (r == 0 && run->count)
			r = finish_oldest(run, err);
		if (r == 0 && run->o->think_ns)
			sleep_until(dv_now_ns() + dv_bench_pause_ns(&run->drawn, run->o->think_ns,
								    run->o->jitter_ns));
	}
	while (run->count) {
		int q = finish_oldest(run, r < 0 ? NULL : err);

		r = r < 0 ? r : q;
	}
	return r;
}

/* The first launches compile, and tell the layer how long they take; they are nobody's. */
static int warm_up(struct run *run, struct dv_error *err)
{
	int r = run->o->graph ? burn_cuda_capture(&run->cuda, (unsigned)run->o->graph, err) : 0;

	run->end_ns = UINT64_MAX;
	for (unsigned i = 0; r == 0 && i < 3; i++) {
		r = launch_one(run, err);
		if (r == 0)
			r = finish_oldest(run, err);
	}
	run->record.count = 0;
	return r;
}

static void begin(struct run *run)
{
	const struct options *o = run->o;
	uint64_t start_ns = dv_now_ns();

	if (o->start_ns > start_ns)
		sleep_until(o->start_ns);
	else if (o->start_ns)
		run->record.late_ns = start_ns - o->start_ns;
	start_ns = o->start_ns ? o->start_ns : dv_now_ns();
	run->end_ns = start_ns + o->seconds_ns;
	run->record.window_ns = o->seconds_ns - DV_MIN(run->record.late_ns, o->seconds_ns);
}

static int launch_for_a_while(struct run *run, struct dv_error *err)
{
	const struct options *o = run->o;
	int r;

	run->cuda.kernel_ns = o->kernel_ns;
	run->cuda.loops = o->loops;
	run->record.kernel_ns = o->kernel_ns;
	run->record.each = o->each * DV_MAX(o->graph, UINT64_C(1));
	r = o->loops ? 0
		     : burn_cuda_calibrate(&run->cuda, o->kernel_ns, &run->cuda.loops,
					   &run->record.kernel_ns, err);
	if (r == 0)
		r = warm_up(run, err);
	if (r < 0)
		return r;
	begin(run);
	return burn(run, err);
}

static int calibrate(struct run *run, struct dv_error *err)
{
	uint64_t loops = 0, real_ns = 0;
	int r = burn_cuda_calibrate(&run->cuda, run->o->kernel_ns, &loops, &real_ns, err);

	if (r == 0)
		(void)printf("%" PRIu64 " %" PRIu64 "\n", loops, real_ns);
	return r;
}

static int start_processes(struct run *run, struct dv_error *err)
{
	const struct options *o = run->o;
	const uint64_t from_ns = dv_now_ns();
	int r = burn_cuda_start((unsigned)o->processes, o->apart, o->contexts, run->times, err);

	run->record.window_ns = dv_now_ns() - from_ns;
	run->record.each = 1;
	run->record.count = r == 0 ? o->processes : 0;
	return r;
}

static int work(struct run *run, struct dv_error *err)
{
	const struct options *o = run->o;
	int r;

	if (o->processes) {
		/* By then each of them was started, this one too: what it says of the driver. */
		r = start_processes(run, err);
		if (r < 0)
			return r;
	}
	r = burn_cuda_load(&run->cuda, err);
	if (r == 0)
		r = burn_cuda_open(&run->cuda, err);
	run->record.simulated = run->cuda.simulated;
	if (r < 0 || o->processes)
		return r;
	if (o->calibrate)
		return calibrate(run, err);
	if (o->memory)
		return burn_cuda_memory(&run->cuda, o->memory, &run->record, err);
	if (o->cost)
		return burn_cuda_cost(&run->cuda, strcmp(o->cost, "refused") == 0,
				      dv_now_ns() + o->seconds_ns, &run->record, err);
	return launch_for_a_while(run, err);
}

static int write_record(const struct run *run, struct dv_error *err)
{
	const size_t tail = run->record.count * sizeof(run->times[0]);
	dv_autofree char *whole = malloc(sizeof(run->record) + 2 * tail);

	if (!whole)
		return dv_error_set(err, -ENOMEM, "no memory for the record");
	memcpy(whole, &run->record, sizeof(run->record));
	memcpy(whole + sizeof(run->record), run->times, tail);
	memcpy(whole + sizeof(run->record) + tail, run->ended, tail);
	return dv_file_write(run->o->out, whole, sizeof(run->record) + 2 * tail, 0600, err);
}

static int measure(const struct options *o, struct dv_error *err)
{
	dv_autofree struct run *run = calloc(1, sizeof(*run));
	dv_autofree uint64_t *times = calloc(DV_CUDA_TIMES_MOST, sizeof(*times));
	dv_autofree uint64_t *ended = calloc(DV_CUDA_TIMES_MOST, sizeof(*ended));
	int r;

	if (!run || !times || !ended)
		return dv_error_set(err, -ENOMEM, "no memory for times");
	run->o = o;
	run->times = times;
	run->ended = ended;
	run->record.magic = DV_CUDA_RECORD_MAGIC;
	r = work(run, err);
	if (r == 0 && o->out)
		r = write_record(run, err);
	else if (r == 0 && !o->calibrate)
		(void)printf("%" PRIu64 " launches\n", run->record.count * run->record.each);
	return r;
}

int main(int argc, char **argv)
{
	struct dv_error err = {0};
	struct options o;
	int r = parse(argc, argv, &o, &err);

	if (r == 0)
		r = o.start_one && o.start_fd
			    ? burn_cuda_start_one(o.start_fd, o.start_one, o.contexts, &err)
			    : measure(&o, &err);
	if (r < 0) {
		(void)fprintf(stderr, "divvy-burn-cuda: %s\n", err.msg);
		return dv_error_class(r)->exit_status;
	}
	return 0;
}
