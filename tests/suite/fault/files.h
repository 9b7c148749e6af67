/* SPDX-License-Identifier: MIT */
/*
 * The files that are open: those that messages bring are real ones, whoever of
 * the fake processes gets them.
 */
#ifndef TESTS_FAIL_FILES_H
#define TESTS_FAIL_FILES_H

#include <stdbool.h>

struct files {
	bool open[256];
};

void files_note(struct files *ret);
/* Fails the test if others are open now. */
void files_expect(const struct files *before);
void files_close_new(const struct files *before);

#endif /* TESTS_FAIL_FILES_H */
