// SPDX-License-Identifier: MIT
/* The timers of a connection: see timer.h. */
#define _GNU_SOURCE
#include <errno.h>
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
}

/* Most deadlines are later than those that are set already, so the search begins at the end. */
static void insert(struct timers *timers, struct timer *timer)
{
	struct timer *before = timers->last;

	while (before && before->deadline > timer->deadline)
		before = before->previous;
	timer->previous = before;
	timer->next = before ? before->next : timers->first;
	*(before ? &before->next : &timers->first) = timer;
	*(timer->next ? &timer->next->previous : &timers->last) = timer;
	timer->is_set = true;
}

static void take_out(struct timers *timers, struct timer *timer)
{
	*(timer->previous ? &timer->previous->next : &timers->first) = timer->next;
	*(timer->next ? &timer->next->previous : &timers->last) = timer->previous;
	timer->is_set = false;
}

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

/* Starts the timerfd for the earliest timer, or stops it if there is none. In a forked child the
 * fd is the parent's. */
static void start_fd_locked(struct ipc *ipc)
{
	uint64_t first = ipc->timers.first ? ipc->timers.first->deadline : 0;
	const struct itimerspec when = {
		.it_value = {
			.tv_sec = (time_t)(first / 1000000000),
			.tv_nsec = (long)(first % 1000000000),
		},
	};

	if (!ipc->foreign)
		timerfd_settime(ipc->timers.fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Call this after the earliest timer has changed. */
static void settle_locked(struct ipc *ipc)
{
	start_fd_locked(ipc);
	if (ipc->timers.first)
		return;
	atomic_fetch_and(&ipc->attention, ~ATTEND_TIMER);
	writable_stop_polling_locked(ipc);
}

/* Returns 1 if the caller has to wake the threads of ipc_run(), so that they poll. */
static int set_locked(struct ipc *ipc, struct timer *timer)
{
	int r;

	r = make_fd_locked(ipc);
	if (r == 0)
		r = pool_poll_locked(ipc);
	if (r < 0)
		return r;
	insert(&ipc->timers, timer);
	atomic_fetch_or(&ipc->attention, ATTEND_TIMER);
	if (ipc->timers.first == timer)
		start_fd_locked(ipc);
	return r;
}

int timer_set(struct ipc *ipc, struct timer *timer)
{
	bool set;
	int r = 0;

	ipc_lock(ipc);
	set = timer->is_set;
	if (!set)
		r = set_locked(ipc, timer);
	ipc_unlock(ipc);
	if (r > 0)
		device_wake(&ipc->device);
	return r < 0 ? r : !set;
}

int timer_move(struct ipc *ipc, struct timer *timer, uint64_t deadline)
{
	int r;

	ipc_lock(ipc);
	if (timer->is_set)
		take_out(&ipc->timers, timer);
	timer->deadline = deadline;
	r = set_locked(ipc, timer);
	if (ipc->timers.fd >= 0)
		settle_locked(ipc);
	ipc_unlock(ipc);
	if (r > 0)
		device_wake(&ipc->device);
	return r < 0 ? r : 0;
}

bool timer_forget(struct ipc *ipc, struct timer *timer)
{
	bool set, first;

	ipc_lock(ipc);
	set = timer->is_set;
	first = ipc->timers.first == timer;
	if (set)
		take_out(&ipc->timers, timer);
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
	while ((timer = ipc->timers.first) && timer->deadline <= time_now()) {
		take_out(&ipc->timers, timer);
		ipc_unlock(ipc);
		timer->expired(timer);
		any = true;
		ipc_lock(ipc);
	}
	if (any)
		settle_locked(ipc);
	ipc_unlock(ipc);
}
