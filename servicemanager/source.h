/* SPDX-License-Identifier: MIT */
/*
 * Files that the daemon's loop waits for: the bus and the signals (daemon.c), pidfds of
 * services (activation.c) and the connection to systemd (unit.c). The loop calls ready() of
 * the source that epoll returns.
 */
#ifndef SERVICEMANAGER_SOURCE_H
#define SERVICEMANAGER_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))

struct source {
	void (*ready)(struct source *source);
};

/* Waits for the events (EPOLLIN, ...) of the fd from now on, and for no others. */
int source_set(int epoll, struct source *source, int fd, uint32_t events);

/* Must come before the fd is closed: between fork() and exec() a child has the fd too,
 * which would keep it in the epoll. */
void source_remove(int epoll, int fd);

#endif /* SERVICEMANAGER_SOURCE_H */
