// SPDX-License-Identifier: MIT
/*
 * Words for errors.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/private.h"
#include "test-run.h"

START_TEST(every_number_has_words)
{
	ck_assert_str_eq(ipc_strerror(0), "no error");
	ck_assert_str_eq(ipc_strerror(-ENOTCONN), "no servicemanager is running");
	ck_assert_ptr_eq(ipc_strerror(ENOTCONN), ipc_strerror(-ENOTCONN));
	ck_assert_str_eq(ipc_strerror(-ENOMEM), "Cannot allocate memory");
	ck_assert_str_eq(ipc_strerror(-4095), "unknown error");
}
END_TEST

START_TEST(done_leaves_an_empty_error)
{
	struct ipc_error error = { .code = -EREMOTEIO, .name = strdup("a"), .message = strdup("b") };

	ipc_error_done(&error);
	ck_assert_int_eq(error.code, 0);
	ck_assert_ptr_null(error.name);
	ck_assert_ptr_null(error.message);
	ipc_error_done(&error);
	ipc_error_done(NULL);
}
END_TEST

/* This library touches what it knows, and a size stays that of the program. */
START_TEST(an_error_of_a_newer_program)
{
	struct {
		struct ipc_error error;
		uint64_t later;
	} newer = { .error = IPC_ERROR_INIT, .later = 7 };

	newer.error.size = sizeof(newer);
	newer.error.code = -EREMOTEIO;
	newer.error.cause = -EIO;
	newer.error.name = strdup("a");
	ipc_error_done(&newer.error);
	ck_assert_uint_eq(newer.error.size, sizeof(newer));
	ck_assert_int_eq(newer.error.code, 0);
	ck_assert_int_eq(newer.error.cause, 0);
	ck_assert_ptr_null(newer.error.name);
	ck_assert_uint_eq(newer.later, 7);
}
END_TEST

/* What ipc_fail() prints; the caller frees. */
static char *printed(const char *what, int code, const struct ipc_error *error)
{
	char *text = NULL;
	FILE *before = stderr;
	size_t size;

	stderr = open_memstream(&text, &size);
	ck_assert_int_eq(ipc_fail(what, code, error), 1);
	fclose(stderr);
	stderr = before;
	return text;
}

START_TEST(fail_says_what_is_known)
{
	struct ipc_error all = { .code = -EREMOTEIO, .name = "echo.Empty", .message = "nothing to say" };
	struct ipc_error text = { .code = -ENOENT, .name = NULL, .message = "no file of that name" };
	struct ipc_error behind = {
		.code = -EREMOTEIO, .origin = IPC_ORIGIN_BEHIND, .cause = -EOWNERDEAD,
	};
	struct ipc_error name = { .code = -EREMOTEIO, .name = "echo.Empty", .message = NULL };
	struct ipc_error none = IPC_ERROR_INIT;
	char *line;

	line = printed("say", -EREMOTEIO, &all);
	ck_assert_str_eq(line, "say: echo.Empty: nothing to say\n");
	free(line);
	line = printed("say", -ENOENT, &text);
	ck_assert_str_eq(line, "say: no file of that name\n");
	free(line);
	line = printed("say", -EREMOTEIO, &name);
	ck_assert_str_eq(line, "say: echo.Empty: the service reports an error\n");
	free(line);
	line = printed("say", -EREMOTEIO, &behind);
	ck_assert_str_eq(line, "say: the service reports: the object's process died or destroyed the object\n");
	free(line);
	line = printed("say", -ENOTCONN, &none);
	ck_assert_str_eq(line, "say: no servicemanager is running\n");
	free(line);
	line = printed("say", -ENOTCONN, NULL);
	ck_assert_str_eq(line, "say: no servicemanager is running\n");
	free(line);
}
END_TEST

/* What the service says reaches a terminal without what a terminal obeys. */
START_TEST(the_services_text_is_cleaned)
{
	static const struct {
		const char *text, *printed;
	} cases[] = {
		{ "\x1b]2;title\a\n\x7f", "?]2;title???" },
		{ "gr\xc3\xb6\xc3\x9f\xe2\x80\x9c\xf0\x9f\x92\x9b.", "gr\xc3\xb6\xc3\x9f\xe2\x80\x9c\xf0\x9f\x92\x9b." },
		/* CSI as one byte, in UTF-8, and after a character that is cut off. */
		{ "\x9b" "31m", "?31m" },
		{ "\xc2\x9b" "31m", "??31m" },
		{ "\xff\x9b\xf8\x9b" "31m", "\xff?\xf8?31m" },
		{ "\xe0\x80\x9b\xf0\x80\x9b", "\xe0??\xf0??" },
		{ "\xe2\x9b\x1b\x9b", "\xe2\x9b??" },
		{ "\xc3", "\xc3" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ipc_error error = { .code = -EREMOTEIO, .name = (char *)cases[i].text,
					   .message = (char *)cases[i].text };
		char *line = printed("say", -EREMOTEIO, &error), expected[128];

		snprintf(expected, sizeof(expected), "say: %s: %s\n", cases[i].printed,
			 cases[i].printed);
		ck_assert_str_eq(line, expected);
		free(line);
	}
}
END_TEST

int main(void)
{
	return RUN_TESTS("error", every_number_has_words, done_leaves_an_empty_error,
			 an_error_of_a_newer_program, fail_says_what_is_known,
			 the_services_text_is_cleaned);
}
