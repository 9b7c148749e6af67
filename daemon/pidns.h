/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers of processes and threads in the PID namespaces below the daemon's namespace, read from
 * /proc, file descriptors of these namespaces, and start times of processes. See pidns.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The kernel nests at most 32 namespaces below the first. */
#define PIDNS_LEVELS 33

/**
 * struct pid_numbers - numbers of a process or thread
 * @level: levels between the daemon's namespace and its own
 * @nr: its number in each namespace, beginning with the daemon's
 */
struct pid_numbers {
	unsigned int level;
	int nr[PIDNS_LEVELS];
};

/* Reads the start time of a process, in ticks. Returns 0 or -errno: -ESRCH if there is no such
 * process, or if /proc hides it. */
int pidns_read_start(int pid, uint64_t *ret_start);

/* Reads the numbers of a process. Returns 0 or -errno. */
int pidns_read_process(int pid, struct pid_numbers *ret_numbers);
/* Returns true if the process, named by its pid in the daemon's namespace, has that thread. */
bool pidns_has_thread(int pid, int tid);
/* Finds the thread with number tid in the process's own namespace. If there is no such thread,
 * returns -ESRCH. */
int pidns_find_thread(int pid, int tid, struct pid_numbers *ret_numbers);

/* Open the namespace of a process, or the parent of a namespace. While the fd is open, the
 * namespace keeps its number. On failure returns -errno. */
int pidns_open(int pid);
int pidns_open_parent(int fd);
/* Returns a number that identifies the namespace while an fd of it is open, or 0 if fd is
 * negative. */
uint64_t pidns_id(int fd);
