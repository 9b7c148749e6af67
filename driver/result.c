// SPDX-License-Identifier: GPL-2.0-only
/*
 * Results of calls: see result.h. wait.c takes them.
 */
#include <linux/rbtree.h>

#include "buffer.h"
#include "calls.h"
#include "monitor.h"
#include "node.h"
#include "proc.h"
#include "result.h"
#include "thread.h"
#include "transaction.h"
#include "work.h"

static bool async_deliver(struct ipcbus_work *work, struct ipcbus_thread *thread,
			  struct ipcbus_event *event)
{
	struct ipcbus_transaction *t = container_of(work, struct ipcbus_transaction, done);

	spin_lock(&t->caller->lock);
	t->caller->calls.async_count--;
	spin_unlock(&t->caller->lock);
	ipcbus_result_take(t, thread, event);
	return true;
}

static void async_discard(struct ipcbus_work *work)
{
	ipcbus_result_drop(container_of(work, struct ipcbus_transaction, done));
}

static const struct ipcbus_work_ops async_ops = {
	.deliver = async_deliver,
	.discard = async_discard,
};

/* Returns whether the caller may run on the server's CPU: the call has a reply, and the server has
 * no other work. */
static bool may_take_cpu(const struct ipcbus_transaction *t)
{
	return IPCBUS_WAKES_HERE && t->result.kind != IPCBUS_EVENT_FAILED &&
	       list_empty(&t->node->proc->work.list);
}

/* Takes the call off the timer of its caller. */
static void stop_timer_locked(struct ipcbus_transaction *t)
{
	lockdep_assert_held(&t->caller->lock);
	rb_erase_cached(&t->expiry, &t->caller->calls.expiry);
	RB_CLEAR_NODE(&t->expiry);
}

/* Ends the call with this result and wakes the thread that waits for it, or queues the event of an
 * async call. From here on the caller may take the result. */
static void publish_locked(struct ipcbus_transaction *t, u32 kind, s32 error, u32 stage, u32 index)
{
	lockdep_assert_held(&t->caller->lock);
	t->result.kind = kind;
	t->result.error = error;
	t->result.stage = stage;
	t->result.index = index;
	WRITE_ONCE(t->state, IPCBUS_ENDED);
	if (unlikely(!RB_EMPTY_NODE(&t->expiry)))
		stop_timer_locked(t);
	if (likely(!(t->flags & IPCBUS_SEND_ASYNC))) {
		ipcbus_thread_kick_locked(t->from, may_take_cpu(t));
		return;
	}
	ipcbus_async_remove_locked(t->caller, t);
	ipcbus_work_init(&t->done, &async_ops);
	ipcbus_proc_queue_locked(t->caller, &t->done);
}

void ipcbus_result_fail_locked(struct ipcbus_transaction *t, int error, u32 stage, u32 index)
{
	publish_locked(t, IPCBUS_EVENT_FAILED, error, stage, index);
}

void ipcbus_result_fail(struct ipcbus_transaction *t, int error, u32 stage, u32 index)
{
	spin_lock(&t->caller->lock);
	if (t->state == IPCBUS_PENDING)
		ipcbus_result_fail_locked(t, error, stage, index);
	spin_unlock(&t->caller->lock);
	ipcbus_transaction_put(t, NULL);
}

bool ipcbus_result_reply(struct ipcbus_transaction *t, struct ipcbus_buffer *buffer, u32 kind,
			 s32 error)
{
	struct ipcbus_proc *caller = t->caller;
	bool wanted;

	spin_lock(&caller->lock);
	wanted = t->state == IPCBUS_PENDING;
	if (likely(wanted)) {
		t->reply = buffer;
		publish_locked(t, kind, error, 0, 0);
	}
	spin_unlock(&caller->lock);
	return wanted;
}

void ipcbus_result_take(struct ipcbus_transaction *t, struct ipcbus_thread *thread,
			struct ipcbus_event *event)
{
	struct ipcbus_buffer *buffer = t->reply;
	u32 index = 0;
	int ret = 0;

	event->cookie = t->cookie;
	if (buffer && buffer->cargo.objects)
		ret = ipcbus_buffer_install(thread->proc, buffer, &index);
	if (ret) {
		ipcbus_buffer_drop(&thread->proc->region, buffer);
		event->kind = IPCBUS_EVENT_FAILED;
		event->error = ret;
		event->stage = IPCBUS_STAGE_DELIVER;
		event->index = index;
		ipcbus_report_result(thread, t, event);
		ipcbus_transaction_put(t, thread);
		return;
	}
	event->kind = t->result.kind;
	event->error = t->result.error;
	event->stage = t->result.stage;
	event->index = t->result.index;
	/* A failure has no sender. */
	if (t->result.kind != IPCBUS_EVENT_FAILED)
		ipcbus_sender_to_event(&t->result.sender, event);
	if (buffer)
		ipcbus_buffer_deliver(thread->proc, buffer, event);
	ipcbus_report_result(thread, t, event);
	ipcbus_transaction_put(t, thread);
}

bool ipcbus_result_abandon_locked(struct ipcbus_transaction *t)
{
	lockdep_assert_held(&t->caller->lock);
	if (t->state != IPCBUS_PENDING)
		return false;
	WRITE_ONCE(t->state, IPCBUS_ABANDONED);
	if (!RB_EMPTY_NODE(&t->expiry))
		stop_timer_locked(t);
	return true;
}

void ipcbus_result_drop(struct ipcbus_transaction *t)
{
	ipcbus_buffer_drop(&t->caller->region, t->reply);
	ipcbus_transaction_put(t, NULL);
}
