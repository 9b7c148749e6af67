/* SPDX-License-Identifier: MIT */
/*
 * The loop of the daemon: the files that it waits for, and times.
 *
 * A source is a file in the epoll of the loop: the bus and the signals (main.c), pidfds of
 * services (activation.c), connections to systemd (unit.c). The loop calls ready() of the
 * source that epoll returns, for one source at a time, because ready() may free others.
 */
#ifndef SERVICEMANAGER_LOOP_H
#define SERVICEMANAGER_LOOP_H

#include <stddef.h>
#include <stdint.h>

#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))

struct source {
	void (*ready)(struct source *source);
};

/* Adds the fd to the epoll, or replaces its events (EPOLLIN, ...). Returns 0 or -errno. */
int source_set(int epoll, struct source *source, int fd, uint32_t events);

/* Must be called before the fd is closed: between fork() and exec() a child has the fd too,
 * which would keep it in the epoll. */
void source_remove(int epoll, int fd);

/* The monotonic clock, in microseconds. All times are of this clock. */
uint64_t now_usec(void);

/* Timeouts are in milliseconds, as for poll(); -1 means no limit. Returns the shorter timeout. */
int timeout_min(int a, int b);

/* Returns the timeout until the time, rounded up; 0 if the time has passed. */
int timeout_until(uint64_t time);

#endif /* SERVICEMANAGER_LOOP_H */
