/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers of processes and threads in the PID namespaces below the daemon's, as /proc shows them,
 * and these namespaces. See numbers.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* As deep as the kernel nests them. */
#define NUMBERS_LEVELS 33

/**
 * struct numbers - of one process or thread
 * @level: how far its namespace is below the daemon's
 * @nr: in each of them, the daemon's first
 */
struct numbers {
	unsigned int level;
	int nr[NUMBERS_LEVELS];
};

/* Of the process. -errno. */
int numbers_read(int pid, struct numbers *ret_numbers);
/* Whether the process, in the daemon's namespace, has that thread. */
bool numbers_are_of_thread(int pid, int tid);
/* Of the thread that has that number in the process's own namespace. -ESRCH: there is none. */
int numbers_find_thread(int pid, int tid, struct numbers *ret_numbers);

/* The process's namespace, or the parent of one, as an fd that keeps it. -errno: it cannot be
 * known. */
int namespace_open(int pid);
int namespace_open_parent(int fd);
/* Which one it is, of those that are kept. 0: none. */
uint64_t namespace_number(int fd);
