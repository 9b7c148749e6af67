// SPDX-License-Identifier: GPL-2.0-only
/*
 * Detects the end of a client's address space. A pidfd becomes readable when the process ends, and
 * the socket hangs up when its last copy is closed. If a process calls exec() while a child holds a
 * copy of the socket, neither happens.
 *
 * So a client gets an open file of its area that no other process has, maps it with MADV_DONTFORK,
 * and closes the fd. The kernel closes the open file when the address space ends, and inotify
 * reports it, once. A client that opens its area again for writing, and closes that, ends itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "client.h"
#include "closer.h"

#define BUCKETS	1024

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

/* Returns inotify's number, or -1. */
static int add(int memfd, uint32_t flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", memfd);
	return inotify_add_watch(inotify_fd, path, IN_CLOSE_WRITE | IN_ONESHOT | flags);
}

bool area_wait(int memfd)
{
	return add(memfd, 0) >= 0;
}

void area_watch(struct area_watch *watch, int memfd, void *owner)
{
	watch->memfd = memfd;
	watch->owner = owner;
	watch->number = add(memfd, 0);
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

/* Returns true if the kernel has removed the watch, as after its event. */
static bool has_fired(const struct area_watch *watch)
{
	int number = add(watch->memfd, IN_MASK_CREATE);

	if (number >= 0)
		inotify_rm_watch(inotify_fd, number);
	return number >= 0;
}

/* After events were lost, the buckets from this one on must be examined. */
static unsigned int unexamined = BUCKETS;

/* Returns the owner of the next watch whose event was lost, or NULL. */
static void *find_fired(void)
{
	for (; unexamined < BUCKETS; unexamined++)
		for (struct area_watch *watch = bucket[unexamined]; watch; watch = watch->next)
			if (has_fired(watch))
				return watch->owner;
	return NULL;
}

void *areas_next_gone(void)
{
	struct inotify_event event;
	struct area_watch *watch;

	/* Each read returns a single event, because events of a watched file carry no name. Each
	 * watch causes at most two events. */
	while (read(inotify_fd, &event, sizeof(event)) == sizeof(event)) {
		if (event.mask & IN_Q_OVERFLOW)
			unexamined = 0;
		if (event.mask & (IN_Q_OVERFLOW | IN_CLOSE_WRITE))
			closers_retry_later();
		watch = event.mask & IN_CLOSE_WRITE ? *bucket_of(event.wd) : NULL;
		while (watch && watch->number != event.wd)
			watch = watch->next;
		if (watch)
			return watch->owner;
	}
	return find_fired();
}
