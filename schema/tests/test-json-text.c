// SPDX-License-Identifier: MIT
/*
 * JSON as text, besides the cases of test-json.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../tests/run-cases.h"
#include "schema/json.h"

static json_t *read_text(const char *text, bool more, json_error_t *error)
{
	FILE *file = fmemopen((char *)text, strlen(text), "r");
	json_t *value;

	ck_assert_ptr_nonnull(file);
	value = value_read(file, more, error);
	fclose(file);
	return value;
}

/* A process that waits for the result of a value writes no further value in the meantime. */
START_TEST(a_value_is_read_before_the_next_character)
{
	static const char *const texts[] = { "{\"a\": [1]}", " \n[]", "\"text\"" };
	json_error_t error;
	FILE *file;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	file = fdopen(fds[0], "r");
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		json_t *value;

		ck_assert_int_eq(write(fds[1], texts[i], strlen(texts[i])), strlen(texts[i]));
		value = value_read(file, /* more= */ true, &error);
		ck_assert_msg(value, "%s", error.text);
		json_decref(value);
	}
	close(fds[1]);
	ck_assert_ptr_null(value_read(file, /* more= */ true, &error));
	ck_assert_str_eq(error.text, "");
	fclose(file);
}
END_TEST

START_TEST(the_end_is_an_error_within_a_value)
{
	json_error_t error;

	ck_assert_ptr_null(read_text("{\"a\": 1", true, &error));
	ck_assert_str_eq(error.text, "',' or '}' expected at the end");
	ck_assert_ptr_null(read_text("", false, &error));
	ck_assert_str_eq(error.text, "a value expected at the end");
	ck_assert_ptr_null(read_text(" ", true, &error));
	ck_assert_str_eq(error.text, "");
}
END_TEST

START_TEST(errors_have_a_place)
{
	json_error_t error;

	ck_assert_ptr_null(read_text("{\"a\": 1,\n  \"a\": 2}", false, &error));
	ck_assert_str_eq(error.text, "duplicate key \"a\"");
	ck_assert_int_eq(error.line, 2);
	ck_assert_int_eq(error.column, 5);
	ck_assert_ptr_null(read_text("{\"a\": x}", false, &error));
	ck_assert_str_eq(error.text, "a value expected near 'x'");
	ck_assert_int_eq(error.line, 1);
	ck_assert_int_eq(error.column, 7);
}
END_TEST

START_TEST(integers_have_any_size)
{
	json_error_t error;
	json_t *array = read_text("[9223372036854775807, 9223372036854775808, \"1\", -0]", false,
				  &error);

	ck_assert_int_eq(json_integer_value(json_array_get(array, 0)), 9223372036854775807);
	ck_assert_ptr_null(value_integer_text(json_array_get(array, 0)));
	ck_assert_str_eq(value_integer_text(json_array_get(array, 1)), "9223372036854775808");
	ck_assert(!value_is_string(json_array_get(array, 1)));
	ck_assert(value_is_string(json_array_get(array, 2)));
	ck_assert(signbit(json_real_value(json_array_get(array, 3))));
	json_decref(array);
}
END_TEST

static void is_written(const char *text, bool indent, const char *expected)
{
	json_error_t error;
	json_t *value = read_text(text, false, &error);
	char *written = value_write(value, indent);

	ck_assert_str_eq(written, expected);
	free(written);
	json_decref(value);
}

START_TEST(values_are_written)
{
	is_written("[1, 1.0, 0.1, 1e300, -0.0, 452.3, 123456789.123456789, 5e-324]", false,
		   "[1,1.0,0.1,1e+300,-0.0,452.3,123456789.12345679,4.94065645841247e-324]");
	is_written("{\"a\\u0000b\": {}, \"c\": [], \"d\": [null, true, \"\\n\"]}", false,
		   "{\"a\\u0000b\":{},\"c\":[],\"d\":[null,true,\"\\n\"]}");
	is_written("{\"a\": {\"b\": [1, 2]}, \"c\": {}, \"d\": []}", true,
		   "{\n  \"a\": {\n    \"b\": [\n      1,\n      2\n    ]\n  },\n  \"c\": {},\n"
		   "  \"d\": []\n}");
	ck_assert_ptr_null(value_write(NULL, true));
}
END_TEST

int main(void)
{
	return RUN_CASES("json-text", NULL, NULL, a_value_is_read_before_the_next_character,
			 the_end_is_an_error_within_a_value, errors_have_a_place,
			 integers_have_any_size, values_are_written);
}
