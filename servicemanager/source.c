// SPDX-License-Identifier: MIT
/*
 * Files that the loop waits for: see source.h.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>

#include "source.h"

int source_set(int epoll, struct source *source, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0)
		return 0;
	if (errno != EEXIST || epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) < 0)
		return -errno;

	return 0;
}

void source_remove(int epoll, int fd)
{
	epoll_ctl(epoll, EPOLL_CTL_DEL, fd, /* event= */ NULL);
}
