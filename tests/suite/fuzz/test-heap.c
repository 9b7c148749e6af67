// SPDX-License-Identifier: MIT
/*
 * The heap of the fast fuzzer finds what it is there to find, and is a heap.
 */
#include <check.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "heap.h"

static jmp_buf after;
static const char *volatile found;

_Noreturn void heap_found(const char *what)
{
	found = what;
	longjmp(after, 1);
}

/* So that the compiler does not know what happens to it. */
static void *volatile object;

static const char *of_settle(void)
{
	found = NULL;
	if (!setjmp(after))
		heap_settle();
	return found ? found : "";
}

static const char *of_free(void *what)
{
	found = NULL;
	if (!setjmp(after))
		free(what);
	return found ? found : "";
}

static void write_byte(size_t at)
{
	((volatile char *)object)[at] ^= 1;
}

static const size_t sizes[] = { 1, 16, 17, 1016, 1017, 1024, 1025, 4096, 5000, 70000 };

START_TEST(written_after_it_was_freed)
{
	size_t last = sizes[_i] - 1;

	object = malloc(sizes[_i]);
	free(object);
	write_byte(last);
	ck_assert_str_eq(of_settle(), "heap: written to after it was freed");
	write_byte(last);
	ck_assert_str_eq(of_settle(), "");
}
END_TEST

START_TEST(written_behind_its_end)
{
	for (size_t behind = 0; behind < 8; behind++) {
		object = malloc(sizes[_i]);
		write_byte(sizes[_i] + behind);
		ck_assert_str_eq(of_free(object), "heap: written behind the end of an object");
		write_byte(sizes[_i] + behind);
		ck_assert_str_eq(of_free(object), "");
	}
}
END_TEST

START_TEST(freed_twice)
{
	object = malloc(sizes[_i]);
	free(object);
	ck_assert_str_eq(of_free(object), "heap: freed twice");
}
END_TEST

START_TEST(no_object)
{
	char text[64] = "";

	ck_assert_str_eq(of_free(text + 32),
			 "heap: what is freed is no object, or was written before its begin");
}
END_TEST

/* Nothing of Check's is called in between: it has objects of its own. */
START_TEST(what_is_freed_points_nowhere_and_rests)
{
	bool filled = true, early = false, reused = false;
	void *again[64];

	object = malloc(sizes[_i]);
	heap_settle();
	free(object);
	for (size_t i = 0; i < sizes[_i]; i++)
		filled &= ((volatile uint8_t *)object)[i] == HEAP_FREED;
	for (int i = 0; i < 64; i++) {
		again[i] = malloc(sizes[_i]);
		early |= again[i] == object;
	}
	heap_settle();
	for (int i = 0; i < 64; i++) {
		void *later = malloc(sizes[_i]);

		reused |= later == object;
		free(again[i]);
		free(later);
	}
	ck_assert(filled);
	ck_assert(!early);
	ck_assert(reused);
}
END_TEST

START_TEST(is_a_heap)
{
	volatile size_t many = SIZE_MAX / 2;
	uint64_t *words = calloc(100, 8);

	for (int i = 0; i < 100; i++) {
		ck_assert_uint_eq(words[i], 0);
		words[i] = i;
	}
	words = realloc(words, 8000);
	for (int i = 0; i < 100; i++)
		ck_assert_uint_eq(words[i], i);
	ck_assert_uint_eq((uintptr_t)words % 16, 0);
	free(words);
	free(NULL);
	object = calloc(many, 3);
	ck_assert_ptr_null(object);
	object = malloc(many / 2);
	ck_assert_ptr_null(object);
}
END_TEST

int main(void)
{
	const int n = sizeof(sizes) / sizeof(*sizes);
	Suite *suite = suite_create("heap");
	TCase *tcase = tcase_create("all");
	SRunner *runner;

	tcase_add_loop_test(tcase, written_after_it_was_freed, 0, n);
	tcase_add_loop_test(tcase, written_behind_its_end, 0, n);
	tcase_add_loop_test(tcase, freed_twice, 0, n);
	tcase_add_test(tcase, no_object);
	tcase_add_loop_test(tcase, what_is_freed_points_nowhere_and_rests, 0, n);
	tcase_add_test(tcase, is_a_heap);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	return srunner_ntests_failed(runner) ? EXIT_FAILURE : EXIT_SUCCESS;
}
