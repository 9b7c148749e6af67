// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entry and exit of the hot path. Copies the user's structure in, checks it, releases buffers,
 * sends, waits, and writes the event.
 */
#include <linux/pagemap.h>
#include <linux/uaccess.h>

#include "buffer.h"
#include "cancel.h"
#include "compat.h"
#include "deliver.h"
#include "message.h"
#include "monitor.h"
#include "priority.h"
#include "proc.h"
#include "reply.h"
#include "thread.h"

/* The first part of the structure. The rest is output, except for the fields of IPCBUS_MORE. */
struct exchange_in {
	u32 size;
	u32 flags;
	u32 thread;
	u32 release_count;
	u64 release;
	struct ipcbus_send send;
};

static_assert(sizeof(struct exchange_in) == offsetof(struct ipcbus_exchange, event));

/* Accepts a larger structure of a newer version only if its unknown part is zero. */
static int check_tail(const struct exchange_in *in, struct ipcbus_exchange __user *arg)
{
	int ret;

	if (in->size < sizeof(*arg))
		return -EINVAL;
	if (in->size > PAGE_SIZE)
		return -E2BIG;
	ret = check_zeroed_user(arg + 1, in->size - sizeof(*arg));
	return ret > 0 ? 0 : ret ?: -E2BIG;
}

/* Returns whether a send of kind NONE, which most waits have, has only zeroes. Faster than
 * memchr_inv(). */
static bool is_empty(const struct ipcbus_send *send)
{
	return !(send->flags | send->handle | send->code | send->call | send->data |
		 send->data_size | send->iov_count | send->object_count | send->objects |
		 send->cookie);
}

static int check_request(struct ipcbus_proc *proc, const struct ipcbus_send *send)
{
	u32 flags = IPCBUS_SEND_IOV | IPCBUS_SEND_CLEAR;

	if (send->kind == IPCBUS_SEND_CALL) {
		flags |= IPCBUS_SEND_ACCEPT_FDS | IPCBUS_SEND_ASYNC | IPCBUS_SEND_DETACHED;
	} else {
		if (send->deadline || send->cookie || send->call)
			return -EINVAL;
		flags |= IPCBUS_SEND_REPLACE;
	}
	if (send->flags & ~flags)
		return -EINVAL;
	/* The reply is copied into the caller's region. */
	if (send->kind == IPCBUS_SEND_CALL && !proc->region.size)
		return -ENOBUFS;
	return 0;
}

static int check_reply(const struct ipcbus_send *send)
{
	if (send->flags & ~(IPCBUS_SEND_IOV | IPCBUS_SEND_CLEAR) || send->handle ||
	    send->deadline || send->cookie)
		return -EINVAL;
	if (send->kind == IPCBUS_SEND_REPLY)
		return send->code ? -EINVAL : 0;
	return send->code < 1 || send->code > MAX_ERRNO ? -EINVAL : 0;
}

static __always_inline int check_send(struct ipcbus_proc *proc, const struct ipcbus_send *send)
{
	if (!(send->flags & IPCBUS_SEND_IOV) && send->iov_count)
		return -EINVAL;
	if (send->iov_count > IPCBUS_MAX_IOV || send->object_count > IPCBUS_MAX_OBJECTS)
		return -E2BIG;
	switch (send->kind) {
	case IPCBUS_SEND_CALL:
	case IPCBUS_SEND_ONEWAY:
		return check_request(proc, send);
	case IPCBUS_SEND_REPLY:
	case IPCBUS_SEND_ERROR:
		return check_reply(send);
	default:
		return -EINVAL;
	}
}

static int check_exchange(struct ipcbus_proc *proc, const struct exchange_in *in)
{
	if (in->flags & ~(IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK | IPCBUS_MORE))
		return -EINVAL;
	if (in->flags & (IPCBUS_SERVE | IPCBUS_NONBLOCK) && !(in->flags & IPCBUS_WAIT))
		return -EINVAL;
	if (in->release_count > IPCBUS_MAX_RELEASE)
		return -E2BIG;
	if (!in->release_count && in->release)
		return -EINVAL;
	if (in->send.kind)
		return check_send(proc, &in->send);
	if (in->send.deadline &&
	    (in->flags & (IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK)) != IPCBUS_WAIT)
		return -EINVAL;
	return is_empty(&in->send) ? 0 : -EINVAL;
}

/* Returns -EFAULT if the event cannot be written to user memory. A taken event would be lost, as
 * with read(2). copy_from_user() has just read the first page of the structure, so only the second
 * page is checked, and only if the event reaches into it. */
static __always_inline int check_writable(struct ipcbus_exchange __user *arg)
{
	if (likely(offset_in_page(arg) + offsetof(struct ipcbus_exchange, more) <= PAGE_SIZE))
		return 0;
	return put_user(0, &arg->event.reserved);
}

/* Prepares for the oneways that follow the first event (IPCBUS_MORE). */
static noinline int prepare_more(struct ipcbus_more *more, const struct exchange_in *in,
				 struct ipcbus_exchange __user *arg)
{
	struct {
		u64 more;
		u32 more_count;
		u32 reserved;
	} tail;

	static_assert(sizeof(tail) == sizeof(*arg) - offsetof(struct ipcbus_exchange, more));
	if (copy_from_user(&tail, &arg->more, sizeof(tail)))
		return -EFAULT;
	if (tail.reserved || !(in->flags & IPCBUS_SERVE))
		return -EINVAL;
	if (tail.more_count > IPCBUS_MAX_MORE)
		return -E2BIG;
	more->events = u64_to_user_ptr(tail.more);
	if (fault_in_writeable((char __user *)more->events,
			       tail.more_count * sizeof(struct ipcbus_event)))
		return -EFAULT;
	more->most = tail.more_count;
	return 0;
}

static __always_inline int release_one(struct ipcbus_proc *proc, u64 id)
{
	struct ipcbus_cargo cargo = {};
	int ret;

	ret = ipcbus_region_release(&proc->region, id, &cargo);
	ipcbus_report_release(id, ret);
	if (unlikely(cargo.node || cargo.objects))
		ipcbus_cargo_drop(&cargo);
	return ret;
}

static int release(struct ipcbus_proc *proc, const struct exchange_in *in, u32 *ret_index)
{
	u64 __user *ids = u64_to_user_ptr(in->release);
	u64 id;
	int ret;

	if (in->release_count == 1)
		return release_one(proc, in->release);
	for (*ret_index = 0; *ret_index < in->release_count; ++*ret_index) {
		if (get_user(id, &ids[*ret_index]))
			return -EFAULT;
		ret = release_one(proc, id);
		if (ret)
			return ret;
	}
	return 0;
}

static __always_inline int send_request(struct ipcbus_thread *thread,
					struct ipcbus_message *message, struct ipcbus_send *send)
{
	if (unlikely(send->deadline))
		ipcbus_deadline_from_user(&send->deadline);
	return ipcbus_request_send(thread, message);
}

static int release_and_send(struct ipcbus_thread *thread, struct exchange_in *in,
			    struct ipcbus_event *event)
{
	struct ipcbus_message message;
	int ret;

	message.stage = IPCBUS_STAGE_RELEASE;
	message.index = 0;
	ret = in->release_count ? release(thread->proc, in, &message.index) : 0;
	if (unlikely(ret)) {
		message.send = NULL;
		ipcbus_report_unsent(thread, &message, NULL, NULL, ret);
	} else if (in->send.kind) {
		message.send = &in->send;
		message.oneway = in->send.kind == IPCBUS_SEND_ONEWAY;
		message.label_size = 0;
		/* The kinds of replies have higher numbers than the kinds of requests. */
		ret = in->send.kind <= IPCBUS_SEND_ONEWAY ?
			      send_request(thread, &message, &in->send) :
			      ipcbus_reply_send(thread, &message);
	} else if (unlikely(in->send.deadline)) {
		ipcbus_deadline_from_user(&in->send.deadline);
		WRITE_ONCE(thread->listens, in->send.deadline);
	}
	if (likely(!ret))
		return 0;
	event->kind = IPCBUS_EVENT_FAILED;
	event->error = ret;
	event->stage = message.stage;
	event->index = message.index;
	return ret;
}

/* Writes the event and the oneways that follow it. */
static noinline int write_more(struct ipcbus_thread *thread, struct ipcbus_exchange __user *arg,
			       const struct ipcbus_event *event, int ret)
{
	struct ipcbus_more *more = &thread->more;

	if (copy_to_user(&arg->event, event, sizeof(*event))) {
		ipcbus_more_put_back(more);
		ret = ret ?: -EFAULT;
	}
	ipcbus_more_write(more, thread, &arg->event.more);
	more->most = 0;
	return ret;
}

long ipcbus_exchange(struct ipcbus_proc *proc, struct ipcbus_exchange __user *arg, bool nonblock)
{
	struct ipcbus_event event = {};
	struct ipcbus_thread *thread;
	struct exchange_in in ipcbus_uninitialized;
	int ret;

	if (copy_from_user(&in, arg, sizeof(in)))
		return -EFAULT;
	ret = likely(in.size == sizeof(*arg)) ? 0 : check_tail(&in, arg);
	if (!ret)
		ret = check_exchange(proc, &in) ?: check_writable(arg);
	if (ret)
		return ret;
	thread = ipcbus_thread_current(proc, in.thread);
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	if (unlikely(in.flags & IPCBUS_MORE)) {
		ret = prepare_more(&thread->more, &in, arg);
		if (ret)
			return ret;
	}

	ret = release_and_send(thread, &in, &event);
	if (likely(!ret)) {
		if (in.flags & IPCBUS_WAIT) {
			if (nonblock)
				in.flags |= IPCBUS_NONBLOCK;
			ipcbus_thread_wait(thread, in.flags, in.send.kind == IPCBUS_SEND_CALL,
					   &event);
		}
		event.thread = thread->number;
		/* The thread may be in poll when its call expires. */
		if (unlikely(thread->deadline))
			ipcbus_thread_leave_to_timer(thread);
	}
	if (unlikely(thread->stale))
		ipcbus_boost_update(thread);
	if (unlikely(thread->more.most))
		return write_more(thread, arg, &event, ret);
	if (unlikely(copy_to_user(&arg->event, &event, sizeof(event))))
		ret = ret ?: -EFAULT;
	return ret;
}
