/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger, the pages, and who may attach. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/clock.h"
#include "fake.h"

#define MIB (UINT64_C(1) << 20)

static int setup(void **state)
{
	static struct fake_gate fake;

	fake_gate_init(&fake, 700 * DV_NS_PER_MS);
	*state = &fake;
	return 0;
}

static int teardown(void **state)
{
	fake_gate_fini(*state);
	return 0;
}

static void test_first_byte_over(void **state)
{
	struct dv_gate_stats stats;
	struct fake_client a, b;

	fake_open(*state, 1, 10 * MIB, false);
	fake_attach(*state, 1, 0, &a);
	fake_attach(*state, 1, 0, &b);
	assert_true(fake_reserve(&a, 10 * MIB - 1));
	assert_true(fake_reserve(&b, 1));
	assert_false(fake_reserve(&b, 1));
	assert_false(fake_reserve(&a, 1));
	assert_true(fake_reserve(&a, 0));
	/* Both see what the tenant uses, whoever asked. */
	assert_int_equal(a.grant->memory_used_bytes, 10 * MIB);
	assert_int_equal(b.grant->memory_used_bytes, 10 * MIB);
	assert_int_equal(b.grant->memory_limit_bytes, 10 * MIB);
	fake_release(&a, MIB);
	assert_true(fake_reserve(&a, MIB));
	assert_false(fake_reserve(&a, 1));
	fake_stats(*state, 1, &stats);
	assert_int_equal(stats.memory_used_bytes, 10 * MIB);
	assert_int_equal(stats.memory_peak_bytes, 10 * MIB);
	assert_int_equal(stats.memory_denied, 3);
	assert_int_equal(stats.client_count, 2);
	assert_int_equal(stats.faults, 0);
	fake_detach(&a);
	fake_detach(&b);
}

static void test_hang_up_gives_back(void **state)
{
	struct dv_gate_stats stats;
	struct fake_client a, b;

	fake_open(*state, 1, 10 * MIB, false);
	fake_attach(*state, 1, 0, &a);
	fake_attach(*state, 1, 0, &b);
	assert_true(fake_reserve(&a, 7 * MIB));
	assert_true(fake_reserve(&b, 3 * MIB));
	fake_detach(&a);
	fake_await_clients(*state, 1, 1);
	fake_stats(*state, 1, &stats);
	assert_int_equal(stats.memory_used_bytes, 3 * MIB);
	assert_true(fake_reserve(&b, 7 * MIB));
	assert_false(fake_reserve(&b, 1));
	fake_detach(&b);
}

static void test_no_overflow(void **state)
{
	struct dv_gate_stats stats;
	struct fake_client a;

	fake_open(*state, 1, 10 * MIB, false);
	fake_open(*state, 2, 0, false);
	fake_attach(*state, 1, 0, &a);
	assert_true(fake_reserve(&a, MIB));
	assert_false(fake_reserve(&a, UINT64_MAX));
	assert_false(fake_reserve(&a, UINT64_MAX - MIB + 1));
	/* More than it holds: clamped and counted, never below nothing. */
	fake_release(&a, UINT64_MAX);
	assert_true(fake_reserve(&a, 10 * MIB));
	assert_false(fake_reserve(&a, 1));
	fake_stats(*state, 1, &stats);
	assert_int_equal(stats.memory_used_bytes, 10 * MIB);
	assert_int_equal(stats.faults, 1);
	fake_detach(&a);
	/* Without a limit only what can exist is counted. */
	fake_attach(*state, 2, 0, &a);
	assert_true(fake_reserve(&a, UINT64_MAX - 1));
	assert_false(fake_reserve(&a, 2));
	fake_detach(&a);
}

static void child_allocates(struct fake_gate *fake, uint64_t step, unsigned rounds)
{
	struct fake_client client;
	uint64_t held = 0;

	fake_attach(fake, 1, 0, &client);
	for (unsigned i = 0; i < rounds; i++) {
		if (fake_reserve(&client, step)) {
			held += step;
		} else if (held) {
			fake_release(&client, held);
			held = 0;
		}
		if (client.grant->memory_used_bytes > client.grant->memory_limit_bytes)
			_exit(2);
	}
	_exit(0);
}

static void test_many_processes(void **state)
{
	struct dv_gate_stats stats;
	struct fake_client last;
	pid_t pids[8];

	fake_open(*state, 1, 1000, false);
	for (unsigned i = 0; i < 8; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			child_allocates(*state, 1 + i * 7, 400);
		assert_true(pids[i] > 0);
	}
	for (unsigned i = 0; i < 8; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	fake_await_clients(*state, 1, 0);
	fake_stats(*state, 1, &stats);
	assert_int_equal(stats.memory_used_bytes, 0);
	assert_int_equal(stats.hellos, 8);
	assert_in_range(stats.memory_peak_bytes, 950, 1000);
	assert_int_equal(stats.faults, 0);
	fake_attach(*state, 1, 0, &last);
	assert_true(fake_reserve(&last, 1000));
	fake_detach(&last);
}

static void test_24000_in_24000_out(void **state)
{
	struct dv_gate_stats stats;
	struct fake_client a;

	fake_open(*state, 1, 24000, false);
	fake_attach(*state, 1, 0, &a);
	for (unsigned i = 0; i < 24000; i++)
		assert_true(fake_reserve(&a, 1));
	assert_false(fake_reserve(&a, 1));
	for (unsigned i = 0; i < 24000; i++)
		fake_release(&a, 1);
	assert_true(fake_reserve(&a, 24000));
	fake_stats(*state, 1, &stats);
	assert_int_equal(stats.memory_used_bytes, 24000);
	assert_int_equal(stats.faults, 0);
	fake_detach(&a);
}

static void test_reattach(void **state)
{
	struct dv_msg msg = fake_msg(DV_MSG_RESERVE, 1, 0, 0);
	struct fake_client a, b, c;
	struct pollfd early = {.events = POLLIN};
	struct dv_gate_stats stats;

	fake_open(*state, 1, 10 * MIB, true);
	fake_attach(*state, 1, 4 * MIB, &a);
	fake_send(a.fd, &msg);
	early.fd = a.fd;
	assert_int_equal(poll(&early, 1, 5), 0);
	/* What exists is charged, also over the limit; the question waited for it. */
	fake_attach(*state, 1, 8 * MIB, &b);
	assert_true(fake_recv(a.fd, &msg, NULL));
	assert_int_equal(msg.type, DV_MSG_DENIED);
	assert_int_equal(msg.b, 12 * MIB);
	fake_release(&b, 2 * MIB + 1);
	assert_true(fake_reserve(&b, 1));
	assert_false(fake_reserve(&b, 1));
	/* More than can exist. */
	a.serial = b.serial = 0;
	c.fd = fake_connect(*state, 1);
	msg = fake_msg(DV_MSG_HELLO, DV_LAYER_OPENCL, 1, UINT64_MAX);
	fake_send(c.fd, &msg);
	assert_false(fake_recv(c.fd, &msg, NULL));
	close(c.fd);
	fake_stats(*state, 1, &stats);
	assert_int_equal(stats.memory_used_bytes, 10 * MIB);
	fake_detach(&a);
	fake_detach(&b);
}

static void test_pages_are_sealed(void **state)
{
	const size_t size = DV_WIRE_PAGE_BYTES;
	struct fake_client a;
	void *page;

	fake_open(*state, 1, 10 * MIB, false);
	fake_attach(*state, 1, 0, &a);
	assert_int_equal(a.grant->magic, DV_WIRE_MAGIC);
	assert_int_equal(a.grant->lease_id, 1);
	assert_true(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, a.grant_fd, 0) ==
		    MAP_FAILED);
	page = mmap(NULL, size, PROT_READ, MAP_SHARED, a.grant_fd, 0);
	assert_true(page != MAP_FAILED);
	assert_int_equal(mprotect(page, size, PROT_READ | PROT_WRITE), -1);
	(void)munmap(page, size);
	assert_int_equal(pwrite(a.grant_fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(a.grant_fd, 0), -1);
	assert_int_equal(ftruncate(a.counters_fd, 0), -1);
	assert_int_equal(ftruncate(a.counters_fd, 1 << 20), -1);
	assert_int_equal(fallocate(a.grant_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096),
			 -1);
	assert_int_equal(fcntl(a.counters_fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	fake_detach(&a);
}

static void test_counters_are_shown(void **state)
{
	struct dv_gate_stats stats;
	struct fake_client a;

	fake_open(*state, 1, 10 * MIB, false);
	fake_attach(*state, 1, 0, &a);
	assert_true(fake_reserve(&a, 3));
	a.counters->launches = 42;
	a.counters->denied = 7;
	fake_stats(*state, 1, &stats);
	assert_int_equal(stats.client_listed, 1);
	assert_int_equal(stats.clients[0].pid, getpid());
	assert_int_equal(stats.clients[0].launches, 42);
	assert_int_equal(stats.clients[0].denied, 7);
	assert_int_equal(stats.clients[0].held_bytes, 3);
	/* A page that is none, or was thrown away, counts as nothing. */
	a.counters->magic = 1;
	fake_stats(*state, 1, &stats);
	assert_int_equal(stats.clients[0].launches, 0);
	assert_int_equal(
		fallocate(a.counters_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
	fake_stats(*state, 1, &stats);
	assert_int_equal(stats.clients[0].launches, 0);
	fake_detach(&a);
}

static void test_changes(void **state)
{
	struct fake_gate *fake = *state;
	struct pollfd changes = {.fd = dv_gate_changes_fd(fake->gate), .events = POLLIN};
	struct fake_client a;

	fake_open(fake, 1, 0, false);
	assert_int_equal(poll(&changes, 1, 0), 0);
	fake_attach(fake, 1, 0, &a);
	assert_int_equal(poll(&changes, 1, 5000), 1);
	dv_gate_changes_clear(fake->gate);
	assert_int_equal(poll(&changes, 1, 0), 0);
	fake_detach(&a);
	assert_int_equal(poll(&changes, 1, 5000), 1);
}

static void test_open_and_close(void **state)
{
	struct fake_gate *fake = *state;
	struct dv_gate_lease lease = {.id = 1, .parent = "gpu/0", .nonce = FAKE_NONCE};
	struct dv_error err = {0};
	struct dv_gate_stats stats;
	struct fake_client a;
	struct dv_msg msg;

	fake_open(fake, 1, 0, false);
	assert_int_equal(dv_gate_open(fake->gate, &lease, false, &err), -EEXIST);
	lease.id = 2;
	lease.nonce[5] = '\0';
	assert_int_equal(dv_gate_open(fake->gate, &lease, false, NULL), -EINVAL);
	assert_int_equal(dv_gate_close(fake->gate, 2, NULL), -ENOENT);
	assert_int_equal(dv_gate_stats(fake->gate, 2, &stats, NULL), -ENOENT);
	fake_attach(fake, 1, 0, &a);
	assert_int_equal(dv_gate_close(fake->gate, 1, NULL), 0);
	assert_true(fake_recv(a.fd, &msg, NULL));
	assert_int_equal(msg.type, DV_MSG_REFUSED);
	assert_int_equal(msg.a, DV_REFUSAL_GONE);
	assert_false(fake_recv(a.fd, &msg, NULL));
	assert_int_equal(fake_connect(fake, 1), -1);
	fake_detach(&a);
	/* The same lease again, as after a restart. */
	fake_open(fake, 1, 0, true);
	fake_attach(fake, 1, 0, &a);
	fake_detach(&a);
}

static mode_t mode_of(const struct fake_gate *fake, const char *name)
{
	struct stat st;

	return fstatat(fake->run_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : st.st_mode;
}

/* A container is given the directory: it lasts as long as the lease, and no longer. */
static void test_directory(void **state)
{
	struct fake_gate *fake = *state;
	struct dv_lease lease = {.id = 1};
	struct dv_leases standing = {.items = &lease, .len = 1};
	const mode_t mask = umask(0077);
	struct stat before, st;

	fake_open(fake, 1, 0, false);
	fake_open(fake, 2, 0, false);
	(void)umask(mask);
	assert_int_equal(mode_of(fake, "lease-2"), S_IFDIR | 0711);
	assert_int_equal(mode_of(fake, "lease-2/sock"), S_IFSOCK | 0600);
	assert_int_equal(fstatat(fake->run_fd, "lease-1", &before, 0), 0);

	/* After a restart the same directory, and no socket until the lease is back. */
	fake_restart(fake);
	assert_int_equal(mode_of(fake, "lease-1/sock"), 0);
	assert_int_equal(mode_of(fake, "lease-2"), S_IFDIR | 0711);
	dv_gate_sweep(fake->gate, &standing);
	assert_int_equal(mode_of(fake, "lease-2"), 0);
	fake_open(fake, 1, 0, true);
	assert_int_equal(fstatat(fake->run_fd, "lease-1", &st, 0), 0);
	assert_true(st.st_ino == before.st_ino);
	assert_int_equal(mode_of(fake, "lease-1/sock"), S_IFSOCK | 0600);

	/* A killed one leaves its sockets, too; what is not a lease's is not touched. */
	assert_int_equal(mkdirat(fake->run_fd, "lease-9", 0711), 0);
	assert_int_equal(mknodat(fake->run_fd, "lease-9/sock", S_IFREG | 0600, 0), 0);
	assert_int_equal(mkdirat(fake->run_fd, "lease-09", 0711), 0);
	dv_gate_sweep(fake->gate, &standing);
	assert_int_equal(mode_of(fake, "lease-9"), 0);
	assert_int_equal(mode_of(fake, "lease-1/sock"), S_IFSOCK | 0600);
	assert_int_equal(unlinkat(fake->run_fd, "lease-09", AT_REMOVEDIR), 0);
	assert_int_equal(dv_gate_close(fake->gate, 1, NULL), 0);
	assert_int_equal(mode_of(fake, "lease-1"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_first_byte_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hang_up_gives_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_overflow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_processes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_24000_in_24000_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reattach, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pages_are_sealed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_counters_are_shown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_open_and_close, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directory, setup, teardown),
	};

	return cmocka_run_group_tests_name("gate/memory", tests, NULL, NULL);
}
