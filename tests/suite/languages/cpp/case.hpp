/* SPDX-License-Identifier: MIT */
/*
 * Cases of a program in C++, which prints TAP. If a case fails, the next case still runs.
 *
 *	CASE(a_call_has_a_reply)
 *	{
 *		CHECK(1 + 1 == 2);
 *	}
 */
#ifndef TESTS_LANGUAGES_CPP_CASE_HPP
#define TESTS_LANGUAGES_CPP_CASE_HPP

#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <vector>

struct test_case {
	const char *name;
	void (*run)();

	static std::vector<test_case> &all()
	{
		static std::vector<test_case> cases;

		return cases;
	}
	static bool &failed()
	{
		static bool is;

		return is;
	}
};

struct register_case {
	register_case(const char *name, void (*run)()) { test_case::all().push_back({ name, run }); }
};

#define CASE(name)                                          \
	static void name();                                 \
	static const register_case case_##name(#name, name); \
	static void name()

#define CHECK(condition)                                                              \
	do {                                                                          \
		if (!(condition)) {                                                   \
			std::printf("# %s:%d: %s\n", __FILE__, __LINE__, #condition); \
			test_case::failed() = true;                                   \
		}                                                                     \
	} while (0)

/* The expression must throw an ipc::error with this errno. */
#define CHECK_FAILS(number, expression)                       \
	do {                                                  \
		int code_ = 0;                                \
		try {                                         \
			static_cast<void>(expression);        \
		} catch (const ipc::error &e_) {              \
			code_ = e_.number_of_errno();         \
		}                                             \
		if (code_ != (number))                        \
			std::printf("# errno %d\n", code_);   \
		CHECK(code_ == (number));                     \
	} while (0)

/* Runs the cases named on the command line, or all. */
inline int run_cases(int argc, char **argv)
{
	int number = 0, bad = 0;

	for (const test_case &c : test_case::all()) {
		bool wanted = argc == 1;

		for (int i = 1; i < argc; i++)
			wanted |= !std::strcmp(argv[i], c.name);
		if (!wanted)
			continue;
		test_case::failed() = false;
		alarm(60);
#ifdef __cpp_exceptions
		try {
			c.run();
		} catch (const std::exception &e) {
			std::printf("# unexpected: %s\n", e.what());
			test_case::failed() = true;
		}
#else
		c.run();
#endif
		bad += test_case::failed();
		std::printf("%sok %d - %s\n", test_case::failed() ? "not " : "", ++number, c.name);
		std::fflush(stdout);
	}
	std::printf("1..%d\n", number);
	return bad ? 1 : 0;
}

#endif /* TESTS_LANGUAGES_CPP_CASE_HPP */
