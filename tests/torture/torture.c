/* SPDX-License-Identifier: Apache-2.0 */
#include "torture.h"

#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

/* Far more than any operation that is tortured should need. */
enum { ALLOCATIONS_MOST = 1000000 };

static _Atomic(bool) armed, goes_onward;
static _Atomic(unsigned long) countdown, failures;
/* Allocated less given back while armed. */
static _Atomic(long) balance;

static bool must_fail(void)
{
	bool fails;

	if (!armed)
		return false;
	fails = countdown == 1 || (countdown == 0 && goes_onward);
	if (countdown)
		countdown--;
	if (fails) {
		failures++;
		errno = ENOMEM;
	}
	return fails;
}

#ifdef TORTURE_WRAP

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t most);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t most);

void *__wrap_malloc(size_t size)
{
	return must_fail() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return must_fail() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return must_fail() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t count, size_t size)
{
	return must_fail() ? NULL : __real_reallocarray(p, count, size);
}

char *__wrap_strdup(const char *text)
{
	return must_fail() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t most)
{
	return must_fail() ? NULL : __real_strndup(text, most);
}

#else

/* glibc's allocator by the names that are meant for those who replace it. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *p);

static void *count_in(void *p)
{
	if (armed && p)
		balance++;
	return p;
}

DV_EXPORT void *malloc(size_t size)
{
	return must_fail() ? NULL : count_in(__libc_malloc(size));
}

DV_EXPORT void *calloc(size_t count, size_t size)
{
	return must_fail() ? NULL : count_in(__libc_calloc(count, size));
}

DV_EXPORT void *realloc(void *p, size_t size)
{
	if (!p)
		return malloc(size);
	/* One is given back for the one that is taken: the balance stays. */
	return must_fail() ? NULL : __libc_realloc(p, size);
}

DV_EXPORT void *reallocarray(void *p, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, bytes);
}

DV_EXPORT void *memalign(size_t align, size_t size)
{
	return must_fail() ? NULL : count_in(__libc_memalign(align, size));
}

DV_EXPORT void *aligned_alloc(size_t align, size_t size)
{
	return memalign(align, size);
}

DV_EXPORT int posix_memalign(void **ret, size_t align, size_t size)
{
	void *p = memalign(align, size);

	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}

DV_EXPORT void free(void *p)
{
	if (armed && p)
		balance--;
	__libc_free(p);
}

#endif

void torture_arm(unsigned long nth, bool onward)
{
	countdown = nth;
	goes_onward = onward;
	failures = 0;
	balance = 0;
	armed = true;
}

unsigned long torture_disarm(void)
{
	armed = false;
	return failures;
}

/* Returns the number of allocations, or -1. */
static long run_all(const char *name, torture_fn fn, void *arg, bool onward)
{
	for (unsigned long nth = 1; nth < ALLOCATIONS_MOST; nth++) {
		unsigned long failed;
		long kept;
		int r;

		torture_arm(nth, onward);
		r = fn(arg);
		failed = torture_disarm();
		kept = balance;
		/* libc may do without: qsort sorts in place then. */
		if (r != 0 && (r != -ENOMEM || !failed)) {
			fprintf(stderr, "%s: answers %d when allocation %lu%s fails\n", name, r,
				nth, onward ? " and all that follow" : "");
			return -1;
		}
		if (kept != 0) {
			fprintf(stderr, "%s: keeps %ld allocations when number %lu%s fails\n", name,
				kept, nth, onward ? " and all that follow" : "");
			return -1;
		}
		if (!failed)
			return (long)nth - 1;
	}
	fprintf(stderr, "%s: allocates without end\n", name);
	return -1;
}

long torture_run(const char *name, torture_fn fn, void *arg)
{
	/* What is made once and kept is made here. */
	int r = fn(arg);
	long count;

	if (r != 0) {
		fprintf(stderr, "%s: answers %d with all the memory it wants\n", name, r);
		return -1;
	}
	count = run_all(name, fn, arg, false);
	return count < 0 || run_all(name, fn, arg, true) < 0 ? -1 : count;
}
