// SPDX-License-Identifier: MIT
/*
 * Texts of errors.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "conn/private.h"
#include "test-run.h"

START_TEST(every_number_has_words)
{
	ck_assert_str_eq(ipc_strerror(0), "no error");
	ck_assert_str_eq(ipc_strerror(-ENOTCONN), "no service manager is running; start servicemanager");
	ck_assert_ptr_eq(ipc_strerror(ENOTCONN), ipc_strerror(-ENOTCONN));
	ck_assert_ptr_nonnull(strstr(ipc_strerror(-EINVAL), "malformed"));
	ck_assert_str_eq(ipc_strerror(-ENOMEM), "Cannot allocate memory");
	ck_assert_str_eq(ipc_strerror(-4095), "unknown error");
}
END_TEST

#define MALFORMED "the name is malformed; " IPC_NAME_RULE
#define OTHER "an argument other than the name is out of range, closed or of another connection"

/* The cause of an errno that has several. */
START_TEST(names_have_texts_of_their_own)
{
	char longest[129] = "", text[IPC_ERROR_TEXT_MAX], small[12];
	const struct {
		const char *name;
		int code;
		const char *text;
	} cases[] = {
		{ "demo.echo", -ENOENT, "no process has registered the name" },
		{ "demo.echo", ENOENT, "no process has registered the name" },
		{ "demo.echo", -ENOTCONN, ipc_strerror(ENOTCONN) },
		{ "demo.echo", -ETIMEDOUT, "the timeout expired: no process has registered the name, or the "
					   "service manager does not reply" },
		{ "demo.echo", -EINVAL, OTHER },
		{ "_a..b-/1/_", -EINVAL, OTHER },
		{ "demo.*", -EINVAL, OTHER },
		{ "*", -EINVAL, OTHER },
		{ longest + 1, -EINVAL, OTHER },
		{ longest, -EINVAL, MALFORMED },
		{ "", -EINVAL, MALFORMED },
		{ ".demo", -EINVAL, MALFORMED },
		{ "-rf", -EINVAL, MALFORMED },
		{ "demo/", -EINVAL, MALFORMED },
		{ "demo//x", -EINVAL, MALFORMED },
		{ "demo/.", -EINVAL, MALFORMED },
		{ "demo echo", -EINVAL, MALFORMED },
		{ "d\xc3\xa4mo", -EINVAL, MALFORMED },
	};

	memset(longest, 'n', sizeof(longest) - 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char expected[IPC_ERROR_TEXT_MAX];

		snprintf(expected, sizeof(expected), "%s: %s", cases[i].name, cases[i].text);
		ck_assert_str_eq(ipc_name_error_text(text, sizeof(text), cases[i].name,
						     cases[i].code), expected);
	}
	ck_assert_str_eq(ipc_name_error_text(text, sizeof(text), NULL, -EINVAL), ": " MALFORMED);
	ck_assert_str_eq(ipc_name_error_text(text, sizeof(text), "a\x1b[2J", -EINVAL),
			 "a?[2J: " MALFORMED);
	ck_assert_str_eq(ipc_name_error_text(small, sizeof(small), "demo.echo", -ENOENT),
			 "demo.echo: ");
	ck_assert_ptr_eq(ipc_name_error_text(small, 0, "demo.echo", -ENOENT), small);
}
END_TEST

START_TEST(done_leaves_an_empty_error)
{
	struct ipc_error error = { .code = -EREMOTEIO, .name = strdup("a"), .text = strdup("b") };

	ipc_error_done(&error);
	ck_assert_int_eq(error.code, 0);
	ck_assert_ptr_null(error.name);
	ck_assert_ptr_null(error.text);
	ipc_error_done(&error);
	ipc_error_done(NULL);
}
END_TEST

/* The library writes only the members it knows; the program's size is kept. */
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

static void take_line(int priority, const char *text, void *userdata)
{
	snprintf(userdata, 100, "%d %s", priority, text);
}

START_TEST(log_lines_are_printable)
{
	char line[100] = "";

	ipc_set_log(take_line, line);
	ipc_log(LOG_WARNING, "a\n%s %d", "\033[31m", 7);
	ck_assert_str_eq(line, "4 a??[31m 7");
	ipc_set_log(NULL, NULL);
	*line = '\0';
	ipc_log(LOG_WARNING, "dropped");
	ck_assert_str_eq(line, "");
}
END_TEST

/* Returns the output of ipc_print_error(); the caller frees it. */
static char *printed(const char *what, int code, const struct ipc_error *error)
{
	char *text = NULL;
	FILE *before = stderr;
	size_t size;

	stderr = open_memstream(&text, &size);
	ck_assert_int_eq(ipc_print_error(what, code, error), 1);
	fclose(stderr);
	stderr = before;
	return text;
}

START_TEST(fail_prints_the_known_details)
{
	struct ipc_error all = { .code = -EREMOTEIO, .name = "echo.Empty", .text = "nothing to say" };
	struct ipc_error text = { .code = -ENOENT, .name = NULL, .text = "no file of that name" };
	struct ipc_error behind = {
		.code = -EREMOTEIO, .origin = IPC_ORIGIN_BEHIND, .cause = -EOWNERDEAD,
	};
	struct ipc_error behind_text = {
		.code = -EREMOTEIO, .text = "demo.b: the timeout expired",
		.origin = IPC_ORIGIN_BEHIND, .cause = -ETIMEDOUT,
	};
	struct ipc_error name = { .code = -EREMOTEIO, .name = "echo.Empty", .text = NULL };
	struct ipc_error of_service = { .code = -ENOENT, .origin = IPC_ORIGIN_PEER };
	struct ipc_error of_library = { .code = -ENOMSG, .origin = IPC_ORIGIN_PEER };
	struct ipc_error of_bus = { .code = -EPERM, .origin = IPC_ORIGIN_BUS };
	struct ipc_error none = IPC_ERROR_INIT;
	char *line;

	line = printed("say", -EREMOTEIO, &all);
	ck_assert_str_eq(line, "say: echo.Empty: nothing to say\n");
	free(line);
	line = printed("say", -ENOENT, &text);
	ck_assert_str_eq(line, "say: no file of that name\n");
	free(line);
	line = printed("say", -EREMOTEIO, &name);
	ck_assert_str_eq(line, "say: echo.Empty: the server reports an error\n");
	free(line);
	line = printed("say", -EREMOTEIO, &behind);
	ck_assert_str_eq(line, "say: behind the server: the object is dead:"
			       " its process has ended it, or died\n");
	free(line);
	line = printed("say", -EREMOTEIO, &behind_text);
	ck_assert_str_eq(line, "say: behind the server: demo.b: the timeout expired\n");
	free(line);
	line = printed("say", -ENOENT, &of_service);
	ck_assert_str_eq(line, "say: the server reports ENOENT: No such file or directory\n");
	free(line);
	of_service.code = -EOPNOTSUPP;
	line = printed("say", -EOPNOTSUPP, &of_service);
	ck_assert_str_eq(line, "say: the server reports EOPNOTSUPP: Operation not supported\n");
	free(line);
	line = printed("say", -ENOMSG, &of_library);
	ck_assert_str_eq(line, "say: the server ended the call without a reply\n");
	free(line);
	line = printed("say", -EPERM, &of_bus);
	ck_assert_ptr_nonnull(strstr(line, "has files, which the receiver does not accept"));
	free(line);
	line = printed("say", -ENOTCONN, &none);
	ck_assert_str_eq(line, "say: no service manager is running; start servicemanager\n");
	free(line);
	line = printed("say", -ENOTCONN, NULL);
	ck_assert_str_eq(line, "say: no service manager is running; start servicemanager\n");
	free(line);
}
END_TEST

/* A service's text is printed without control sequences for the terminal. */
START_TEST(the_services_text_is_cleaned)
{
	static const struct {
		const char *text, *printed;
	} cases[] = {
		{ "\x1b]2;title\a\n\x7f", "?]2;title???" },
		{ "gr\xc3\xb6\xc3\x9f\xe2\x80\x9c\xf0\x9f\x92\x9b.", "gr\xc3\xb6\xc3\x9f\xe2\x80\x9c\xf0\x9f\x92\x9b." },
		/* CSI as a single byte, in UTF-8, and after a truncated character. */
		{ "\x9b" "31m", "?31m" },
		{ "\xc2\x9b" "31m", "??31m" },
		{ "\xff\x9b\xf8\x9b" "31m", "????31m" },
		{ "\xe2\x9b\x1b\x9b", "????" },
		/* Truncated, half a surrogate pair, overlong, above U+10FFFF. */
		{ "\xc3", "?" },
		{ "\xf3\xa0\x81", "???" },
		{ "\xed\xa0\x80", "???" },
		{ "\xe0\x80\xaf\xf0\x8f\xbf\xbf\xc1\xbf", "?????????" },
		{ "\xf4\x90\x80\x80", "????" },
		/* Right-to-left override, zero-width characters, a byte order mark, a tag. */
		{ "a\xe2\x80\xae" "b", "a???b" },
		{ "\xe2\x80\x8b\xef\xbb\xbf", "??????" },
		{ "\xd8\x9c\xf3\xa0\x81\x81", "??????" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ipc_error error = { .code = -EREMOTEIO, .name = (char *)cases[i].text,
					   .text = (char *)cases[i].text };
		char *line = printed("say", -EREMOTEIO, &error), expected[128];

		snprintf(expected, sizeof(expected), "say: %s: %s\n", cases[i].printed,
			 cases[i].printed);
		ck_assert_str_eq(line, expected);
		free(line);
	}
}
END_TEST

/* The first and last code point of each length, and the neighbors of invalid ranges, are kept. */
START_TEST(each_length_of_utf8_stays)
{
	static const char *const texts[] = {
		" ", "~", "\xc2\xa0", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
		"\xef\xbf\xbd", "\xf0\x90\x80\x80", "\xf3\xb0\x80\x80", "\xf4\x8f\xbf\xbf",
	};
	char to[8];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_str_eq(ipc_printable(to, sizeof(to), texts[i]), texts[i]);
}
END_TEST

/* In a buffer of each size, without writing beyond its end. */
START_TEST(long_text_is_truncated)
{
	static const char text[] = "gr\xc3\xb6\xe2\x82\xac\x1b" "ab";
	static const char *const cut[] = {
		"", "", "g", "gr", "...", "g...", "gr...", "gr...", "gr\xc3\xb6...",
		"gr\xc3\xb6...", "gr\xc3\xb6...", "gr\xc3\xb6\xe2\x82\xac?ab",
	};
	char to[16];

	for (size_t size = 0; size < sizeof(cut) / sizeof(cut[0]); size++) {
		memset(to, 'x', sizeof(to));
		ck_assert_ptr_eq(ipc_printable(to, size, text), to);
		for (size_t i = size; i < sizeof(to); i++)
			ck_assert_int_eq(to[i], 'x');
		if (size)
			ck_assert_str_eq(to, cut[size]);
	}
	ck_assert_str_eq(ipc_printable(to, sizeof(to), NULL), "");
}
END_TEST

START_TEST(a_text_becomes_printable_where_it_is)
{
	char text[] = "\x1b[31m\xff gr\xc3\xbc\xc3\x9f", small[] = "\x1b[31mgr\xc3\xbc";

	ck_assert_str_eq(ipc_printable(text, sizeof(text), text), "?[31m? gr\xc3\xbc\xc3\x9f");
	ck_assert_str_eq(ipc_printable(small, 8, small), "?[31...");
}
END_TEST

/* For example protobuf-c's constant empty string, which all absent fields share. */
START_TEST(printable_text_in_read_only_memory_stays)
{
	static const char *const texts[] = { "", "gr\xc3\xbc\xc3\x9f" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char *text = (char *)texts[i];

		ck_assert_ptr_eq(ipc_printable(text, strlen(text) + 1, text), text);
	}
}
END_TEST

START_TEST(error_text_is_not_cut_in_a_character)
{
	struct ipc_error error = { .code = -EREMOTEIO, .text = "gr\xc3\xbc\xc3\x9f" };
	char text[] = "xxxx";

	ck_assert_str_eq(ipc_error_text(text, sizeof(text) - 1, -EREMOTEIO, &error), "gr?");
	ck_assert_str_eq(ipc_error_text(text, 0, -EREMOTEIO, &error), "gr?");
}
END_TEST

/* A service cannot fill a log with a single error. */
START_TEST(fail_limits_its_output)
{
	char text[64 << 10], *line;
	struct ipc_error error = { .code = -EREMOTEIO, .name = text, .text = text };

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	line = printed("say", -EREMOTEIO, &error);
	ck_assert_uint_eq(strlen(line), strlen("say: : \n") + 2 * (IPC_PRINTABLE_MAX - 1));
	ck_assert_str_eq(line + strlen(line) - 4, "...\n");
	free(line);
}
END_TEST

int main(void)
{
	return RUN_TESTS("error", every_number_has_words, names_have_texts_of_their_own, log_lines_are_printable,
			 done_leaves_an_empty_error,
			 an_error_of_a_newer_program, fail_prints_the_known_details,
			 the_services_text_is_cleaned, each_length_of_utf8_stays,
			 long_text_is_truncated, a_text_becomes_printable_where_it_is,
			 printable_text_in_read_only_memory_stays,
			 error_text_is_not_cut_in_a_character, fail_limits_its_output);
}
