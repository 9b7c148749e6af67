// SPDX-License-Identifier: MIT
/* Work for serving threads: see backlog.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "backlog.h"
#include "channels/channel-server.h"
#include "descriptor.h"
#include "loop.h"

void backlog_init(struct ipc *ipc)
{
	ipc->backlog = (struct backlog){ .fd = -1, .bell = -1, .all_fd = -1 };
	STAILQ_INIT(&ipc->backlog.list);
}

static struct backlog_work *take_locked(struct backlog *backlog)
{
	struct backlog_work *work = STAILQ_FIRST(&backlog->list);

	if (work)
		STAILQ_REMOVE_HEAD(&backlog->list, link);
	return work;
}

/* If more bytes are left, or there are none, fd is right all the same. */
static void empty_pipe_locked(const struct backlog *backlog)
{
	char bytes[64];
	ssize_t n = backlog->fd < 0 ? 0 : read(backlog->fd, bytes, sizeof(bytes));

	(void)n;
}

bool bell_ring(int fd)
{
	/* The pipe gets the page, not a copy. */
	static const char byte;
	const struct iovec part = { .iov_base = (void *)(uintptr_t)&byte, .iov_len = 1 };
	const struct timespec now = { 0 };
	sigset_t pipe_signal, before;
	bool rung;

	/* Without a reader, the caller gets a signal. */
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	if (pthread_sigmask(SIG_BLOCK, &pipe_signal, &before))
		return false;
	rung = vmsplice(fd, &part, 1, SPLICE_F_NONBLOCK) == 1 || errno == EAGAIN;
	if (!rung && errno == EPIPE && !sigismember(&before, SIGPIPE))
		sigtimedwait(&pipe_signal, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rung;
}

static void fill_pipe_locked(const struct backlog *backlog)
{
	/* If the pipe is full, it is readable. */
	ssize_t n = backlog->is_shared ? bell_ring(backlog->bell) : write(backlog->bell, "", 1);

	(void)n;
}

static void settle_locked(struct ipc *ipc)
{
	atomic_fetch_and(&ipc->attention, ~ATTEND_BACKLOG);
	empty_pipe_locked(&ipc->backlog);
}

void backlog_forget_bells(struct ipc *ipc)
{
	ipc_lock(ipc);
	if (STAILQ_EMPTY(&ipc->backlog.list))
		empty_pipe_locked(&ipc->backlog);
	ipc_unlock(ipc);
}

void backlog_add(struct ipc *ipc, struct backlog_work *work, bool wake)
{
	struct backlog *backlog = &ipc->backlog;
	bool first;

	ipc_lock(ipc);
	first = STAILQ_EMPTY(&backlog->list);
	STAILQ_INSERT_TAIL(&backlog->list, work, link);
	atomic_fetch_or(&ipc->attention, ATTEND_BACKLOG);
	if (first && backlog->fd >= 0)
		fill_pipe_locked(backlog);
	ipc_unlock(ipc);
	if (wake && pool_serves(ipc))
		device_wake(&ipc->device);
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

static void run_event(struct thread *t, struct backlog_work *work)
{
	struct ipcbus_event event = ((struct backlog_event *)work)->event;

	free(work);
	dispatch(t, &event);
}

/* The sender learns of it when the device is closed. */
static void drop_event(struct ipc *ipc, struct backlog_work *work)
{
	const struct ipcbus_event *event = &((struct backlog_event *)work)->event;

	if (event->kind == CHANNEL_EVENT)
		ipc_object_unref(channel_event_object(event));
	channel_event_drop(ipc, event);
	free(work);
}

void backlog_add_event(struct ipc *ipc, struct backlog_event *memory,
		       const struct ipcbus_event *event)
{
	*memory = (struct backlog_event){
		.base = { .run = run_event, .drop = drop_event },
		.event = *event,
	};
	backlog_add(ipc, &memory->base, /* wake= */ true);
}

int backlog_make_fd_locked(struct ipc *ipc)
{
	struct backlog *backlog = &ipc->backlog;
	int fds[2];

	if (backlog->fd >= 0)
		return 0;
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	backlog->bell = descriptor_move(fds[1]);
	if (backlog->bell >= 0)
		backlog->fd = descriptor_move(fds[0]);
	else
		close(fds[0]);
	if (backlog->fd < 0)
		return -errno;
	if (!STAILQ_EMPTY(&backlog->list))
		fill_pipe_locked(backlog);
	return 0;
}

int backlog_make_fd(struct ipc *ipc)
{
	int r;

	ipc_lock(ipc);
	r = backlog_make_fd_locked(ipc);
	ipc_unlock(ipc);
	return r;
}

/* An epoll fd of both fds. A thread that waits for a stream polls only the device's fd, because it
 * leaves the backlog to other threads. */
static int make_all_locked(struct ipc *ipc)
{
	struct epoll_event event = { .events = EPOLLIN };
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
	if (epoll_ctl(fd, EPOLL_CTL_ADD, backlog->fd, &event) < 0 ||
	    epoll_ctl(fd, EPOLL_CTL_ADD, ipc->device.poll_fd, &event) < 0) {
		r = -errno;
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
	if (ipc->backlog.bell >= 0)
		close(ipc->backlog.bell);
}
