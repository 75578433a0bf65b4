/* SPDX-License-Identifier: Apache-2.0 */
/* divvy-burn: an ordinary OpenCL program with kernels of a known length, for benches and demos. It
 * launches for a while and leaves each launch's latency in a file (bench/record.h). */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "bench/burn/device.h"
#include "bench/pause.h"
#include "bench/record.h"
#include "model/units.h"

enum { BUFFERS_MOST = 1 << 20 };
/* What is too short for a clock is timed by so many at once. */
enum { NULL_EACH = 1000, BUFFERS_EACH = 100 };

struct options {
	uint64_t kernel_ns, loops, think_ns, jitter_ns, seconds_ns, start_ns, memory_bytes;
	uint64_t buffers, fill_bytes;
	unsigned inflight;
	const char *out;
	bool calibrate, null;
};

static const char usage[] =
	"Usage: divvy-burn [options]\n"
	"Launch OpenCL kernels of a known length on the first device, for a while.\n"
	"  --kernel TIME     length of a launch, alone on the device (default 1ms)\n"
	"  --loops N         use this many loops instead of calibrating (see --calibrate)\n"
	"  --calibrate       print \"LOOPS REAL_NS\" for --kernel and --inflight, and end\n"
	"  --inflight N      launches kept on the queue, 1 to 64 (default 1: wait for each)\n"
	"  --think TIME      pause between launches\n"
	"  --jitter TIME     draw each pause uniformly from --think less and more this; every run\n"
	"                    draws the same\n"
	"  --for TIME        how long (default 5s)\n"
	"  --start NS        begin at this CLOCK_MONOTONIC time\n"
	"  --memory SIZE     hold a buffer of this size meanwhile\n"
	"  --null            launch what stops before the driver, and time what is above it\n"
	"  --buffers N       instead of launching make and release N buffers of 64 KiB\n"
	"  --fill BYTES      instead of launching, and after --buffers, make buffers until not a\n"
	"                    byte more is given, or so many are held\n"
	"  --out FILE        where the record goes\n";

static int parse_count(const char *text, uint64_t *ret, struct dv_error *err)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-')
		return dv_error_set(err, -EINVAL, "'%s' is not a whole number", text);
	return 0;
}

static int parse_option(int c, const char *arg, struct options *o, struct dv_error *err)
{
	uint64_t n = 0;
	int r = 0;

	switch (c) {
	case 'k':
		return dv_time_parse(arg, &o->kernel_ns, err);
	case 'l':
		return parse_count(arg, &o->loops, err);
	case 'c':
		o->calibrate = true;
		return 0;
	case 'i':
		r = parse_count(arg, &n, err);
		if (r == 0 && (n < 1 || n > BURN_INFLIGHT_MOST))
			r = dv_error_set(err, -EINVAL, "--inflight takes 1 to %d",
					 BURN_INFLIGHT_MOST);
		o->inflight = (unsigned)n;
		return r;
	case 't':
		return dv_time_parse(arg, &o->think_ns, err);
	case 'f':
		return dv_time_parse(arg, &o->seconds_ns, err);
	case 's':
		return parse_count(arg, &o->start_ns, err);
	case 'm':
		return dv_size_parse(arg, &o->memory_bytes, err);
	case 'j':
		return dv_time_parse(arg, &o->jitter_ns, err);
	case 'n':
		o->null = true;
		return 0;
	case 'b':
		r = parse_count(arg, &o->buffers, err);
		if (r == 0 && o->buffers > BUFFERS_MOST)
			r = dv_error_set(err, -EINVAL, "--buffers takes at most %d", BUFFERS_MOST);
		return r;
	case 'F':
		return parse_count(arg, &o->fill_bytes, err);
	case 'o':
		o->out = arg;
		return 0;
	default:
		return dv_error_set(err, -EINVAL, "unknown option; see --help");
	}
}

static int parse(int argc, char **argv, struct options *o, struct dv_error *err)
{
	static const struct option longs[] = {{"kernel", required_argument, NULL, 'k'},
					      {"loops", required_argument, NULL, 'l'},
					      {"calibrate", no_argument, NULL, 'c'},
					      {"inflight", required_argument, NULL, 'i'},
					      {"think", required_argument, NULL, 't'},
					      {"jitter", required_argument, NULL, 'j'},
					      {"null", no_argument, NULL, 'n'},
					      {"buffers", required_argument, NULL, 'b'},
					      {"fill", required_argument, NULL, 'F'},
					      {"for", required_argument, NULL, 'f'},
					      {"start", required_argument, NULL, 's'},
					      {"memory", required_argument, NULL, 'm'},
					      {"out", required_argument, NULL, 'o'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	int c;

	*o = (struct options){
		.kernel_ns = DV_NS_PER_MS, .seconds_ns = 5 * DV_NS_PER_S, .inflight = 1};
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
	struct burn_device *device;
	const struct options *o;
	uint64_t end_ns;
	struct dv_burn_record record;
	uint64_t *latencies, *ended;
	struct burn_launch *queue[BURN_INFLIGHT_MOST]; /* a ring: head is the oldest */
	uint64_t begun[BURN_INFLIGHT_MOST];
	unsigned head, count;
	uint64_t drawn; /* state of the generator of pauses */
};

static void note(struct run *run, uint64_t begun_ns, uint64_t now_ns)
{
	if (run->record.count == DV_BURN_LAUNCHES_MOST)
		return;
	run->ended[run->record.count] = now_ns;
	run->latencies[run->record.count++] = now_ns - begun_ns;
}

static int finish_oldest(struct run *run, struct dv_error *err)
{
	unsigned at = run->head;
	int r = burn_device_wait(run->device, run->queue[at], err);
	uint64_t now = dv_now_ns();

	run->head = (run->head + 1) % BURN_INFLIGHT_MOST;
	run->count--;
	if (r == 0 && now <= run->end_ns)
		note(run, run->begun[at], now);
	return r;
}

static int launch_one(struct run *run, struct dv_error *err)
{
	unsigned at = (run->head + run->count) % BURN_INFLIGHT_MOST;

	run->begun[at] = dv_now_ns();
	int r = burn_device_launch(run->device, run->o->loops, &run->queue[at], err);
	if (r == 0)
		run->count++;
	return r;
}

static int burn(struct run *run, struct dv_error *err)
{
	int r = 0;

	while (r == 0 && dv_now_ns() < run->end_ns) {
		while (r == 0 && run->count < run->o->inflight)
			r = launch_one(run, err);
		if (r == 0)
			r = finish_oldest(run, err);
		if (r == 0 && run->o->think_ns)
			sleep_until(dv_now_ns() + dv_bench_pause_ns(&run->drawn, run->o->think_ns,
								    run->o->jitter_ns));
	}
	while (run->count) {
		int q = finish_oldest(run, err);

		if (r == 0)
			r = q;
	}
	return r;
}

static int launch_null(struct run *run, struct dv_error *err)
{
	int r = 0, q;

	run->record.each = NULL_EACH;
	burn_device_null_begin(run->device);
	while (r == 0 && dv_now_ns() < run->end_ns) {
		uint64_t begun_ns = dv_now_ns();

		for (unsigned i = 0; r == 0 && i < NULL_EACH; i++)
			r = burn_device_launch_null(run->device, err);
		note(run, begun_ns, dv_now_ns());
	}
	q = burn_device_null_end(run->device, r < 0 ? NULL : err);
	return r < 0 ? r : q;
}

static int use_memory(struct run *run, struct dv_error *err)
{
	int r = 0;

	run->record.each = BUFFERS_EACH;
	for (uint64_t i = 0; r == 0 && i < run->o->buffers; i += BUFFERS_EACH) {
		uint64_t begun_ns = dv_now_ns();

		r = burn_device_buffers(run->device, BUFFERS_EACH, err);
		note(run, begun_ns, dv_now_ns());
	}
	if (r == 0 && run->o->fill_bytes)
		r = burn_device_fill(run->device, run->o->fill_bytes, &run->record.filled_bytes,
				     err);
	return r;
}

static int work(struct run *run, struct dv_error *err)
{
	if (run->o->null)
		return launch_null(run, err);
	if (run->o->buffers || run->o->fill_bytes)
		return use_memory(run, err);
	return burn(run, err);
}

static int write_record(const struct run *run, struct dv_error *err)
{
	size_t tail = run->record.count * sizeof(run->latencies[0]);
	dv_autofree char *whole = malloc(sizeof(run->record) + 2 * tail);

	if (!whole)
		return dv_error_set(err, -ENOMEM, "no memory for the record");
	memcpy(whole, &run->record, sizeof(run->record));
	memcpy(whole + sizeof(run->record), run->latencies, tail);
	memcpy(whole + sizeof(run->record) + tail, run->ended, tail);
	return dv_file_write(run->o->out, whole, sizeof(run->record) + 2 * tail, 0600, err);
}

static int warm_up(struct run *run, struct dv_error *err)
{
	int r = 0;

	/* The first launches compile and page in; they are nobody's latency. */
	for (unsigned i = 0; r == 0 && i < 3; i++) {
		r = launch_one(run, err);
		if (r == 0)
			r = finish_oldest(run, err);
	}
	run->record.count = 0;
	return r;
}

static void say(const struct dv_burn_record *record, const struct options *o)
{
	if (o->buffers)
		(void)printf("%" PRIu64 " buffers\n", record->count * record->each);
	if (o->fill_bytes)
		(void)printf("%" PRIu64 " bytes\n", record->filled_bytes);
	if (!o->buffers && !o->fill_bytes)
		(void)printf("%" PRIu64 " launches in %.1f s\n", record->count * record->each,
			     (double)record->window_ns / (double)DV_NS_PER_S);
}

static int measure(struct burn_device *device, struct options *o, struct dv_error *err)
{
	dv_autofree uint64_t *latencies = calloc(DV_BURN_LAUNCHES_MOST, sizeof(*latencies));
	dv_autofree uint64_t *ended = calloc(DV_BURN_LAUNCHES_MOST, sizeof(*ended));
	struct run run = {.device = device,
			  .o = o,
			  .end_ns = UINT64_MAX,
			  .latencies = latencies,
			  .ended = ended};
	uint64_t start;
	int r;

	if (!latencies || !ended)
		return dv_error_set(err, -ENOMEM, "no memory for latencies");
	run.record.magic = DV_BURN_MAGIC;
	run.record.kernel_ns = o->kernel_ns;
	run.record.each = 1;
	r = o->memory_bytes ? burn_device_hold(device, o->memory_bytes, err) : 0;
	if (r == 0)
		r = warm_up(&run, err);
	if (r < 0)
		return r;
	start = dv_now_ns();
	if (o->start_ns > start)
		sleep_until(o->start_ns);
	else if (o->start_ns)
		run.record.late_ns = start - o->start_ns;
	start = dv_now_ns();
	run.end_ns = (o->start_ns ? o->start_ns : start) + o->seconds_ns;
	run.record.window_ns = o->seconds_ns - DV_MIN(run.record.late_ns, o->seconds_ns);
	r = work(&run, err);
	if (r == 0 && o->out)
		r = write_record(&run, err);
	else if (r == 0)
		say(&run.record, o);
	return r;
}

int main(int argc, char **argv)
{
	dv_cleanup(burn_device_closep) struct burn_device *device = NULL;
	struct dv_error err = {0};
	uint64_t real_ns = 0;
	struct options o;
	int r = parse(argc, argv, &o, &err);

	if (r == 0)
		r = burn_device_open(&device, &err);
	if (r == 0 && (o.calibrate || !o.loops))
		r = burn_device_calibrate(device, o.kernel_ns, o.inflight, &o.loops, &real_ns,
					  &err);
	if (r == 0 && o.calibrate)
		(void)printf("%" PRIu64 " %" PRIu64 "\n", o.loops, real_ns);
	else if (r == 0)
		r = measure(device, &o, &err);
	if (r < 0) {
		(void)fprintf(stderr, "divvy-burn: %s\n", err.msg);
		return dv_error_class(r)->exit_status;
	}
	return 0;
}
