// SPDX-License-Identifier: MIT
/*
 * The timers of a connection: see timer.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "deadline.h"
#include "descriptor.h"
#include "loop.h"
#include "timer.h"

void timers_init(struct ipc *ipc)
{
	ipc->timers = (struct timers){ .fd = -1 };
}

void timers_done(struct ipc *ipc)
{
	if (ipc->timers.fd >= 0)
		close(ipc->timers.fd);
	free(ipc->timers.heap);
}

/* --- The heap ----------------------------------------------------------------------- */

static void place(struct timers *timers, size_t at, struct timer *timer)
{
	timers->heap[at - 1] = timer;
	timer->place = at;
}

static void move_up(struct timers *timers, size_t at, struct timer *timer)
{
	while (at > 1 && timers->heap[at / 2 - 1]->deadline > timer->deadline) {
		place(timers, at, timers->heap[at / 2 - 1]);
		at /= 2;
	}
	place(timers, at, timer);
}

static void move_down(struct timers *timers, size_t at, struct timer *timer)
{
	for (size_t next; (next = 2 * at) <= timers->n; at = next) {
		if (next < timers->n &&
		    timers->heap[next]->deadline < timers->heap[next - 1]->deadline)
			next++;
		if (timers->heap[next - 1]->deadline >= timer->deadline)
			break;
		place(timers, at, timers->heap[next - 1]);
	}
	place(timers, at, timer);
}

static int heap_add(struct timers *timers, struct timer *timer)
{
	struct timer **heap;

	if (timers->n == timers->space) {
		heap = realloc(timers->heap, (2 * timers->space + 8) * sizeof(struct timer *));
		if (!heap)
			return -ENOMEM;
		timers->heap = heap;
		timers->space = 2 * timers->space + 8;
	}
	move_up(timers, ++timers->n, timer);
	return 0;
}

static void heap_remove(struct timers *timers, struct timer *timer)
{
	struct timer *last = timers->heap[--timers->n];
	size_t at = timer->place;

	timer->place = 0;
	if (last == timer)
		return;
	if (at > 1 && timers->heap[at / 2 - 1]->deadline > last->deadline)
		move_up(timers, at, last);
	else
		move_down(timers, at, last);
}

/* --- The fd --------------------------------------------------------------------------- */

static int make_fd_locked(struct ipc *ipc)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd, r;

	if (ipc->timers.fd >= 0)
		return 0;
	r = device_set_poll(&ipc->device, ipc->device.polls);
	if (r < 0)
		return r;
	fd = descriptor_move(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
	if (fd < 0)
		return -errno;
	if (epoll_ctl(ipc->device.poll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	ipc->timers.fd = fd;
	return 0;
}

/* For the earliest, or never: an all-zero time. In a forked child it is the parent's fd. */
static void start_fd_locked(struct ipc *ipc)
{
	uint64_t first = ipc->timers.n ? ipc->timers.heap[0]->deadline : 0;
	const struct itimerspec when = {
		.it_value = {
			.tv_sec = (time_t)(first / 1000000000),
			.tv_nsec = (long)(first % 1000000000),
		},
	};

	if (!ipc->foreign)
		timerfd_settime(ipc->timers.fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* After the earliest has changed. */
static void settle_locked(struct ipc *ipc)
{
	start_fd_locked(ipc);
	if (ipc->timers.n)
		return;
	atomic_fetch_and(&ipc->attention, ~ATTEND_TIMER);
	writable_stop_polling_locked(ipc);
}

/* --- Timers --------------------------------------------------------------------------- */

/* Returns 1 if the caller has to wake the threads of ipc_run(), so that they poll. */
static int set_locked(struct ipc *ipc, struct timer *timer)
{
	int r;

	r = make_fd_locked(ipc);
	if (r == 0)
		r = heap_add(&ipc->timers, timer);
	if (r < 0)
		return r;
	r = pool_poll_locked(ipc);
	if (r < 0) {
		heap_remove(&ipc->timers, timer);
		return r;
	}
	atomic_fetch_or(&ipc->attention, ATTEND_TIMER);
	if (timer->place == 1)
		start_fd_locked(ipc);
	return r;
}

int timer_set(struct ipc *ipc, struct timer *timer)
{
	bool set;
	int r = 0;

	ipc_lock(ipc);
	set = timer->place;
	if (!set)
		r = set_locked(ipc, timer);
	ipc_unlock(ipc);
	if (r > 0)
		device_wake(&ipc->device);
	return r < 0 ? r : !set;
}

bool timer_forget(struct ipc *ipc, struct timer *timer)
{
	bool set, first;

	ipc_lock(ipc);
	set = timer->place;
	first = timer->place == 1;
	if (set)
		heap_remove(&ipc->timers, timer);
	if (first)
		settle_locked(ipc);
	ipc_unlock(ipc);
	return set;
}

void timers_run(struct ipc *ipc)
{
	struct timer *timer;
	bool any = false;

	ipc_lock(ipc);
	while (ipc->timers.n && ipc->timers.heap[0]->deadline <= time_now()) {
		timer = ipc->timers.heap[0];
		heap_remove(&ipc->timers, timer);
		ipc_unlock(ipc);
		timer->expired(timer);
		any = true;
		ipc_lock(ipc);
	}
	if (any)
		settle_locked(ipc);
	ipc_unlock(ipc);
}
