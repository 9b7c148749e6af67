// SPDX-License-Identifier: MIT
/*
 * The parts that need no bus: tables, the driver's lines, units in cgroups, and numbers on the
 * command line.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <ipc/ipc.h>
#include <stdlib.h>
#include <string.h>

#include "../../tests/run-cases.h"
#include "ipcctl.h"
#include "schema/json.h"
#include "output.h"
#include "process.h"
#include "state.h"
#include "schema/text.h"

static const struct column columns[] = {
	{ "NAME", "name", COLOR_BOLD, false },
	{ "N", "n", COLOR_NONE, true },
	{ "WHAT", "what", COLOR_NONE, false },
};

static char *table(json_t *rows)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(rows);
	ck_assert_int_eq(out_rows(file, columns, 3, rows), STATUS_OK);
	fclose(file);
	json_decref(rows);
	return text;
}

START_TEST(columns_line_up)
{
	char *text = table(json_pack("[{s:s, s:i, s:s}, {s:s, s:i}]", "name", "a", "n", 1000,
				     "what", "x", "name", "länger", "n", 7));

	ck_assert_str_eq(text, "NAME       N  WHAT\n"
			       "a       1000  x\n"
			       "länger     7  -\n");
	free(text);
	text = table(json_array());
	ck_assert_str_eq(text, "NAME  N  WHAT\n");
	free(text);
}
END_TEST

START_TEST(colors_only_when_wanted)
{
	char *text;

	setenv("CLICOLOR_FORCE", "1", 1);
	text = table(json_pack("[{s:s}]", "name", "a"));
	ck_assert_ptr_nonnull(strstr(text, "\033[1ma\033[0m"));
	free(text);
	setenv("NO_COLOR", "1", 1);
	text = table(json_pack("[{s:s}]", "name", "a"));
	ck_assert_ptr_null(strchr(text, '\033'));
	free(text);
	unsetenv("NO_COLOR");
	unsetenv("CLICOLOR_FORCE");
}
END_TEST

START_TEST(control_characters_are_replaced)
{
	char *text =
		table(json_pack("[{s:s, s:s}]", "name", "\033]0;title\007", "what", "a\nb\177"));

	ck_assert_str_eq(text, "NAME        N  WHAT\n"
			       "?]0;title?  -  a?b?\n");
	free(text);
}
END_TEST

static void is_text(json_t *value, const char *expected)
{
	char *text = out_text(value);

	ck_assert_str_eq(text, expected);
	free(text);
	json_decref(value);
}

START_TEST(values_have_texts)
{
	is_text(json_null(), "-");
	is_text(json_string(""), "-");
	is_text(json_true(), "yes");
	is_text(json_false(), "no");
	is_text(json_real(1.26), "1.3");
	is_text(json_integer(-5), "-5");
	is_text(json_array(), "-");
	is_text(json_pack("[s, i]", "a", 2), "a, 2");
	is_text(json_pack("{s:i}", "a", 2), "{\"a\":2}");
	ck_assert_int_eq(out_table(columns, 3, NULL), STATUS_FAILED);
	ck_assert_int_eq(out_json(NULL), STATUS_FAILED);
}
END_TEST

START_TEST(state_is_read)
{
	static char text[] = "proc proc=1 pid=20 oldest=0x10 big=18446744073709551615\n"
			     "proc proc=2 pid=21 oldest= odd\n"
			     "thread proc=1 state=idle\n"
			     "more\n";
	FILE *file = fmemopen(text, strlen(text), "r");
	json_t *state = state_parse(file), *first;

	fclose(file);
	ck_assert_uint_eq(json_array_size(json_object_get(state, "proc")), 2);
	first = json_array_get(json_object_get(state, "proc"), 0);
	ck_assert_int_eq(value_number(first, "pid"), 20);
	ck_assert_str_eq(json_string_value(json_object_get(first, "oldest")), "0x10");
	ck_assert(json_is_string(json_object_get(first, "big")));
	ck_assert_int_eq(value_number(first, "nothing"), 0);
	ck_assert_uint_eq(json_array_size(json_object_get(state, "more")), 1);
	ck_assert_ptr_null(json_object_get(state, "node"));
	json_decref(state);
}
END_TEST

START_TEST(units_are_found)
{
	static const char *const cases[][2] = {
		{ "0::/system.slice/echo.service\n", "echo.service" },
		{ "0::/user.slice/user-0.slice/session-1.scope\n", "session-1.scope" },
		{ "0::/user.slice/user@0.service/app.slice/x.service/sub\n", "x.service" },
		{ "0::/\n", "" },
		{ "", "" },
		{ "0::/.service", "" },
	};
	char unit[32];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unit_in_cgroup(cases[i][0], unit, sizeof(unit));
		ck_assert_str_eq(unit, cases[i][1]);
	}
}
END_TEST

/* ipcctl's own check of a character agrees with libipc, for each code and for each pair of bytes.
 * (Check writes to a file for each assertion, so there must not be a million of them.) */
START_TEST(each_character_is_printable_or_not)
{
	char cleaned[8], text[8];
	size_t size, bytes;
	bool printable;
	uint32_t code;

	for (uint32_t c = 1; c < 0x120000; c++) {
		size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		memset(text, 0, sizeof(text));
		for (size_t i = size; i > 1; i--)
			text[i - 1] = (char)(0x80 | (c >> 6 * (size - i) & 0x3f));
		text[0] = (char)(size == 1 ? c : 0xf0 << (4 - size) | c >> 6 * (size - 1));
		bytes = text_character(text, &code, &printable);
		strcpy(cleaned, text);
		text_clean(cleaned);
		if (printable != !strcmp(cleaned, text) ||
		    (printable && (bytes != size || code != c)))
			ck_abort_msg("code %x", c);
	}
	for (unsigned int c = 1; c < 0x10000; c++) {
		memcpy(text, (char[]){ (char)(c >> 8), (char)c, 0 }, 3);
		if (!*text)
			continue;
		bytes = text_character(text, &code, &printable);
		strcpy(cleaned, text);
		text_clean(cleaned);
		if (printable != !memcmp(cleaned, text, bytes))
			ck_abort_msg("bytes %x", c);
	}
}
END_TEST

START_TEST(foreign_texts_are_cleaned)
{
	static const char *const cases[][2] = {
		{ "plain gr\303\274\303\237 \342\202\254 \360\237\230\200",
		  "plain gr\303\274\303\237 \342\202\254 \360\237\230\200" },
		{ "\033[2Ja\nb\tc\177", "?[2Ja?b?c?" },
		{ "\302\233m", "??m" },		/* CSI in ISO 8859 */
		{ "\377\303[", "??[" },		/* not UTF-8 */
		{ "\355\240\200", "???" },	/* a lone surrogate */
		{ "\300\257 \340\200\257", "?? ???" }, /* '/', too long */
		{ "\364\220\200\200", "????" },	/* above U+10FFFF */
		{ "\342\202", "??" },		/* truncated */
		{ "a\342\200\256b", "a???b" },	/* right to left */
		{ "\342\200\213\357\273\277", "??????" }, /* zero width */
		{ "\330\234\363\240\201\201", "??????" }, /* a mark, a tag */
		{ "\342\200\246 \342\201\200", "\342\200\246 \342\201\200" },
	};
	char text[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *json = text_json(cases[i][0]);

		strcpy(text, cases[i][0]);
		text_clean(text);
		ck_assert_str_eq(text, cases[i][1]);
		ck_assert_str_eq(json_string_value(json), cases[i][1]);
		json_decref(json);
	}
}
END_TEST

START_TEST(errors_have_origins)
{
	static const struct ipc_error behind = { .code = -EREMOTEIO, .origin = IPC_ORIGIN_BEHIND,
						 .cause = -EOWNERDEAD };
	static const struct ipc_error bus = { .code = -ETIMEDOUT, .origin = IPC_ORIGIN_BUS };
	const struct ipc_error service = {
		.origin = IPC_ORIGIN_PEER, .name = (char *)"a.Bad", .text = (char *)"caf\xe9",
		.number = -5, .details = (char *)"\0\xff", .details_size = 2,
	};
	char *text = NULL, expected[400];
	size_t size;
	FILE *file = open_memstream(&text, &size);

	ctl.json = true;
	print_error(file, 8, "h", &behind, "t");
	print_error(file, 7, NULL, &bus, "t");
	print_error(file, 1, NULL, NULL, "t");
	print_error(file, 8, NULL, &service, "t");
	ctl.json = false;
	fclose(file);
	snprintf(expected, sizeof(expected),
		 "{\"message\":\"t\",\"status\":8,\"hint\":\"h\",\"origin\":\"behind\","
		 "\"error\":%d,\"cause\":%d}\n"
		 "{\"message\":\"t\",\"status\":7,\"origin\":\"bus\",\"error\":%d}\n"
		 "{\"message\":\"t\",\"status\":1}\n"
		 "{\"message\":\"t\",\"status\":8,\"origin\":\"peer\",\"error_name\":\"a.Bad\","
		 "\"error_text\":\"Y2Fm6Q==\",\"error_number\":-5,\"error_details\":\"AP8=\"}\n",
		 -EREMOTEIO, -EOWNERDEAD, -ETIMEDOUT);
	ck_assert_str_eq(text, expected);
	free(text);
}
END_TEST

START_TEST(numbers_are_checked)
{
	unsigned long number;
	unsigned int ms;

	ck_assert_int_eq(number_parse("x", "12", 1, 12, &number), 0);
	ck_assert_uint_eq(number, 12);
	ck_assert_int_eq(number_parse("x", "13", 1, 12, &number), STATUS_USAGE);
	ck_assert_int_eq(number_parse("x", "-1", 0, 12, &number), STATUS_USAGE);
	ck_assert_int_eq(number_parse("x", "1x", 0, 12, &number), STATUS_USAGE);
	ck_assert_int_eq(number_parse("x", "", 0, 12, &number), STATUS_USAGE);
	ck_assert_int_eq(number_parse("x", "99999999999999999999", 0, 12, &number), STATUS_USAGE);
	ck_assert_int_eq(number_parse_seconds("x", "0.25", &ms), 0);
	ck_assert_uint_eq(ms, 250);
	ck_assert_int_eq(number_parse_seconds("x", "0", &ms), STATUS_USAGE);
	ck_assert_int_eq(number_parse_seconds("x", "nan", &ms), STATUS_USAGE);
	ck_assert_int_eq(number_parse_seconds("x", "86401", &ms), STATUS_USAGE);
}
END_TEST

START_TEST(users_are_found)
{
	uid_t uid = 1;

	ck_assert_int_eq(user_find("root", &uid), 0);
	ck_assert_uint_eq(uid, 0);
	ck_assert_int_eq(user_find("4294967294", &uid), 0);
	ck_assert_uint_eq(uid, 4294967294u);
	ck_assert_int_eq(user_find("4294967295", &uid), -ENOENT);
	ck_assert_int_eq(user_find("", &uid), -ENOENT);
	ck_assert_int_eq(user_find("-1", &uid), -ENOENT);
	ck_assert_int_eq(user_find("no such user", &uid), -ENOENT);
	ck_assert_uint_eq(uid, 4294967294u);
}
END_TEST

int main(void)
{
	return RUN_CASES("output", NULL, NULL, columns_line_up, colors_only_when_wanted,
			 control_characters_are_replaced, values_have_texts, state_is_read,
			 units_are_found, foreign_texts_are_cleaned,
			 each_character_is_printable_or_not, errors_have_origins,
			 numbers_are_checked, users_are_found);
}
