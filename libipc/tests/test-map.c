// SPDX-License-Identifier: MIT
/*
 * The map compared with a plain array, with and without colliding keys.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "base/map.h"
#include "test-run.h"

#define KEYS	512

static void *value_of(uint64_t key)
{
	return (void *)(uintptr_t)(key * 8 + 8);
}

START_TEST(empty)
{
	struct map map = { 0 };
	uint64_t key;

	ck_assert_ptr_null(map_get(&map, 0));
	ck_assert_ptr_null(map_remove(&map, 0));
	ck_assert_ptr_null(map_first(&map, &key));
	map_done(&map);
	/* The map must be empty. */
	map_done(&map);
}
END_TEST

START_TEST(key_zero_is_a_key)
{
	struct map map = { 0 };

	ck_assert_int_eq(map_add(&map, 0, &map), 0);
	ck_assert_ptr_eq(map_get(&map, 0), &map);
	ck_assert_ptr_null(map_get(&map, 1));
	ck_assert_ptr_eq(map_remove(&map, 0), &map);
	ck_assert_ptr_null(map_get(&map, 0));
	map_done(&map);
}
END_TEST

/* Adds and removes keys at random, and compares every key after every step. */
static void compare_with_array(uint64_t spread)
{
	struct map map = { 0 };
	bool there[KEYS] = { false };
	size_t count = 0;

	srand(1);
	for (int step = 0; step < 4000; step++) {
		uint64_t i = (uint64_t)rand() % KEYS;

		if (there[i]) {
			ck_assert_ptr_eq(map_remove(&map, i * spread), value_of(i));
			count--;
		} else {
			ck_assert_int_eq(map_add(&map, i * spread, value_of(i)), 0);
			count++;
		}
		there[i] = !there[i];
		ck_assert_uint_eq(map.count, count);
		for (uint64_t k = 0; k < KEYS; k++)
			if (map_get(&map, k * spread) != (there[k] ? value_of(k) : NULL))
				ck_abort_msg("key %d is wrong after step %d", (int)k, step);
	}
	map_done(&map);
}

START_TEST(consecutive_keys)
{
	compare_with_array(1);
}
END_TEST

START_TEST(distant_keys)
{
	compare_with_array(UINT64_C(1) << 32);
}
END_TEST

/* The low 32 bits of all hashes are equal: a single long run of collisions. */
START_TEST(colliding_keys)
{
	compare_with_array(UINT64_C(1) << 55);
}
END_TEST

START_TEST(first_empties)
{
	struct map map = { 0 };
	uint64_t key;
	int n = 0;

	for (uint64_t i = 0; i < 100; i++)
		ck_assert_int_eq(map_add(&map, i, value_of(i)), 0);
	while (map_first(&map, &key)) {
		ck_assert_ptr_eq(map_remove(&map, key), value_of(key));
		n++;
	}
	ck_assert_int_eq(n, 100);
	map_done(&map);
}
END_TEST

int main(void)
{
	return RUN_TESTS("map", empty, key_zero_is_a_key, consecutive_keys, distant_keys, colliding_keys, first_empties);
}
