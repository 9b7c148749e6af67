/* SPDX-License-Identifier: MIT */
/*
 * What every unit test of the library ends with: run these cases, each in a
 * process of its own (CK_FORK=no: all in this one, for a debugger). A case that leaves a file
 * open fails, for the library left it.
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

/* How many files are open. */
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

/* Threads that a case has left to end by themselves may still close theirs. */
static inline void expect_files(void)
{
	for (int i = 0; i < 2000 && open_files() > files_before; i++)
		usleep(1000);
	ck_assert_uint_eq(open_files(), files_before);
}

#define RUN_TESTS(name, ...) RUN_CASES(name, note_files, expect_files, __VA_ARGS__)

#endif /* IPC_TEST_RUN_H */
