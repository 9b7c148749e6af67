// SPDX-License-Identifier: MIT
/*
 * The driver fuzzer's own mutations stay within the space that they are given, from
 * any input: none at all, one with more operations than are run, one that fills the
 * space. Under the address sanitizer, with memory of the very size.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "driver/input.h"

/* libFuzzer's is another matter. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size)
{
	(void)data;
	return size < max_size ? size : max_size;
}

static uint8_t *space(size_t size)
{
	uint8_t *data = malloc(size);

	ck_assert_ptr_nonnull(data);
	memset(data, 7, size);
	return data;
}

static const size_t sizes[] = {
	0, 1, HEADER, HEADER + 1, HEADER + OP, HEADER + OP * 9 + 3, HEADER + OP * (MAX_OPS - 1),
	HEADER + OP * MAX_OPS, HEADER + OP * (MAX_OPS + 1), HEADER + OP * 500 + 5,
};

#define N_SIZES (sizeof(sizes) / sizeof(*sizes))

START_TEST(mutations_stay_inside)
{
	size_t max = sizes[_i] + 1;

	for (size_t i = 0; i < N_SIZES; i++) {
		for (unsigned int seed = 0; sizes[i] <= max && seed < 2000; seed++) {
			uint8_t *data = space(max);

			ck_assert_uint_le(LLVMFuzzerCustomMutator(data, sizes[i], max,
								  seed * 2654435761U), max);
			free(data);
		}
	}
}
END_TEST

START_TEST(crosses_stay_inside)
{
	size_t max = sizes[_i];

	for (unsigned int seed = 0; seed < N_SIZES * N_SIZES * 50; seed++) {
		size_t a_size = sizes[seed % N_SIZES], b_size = sizes[seed / N_SIZES % N_SIZES];
		uint8_t *a = space(a_size), *b = space(b_size), *out = space(max);

		ck_assert_uint_le(LLVMFuzzerCustomCrossOver(a, a_size, b, b_size, out, max,
							    seed * 2654435761U), max);
		free(a);
		free(b);
		free(out);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mutate");
	TCase *tc = tcase_create("bounds");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, mutations_stay_inside, 0, N_SIZES);
	tcase_add_loop_test(tc, crosses_stay_inside, 0, N_SIZES);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
