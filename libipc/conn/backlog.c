// SPDX-License-Identifier: MIT
/* Work for serving threads: see backlog.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "thread.h"

void backlog_init(struct ipc *ipc)
{
	ipc->backlog = (struct backlog){ .fd = -1, .work_fd = -1, .all_fd = -1 };
	STAILQ_INIT(&ipc->backlog.list);
}

static struct backlog_work *take_locked(struct backlog *backlog)
{
	struct backlog_work *work = STAILQ_FIRST(&backlog->list);

	if (work)
		STAILQ_REMOVE_HEAD(&backlog->list, link);
	return work;
}

/* If that fails, work_fd is in the right state already. */
static void set_readable_locked(const struct backlog *backlog, bool readable)
{
	eventfd_t value;

	if (backlog->fd < 0)
		return;
	if (readable)
		eventfd_write(backlog->work_fd, 1);
	else
		eventfd_read(backlog->work_fd, &value);
}

static void settle_locked(struct ipc *ipc)
{
	atomic_fetch_and(&ipc->attention, ~ATTEND_BACKLOG);
	set_readable_locked(&ipc->backlog, false);
	if (atomic_load(&ipc->backlog.rung))
		set_readable_locked(&ipc->backlog, true);
}

void backlog_add(struct ipc *ipc, struct backlog_work *work, bool wake)
{
	struct backlog *backlog = &ipc->backlog;
	bool first;

	ipc_lock(ipc);
	first = STAILQ_EMPTY(&backlog->list);
	STAILQ_INSERT_TAIL(&backlog->list, work, link);
	atomic_fetch_or(&ipc->attention, ATTEND_BACKLOG);
	if (first)
		set_readable_locked(backlog, true);
	ipc_unlock(ipc);
	if (wake && pool_serves(ipc))
		device_wake(&ipc->device);
}

void backlog_wake(struct ipc *ipc)
{
	ipc_lock(ipc);
	if (ipc->backlog.fd >= 0) {
		atomic_fetch_or(&ipc->attention, ATTEND_BACKLOG);
		set_readable_locked(&ipc->backlog, true);
	}
	ipc_unlock(ipc);
}

bool backlog_run(struct thread *t)
{
	struct ipc *ipc = t->ipc;
	struct backlog_work *work;
	bool more;

	ipc_lock(ipc);
	work = take_locked(&ipc->backlog);
	more = !STAILQ_EMPTY(&ipc->backlog.list);
	if (!more)
		settle_locked(ipc);
	ipc_unlock(ipc);
	if (!work)
		return false;
	/* The work may take long, so another thread must do the rest. */
	if (more && pool_serves(ipc))
		device_wake(&ipc->device);
	work->run(t, work);
	return true;
}

/* Makes the epoll fd readable with the file. */
static int add_file(int fd, int file, uint32_t events)
{
	struct epoll_event event = { .events = events };

	return epoll_ctl(fd, EPOLL_CTL_ADD, file, &event) < 0 ? -errno : 0;
}

int backlog_make_fd_locked(struct ipc *ipc)
{
	struct backlog *backlog = &ipc->backlog;
	int fd = -1, r;

	if (backlog->fd >= 0)
		return 0;
	if (backlog->work_fd < 0)
		backlog->work_fd = descriptor_move(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (backlog->work_fd >= 0)
		fd = descriptor_move(epoll_create1(EPOLL_CLOEXEC));
	if (fd < 0)
		return -errno;
	r = add_file(fd, backlog->work_fd, EPOLLIN);
	if (r < 0) {
		close(fd);
		return r;
	}
	backlog->fd = fd;
	set_readable_locked(backlog, !STAILQ_EMPTY(&backlog->list));
	return 0;
}

int backlog_poll_locked(struct ipc *ipc)
{
	int r;

	if (atomic_load(&ipc->attention) & ATTEND_POLL)
		return 0;
	r = backlog_make_fd_locked(ipc);
	if (r < 0)
		return r;
	atomic_fetch_or(&ipc->attention, ATTEND_POLL);
	return 1;
}

int backlog_make_fd(struct ipc *ipc)
{
	int r;

	ipc_lock(ipc);
	r = backlog_make_fd_locked(ipc);
	ipc_unlock(ipc);
	return r;
}

/* With EPOLLET, backlog_forget_bells() needs no fd of the bell. */
int backlog_new_bell(struct ipc *ipc)
{
	int fd = -1, r;

	r = backlog_make_fd(ipc);
	if (r == 0)
		fd = descriptor_move(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
	if (fd < 0)
		return r < 0 ? r : -errno;
	r = add_file(ipc->backlog.fd, fd, EPOLLIN | EPOLLET);
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

void backlog_remove_bell(const struct ipc *ipc, int bell)
{
	epoll_ctl(ipc->backlog.fd, EPOLL_CTL_DEL, bell, NULL);
}

#define BELLS_AT_ONCE 64

void backlog_forget_bells(struct ipc *ipc)
{
	struct backlog *backlog = &ipc->backlog;
	struct epoll_event events[BELLS_AT_ONCE];

	if (backlog->fd < 0)
		return;
	if (atomic_exchange(&backlog->rung, false)) {
		ipc_lock(ipc);
		set_readable_locked(backlog, !STAILQ_EMPTY(&backlog->list));
		ipc_unlock(ipc);
	}
	while (epoll_wait(backlog->fd, events, BELLS_AT_ONCE, /* timeout= */ 0) == BELLS_AT_ONCE)
		;
}

void backlog_ring(struct ipc *ipc)
{
	if (ipc->backlog.fd < 0)
		return;
	atomic_store(&ipc->backlog.rung, true);
	eventfd_write(ipc->backlog.work_fd, 1);
}

/* An epoll fd of both fds. A thread that waits for a stream polls only the device's fd, because it
 * leaves the backlog to other threads. */
static int make_all_locked(struct ipc *ipc)
{
	struct backlog *backlog = &ipc->backlog;
	int fd, r;

	if (backlog->all_fd >= 0)
		return 0;
	r = backlog_make_fd_locked(ipc);
	if (r < 0)
		return r;
	fd = descriptor_move(epoll_create1(EPOLL_CLOEXEC));
	if (fd < 0)
		return -errno;
	r = add_file(fd, backlog->fd, EPOLLIN);
	if (r == 0)
		r = add_file(fd, ipc->device.poll_fd, EPOLLIN);
	if (r < 0) {
		close(fd);
		return r;
	}
	backlog->all_fd = fd;
	return 0;
}

int backlog_get_fd(struct ipc *ipc)
{
	int r;

	ipc_lock(ipc);
	r = make_all_locked(ipc);
	ipc_unlock(ipc);
	return r < 0 ? r : ipc->backlog.all_fd;
}

void backlog_close(struct ipc *ipc)
{
	struct backlog_work *work;

	while ((work = take_locked(&ipc->backlog)))
		work->drop(ipc, work);
	if (ipc->backlog.all_fd >= 0)
		close(ipc->backlog.all_fd);
	if (ipc->backlog.fd >= 0)
		close(ipc->backlog.fd);
	if (ipc->backlog.work_fd >= 0)
		close(ipc->backlog.work_fd);
}
