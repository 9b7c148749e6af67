// SPDX-License-Identifier: GPL-2.0-only
/*
 * Detects the end of a client's address space. A pidfd becomes readable when the process ends, and
 * the socket hangs up when its last copy is closed. If a process calls exec() while a child holds a
 * copy of the socket, neither happens.
 *
 * So a client gets an open file of its area that no other process has, maps it with MADV_DONTFORK,
 * and closes the fd. The kernel closes the open file when the address space ends, and inotify
 * reports it. Other processes may open and close the area as well. So after each event the daemon
 * checks whether any process still has the area open for writing. If so, the kernel refuses a read
 * lease. The daemon's own memfd does not count as a writer.
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
/* Bounds the time for which a process delays other clients by opening and closing its area. */
#define MAX_EVENTS 64

static int inotify_fd = -1;
static struct area_watch *bucket[BUCKETS];

int areas_init(void)
{
	inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	/* If another process breaks a lease at the moment it exists, the kernel sends SIGIO. */
	signal(SIGIO, SIG_IGN);
	return inotify_fd;
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

/* Examines all areas, after events were lost. */
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
	static bool lost;	/* events, and an unused area may be left */
	struct inotify_event event;
	struct area_watch *watch;
	void *owner;

	/* Each read returns a single event, because events of a watched file carry no name. */
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
