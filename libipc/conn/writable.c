// SPDX-License-Identifier: MIT
/* The senders of a connection that wait for space. See writable.h. */
#define _GNU_SOURCE
#include <errno.h>

#include "slot.h"
#include "thread.h"
#include "writable.h"

void writable_init(struct ipc *ipc)
{
	TAILQ_INIT(&ipc->writable);
}

int writable_make_poll(struct ipc *ipc, unsigned int polls)
{
	int r;

	ipc_lock(ipc);
	r = device_set_poll(&ipc->device, ipc->device.polls | polls);
	ipc_unlock(ipc);
	return r;
}

static void remove_locked(struct writable *writable, struct writable_waiter *waiter)
{
	TAILQ_REMOVE(writable, waiter, link);
	waiter->waits = false;
}

/* In a forked child the fd still belongs to the parent. */
void writable_stop_polling_locked(struct ipc *ipc)
{
	if (!TAILQ_EMPTY(&ipc->writable) || ipc->foreign)
		return;
	if (LIST_EMPTY(&ipc->timers.list))
		atomic_fetch_and(&ipc->attention, ~ATTEND_POLL);
	atomic_fetch_and(&ipc->attention, ~ATTEND_WRITABLE);
	if (ipc->device.polls & DEVICE_POLL_WRITABLE)
		device_set_poll(&ipc->device, ipc->device.polls & ~DEVICE_POLL_WRITABLE);
}

static int want_locked(struct ipc *ipc)
{
	int r;

	r = device_set_poll(&ipc->device, ipc->device.polls | DEVICE_POLL_WRITABLE);
	if (r == 0)
		r = backlog_poll_locked(ipc);
	if (r >= 0)
		atomic_fetch_or(&ipc->attention, ATTEND_WRITABLE);
	else
		writable_stop_polling_locked(ipc);
	return r;
}

int writable_want(struct ipc *ipc, struct writable_waiter *waiter)
{
	bool waits;
	int r;

	ipc_lock(ipc);
	r = want_locked(ipc);
	waits = waiter->waits;
	if (r >= 0 && !waits) {
		waiter->waits = true;
		TAILQ_INSERT_TAIL(&ipc->writable, waiter, link);
	}
	ipc_unlock(ipc);
	if (r > 0)
		device_wake(&ipc->device);
	return r < 0 ? r : !waits;
}

bool writable_forget(struct ipc *ipc, struct writable_waiter *waiter)
{
	bool waited;

	ipc_lock(ipc);
	waited = waiter->waits;
	if (waited) {
		remove_locked(&ipc->writable, waiter);
		writable_stop_polling_locked(ipc);
	}
	ipc_unlock(ipc);
	return waited;
}

/* Drops the lock while it notifies. */
static void notify_all_locked(struct ipc *ipc)
{
	struct writable_waiter *waiter;
	unsigned int n = 0;

	TAILQ_FOREACH(waiter, &ipc->writable, link)
		n++;
	/* Waiters that must wait again are appended. */
	for (; n && (waiter = TAILQ_FIRST(&ipc->writable)); n--) {
		remove_locked(&ipc->writable, waiter);
		ipc_unlock(ipc);
		waiter->ready(waiter);
		ipc_lock(ipc);
	}
	writable_stop_polling_locked(ipc);
}

void writable_notify(struct ipc *ipc)
{
	ipc_lock(ipc);
	if (device_is_writable(&ipc->device))
		notify_all_locked(ipc);
	ipc_unlock(ipc);
}

void writable_retry(struct ipc *ipc)
{
	ipc_lock(ipc);
	notify_all_locked(ipc);
	ipc_unlock(ipc);
}

/* The thread that takes the waiter off the list owns the list's reference of the slot. */
struct writable_slot {
	struct ipc_slot slot;
	struct writable_waiter waiter;
	struct backlog_work work;	/* the callback */
	ipc_writable_cb cb;
};

static struct writable_slot *slot_of(struct writable_waiter *waiter)
{
	return (void *)((char *)waiter - offsetof(struct writable_slot, waiter));
}

static struct writable_slot *slot_of_work(struct backlog_work *work)
{
	return (void *)((char *)work - offsetof(struct writable_slot, work));
}

/* Leaves the callback to a serving thread: a thread that waits for a stream may have seen the
 * report. */
static void is_writable(struct writable_waiter *waiter)
{
	struct writable_slot *writable = slot_of(waiter);

	backlog_add(writable->slot.ipc, &writable->work, /* wake= */ true);
}

static void writable_run(struct thread *t, struct backlog_work *work)
{
	struct writable_slot *writable = slot_of_work(work);
	struct slot_frame frame;

	if (slot_enter(&writable->slot, &frame)) {
		thread_enter(t);
		writable->cb(writable->slot.ipc, writable->slot.userdata);
		thread_leave_handler(t);
		slot_leave(&frame);
	}
	slot_drop(&writable->slot);
}

static void writable_drop(struct ipc *ipc, struct backlog_work *work)
{
	(void)ipc;
	slot_drop(&slot_of_work(work)->slot);
}

static void writable_end(struct ipc_slot *slot, bool waits)
{
	(void)waits;
	if (writable_forget(slot->ipc, &((struct writable_slot *)slot)->waiter))
		slot_drop(slot);
}

static const struct slot_type writable_type = {
	.size = sizeof(struct writable_slot),
	.end = writable_end,
};

int ipc_on_writable(struct ipc *ipc, ipc_writable_cb cb, void *userdata,
		    struct ipc_slot **ret_slot)
{
	struct ipc_slot *before = ret_slot ? *ret_slot : NULL, *slot;
	struct writable_slot *writable;
	int r;

	r = cb ? ipc_check(ipc) : -EINVAL;
	if (r == 0)
		r = slot_new(ipc, &writable_type, userdata, &slot);
	if (r < 0)
		return r;
	writable = (struct writable_slot *)slot;
	writable->waiter.ready = is_writable;
	writable->work = (struct backlog_work){ .run = writable_run, .drop = writable_drop };
	writable->cb = cb;
	slot_give(slot, ret_slot);
	r = writable_want(ipc, &writable->waiter);
	if (r >= 0)
		return 0;
	if (ret_slot)
		*ret_slot = before;
	slot_abandon(slot, /* given= */ ret_slot);
	return r;
}

void writable_close(struct ipc *ipc)
{
	struct writable_waiter *waiter;

	while ((waiter = TAILQ_FIRST(&ipc->writable))) {
		remove_locked(&ipc->writable, waiter);
		if (waiter->ready == is_writable)
			slot_drop(&slot_of(waiter)->slot);
		else
			waiter->ready(waiter);
	}
}
