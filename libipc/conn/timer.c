// SPDX-License-Identifier: MIT
/* The timers of a connection: see timer.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/descriptor.h"
#include "thread.h"
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

/* Creates the timerfd, and before it device.poll_fd, to which it belongs. */
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

/* Makes the timerfd expire then; 0: never. In a forked child the fd is the parent's. */
static void start_fd_locked(struct ipc *ipc, uint64_t next)
{
	const struct itimerspec when = {
		.it_value = {
			.tv_sec = (time_t)(next / 1000000000),
			.tv_nsec = (long)(next % 1000000000),
		},
	};

	ipc->timers.next = next;
	if (!ipc->foreign)
		timerfd_settime(ipc->timers.fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void take_out_locked(struct timer *timer)
{
	LIST_REMOVE(timer, link);
	timer->is_set = false;
}

/* If no timer is left, stops the timerfd, and threads no longer poll for timers. Must be called
 * after timers were taken out. */
static void settle_locked(struct ipc *ipc)
{
	if (!LIST_EMPTY(&ipc->timers.list))
		return;
	start_fd_locked(ipc, /* next= */ 0);
	atomic_fetch_and(&ipc->attention, ~ATTEND_TIMER);
	writable_stop_polling_locked(ipc);
}

/* Returns 1 if the caller has to wake the threads of ipc_run(), so that they poll, or wait for a
 * shorter time for channels. */
static int set_locked(struct ipc *ipc, struct timer *timer, uint64_t deadline)
{
	int r;

	r = make_fd_locked(ipc);
	if (r == 0)
		r = backlog_poll_locked(ipc);
	if (r < 0)
		return r;
	if (timer->is_set)
		take_out_locked(timer);
	LIST_INSERT_HEAD(&ipc->timers.list, timer, link);
	timer->is_set = true;
	timer->deadline = deadline;
	atomic_fetch_or(&ipc->attention, ATTEND_TIMER);
	if (!ipc->timers.next || deadline < ipc->timers.next) {
		start_fd_locked(ipc, deadline);
		return ipc->route->is_served(ipc) ? 1 : r;
	}
	return r;
}

static int set(struct ipc *ipc, struct timer *timer, uint64_t deadline, bool keeps_earlier)
{
	bool was_set;
	int r = 0;

	ipc_lock(ipc);
	was_set = timer->is_set;
	if (!(keeps_earlier && was_set && timer->deadline <= deadline))
		r = set_locked(ipc, timer, deadline);
	ipc_unlock(ipc);
	if (r > 0)
		device_wake(&ipc->device);
	return r < 0 ? r : !was_set;
}

int timer_set(struct ipc *ipc, struct timer *timer, uint64_t deadline)
{
	return set(ipc, timer, deadline, /* keeps_earlier= */ false);
}

int timer_set_earlier(struct ipc *ipc, struct timer *timer, uint64_t deadline)
{
	return set(ipc, timer, deadline, /* keeps_earlier= */ true);
}

bool timer_forget(struct ipc *ipc, struct timer *timer)
{
	bool was_set;

	ipc_lock(ipc);
	was_set = timer->is_set;
	if (was_set) {
		take_out_locked(timer);
		settle_locked(ipc);
	}
	ipc_unlock(ipc);
	return was_set;
}

/* The moved timers stay set: while timers_run() drops the lock, timer_forget() and timer_set() may
 * still take them out. */
static void take_due_locked(struct timers *timers, struct timer_list *due, uint64_t *ret_next)
{
	struct timer *timer, *following;
	uint64_t now = time_now();

	*ret_next = 0;
	for (timer = LIST_FIRST(&timers->list); timer; timer = following) {
		following = LIST_NEXT(timer, link);
		if (timer->deadline > now) {
			*ret_next = deadline_earlier(*ret_next, timer->deadline);
			continue;
		}
		LIST_REMOVE(timer, link);
		LIST_INSERT_HEAD(due, timer, link);
	}
}

void timers_run(struct ipc *ipc)
{
	struct timer_list due = LIST_HEAD_INITIALIZER(due);
	struct timer *timer;
	uint64_t next;

	ipc_lock(ipc);
	if (ipc->timers.next && time_now() >= ipc->timers.next) {
		take_due_locked(&ipc->timers, &due, &next);
		start_fd_locked(ipc, next);
		while ((timer = LIST_FIRST(&due))) {
			take_out_locked(timer);
			ipc_unlock(ipc);
			if (timer->expired)
				timer->expired(timer);
			ipc_lock(ipc);
		}
		settle_locked(ipc);
	}
	ipc_unlock(ipc);
}
