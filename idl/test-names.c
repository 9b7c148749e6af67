// SPDX-License-Identifier: MIT
/*
 * Names: compared with protoc-c's, and names of this generator.
 */
#include <stdlib.h>
#include <string.h>

#include "../tests/run-cases.h"
#include "names.h"

static struct arena arena;

static void teardown(void)
{
	arena_done(&arena);
}

START_TEST(types_are_called_as_protoc_c_does)
{
	static const struct {
		const char *name, *class, *lower;
	} cases[] = {
		{ "M", "M", "m" },
		{ "echo.SayRequest", "Echo__SayRequest", "echo__say_request" },
		{ "my.Pkg_x.M", "My__PkgX__M", "my__pkg_x__m" },
		{ "a.HTTPRequest2Foo", "A__HTTPRequest2Foo", "a__httprequest2_foo" },
		{ "a.URLs", "A__URLs", "a__urls" },
		{ "a.inner_thing", "A__InnerThing", "a__inner_thing" },
		{ "a._odd", "A__Odd", "a___odd" },
		{ "a.a1B2c", "A__A1B2c", "a__a1_b2c" },
		{ "a.B.C.D", "A__B__C__D", "a__b__c__d" },
		{ "a.Trailing_", "A__Trailing", "a__trailing_" },
		{ "..a..B", "A__B", "a__b" },
		{ "", "", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_str_eq(name_c_class(&arena, cases[i].name), cases[i].class);
		ck_assert_str_eq(name_c_lower(&arena, cases[i].name), cases[i].lower);
	}
}
END_TEST

START_TEST(c_package_replaces_the_package)
{
	ck_assert_str_eq(name_override(&arena, "a.b.M", "a.b", "x"), "x.M");
	ck_assert_str_eq(name_override(&arena, "a.b.M.N", "a.b", "x.y"), "x.y.M.N");
	ck_assert_str_eq(name_override(&arena, "M", "", "x"), "x.M");
	ck_assert_str_eq(name_override(&arena, "a.M", "a", ""), ".M");
}
END_TEST

START_TEST(ours_are_snake_case)
{
	static const char *const cases[][2] = {
		{ "Say", "say" },	      { "say", "say" },
		{ "SayHello", "say_hello" },  { "sayHello", "say_hello" },
		{ "say_hello", "say_hello" }, { "Say_Hello", "say_hello" },
		{ "GetURL", "get_url" },      { "GetUrl", "get_url" },
		{ "URLFetch", "url_fetch" },  { "HTTP2ServerNow", "http2_server_now" },
		{ "GetURLList", "get_url_list" }, { "V2", "v2" },
		{ "A", "a" },		      { "AB", "ab" },
		{ "_hidden_", "hidden" },     { "two__lines", "two_lines" },
		{ "_2x", "" },		      { "__", "" },
		{ "", "" },		      { "x2Y", "x2_y" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_str_eq(name_snake(&arena, cases[i][0]), cases[i][1]);
}
END_TEST

START_TEST(ours_are_valid_whatever_they_are_made_of)
{
	static const char letters[] = "aA1_";
	char name[7] = "";

	/* All names of six of these characters. */
	for (int i = 0; i < 4 * 4 * 4 * 4 * 4 * 4; i++) {
		const char *snake;

		for (int j = 0, rest = i; j < 6; j++, rest /= 4)
			name[j] = letters[rest % 4];
		snake = name_snake(&arena, name);
		ck_assert_msg(!*snake || name_is_snake(snake), "%s became %s", name, snake);
	}
}
END_TEST

START_TEST(numbers_are_fnv_with_the_top_bit)
{
	/* The reference values of FNV-1a, 32 bits. */
	ck_assert_uint_eq(method_number(""), 0x811c9dc5 | 0x80000000);
	ck_assert_uint_eq(method_number("a"), 0xe40c292c);
	ck_assert_uint_eq(method_number("foobar"), 0xbf9cf968);
	/* A pair with equal numbers, found by search. */
	ck_assert_uint_eq(method_number("fail.S/GetLastSizeSlow"), 0x99e83685);
	ck_assert_uint_eq(method_number("fail.S/OpenOldPortTwice"), 0x99e83685);
}
END_TEST

START_TEST(files_lose_their_ending)
{
	ck_assert_str_eq(name_file_base(&arena, "echo.proto"), "echo");
	ck_assert_str_eq(name_file_base(&arena, "a/b.c.proto"), "a/b.c");
	ck_assert_str_eq(name_file_base(&arena, "a.protodevel"), "a");
	ck_assert_str_eq(name_file_base(&arena, "a.txt"), "a.txt");
	ck_assert_str_eq(name_file_base(&arena, ".proto"), "");
	ck_assert_str_eq(name_file_identifier(&arena, "a/b-c.proto"), "a_2fb_2dc_2eproto");
	ck_assert_str_eq(name_file_identifier(&arena, "\xc3\xa4"), "_c3_a4");
}
END_TEST

START_TEST(checks_return_truth)
{
	ck_assert(name_is_identifier("_a1"));
	ck_assert(!name_is_identifier("1a"));
	ck_assert(!name_is_identifier(""));
	ck_assert(!name_is_identifier("a.b"));

	ck_assert(name_is_snake("a1_b2"));
	ck_assert(!name_is_snake("a__b"));
	ck_assert(!name_is_snake("a_"));
	ck_assert(!name_is_snake("_a"));
	ck_assert(!name_is_snake("1a"));
	ck_assert(!name_is_snake("aB"));
	ck_assert(!name_is_snake(""));

	ck_assert(name_is_file("a/b-c d.proto"));
	ck_assert(!name_is_file(""));
	ck_assert(!name_is_file("a\"b"));
	ck_assert(!name_is_file("a\nb"));
	ck_assert(!name_is_file("a*/b"));
	ck_assert(!name_is_file("a\\b"));
}
END_TEST

/* bsearch() finds reserved words only if the lists are sorted. */
START_TEST(reserved_words_are_found)
{
	static const char *const words[] = { "alignas", "int", "class", "xor_eq", "errno", "assert",
					     "linux", "static_assert", "while", "co_await" };
	static const char *const functions[] = { "aio_cancel", "sem_wait", "timer_create",
						 "tss_set", "clock_gettime", "mq_send",
						 "epoll_wait", "posix_spawn" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		ck_assert_msg(name_is_reserved(words[i]), "%s", words[i]);
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		ck_assert_msg(name_is_libc(functions[i]), "%s", functions[i]);

	ck_assert(!name_is_reserved("say"));
	ck_assert(!name_is_reserved("Int"));
	ck_assert(!name_is_libc("echo_say"));
}
END_TEST

int main(void)
{
	return RUN_CASES("names", NULL, teardown, types_are_called_as_protoc_c_does,
			 c_package_replaces_the_package, ours_are_snake_case,
			 ours_are_valid_whatever_they_are_made_of,
			 numbers_are_fnv_with_the_top_bit, files_lose_their_ending,
			 checks_return_truth, reserved_words_are_found);
}
