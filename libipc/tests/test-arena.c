// SPDX-License-Identifier: MIT
/*
 * The arena: allocations are aligned, do not overlap, and are limited.
 */
#include <errno.h>
#include <string.h>

#include "typed/arena.h"
#include "test-run.h"

START_TEST(first_from_the_block)
{
	uint64_t block[4];
	struct arena arena;

	arena_init(&arena, block, sizeof(block), 1000);
	ck_assert_ptr_eq(arena_alloc(&arena, 1), &block[0]);
	ck_assert_ptr_eq(arena_alloc(&arena, 8), &block[1]);
	ck_assert_ptr_eq(arena_alloc(&arena, 16), &block[2]);
	ck_assert_ptr_null(arena.chunks);
	ck_assert_ptr_nonnull(arena_alloc(&arena, 1));
	ck_assert_ptr_nonnull(arena.chunks);
	arena_done(&arena);
}
END_TEST

START_TEST(pieces_are_apart)
{
	uint8_t *piece[200];
	struct arena arena;
	uint64_t block[8];

	arena_init(&arena, block, sizeof(block), 1 << 20);
	for (size_t i = 0; i < 200; i++) {
		piece[i] = arena_alloc(&arena, i);
		ck_assert_ptr_nonnull(piece[i]);
		ck_assert_uint_eq((uintptr_t)piece[i] % 8, 0);
		memset(piece[i], (int)i, i);
	}
	for (size_t i = 0; i < 200; i++)
		for (size_t j = 0; j < i; j++)
			ck_assert_uint_eq(piece[i][j], i);
	arena_done(&arena);
}
END_TEST

START_TEST(allocation_larger_than_a_chunk)
{
	struct arena arena;
	uint8_t *piece;

	arena_init(&arena, NULL, 0, 10 << 20);
	piece = arena_alloc(&arena, 5 << 20);
	ck_assert_ptr_nonnull(piece);
	memset(piece, 1, 5 << 20);
	arena_done(&arena);
}
END_TEST

START_TEST(budget_ends)
{
	struct arena arena;

	arena_init(&arena, NULL, 0, 1000);
	ck_assert_ptr_null(arena_alloc(&arena, 1001));
	ck_assert_int_eq(arena.error, -EMSGSIZE);
	ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX));
	ck_assert_ptr_nonnull(arena_alloc(&arena, 600));
	ck_assert_ptr_null(arena_alloc(&arena, 600));
	ck_assert_ptr_nonnull(arena_alloc(&arena, 400));
	ck_assert_ptr_null(arena_alloc(&arena, 1));
	arena_done(&arena);
}
END_TEST

/* A size that is rounded up beyond the budget must not wrap it around. */
START_TEST(budget_does_not_wrap)
{
	struct arena arena;

	arena_init(&arena, NULL, 0, 3);
	ck_assert_ptr_nonnull(arena_alloc(&arena, 3));
	ck_assert_uint_eq(arena.budget, 0);
	ck_assert_ptr_null(arena_alloc(&arena, 1));
	arena_done(&arena);
}
END_TEST

int main(void)
{
	return RUN_TESTS("arena", first_from_the_block, pieces_are_apart, allocation_larger_than_a_chunk, budget_ends, budget_does_not_wrap);
}
