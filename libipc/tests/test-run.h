/* SPDX-License-Identifier: MIT */
/*
 * The main function of the library's unit tests: runs the cases, each in its own process
 * (CK_FORK=no: all in this process, for debuggers). A case fails if the library leaves a file open.
 */
#ifndef IPC_TEST_RUN_H
#define IPC_TEST_RUN_H

#include <dirent.h>
#include <ipc/ipc.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../tests/run-cases.h"

/* The number of an object, for messages. */
static inline uint64_t object_id(struct ipc_object *object)
{
	uint64_t id;

	ck_assert_int_eq(ipc_object_id(object, &id), 0);
	return id;
}

/* Returns the number of open files. */
static inline unsigned int open_files(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned int n = 0;

	ck_assert_ptr_nonnull(folder);
	while (readdir(folder))
		n++;
	closedir(folder);
	return n;
}

static unsigned int files_before;

static inline void note_files(void)
{
	files_before = open_files();
}

/* Waits, because threads that a case has left may still close their files. */
static inline void expect_files(void)
{
	for (int i = 0; i < 2000 && open_files() > files_before; i++)
		usleep(1000);
	ck_assert_uint_eq(open_files(), files_before);
}

#define RUN_TESTS(name, ...) RUN_CASES(name, note_files, expect_files, __VA_ARGS__)

#endif /* IPC_TEST_RUN_H */
