/* SPDX-License-Identifier: MIT */
/* The main function of programs that run their cases with Check. */
#ifndef TESTS_RUN_CASES_H
#define TESTS_RUN_CASES_H

#include <check.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Runs n cases, each for at most 60 s, between begin and end, which may be NULL. Returns the exit
 * status. ONLY_CASE in the environment selects a case. */
static inline int run_cases(const char *name, void (*begin)(void), void (*end)(void),
			    const TTest *const *cases, size_t n)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner = srunner_create(suite);
	const char *only = getenv("ONLY_CASE");
	int failed;

	tcase_set_timeout(tcase, 180);
	tcase_add_checked_fixture(tcase, begin, end);
	for (size_t i = 0; i < n; i++)
		if (!only || !strcmp(only, cases[i]->name))
			tcase_add_test(tcase, cases[i]);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

#define RUN_CASES(name, begin, end, ...)                                      \
	run_cases(name, begin, end, (const TTest *const[]){ __VA_ARGS__ },    \
		  sizeof((const TTest *const[]){ __VA_ARGS__ }) / sizeof(const TTest *))

#endif /* TESTS_RUN_CASES_H */
