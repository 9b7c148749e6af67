/* SPDX-License-Identifier: MIT */
/*
 * The event loop of the daemon: the files that it waits for, and times.
 *
 * A source is a file in the epoll file of the loop: the bus and the signals (main.c), pidfds of
 * services (activation.c), connections to systemd (unit.c). The loop calls ready() of the source
 * that epoll returns. It must fetch a single source at a time, because ready() may free other
 * sources.
 */
#ifndef SERVICEMANAGER_LOOP_H
#define SERVICEMANAGER_LOOP_H

#include <stddef.h>
#include <stdint.h>

#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))

struct source {
	void (*ready)(struct source *source);
};

/* Adds the fd to the epoll file, or replaces its source and events (EPOLLIN, ...). Returns 0 or
 * -errno. */
int source_set(int epoll, struct source *source, int fd, uint32_t events);

/* Must be called before the fd is closed: between fork() and exec() a child has a copy of the fd,
 * which would keep it in the epoll file. */
void source_remove(int epoll, int fd);

/* The monotonic clock, in microseconds. All times are of this clock. */
uint64_t now_usec(void);

/* Returns the shorter of two timeouts in milliseconds, as for poll(); -1 means no timeout. */
int timeout_min(int a, int b);

/* Returns the timeout in milliseconds until the time, rounded up. If the time has passed, returns
 * 0. */
int timeout_until(uint64_t time);

#endif /* SERVICEMANAGER_LOOP_H */
