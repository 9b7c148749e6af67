/* SPDX-License-Identifier: MIT */
/*
 * Open files: fds in messages are real fds of this process, whichever simulated process gets them.
 */
#ifndef TESTS_FAIL_FILES_H
#define TESTS_FAIL_FILES_H

#include <stdbool.h>

struct files {
	bool open[256];
};

void files_note(struct files *ret);
/* Fails the test if the open files differ from @before. */
void files_expect(const struct files *before);
void files_close_new(const struct files *before);

#endif /* TESTS_FAIL_FILES_H */
