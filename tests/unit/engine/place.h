/* SPDX-License-Identifier: Apache-2.0 */
/* A world of two devices with one started engine, for tests that need nothing else; after each
 * test everything must fit together. The caller includes cmocka. */
#pragma once

#include <stdlib.h>

#include "fake.h"

struct place {
	struct fake_world world;
	struct fake fake;
};

static inline int place_setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	if (!place)
		return -1;
	fake_world_init(&place->world, 2);
	fake_init(&place->fake, &place->world, 0);
	*state = place;
	return fake_start(&place->fake);
}

static inline int place_teardown(void **state)
{
	struct place *place = *state;
	bool good = fake_consistent(&place->fake);

	fake_fini(&place->fake);
	free(place);
	return good ? 0 : -1;
}

static inline struct fake *fake_of_state(void **state)
{
	return &((struct place *)*state)->fake;
}

#define PLACE_TEST(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)
