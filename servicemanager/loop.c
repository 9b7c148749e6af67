// SPDX-License-Identifier: MIT
/*
 * Sources and times: see loop.h.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <time.h>

#include "loop.h"

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

uint64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int timeout_min(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

int timeout_until(uint64_t time)
{
	uint64_t now = now_usec();

	return time > now ? (int)((time - now) / 1000) + 1 : 0;
}
