// SPDX-License-Identifier: MIT
/*
 * poll and epoll for programs with files that may be the device. The files are checked in turn,
 * each millisecond, until a file is ready. An epoll is an empty real file; its content is in a
 * table here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "polled.h"

#define MAX_MEMBERS 256

static struct member {
	int epoll; /* 0 if the place is free */
	int fd;
	struct epoll_event event;
} members[MAX_MEMBERS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct member *find_locked(int epoll, int fd)
{
	for (int i = 0; i < MAX_MEMBERS; i++)
		if (members[i].epoll == epoll && (!epoll || members[i].fd == fd))
			return &members[i];
	return NULL;
}

static int count_members(int epoll)
{
	int n = 0;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < MAX_MEMBERS; i++)
		n += members[i].epoll == epoll;
	pthread_mutex_unlock(&lock);
	return n;
}

void posix_close_polled(int fd)
{
	pthread_mutex_lock(&lock);
	for (int i = 0; i < MAX_MEMBERS; i++)
		if (members[i].epoll == fd || members[i].fd == fd)
			members[i] = (struct member){ 0 };
	pthread_mutex_unlock(&lock);
}

/* --- Checking without waiting --------------------------------------------------- */

static int epoll_now(int epoll, struct epoll_event *events, int max);

static int poll_now(struct pollfd *fd)
{
	struct epoll_event event;
	int r;

	if (posix_is_device(fd->fd)) {
		r = posix_poll_device(fd->fd, fd->events, 0);
		fd->revents = r < 0 ? POLLNVAL : r & (fd->events | POLLERR);
		return !!fd->revents;
	}
	if (fd->fd <= 0 || !count_members(fd->fd))
		return poll(fd, 1, 0);
	fd->revents = epoll_now(fd->fd, &event, 1) ? POLLIN & fd->events : 0;
	return !!fd->revents;
}

static int epoll_now(int epoll, struct epoll_event *events, int max)
{
	int n = 0;

	for (int i = 0; i < MAX_MEMBERS && n < max; i++) {
		struct member m;
		struct pollfd fd;

		pthread_mutex_lock(&lock);
		m = members[i];
		pthread_mutex_unlock(&lock);
		fd = (struct pollfd){ .fd = m.fd, .events = (short)m.event.events };
		if (m.epoll != epoll || poll_now(&fd) <= 0)
			continue;
		events[n].events = (uint32_t)fd.revents;
		events[n++].data = m.event.data;
	}
	return n;
}

/* Waits a millisecond. If the timeout has passed, returns false. */
static bool wait_more(int *timeout_ms)
{
	if (!*timeout_ms)
		return false;
	*timeout_ms -= *timeout_ms > 0;
	usleep(1000);
	return true;
}

/* --- Functions that programs call ------------------------------------------------- */

int host_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	bool devices = false, epolls = false;
	int ready;

	for (nfds_t i = 0; i < n; i++) {
		devices |= posix_is_device(fds[i].fd);
		epolls |= fds[i].fd > 0 && count_members(fds[i].fd);
	}
	if (!devices && !epolls)
		return poll(fds, n, timeout_ms);
	if (n == 1 && devices) {
		ready = posix_poll_device(fds->fd, fds->events, timeout_ms);
		errno = -ready;
		fds->revents = ready < 0 ? 0 : ready & (fds->events | POLLERR);
		return ready < 0 ? -1 : !!fds->revents;
	}
	do {
		ready = 0;
		for (nfds_t i = 0; i < n; i++)
			ready += poll_now(&fds[i]) > 0;
	} while (!ready && wait_more(&timeout_ms));
	return ready;
}

int host_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask)
{
	(void)mask;
	return host_poll(fds, n, t ? t->tv_sec * 1000 + (t->tv_nsec + 999999) / 1000000 : -1);
}

static int change_locked(int epoll, int op, int fd, const struct epoll_event *event)
{
	struct member *m = find_locked(epoll, fd);

	if (!m != (op == EPOLL_CTL_ADD))
		return m ? EEXIST : ENOENT;
	if (op == EPOLL_CTL_ADD)
		m = find_locked(0, 0);
	if (!m)
		return ENOSPC;
	*m = (struct member){ 0 };
	if (op != EPOLL_CTL_DEL)
		*m = (struct member){ .epoll = epoll, .fd = fd, .event = *event };
	return 0;
}

int host_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	int error;

	pthread_mutex_lock(&lock);
	error = change_locked(epoll, op, fd, event);
	pthread_mutex_unlock(&lock);
	errno = error;
	return error ? -1 : 0;
}

int host_epoll_wait(int epoll, struct epoll_event *events, int max, int timeout_ms)
{
	int n;

	do
		n = epoll_now(epoll, events, max);
	while (!n && wait_more(&timeout_ms));
	return n;
}
