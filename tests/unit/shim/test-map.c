/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/core/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum { ADDRESSES = 600, STEPS = 40000 };

static uint64_t seed;

static uint32_t draw(void)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(seed >> 33);
}

/* Against a plain array, over any order of puts and takes. */
static void test_as_an_array(void **state)
{
	static uint64_t held[ADDRESSES];
	const char *given = getenv("DV_TEST_SEED");
	struct dv_shim_map map = {0};

	seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
	print_message("seed %llu\n", (unsigned long long)seed);
	for (int step = 0; step < STEPS; step++) {
		/* Phases of growth and of shrinking, so that clusters build and break. */
		size_t i = draw() % ADDRESSES;
		bool put = draw() % 10 < (step / 1000 % 2 ? 3u : 7u);
		uintptr_t address = 4096 + i * 4096;
		struct dv_shim_map_entry entry;

		if (put) {
			held[i] = 1 + draw() % 4096;
			entry = (struct dv_shim_map_entry){address, held[i], (void *)held[i]};
			assert_int_equal(dv_shim_map_put(&map, &entry), 0);
		} else {
			assert_int_equal(dv_shim_map_take(&map, (void *)address, &entry),
					 held[i] != 0);
			if (held[i])
				assert_int_equal(entry.bytes, held[i]);
			held[i] = 0;
		}
		i = draw() % ADDRESSES;
		address = 4096 + i * 4096 + draw() % 4096;
		if (step % 50 == 0)
			assert_int_equal(dv_shim_map_spans(&map, (void *)address),
					 address - (4096 + i * 4096) < held[i]);
	}
	dv_shim_map_fini(&map);
}

static void test_empty(void **state)
{
	struct dv_shim_map map = {0};
	struct dv_shim_map_entry entry = {0};

	assert_false(dv_shim_map_take(&map, &entry, &entry));
	assert_false(dv_shim_map_take(&map, NULL, &entry));
	assert_false(dv_shim_map_spans(&map, &entry));
	dv_shim_map_fini(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_an_array),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests_name("shim/map", tests, NULL, NULL);
}
