// SPDX-License-Identifier: MIT
/*
 * Text: growing, filled comments, quoted comments, parameter lists.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tests/run-cases.h"
#include "text.h"

static struct text text;

static void teardown(void)
{
	text_done(&text);
}

START_TEST(it_grows)
{
	for (int i = 0; i < 10000; i++)
		text_printf(&text, "%d,", i % 10);

	ck_assert_uint_eq(text.size, 20000);
	ck_assert_uint_eq(strlen(text.data), 20000);
	ck_assert_int_eq(memcmp(text.data + 19996, "8,9,", 4), 0);
	text_addn(&text, "a\0b", 3);
	ck_assert_uint_eq(text.size, 20003);
}
END_TEST

START_TEST(comments_are_filled)
{
	text_fill(&text, " * ", "One  line.");
	ck_assert_str_eq(text.data, " * One line.\n");
	text_done(&text);

	text_fill(&text, " * ",
		  "Words go on up to the margin of eighty columns and not to it but to the column "
		  "before.");
	ck_assert_str_eq(text.data,
			 " * Words go on up to the margin of eighty columns and not to it but to the\n"
			 " * column before.\n");
}
END_TEST

/* A word that is longer than a line is on its own line. */
START_TEST(long_words_stay_whole)
{
	char word[200], want[300];

	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	sprintf(want, "# a\n# %s\n# b\n", word);
	text_fill(&text, "# ", "a");
	text_fill(&text, "# ", word);
	text_fill(&text, "# ", "b");
	ck_assert_str_eq(text.data, want);
}
END_TEST

START_TEST(comments_are_quoted)
{
	text_quote(&text, " * ", " One.\n\n\n  Indented.\n\n");
	ck_assert_str_eq(text.data, " * One.\n *\n *  Indented.\n");
	text_done(&text);

	text_quote(&text, " * ", "\n \nNo blank\n");
	ck_assert_str_eq(text.data, " * No blank\n");
	text_done(&text);

	text_quote(&text, " * ", "");
	ck_assert_ptr_null(text.data);
}
END_TEST

START_TEST(what_would_end_a_comment_is_pulled_apart)
{
	text_quote(&text, " * ", " a */ b /* c **/ d ?\?/\n/ e \\\n");
	ck_assert_str_eq(text.data, " * a * / b / * c ** / d ? ?/\n * / e\n");
	ck_assert_ptr_null(strstr(text.data, "*/"));
	text_done(&text);

	text_quote(&text, " * ", " bell \a\n");
	ck_assert_str_eq(text.data, " * bell\n");
	text_done(&text);

	text_quote(&text, " * ", " a \u202eb\u2069 \u2019c\u20ac\n");
	ck_assert_str_eq(text.data, " * a b \u2019c\u20ac\n");
	text_done(&text);

	text_quote(&text, " * ", "/\n*/\n/*/\n");
	ck_assert_str_eq(text.data, " * /\n * * /\n * / * /\n");
}
END_TEST

START_TEST(parameters_are_broken_under_their_parenthesis)
{
	text_params(&text, 0, "int f", (const char *const[]){ "void", NULL }, ";\n");
	ck_assert_str_eq(text.data, "int f(void);\n");
	text_done(&text);

	text_params(&text, 1, "int (*twelve_long)",
		    (const char *const[]){ "struct some_thing *some_thing",
					   "const struct other_thing *other", "int n", NULL },
		    ";\n");
	ck_assert_str_eq(text.data,
			 "\tint (*twelve_long)(struct some_thing *some_thing,\n"
			 "\t\t\t   const struct other_thing *other, int n);\n");
}
END_TEST

/* The last column in use is the column before the margin. */
START_TEST(lines_end_before_the_margin)
{
	char a[128], want[200];

	for (size_t length = 60; length < 80; length++) {
		memset(a, 'a', length);
		a[length] = '\0';
		text_params(&text, 0, "f", (const char *const[]){ a, "b", NULL }, ";\n");
		sprintf(want, length + strlen("f(, b);") < TEXT_MARGIN ? "f(%s, b);\n" : "f(%s,\n  b);\n",
			a);
		ck_assert_str_eq(text.data, want);
		text_done(&text);
	}
}
END_TEST

int main(void)
{
	return RUN_CASES("text", NULL, teardown, it_grows, comments_are_filled,
			 long_words_stay_whole, comments_are_quoted,
			 what_would_end_a_comment_is_pulled_apart,
			 parameters_are_broken_under_their_parenthesis,
			 lines_end_before_the_margin);
}
