// SPDX-License-Identifier: MIT
/*
 * Files that the loop waits for: see source.h.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>

#include "source.h"
#include "state.h"

int source_set(const struct manager *manager, struct source *source, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (epoll_ctl(manager->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
		return 0;
	if (errno != EEXIST || epoll_ctl(manager->epoll, EPOLL_CTL_MOD, fd, &event) < 0)
		return -errno;

	return 0;
}

void source_remove(const struct manager *manager, int fd)
{
	epoll_ctl(manager->epoll, EPOLL_CTL_DEL, fd, /* event= */ NULL);
}
