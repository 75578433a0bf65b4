/* SPDX-License-Identifier: Apache-2.0 */
/* Every way in to the driver comes to the same wrappers: a linked program, dlsym, cuGetProcAddress
 * of both versions and the pointer that it gives for itself, a library loaded with RTLD_DEEPBIND,
 * another namespace; and what is not hooked, known or not, comes to the driver. */
#include <errno.h>
#include <spawn.h>
#include <sys/stat.h>

#include "cuda-program.h"

#define OK DV_CUDA_SUCCESS
#define OOM DV_CUDA_ERROR_OUT_OF_MEMORY

enum { LIMIT = 1000, NEWEST = 13000 };

struct row {
	const char *symbol, *name;
	int since;
	bool own_stream;
};

#define ROW(symbol, name, since, args) {#symbol, #name, since, false},
#define ROW_PTSZ(symbol, name, since, args)                                                        \
	ROW(symbol, name, since, args){#symbol "_ptsz", #name, since, true},
#define ROW_PTDS(symbol, name, since, args)                                                        \
	ROW(symbol, name, since, args){#symbol "_ptds", #name, since, true},
static const struct row rows[] = {DV_CUDA_PLAIN_CALLS(ROW) DV_CUDA_PTSZ_CALLS(
	ROW_PTSZ) DV_CUDA_PTDS_CALLS(ROW_PTDS) DV_CUDA_UNSIMULATED_CALLS(ROW)};

static void *driver_entry(const char *symbol)
{
	void *driver = dlopen("libcuda-divvy-real.so", RTLD_NOW | RTLD_NOLOAD);
	char path[128];

	if (!driver) {
		snprintf(path, sizeof(path), "%s/libcuda-divvy-real.so", getenv(FAKE_DIR));
		driver = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
	}
	CHECK(driver);
	return dlsym(driver, symbol);
}

/* Whatever the driver answers is replaced by what dlsym finds for the same symbol, and by nothing
 * else: for each name, version and kind of stream. */
static void every_symbol(void)
{
	dv_cuGetProcAddress_v2_fn *ask, *ask_driver;
	unsigned hooked = 0, passed = 0;

	(void)begin(&(struct fake_config){.limit_bytes = LIMIT});
	ask = CU(cuGetProcAddress_v2);
	ask_driver = (dv_cuGetProcAddress_v2_fn *)driver_entry("cuGetProcAddress_v2");
	for (size_t i = 0; i < DV_ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		uint64_t flags = row->own_stream ? 2 : 0;
		enum dv_cu_symbol_status status = 9, expected = 9;
		void *answer = NULL, *drivers = NULL, *found;
		Dl_info info;
		enum dv_cu_result r = ask_driver(row->name, &drivers, row->since, flags, &expected);

		CHECK(ask(row->name, &answer, row->since, flags, &status) == r);
		CHECK(status == expected);
		if (r != OK) {
			CHECK(!answer);
			continue;
		}
		CHECK(dladdr(drivers, &info) && info.dli_sname);
		found = dlsym(cuda, info.dli_sname);
		CHECK(answer == found);
		hooked += answer != drivers;
		passed += answer == drivers;
	}
	CHECK(hooked > 60 && passed > 3);
}

static enum dv_cu_result allocate_by(void *entry, size_t size)
{
	dv_cuMemAlloc_v2_fn *allocate = (dv_cuMemAlloc_v2_fn *)entry;
	dv_cu_ptr p;

	CHECK(entry);
	return allocate(&p, size);
}

static void asked_for(void)
{
	void *entry, *again, *unknown;
	enum dv_cu_symbol_status status;

	(void)begin(&(struct fake_config){.limit_bytes = LIMIT});
	errno = 7;
	CHECK(CU(cuGetProcAddress_v2)("cuMemAlloc", &entry, 3020, 0, NULL) == OK);
	CHECK(allocate_by(entry, LIMIT + 1) == OOM);
	CHECK(CU(cuGetProcAddress)("cuMemAlloc", &entry, 11030, 0) == OK);
	CHECK(allocate_by(entry, LIMIT + 1) == OOM);
	/* By the pointer that it gives for itself, again and again. */
	CHECK(CU(cuGetProcAddress_v2)("cuGetProcAddress", &entry, 12000, 0, &status) == OK);
	CHECK(entry == (void *)CU(cuGetProcAddress_v2));
	CHECK(((dv_cuGetProcAddress_v2_fn *)entry)("cuGetProcAddress", &again, 12000, 0, &status) ==
	      OK);
	CHECK(((dv_cuGetProcAddress_v2_fn *)again)("cuMemAlloc", &entry, 12000, 0, NULL) == OK);
	CHECK(allocate_by(entry, LIMIT + 1) == OOM);
	CHECK(CU(cuGetProcAddress_v2)("cuGetProcAddress", &entry, 11030, 0, &status) == OK);
	CHECK(entry == (void *)CU(cuGetProcAddress));
	/* Streams: each variant has its own wrapper. */
	CHECK(CU(cuGetProcAddress_v2)("cuLaunchKernel", &entry, 7000, 2, NULL) == OK);
	CHECK(entry == (void *)CU_OWN(cuLaunchKernel));
	CHECK(CU(cuGetProcAddress_v2)("cuLaunchKernel", &entry, 7000, 0, NULL) == OK);
	CHECK(entry == (void *)CU(cuLaunchKernel));
	/* What nobody knows yet, and what is no question. */
	CHECK(CU(cuGetProcAddress_v2)("cuNewThing", &unknown, 99000, 0, NULL) == OK);
	CHECK(((fake_cuda_new_thing_fn *)unknown)() == 4242);
	CHECK(((fake_cuda_new_thing_fn *)dlsym(cuda, "cuNewThing"))() == 4242);
	CHECK(CU(cuGetProcAddress_v2)("", &unknown, 0, 0, NULL) != OK);
	CHECK(CU(cuGetProcAddress_v2)("cuMemAlloc", NULL, 12000, 0, NULL) != OK);
	CHECK(CU(cuGetProcAddress_v2)(NULL, &unknown, 12000, 0, NULL) != OK);
	CHECK(CU(cuGetProcAddress_v2)("cuNoSuchThing", &unknown, 12000, 0, NULL) ==
	      DV_CUDA_ERROR_NOT_FOUND);
	CHECK(errno == 7);
}

/* A driver that answers with addresses of its own, which are no symbols. */
static void hidden_answers(void)
{
	void *entry;

	(void)begin(&(struct fake_config){.limit_bytes = LIMIT});
	FAKE(fake_cuda_hide)(1);
	CHECK(CU(cuGetProcAddress_v2)("cuMemAlloc", &entry, 3020, 0, NULL) == OK);
	CHECK(entry == (void *)CU(cuMemAlloc_v2));
	CHECK(CU(cuGetProcAddress)("cuMemAlloc", &entry, 12000, 0) == OK);
	CHECK(entry == (void *)CU(cuMemAlloc_v2));
	/* Of a version that is not known, but is the one that is. */
	CHECK(CU(cuGetProcAddress_v2)("cuMemAlloc", &entry, NEWEST + 5000, 0, NULL) == OK);
	CHECK(entry == (void *)CU(cuMemAlloc_v2));
	/* Of one that is another: the driver's, whatever its arguments are. */
	FAKE(fake_cuda_hide)(NEWEST + 5000);
	CHECK(CU(cuGetProcAddress_v2)("cuMemAlloc", &entry, NEWEST + 5000, 0, NULL) == OK);
	CHECK(entry != (void *)CU(cuMemAlloc_v2) && entry != driver_entry("cuMemAlloc_v2"));
}

/* Sanitizers refuse both. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define NOT_UNDER_SANITIZERS()                                                                     \
	do {                                                                                       \
		fprintf(stderr, "skipped under a sanitizer: %s\n", __func__);                      \
		return;                                                                            \
	} while (0)
#else
#define NOT_UNDER_SANITIZERS() (void)0
#endif

static void check_handle(void *handle)
{
	struct dv_cu_context *context;

	if (!handle)
		fprintf(stderr, "%s\n", dlerror());
	CHECK(handle);
	cuda = handle;
	CHECK(CU(cuInit)(0) == OK && CU(cuCtxCreate_v2)(&context, 0, 0) == OK);
	CHECK(allocate_by(dlsym(handle, "cuMemAlloc_v2"), LIMIT + 1) == OOM);
	CHECK(((fake_cuda_new_thing_fn *)dlsym(handle, "cuNewThing"))() == 4242);
}

static void deep_bind(void)
{
	struct fake *fake = begin_without_context(&(struct fake_config){.limit_bytes = LIMIT});

	check_handle(dlopen(cuda_path, RTLD_NOW | RTLD_DEEPBIND));
	CHECK(stats_of(fake).hellos == 1);
}

static void deep_bind_first(void)
{
	struct fake *fake = fake_start(&(struct fake_config){.limit_bytes = LIMIT});

	CHECK(fake);
	setenv("DIVVY_LEASE_SOCKET", fake_path(fake), 1);
	setenv("DIVVY_LEASE_NONCE", FAKE_NONCE, 1);
	cuda_place();
	check_handle(dlopen(cuda_path, RTLD_NOW | RTLD_DEEPBIND));
	/* Whoever asks by the name alone gets what is there. */
	CHECK(dlopen("libcuda.so.1", RTLD_NOW) == cuda);
}

/* A namespace of its own: a second copy, and a client of its own. */
static void other_namespace(void)
{
	struct fake *fake = begin_without_context(&(struct fake_config){.limit_bytes = LIMIT});

	check_handle(dlmopen(LM_ID_NEWLM, cuda_path, RTLD_NOW));
	CHECK(stats_of(fake).hellos == 2);
}

extern char **environ;

static void run_linked(void)
{
	char *const argv[] = {getenv("DIVVY_TEST_LINKED"), (char *)"1000", NULL};
	int status;
	pid_t pid;

	CHECK(posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) == 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	if (status)
		fprintf(stderr, "the linked program: %#x\n", (unsigned)status);
	CHECK(status == 0);
}

static void linked(void)
{
	struct fake *fake = begin_without_context(&(struct fake_config){.limit_bytes = LIMIT});

	setenv("LD_LIBRARY_PATH", getenv(FAKE_DIR), 1);
	run_linked();
	CHECK(stats_of(fake).hellos == 2);
}

/* The driver's own library is what the name means, but ours is loaded before it. */
static void preloaded(void)
{
	struct fake *fake = begin_without_context(&(struct fake_config){.limit_bytes = LIMIT});
	char path[128], name[160];

	snprintf(path, sizeof(path), "%s/plain", getenv(FAKE_DIR));
	CHECK(mkdir(path, 0700) == 0);
	snprintf(name, sizeof(name), "%s/libcuda.so.1", path);
	CHECK(symlink(getenv("DIVVY_TEST_DRIVER"), name) == 0);
	setenv("LD_LIBRARY_PATH", path, 1);
	setenv("LD_PRELOAD", cuda_path, 1);
	run_linked();
	CHECK(stats_of(fake).hellos == 2);
}

TEST(every_symbol)
TEST(asked_for)
TEST(hidden_answers)
TEST(linked)

static void test_deep_bind(void **state)
{
	NOT_UNDER_SANITIZERS();
	assert_true(in_process(deep_bind));
	assert_true(in_process(deep_bind_first));
}

static void test_other_namespace(void **state)
{
	NOT_UNDER_SANITIZERS();
	assert_true(in_process(other_namespace));
}

static void test_preloaded(void **state)
{
	NOT_UNDER_SANITIZERS();
	assert_true(in_process(preloaded));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_symbol),   cmocka_unit_test(test_asked_for),
		cmocka_unit_test(test_hidden_answers), cmocka_unit_test(test_linked),
		cmocka_unit_test(test_deep_bind),      cmocka_unit_test(test_other_namespace),
		cmocka_unit_test(test_preloaded),
	};

	return cmocka_run_group_tests_name("shim/cuda-ways", tests, NULL, NULL);
}
