/* SPDX-License-Identifier: Apache-2.0 */
/* Run a command under the OpenCL layer with a lease of the tests' own fake divvyd, and write what
 * the fake saw to a file, "name value" a line. No divvyd, no privilege needed.
 *
 *   lease-run LAYER STATS [key=value ...] -- command ... */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake-divvyd.h"

/* Die once the tenant is at work, and come back. */
static bool restart_it;

static bool launched(const struct fake_stats *stats, uint64_t count)
{
	return stats->counters.launches >= count;
}

static void restart(struct fake *fake)
{
	for (int i = 0; i < 10 && !fake_wait(fake, launched, 50); i++)
		;
	fake_die(fake);
	usleep(100000);
	fake_revive(fake);
}

static int set(struct fake_config *config, const char *arg)
{
	static const char *const modes[] = {"free", "endless", "timed", "manual"};
	const struct {
		const char *key;
		uint64_t *value;
	} numbers[] = {{"limit=", &config->limit_bytes},       {"device=", &config->device_bytes},
		       {"quantum_us=", &config->quantum_ns},   {"delay_us=", &config->delay_ns},
		       {"inflight_us=", &config->inflight_ns}, {"linger_us=", &config->linger_ns}};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strncmp(arg, "mode=", 5) == 0 && strcmp(arg + 5, modes[i]) == 0) {
			config->mode = (enum fake_mode)i;
			return 0;
		}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		size_t length = strlen(numbers[i].key);

		if (strncmp(arg, numbers[i].key, length) == 0) {
			*numbers[i].value = strtoull(arg + length, NULL, 10);
			if (strstr(numbers[i].key, "_us"))
				*numbers[i].value *= 1000;
			return 0;
		}
	}
	if (strncmp(arg, "units=", 6) == 0) {
		config->compute_units = (uint32_t)strtoul(arg + 6, NULL, 10);
		return 0;
	}
	if (strcmp(arg, "restart") == 0) {
		restart_it = true;
		return 0;
	}
	if (strcmp(arg, "copies") == 0) {
		config->more_flags |= DV_GRANT_COPIES;
		return 0;
	}
	return -1;
}

static void report(struct fake *fake, const char *path)
{
	struct fake_stats stats;
	FILE *f = fopen(path, "we");

	fake_stats(fake, &stats);
	if (!f)
		return;
#define LINE(member) fprintf(f, #member " %llu\n", (unsigned long long)stats.member)
	LINE(used);
	LINE(peak);
	LINE(hellos);
	LINE(last_held);
	LINE(reserves);
	LINE(denied);
	LINE(releases);
	LINE(wants);
	LINE(drained);
	LINE(idle);
	LINE(busy_ns);
	LINE(counters.launches);
	LINE(counters.gated);
	LINE(counters.copies);
	LINE(counters.busy_ns);
	LINE(counters.allocs);
	LINE(counters.frees);
	LINE(counters.held_bytes);
	LINE(counters.denied);
	LINE(counters.passed_ungated);
	LINE(counters.wait_ns);
	LINE(counters.inflight);
	LINE(counters.refused_calls);
#undef LINE
	fclose(f);
}

int main(int argc, char **argv)
{
	struct fake_config config = {.linger_ns = 500000, .quantum_ns = 5000000};
	struct fake *fake;
	int status, i;
	pid_t pid;

	for (i = 3; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (set(&config, argv[i]) < 0) {
			fprintf(stderr, "lease-run: what is '%s'?\n", argv[i]);
			return 2;
		}
	if (i + 1 >= argc) {
		fprintf(stderr, "usage: lease-run LAYER STATS [key=value ...] -- command ...\n");
		return 2;
	}
	fake = fake_start(&config);
	if (!fake)
		return 1;
	setenv("OPENCL_LAYERS", argv[1], 1);
	setenv("DIVVY_LEASE_SOCKET", fake_path(fake), 1);
	setenv("DIVVY_LEASE_NONCE", FAKE_NONCE, 1);
	pid = fork();
	if (pid == 0) {
		execvp(argv[i + 1], argv + i + 1);
		fprintf(stderr, "lease-run: %s: %s\n", argv[i + 1], strerror(errno));
		_exit(127);
	}
	if (pid > 0 && restart_it)
		restart(fake);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	usleep(20000); /* the hang-ups of its last processes */
	report(fake, argv[2]);
	fake_stop(fake);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
