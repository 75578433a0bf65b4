/* SPDX-License-Identifier: Apache-2.0 */
/* Where the CUDA driver is looked for: a loader's cache with all that may stand in it, directories.
 */
#include "device/cuda.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../temporary.h"
#include "base/file.h"

static void test_beside(void **state)
{
	char buf[64], small[8];

	assert_string_equal(dv_cuda_library("/a/b/libnvidia-ml.so.1", buf, sizeof(buf)),
			    "/a/b/libcuda.so.1");
	assert_string_equal(dv_cuda_library("libnvidia-ml.so.1", buf, sizeof(buf)),
			    DV_CUDA_LIBRARY);
	assert_string_equal(dv_cuda_library("/a/b/libnvidia-ml.so.1", small, sizeof(small)),
			    DV_CUDA_LIBRARY);
}

static void write_file(const char *path, const void *data, size_t size)
{
	assert_int_equal(dv_file_write(path, data, size, 0600, NULL), 0);
}

static void test_found(void **state)
{
	char top[48], cache[80], narrow[80], wide[64], text[400];
	const char *dirs[] = {"/nowhere", NULL};
	struct dv_error err = {0};
	size_t len;

	assert_int_equal(temporary_make(top, sizeof(top), "cuda"), 0);
	(void)snprintf(cache, sizeof(cache), "%s/cache", top);
	(void)snprintf(narrow, sizeof(narrow), "%s/32", top);
	(void)snprintf(wide, sizeof(wide), "%s/64", top);
	assert_int_equal(mkdir(narrow, 0700) | mkdir(wide, 0700), 0);
	(void)snprintf(text, sizeof(text), "%s/libcuda.so.1", narrow);
	write_file(text, "\177ELF\1\1\1\0\0\0\0\0\0\0\0\0", 16);
	/* No cache, nor one in which it stands. */
	assert_int_equal(dv_cuda_find_in(cache, dirs, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/nowhere"));
	write_file(cache, "/libcuda.so.1", 13);
	assert_int_equal(dv_cuda_find_in(cache, dirs, NULL), -ENOENT);
	write_file(cache, "/libcuda.so.1", 14); /* that directory has none */
	assert_int_equal(dv_cuda_find_in(cache, dirs, NULL), -ENOENT);
	/* The 32-bit one does not count, wherever it is. */
	len = (size_t)snprintf(text, sizeof(text), "glibc-ld.so.cache1.1 libcuda.so.1%c%s%c", 0,
			       "x", 0);
	len += (size_t)snprintf(text + len, sizeof(text) - len, "%s/libcuda.so.1", narrow) + 1;
	write_file(cache, text, len);
	dirs[0] = narrow;
	assert_int_equal(dv_cuda_find_in(cache, dirs, NULL), -ENOENT);
	len += (size_t)snprintf(text + len, sizeof(text) - len, "%s/libcuda.so.1", wide) + 1;
	write_file(cache, text, len);
	assert_int_equal(dv_cuda_find_in(cache, dirs, NULL), -ENOENT);
	(void)snprintf(narrow, sizeof(narrow), "%s/libcuda.so.1", wide);
	assert_int_equal(symlink("/proc/self/exe", narrow), 0);
	assert_int_equal(dv_cuda_find_in(cache, dirs, NULL), 0);
	dirs[0] = wide;
	assert_int_equal(unlink(cache), 0);
	assert_int_equal(dv_cuda_find_in(cache, dirs, NULL), 0);
	(void)snprintf(text, sizeof(text), "%s/libnvidia-ml.so.1", wide);
	assert_int_equal(dv_cuda_find(text, NULL), 0);
	assert_int_equal(unlink(narrow), 0);
	assert_int_equal(dv_cuda_find(text, NULL), -ENOENT);
	assert_int_equal(temporary_remove(top), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_beside),
		cmocka_unit_test(test_found),
	};

	return cmocka_run_group_tests_name("device/cuda", tests, NULL, NULL);
}
