/* SPDX-License-Identifier: MIT */
/*
 * Files that the daemon's loop waits for besides the bus: pidfds of services
 * (activation.c) and the connection to systemd (unit.c). The loop hands what epoll
 * returns to manager_event(), which calls ready().
 */
#ifndef SERVICEMANAGER_SOURCE_H
#define SERVICEMANAGER_SOURCE_H

#include <stdint.h>

struct manager;

struct source {
	void (*ready)(struct manager *manager, struct source *source);
};

/* Waits for the events (EPOLLIN, ...) of the fd from now on, and for no others. */
int source_set(const struct manager *manager, struct source *source, int fd, uint32_t events);

/* Must come before the fd is closed: between fork() and exec() a child has the fd too,
 * which would keep it in the epoll. */
void source_remove(const struct manager *manager, int fd);

#endif /* SERVICEMANAGER_SOURCE_H */
