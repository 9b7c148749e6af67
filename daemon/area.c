// SPDX-License-Identifier: GPL-2.0-only
/*
 * When a client's address space ends: see client.h. Its pidfd says when a process ends, and its
 * socket when the last copy of that is closed. After exec() neither does if a child has a copy.
 *
 * A client gets an open file of its area that nobody else has, maps it where no child inherits it,
 * and closes it. So that file is closed by the kernel once the address space goes, and inotify says
 * so. Others who may open the area and close it again do not deceive the daemon: it looks whether
 * anybody has the area open for writing, which is when it cannot have a read lease.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "client.h"

#define BUCKETS	   1024
/* Whoever opens and closes its area all the time does not keep others waiting. */
#define MAX_EVENTS 64

static int inotify_fd = -1;
static struct area_watch *bucket[BUCKETS];

int areas_init(void)
{
	inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	/* A lease that somebody breaks, in the moment in which there is one. */
	signal(SIGIO, SIG_IGN);
	return inotify_fd;
}

int area_show(int memfd)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", memfd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static struct area_watch **bucket_of(int number)
{
	return &bucket[(unsigned int)number % BUCKETS];
}

void area_watch(struct area_watch *watch, int memfd, void *owner)
{
	char path[64];

	watch->memfd = memfd;
	watch->owner = owner;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memfd);
	watch->number = inotify_fd < 0 ? -1 : inotify_add_watch(inotify_fd, path, IN_CLOSE_WRITE);
	if (watch->number < 0)
		return;
	watch->next = *bucket_of(watch->number);
	*bucket_of(watch->number) = watch;
}

void area_unwatch(struct area_watch *watch)
{
	struct area_watch **link;

	if (!watch->owner || watch->number < 0)
		return;
	link = bucket_of(watch->number);
	while (*link != watch)
		link = &(*link)->next;
	*link = watch->next;
	inotify_rm_watch(inotify_fd, watch->number);
	watch->number = -1;
}

static bool is_unused(int memfd)
{
	if (fcntl(memfd, F_SETLEASE, F_RDLCK))
		return false;
	fcntl(memfd, F_SETLEASE, F_UNLCK);
	return true;
}

/* Among all, after events were lost. */
static void *find_unused(void)
{
	for (unsigned int i = 0; i < BUCKETS; i++)
		for (struct area_watch *watch = bucket[i]; watch; watch = watch->next)
			if (is_unused(watch->memfd))
				return watch->owner;
	return NULL;
}

void *areas_next_gone(void)
{
	static bool lost;
	struct inotify_event event;
	struct area_watch *watch;
	void *owner;

	/* An event is all that is read at once, for files have no names here. */
	for (int i = 0; i < MAX_EVENTS; i++) {
		if (read(inotify_fd, &event, sizeof(event)) != sizeof(event))
			break;
		lost |= event.mask & IN_Q_OVERFLOW;
		watch = event.mask & IN_CLOSE_WRITE ? *bucket_of(event.wd) : NULL;
		while (watch && watch->number != event.wd)
			watch = watch->next;
		if (watch && is_unused(watch->memfd))
			return watch->owner;
	}
	owner = lost ? find_unused() : NULL;
	lost &= owner != NULL;
	return owner;
}
