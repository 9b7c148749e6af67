/* SPDX-License-Identifier: MIT */
/*
 * What every unit test of the library ends with: run these cases, each in a
 * process of its own (CK_FORK=no: all in this one, for a debugger).
 */
#ifndef IPC_TEST_RUN_H
#define IPC_TEST_RUN_H

#include <check.h>
#include <ipc/ipc.h>
#include <stddef.h>

/* The number of an object, for messages. */
static inline uint64_t object_id(struct ipc_object *object)
{
	uint64_t id;

	ck_assert_int_eq(ipc_object_id(object, &id), 0);
	return id;
}

static inline int run_tests(const char *name, const TTest *const *tests, size_t n)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 60);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

#define RUN_TESTS(name, ...)                                                                       \
	run_tests(name, (const TTest *const[]){ __VA_ARGS__ },                                     \
		  sizeof((const TTest *const[]){ __VA_ARGS__ }) / sizeof(const TTest *))

#endif /* IPC_TEST_RUN_H */
