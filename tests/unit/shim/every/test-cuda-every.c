/* SPDX-License-Identifier: Apache-2.0 */
/* The world of every.h, and the test: each hook has a row, each row is of a hook, and holds. The
 * argument is the driver of a machine whose directory is MACHINE_DIR. */
#include "../cuda-program.h"
#include "shim/cuda/hooks.h"

/* cuda-program.h's words for the same. */
#undef MS
#undef MIB
#undef CU
#include "every.h"

struct every every;

#define NAME(symbol) #symbol,
#define NAME_PTSZ(symbol) NAME(symbol) NAME(symbol##_ptsz)
#define NAME_PTDS(symbol) NAME(symbol) NAME(symbol##_ptds)
static const char *const hooks[] = {DV_CUDA_HOOKS_PLAIN(NAME) DV_CUDA_HOOKS_PTSZ(NAME_PTSZ)
					    DV_CUDA_HOOKS_PTDS(NAME_PTDS)};

static const struct every_row *const tables[] = {every_launches, every_copies, every_memory,
						 every_life};

/* --- the world --- */

void *every_entry(const char *symbol)
{
	return cuda_entry(symbol);
}

void *every_driver(const char *symbol)
{
	char path[128];
	void *driver, *entry;

	snprintf(path, sizeof(path), "%s/libcuda-divvy-real.so", getenv(FAKE_DIR));
	driver = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
	entry = driver ? dlsym(driver, symbol) : NULL;
	CHECK(entry);
	return entry;
}

struct fake_stats every_stats(void)
{
	return stats_of(every.fake);
}

void every_charged(uint64_t bytes)
{
	if (!fake_wait(every.fake, used_is, every.base + bytes))
		fprintf(stderr, "charged: %llu, not %llu\n",
			(unsigned long long)(every_stats().used - every.base),
			(unsigned long long)bytes);
	CHECK(every_stats().used == every.base + bytes);
}

bool every_is_own(const struct every_row *row)
{
	size_t len = strlen(row->symbol);

	return len > 5 && strcmp(row->symbol + len - 5, "_ptsz") == 0;
}

void every_launch(struct dv_cu_stream *stream)
{
	DOES(CU(cuLaunchKernel)(every.kernel, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL));
}

void every_begin_only(void)
{
	char path[128];
	FILE *note;

	every.fake = fake_start(&(struct fake_config){.mode = FAKE_MANUAL,
						      .limit_bytes = every.limit_bytes,
						      .linger_ns = MS,
						      .inflight_ns = 100 * MS});
	CHECK(every.fake);
	setenv("DIVVY_LEASE_SOCKET", fake_path(every.fake), 1);
	setenv("DIVVY_LEASE_NONCE", FAKE_NONCE, 1);
	cuda_place();
	snprintf(path, sizeof(path), "%s/context-bytes", getenv(FAKE_DIR));
	note = fopen(path, "w");
	CHECK(note && fprintf(note, "%d\n", CONTEXT_BYTES) > 0 && fclose(note) == 0);
	cuda_open();
}

void every_begin(void)
{
	struct dv_cu_module *module;

	every_begin_only();
	DOES(CU(cuInit)(0));
	DOES(CU(cuCtxCreate_v2)(&every.context, 0, 0));
	DOES(CU(cuModuleLoadData)(&module, "divvy-sim-kernel name=spin args= ns=60000000\n"));
	DOES(CU(cuModuleGetFunction)(&every.kernel, module, "spin"));
	DOES(CU(cuStreamCreate)(&every.stream, DV_CU_STREAM_NON_BLOCKING));
	DOES(CU(cuMemAlloc_v2)(&every.a, SIZE));
	DOES(CU(cuMemAlloc_v2)(&every.b, SIZE));
	every.base = CONTEXT_BYTES + 2 * SIZE;
	CHECK(fake_wait(every.fake, used_is, every.base));
}

static bool ended;

static void *call(void *arg)
{
	const struct every_row *row = arg;

	DOES(CU(cuCtxSetCurrent)(every.context));
	DOES(row->call(row));
	__atomic_store_n(&ended, true, __ATOMIC_RELEASE);
	return NULL;
}

static bool none_runs(const struct fake_stats *stats, uint64_t nothing)
{
	return stats->counters.inflight == nothing;
}

void every_waits(const struct every_row *row)
{
	uint64_t wants = every_stats().wants;
	pthread_t thread;

	__atomic_store_n(&ended, false, __ATOMIC_RELEASE);
	CHECK(pthread_create(&thread, NULL, call, (void *)(uintptr_t)row) == 0);
	CHECK(fake_wait(every.fake, wants_are, wants + 1));
	usleep(3000);
	CHECK(!__atomic_load_n(&ended, __ATOMIC_ACQUIRE));
	fake_grant(every.fake, HELD | DV_GRANT_COPIES, now_ns() + 100000 * MS);
	CHECK(pthread_join(thread, NULL) == 0);
	DOES(CU(cuCtxSynchronize)());
	/* It was followed to its end. */
	CHECK(fake_wait(every.fake, none_runs, 0));
	CHECK(every_stats().counters.gated >= 1);
}

/* --- the test --- */

static const struct every_row *current;

static void check(void)
{
	current->check(current);
}

static void test_complete(void **state)
{
	unsigned rows = 0, missing = 0;

	for (size_t t = 0; t < DV_ARRAY_LEN(tables); t++)
		for (const struct every_row *row = tables[t]; row->symbol; row++)
			rows++;
	for (size_t i = 0; i < DV_ARRAY_LEN(hooks); i++) {
		unsigned found = 0;

		for (size_t t = 0; t < DV_ARRAY_LEN(tables); t++)
			for (const struct every_row *row = tables[t]; row->symbol; row++)
				found += strcmp(row->symbol, hooks[i]) == 0;
		if (found != 1)
			print_error("%s: %u rows\n", hooks[i], found);
		missing += found != 1;
	}
	assert_int_equal(missing, 0);
	assert_int_equal(rows, DV_ARRAY_LEN(hooks));
}

static void test_each(void **state)
{
	const char *only = getenv("EVERY");
	unsigned failed = 0;

	for (size_t t = 0; t < DV_ARRAY_LEN(tables); t++)
		for (current = tables[t]; current->symbol; current++) {
			if ((only && strcmp(only, current->symbol) != 0) || in_process(check))
				continue;
			print_error("%s does not hold\n", current->symbol);
			failed++;
		}
	assert_int_equal(failed, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_complete),
		cmocka_unit_test(test_each),
	};

	if (argc != 2 || !getenv("MACHINE_DIR"))
		return 2;
	setenv("DIVVY_SIM_MACHINE", getenv("MACHINE_DIR"), 1);
	return cmocka_run_group_tests_name("shim/cuda-every", tests, NULL, NULL);
}
