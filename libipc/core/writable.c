// SPDX-License-Identifier: MIT
/*
 * Who waits for space on a connection. See writable.h; called by stream.c, and by loop.c
 * and stream.c when poll says that there is some.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "private.h"
#include "writable.h"

static void user_is_writable(struct writable_waiter *waiter);

void writable_init(struct ipc *ipc)
{
	ipc->writable = (struct writable){
		.last = &ipc->writable.first,
		.user.ready = user_is_writable,
	};
	atomic_init(&ipc->stop_fd, -1);
}

void writable_done(struct ipc *ipc)
{
	int fd = atomic_load(&ipc->stop_fd);

	if (fd >= 0)
		close(fd);
}

int writable_make_poll(struct ipc *ipc, unsigned int polls)
{
	int r;

	ipc_lock(ipc);
	r = device_set_poll(&ipc->device, ipc->device.polls | polls);
	ipc_unlock(ipc);
	return r;
}

/* --- The list ----------------------------------------------------------------------- */

static void add_locked(struct writable *writable, struct writable_waiter *waiter)
{
	waiter->next = NULL;
	waiter->link = writable->last;
	*writable->last = waiter;
	writable->last = &waiter->next;
}

static void remove_locked(struct writable *writable, struct writable_waiter *waiter)
{
	*waiter->link = waiter->next;
	if (waiter->next)
		waiter->next->link = waiter->link;
	else
		writable->last = waiter->link;
	waiter->link = NULL;
}

/* Nobody waits: nobody need poll. A forked child has what it would change. */
static void settle_locked(struct ipc *ipc)
{
	if (ipc->writable.first || ipc->foreign)
		return;
	atomic_fetch_and(&ipc->attention, ~(ATTEND_WRITABLE | ATTEND_POLL));
	device_set_poll(&ipc->device, ipc->device.polls & ~DEVICE_POLL_WRITABLE);
}

/* --- Waiting ------------------------------------------------------------------------ */

/* The threads of ipc_run() sleep in the driver: they are to poll, and to hear of
 * ipc_stop() there. 1: they are to be woken for it. */
static int attend_locked(struct ipc *ipc)
{
	int fd;

	if (atomic_load(&ipc->attention) & ATTEND_POLL)
		return 0;
	if (atomic_load(&ipc->stop_fd) < 0) {
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (fd < 0)
			return -errno;
		atomic_store(&ipc->stop_fd, fd);
	}
	atomic_fetch_or(&ipc->attention, ATTEND_POLL);
	return 1;
}

static int want_locked(struct ipc *ipc, bool by_others)
{
	int r;

	r = device_set_poll(&ipc->device, ipc->device.polls | DEVICE_POLL_WRITABLE);
	if (r == 0 && by_others)
		r = attend_locked(ipc);
	if (r >= 0)
		atomic_fetch_or(&ipc->attention, ATTEND_WRITABLE);
	else
		settle_locked(ipc);
	return r;
}

int writable_want(struct ipc *ipc, struct writable_waiter *waiter, bool by_others)
{
	bool waits;
	int r;

	ipc_lock(ipc);
	r = want_locked(ipc, by_others);
	waits = waiter->link;
	if (r >= 0 && !waits)
		add_locked(&ipc->writable, waiter);
	ipc_unlock(ipc);
	if (r > 0)
		device_wake(&ipc->device);
	return r < 0 ? r : !waits;
}

bool writable_forget(struct ipc *ipc, struct writable_waiter *waiter)
{
	bool waited;

	ipc_lock(ipc);
	waited = waiter->link;
	if (waited) {
		remove_locked(&ipc->writable, waiter);
		settle_locked(ipc);
	}
	ipc_unlock(ipc);
	return waited;
}

/* --- Space ----------------------------------------------------------------------------- */

static unsigned int count_waiters(struct ipc *ipc)
{
	unsigned int n = 0;

	ipc_lock(ipc);
	for (struct writable_waiter *waiter = ipc->writable.first; waiter; waiter = waiter->next)
		n++;
	ipc_unlock(ipc);
	return n;
}

static struct writable_waiter *take_first(struct ipc *ipc)
{
	struct writable_waiter *waiter;

	ipc_lock(ipc);
	waiter = ipc->writable.first;
	if (waiter)
		remove_locked(&ipc->writable, waiter);
	ipc_unlock(ipc);
	return waiter;
}

void writable_notify(struct ipc *ipc)
{
	/* Those that try and have to wait again come behind. */
	for (unsigned int n = count_waiters(ipc); n; n--) {
		struct writable_waiter *waiter = take_first(ipc);

		if (waiter)
			waiter->ready(waiter);
	}
	ipc_lock(ipc);
	settle_locked(ipc);
	ipc_unlock(ipc);
}

/* --- The program itself --------------------------------------------------------------- */

static void user_is_writable(struct writable_waiter *waiter)
{
	struct ipc *ipc = (struct ipc *)((char *)waiter - offsetof(struct ipc, writable.user));
	ipc_writable_cb cb;
	void *userdata;

	ipc_lock(ipc);
	cb = ipc->writable.cb;
	userdata = ipc->writable.cb_userdata;
	ipc->writable.cb = NULL;
	ipc_unlock(ipc);
	if (cb)
		cb(ipc, userdata);
}

static void set_cb(struct ipc *ipc, ipc_writable_cb cb, void *userdata)
{
	ipc_lock(ipc);
	ipc->writable.cb = cb;
	ipc->writable.cb_userdata = userdata;
	ipc_unlock(ipc);
}

int ipc_on_writable(struct ipc *ipc, ipc_writable_cb cb, void *userdata)
{
	int r;

	if (!ipc)
		return -EINVAL;
	if (ipc->foreign)
		return -ECHILD;

	set_cb(ipc, cb, userdata);
	if (!cb) {
		writable_forget(ipc, &ipc->writable.user);
		return 0;
	}
	r = writable_want(ipc, &ipc->writable.user, /* by_others= */ true);
	if (r < 0)
		set_cb(ipc, NULL, NULL);
	return r < 0 ? r : 0;
}

/* --- Stopping ------------------------------------------------------------------------- */

void writable_stop(struct ipc *ipc, bool stop)
{
	int saved = errno;
	uint64_t one = 1;
	int fd;

	if (stop)
		atomic_fetch_or(&ipc->attention, ATTEND_STOP);
	else
		atomic_fetch_and(&ipc->attention, ~ATTEND_STOP);
	/* Full or empty, it says what it is to say already. */
	fd = atomic_load(&ipc->stop_fd);
	if (fd >= 0 && (stop ? write(fd, &one, sizeof(one)) : read(fd, &one, sizeof(one))) < 0)
		errno = saved;
	errno = saved;
}
