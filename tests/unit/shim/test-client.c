/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/core/client.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#include "fake-divvyd.h"
#include "process.h"

static struct fake *begin(const struct fake_config *config)
{
	struct fake *fake = fake_start(config);

	CHECK(fake);
	setenv("DIVVY_LEASE_SOCKET", fake_path(fake), 1);
	setenv("DIVVY_LEASE_NONCE", FAKE_NONCE, 1);
	dv_shim_init(DV_LAYER_OPENCL);
	return fake;
}

static bool used_is(const struct fake_stats *stats, uint64_t bytes)
{
	return stats->used == bytes;
}

static bool hellos_are(const struct fake_stats *stats, uint64_t count)
{
	return stats->hellos >= count;
}

static bool clients_are(const struct fake_stats *stats, uint64_t count)
{
	return stats->clients == count;
}

static void exact_limit(void)
{
	struct fake *fake = begin(&(struct fake_config){.limit_bytes = 1000});
	struct fake_stats stats;

	errno = 77;
	CHECK(dv_shim_state() == DV_SHIM_NEW);
	CHECK(dv_shim_reserve(999) == 0);
	CHECK(dv_shim_state() == DV_SHIM_ATTACHED);
	CHECK(dv_shim_reserve(2) == -ENOSPC);
	CHECK(dv_shim_reserve(1) == 0);
	CHECK(dv_shim_reserve(1) == -ENOSPC);
	CHECK(dv_shim_reserve(UINT64_MAX) == -ENOSPC);
	dv_shim_release(1);
	CHECK(dv_shim_reserve(1) == 0);
	CHECK(errno == 77);
	fake_stats(fake, &stats);
	CHECK(stats.peak == 1000 && stats.counters.held_bytes == 1000);
	CHECK(stats.counters.denied == 3);
	dv_shim_release(1000);
	CHECK(fake_wait(fake, used_is, 0));
}

static void charges(void)
{
	struct fake *fake = begin(&(struct fake_config){0});
	struct fake_stats stats;
	void *charge;

	for (int i = 0; i < 100; i++) {
		CHECK(dv_shim_reserve(UINT64_C(1) << 40) == 0);
		charge = dv_shim_charge_pack(UINT64_C(1) << 40);
		dv_shim_charge_release(charge);
	}
	CHECK(fake_wait(fake, used_is, 0));
	fake_stats(fake, &stats);
	CHECK(stats.counters.allocs == 100 && stats.counters.frees == 100);
	CHECK(stats.counters.held_bytes == 0);
}

static void no_lease(void)
{
	unsetenv("DIVVY_LEASE_SOCKET");
	dv_shim_init(DV_LAYER_OPENCL);
	CHECK(dv_shim_attach() == DV_SHIM_REFUSED);
	CHECK(dv_shim_reserve(1) == -ECONNREFUSED);
	CHECK(dv_shim_reserve(0) == -ECONNREFUSED);
	CHECK(dv_shim_grant_flags(dv_shim_pages.grant) == DV_GRANT_GATED);
}

static void wrong_nonce(void)
{
	struct fake *fake = fake_start(&(struct fake_config){0});

	CHECK(fake);
	setenv("DIVVY_LEASE_SOCKET", fake_path(fake), 1);
	setenv("DIVVY_LEASE_NONCE", "00000000000000000000000000000000", 1);
	dv_shim_init(DV_LAYER_OPENCL);
	CHECK(dv_shim_reserve(1) == -ECONNREFUSED);
	CHECK(dv_shim_state() == DV_SHIM_REFUSED);
}

static void nobody_there(void)
{
	struct fake *fake = begin(&(struct fake_config){0});
	struct timespec from, to;

	fake_die(fake);
	CHECK(dv_shim_attach() == DV_SHIM_FAILED);
	/* Its patience is spent: it waits no more. */
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < 100; i++)
		CHECK(dv_shim_reserve(1) == -ECONNREFUSED);
	clock_gettime(CLOCK_MONOTONIC, &to);
	CHECK(to.tv_sec - from.tv_sec < 2);
	/* But divvyd is looked for, also by a program that makes no call. */
	fake_revive(fake);
	CHECK(fake_wait(fake, hellos_are, 1));
	while (dv_shim_state() != DV_SHIM_ATTACHED)
		usleep(1000);
	CHECK(dv_shim_reserve(1) == 0);
}

static void comes_back(void)
{
	struct fake *fake = begin(&(struct fake_config){.limit_bytes = 4096, .device_bytes = 4096});
	struct dv_grant grant;
	struct fake_stats stats;

	CHECK(dv_shim_reserve(1000) == 0);
	CHECK(dv_shim_reserve(500) == 0);
	fake_die(fake);
	while (dv_shim_state() != DV_SHIM_AWAY)
		usleep(1000);
	/* Away: the limits are still known, nothing is held, and giving back is remembered. */
	dv_shim_grant_read(dv_shim_pages.grant, &grant);
	CHECK(grant.flags == DV_GRANT_GATED && grant.memory_limit_bytes == 4096);
	dv_shim_release(500);
	fake_revive(fake);
	CHECK(fake_wait(fake, hellos_are, 2));
	CHECK(fake_wait(fake, used_is, 1000));
	CHECK(dv_shim_reserve(3096) == 0);
	CHECK(dv_shim_reserve(1) == -ENOSPC);
	fake_stats(fake, &stats);
	CHECK(stats.last_held == 1000);
	/* The counters go on where they were. */
	CHECK(stats.counters.held_bytes == 4096 && stats.counters.denied == 1);
	/* A question over a dead connection finds its way to the new one. */
	fake_die(fake);
	fake_revive(fake);
	dv_shim_release(96);
	CHECK(dv_shim_reserve(96) == 0);
	CHECK(fake_wait(fake, used_is, 4096));
}

static void lease_gone(void)
{
	struct fake *fake = begin(&(struct fake_config){0});

	CHECK(dv_shim_reserve(1) == 0);
	fake_refuse(fake, DV_REFUSAL_GONE);
	fake_die(fake);
	fake_revive(fake);
	while (dv_shim_state() != DV_SHIM_REFUSED)
		usleep(1000);
	CHECK(dv_shim_reserve(1) == -ECONNREFUSED);
	dv_shim_release(1);
}

static void forks(void)
{
	struct fake *fake = begin(&(struct fake_config){.limit_bytes = 1000});
	struct fake_stats stats;
	void *charge;
	pid_t pid;

	NOT_UNDER_TSAN();
	CHECK(dv_shim_reserve(600) == 0);
	charge = dv_shim_charge_pack(600);
	pid = fork();
	if (pid == 0) {
		alarm(20);
		CHECK(dv_shim_state() == DV_SHIM_NEW);
		CHECK(dv_shim_grant_flags(dv_shim_pages.grant) == DV_GRANT_GATED);
		dv_shim_charge_release(charge); /* the parent's */
		CHECK(dv_shim_reserve(401) == -ENOSPC);
		CHECK(dv_shim_reserve(400) == 0);
		_exit(0);
	}
	CHECK(ended_well(pid));
	/* The child is gone and so is what it held; the parent's is as it was. */
	CHECK(fake_wait(fake, clients_are, 1));
	fake_stats(fake, &stats);
	CHECK(stats.used == 600 && stats.hellos == 2 && stats.peak == 1000);
	dv_shim_charge_release(charge);
	CHECK(fake_wait(fake, used_is, 0));
}

static void *churn(void *arg)
{
	for (int i = 0; i < 300; i++) {
		int r = dv_shim_reserve(100 + (uint64_t)i % 7);

		CHECK(r == 0 || r == -ENOSPC);
		if (r == 0)
			dv_shim_charge_release(dv_shim_charge_pack(100 + (uint64_t)i % 7));
	}
	return arg;
}

static void threads(void)
{
	struct fake *fake = begin(&(struct fake_config){.limit_bytes = 300});
	struct fake_stats stats;
	pthread_t all[4];

	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&all[i], NULL, churn, NULL) == 0);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(all[i], NULL) == 0);
	CHECK(fake_wait(fake, used_is, 0));
	fake_stats(fake, &stats);
	CHECK(stats.peak <= 300 && stats.hellos == 1);
	CHECK(stats.counters.allocs == stats.counters.frees);
	CHECK(stats.counters.denied == stats.denied);
}

static void threads_and_restarts(void)
{
	struct fake *fake = begin(&(struct fake_config){0});
	pthread_t all[2];

	for (int i = 0; i < 2; i++)
		CHECK(pthread_create(&all[i], NULL, churn, NULL) == 0);
	for (int i = 0; i < 5; i++) {
		usleep(2000);
		fake_die(fake);
		fake_revive(fake);
	}
	for (int i = 0; i < 2; i++)
		CHECK(pthread_join(all[i], NULL) == 0);
	CHECK(fake_wait(fake, used_is, 0));
}

/* A program that makes itself a daemon closes what it did not open. */
static void closes_all(void)
{
	struct fake *fake = begin(&(struct fake_config){.limit_bytes = 100});
	int mine = -1;

	NOT_UNDER_TSAN();
	CHECK(dv_shim_reserve(60) == 0);
	for (int fd = 100; fd < 200; fd++) {
		int type;
		socklen_t size = sizeof(type);

		/* Ours are seqpackets that connect; the fake's are its own and stay. */
		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0) {
			close(fd);
			mine = fd;
		}
	}
	CHECK(mine >= 100);
	CHECK(dup2(STDERR_FILENO, mine) == mine);
	CHECK(dv_shim_reserve(41) == -ENOSPC);
	CHECK(fake_wait(fake, hellos_are, 2));
	CHECK(write(mine, "", 0) == 0); /* still the program's */
}

static void signals_blocked(void)
{
	struct fake *fake = begin(&(struct fake_config){0});
	DIR *tasks = opendir("/proc/self/task");
	unsigned blocked = 0;

	NOT_UNDER_TSAN();
	CHECK(dv_shim_reserve(1) == 0 && fake);
	CHECK(tasks);
	for (struct dirent *d; (d = readdir(tasks));) {
		char path[300], line[256];
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status", d->d_name);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f))
			if (strncmp(line, "SigBlk:", 7) == 0 &&
			    strtoull(line + 7, NULL, 16) >> 9 != 0)
				blocked++;
		if (f)
			fclose(f);
	}
	closedir(tasks);
	CHECK(blocked == 1); /* the watcher; neither the program's thread nor the fake's */
}

#define TEST(f)                                                                                    \
	static void test_##f(void **state)                                                         \
	{                                                                                          \
		assert_true(in_process(f));                                                        \
	}

TEST(exact_limit)
TEST(charges)
TEST(no_lease)
TEST(wrong_nonce)
TEST(nobody_there)
TEST(comes_back)
TEST(lease_gone)
TEST(forks)
TEST(threads)
TEST(threads_and_restarts)
TEST(closes_all)
TEST(signals_blocked)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact_limit),  cmocka_unit_test(test_charges),
		cmocka_unit_test(test_no_lease),     cmocka_unit_test(test_wrong_nonce),
		cmocka_unit_test(test_nobody_there), cmocka_unit_test(test_comes_back),
		cmocka_unit_test(test_lease_gone),   cmocka_unit_test(test_forks),
		cmocka_unit_test(test_threads),	     cmocka_unit_test(test_threads_and_restarts),
		cmocka_unit_test(test_closes_all),   cmocka_unit_test(test_signals_blocked),
	};

	return cmocka_run_group_tests_name("shim/client", tests, NULL, NULL);
}
