// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of calls: see reply.h. exchange.c sends replies, wait.c takes results.
 */
#include "buffer.h"
#include "calls.h"
#include "cancel.h"
#include "message.h"
#include "monitor.h"
#include "node.h"
#include "object.h"
#include "proc.h"
#include "reply.h"
#include "thread.h"
#include "transaction.h"

/* --- The caller's side ------------------------------------------------------- */

static bool async_deliver(struct ipcbus_work *work, struct ipcbus_thread *thread,
			  struct ipcbus_event *event)
{
	struct ipcbus_transaction *t = container_of(work, struct ipcbus_transaction, done);

	spin_lock(&t->caller->lock);
	t->caller->calls.async_count--;
	spin_unlock(&t->caller->lock);
	ipcbus_reply_take(t, thread, event);
	return true;
}

static void async_discard(struct ipcbus_work *work)
{
	ipcbus_reply_drop(container_of(work, struct ipcbus_transaction, done));
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
		ipcbus_expiry_remove_locked(t);
	if (likely(!(t->flags & IPCBUS_SEND_ASYNC))) {
		ipcbus_thread_kick_locked(t->from, may_take_cpu(t));
		return;
	}
	ipcbus_async_remove_locked(t->caller, t);
	ipcbus_work_init(&t->done, &async_ops);
	ipcbus_proc_queue_locked(t->caller, &t->done);
}

void ipcbus_reply_fail_locked(struct ipcbus_transaction *t, int error, u32 stage, u32 index)
{
	publish_locked(t, IPCBUS_EVENT_FAILED, error, stage, index);
}

void ipcbus_reply_fail(struct ipcbus_transaction *t, int error, u32 stage, u32 index)
{
	spin_lock(&t->caller->lock);
	if (t->state == IPCBUS_PENDING)
		ipcbus_reply_fail_locked(t, error, stage, index);
	spin_unlock(&t->caller->lock);
	ipcbus_transaction_put(t, NULL);
}

/* Gives the reply to the caller, or returns false if it no longer waits. Keeps the server's ref. */
static bool hand_over(struct ipcbus_transaction *t, struct ipcbus_buffer *reply, u32 kind,
		      s32 error)
{
	struct ipcbus_proc *caller = t->caller;
	bool wanted;

	spin_lock(&caller->lock);
	wanted = t->state == IPCBUS_PENDING;
	if (likely(wanted)) {
		t->reply = reply;
		publish_locked(t, kind, error, 0, 0);
	}
	spin_unlock(&caller->lock);
	return wanted;
}

void ipcbus_reply_take(struct ipcbus_transaction *t, struct ipcbus_thread *thread,
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

bool ipcbus_reply_abandon_locked(struct ipcbus_transaction *t)
{
	lockdep_assert_held(&t->caller->lock);
	if (t->state != IPCBUS_PENDING)
		return false;
	WRITE_ONCE(t->state, IPCBUS_ABANDONED);
	if (!RB_EMPTY_NODE(&t->expiry))
		ipcbus_expiry_remove_locked(t);
	return true;
}

void ipcbus_reply_drop(struct ipcbus_transaction *t)
{
	ipcbus_buffer_drop(&t->caller->region, t->reply);
	ipcbus_transaction_put(t, NULL);
}

/* Removes an async call and abandons it. Returns it with the caller's reference, or NULL. */
static struct ipcbus_transaction *pop_async(struct ipcbus_proc *proc)
{
	struct ipcbus_transaction *t;

	spin_lock(&proc->lock);
	t = rb_entry_safe(rb_first(&proc->calls.asyncs), struct ipcbus_transaction, async_entry);
	if (t) {
		ipcbus_async_remove_locked(proc, t);
		ipcbus_reply_abandon_locked(t);
	}
	spin_unlock(&proc->lock);
	return t;
}

void ipcbus_asyncs_release(struct ipcbus_proc *proc)
{
	struct ipcbus_transaction *t;

	/* Servers may still reply concurrently, and remove async calls. */
	while ((t = pop_async(proc))) {
		ipcbus_cancel_server(t);
		ipcbus_transaction_put(t, NULL);
		cond_resched();
	}
}

/* --- The server's side ------------------------------------------------------- */

/* Takes the open call out of the table, so no other thread can reply. Returns it or NULL. */
static struct ipcbus_transaction *claim(struct ipcbus_thread *thread, u64 id)
{
	struct ipcbus_proc *proc = thread->proc;
	bool idle = false, withdrawn = false;
	struct ipcbus_transaction *t;

	spin_lock(&proc->lock);
	t = ipcbus_open_find_locked(proc, id);
	/* Pairs with the release in transaction_deliver(). */
	if (unlikely(!t || smp_load_acquire(&t->delivering))) {
		spin_unlock(&proc->lock);
		return NULL;
	}
	ipcbus_open_remove_locked(proc, t);
	WRITE_ONCE(thread->replies, true);
	if (t->server)
		ipcbus_transaction_end_serving_locked(t);
	idle = ipcbus_node_end_call_locked(t->node);
	withdrawn = ipcbus_cancel_withdraw_locked(t);
	proc->calls.count--;
	spin_unlock(&proc->lock);
	if (unlikely(idle))
		ipcbus_node_check_idle(t->node);
	if (unlikely(withdrawn))
		ipcbus_transaction_put(t, NULL);
	return t;
}

/* Opens a claimed call again, because its reply failed. */
static void unclaim(struct ipcbus_proc *proc, struct ipcbus_transaction *t,
		    struct ipcbus_thread *thread)
{
	spin_lock(&proc->lock);
	ipcbus_open_add_locked(proc, t);
	t->node->pending++;
	proc->calls.count++;
	proc->freeze.reopened++;
	WRITE_ONCE(thread->replies, false);
	if (t->server == thread)
		ipcbus_transaction_begin_serving_locked(t, thread);
	else
		t->server = NULL;
	/* It was canceled while its reply was being sent: notify the server now. */
	if (READ_ONCE(t->state) != IPCBUS_PENDING)
		ipcbus_cancel_notify_locked(t);
	spin_unlock(&proc->lock);
}

/* Takes an open call out of the table. Returns it with the server's reference, or NULL. */
static struct ipcbus_transaction *pop_open(struct ipcbus_proc *proc)
{
	struct ipcbus_transaction *t = NULL;
	u32 tree;

	spin_lock(&proc->lock);
	for (tree = 0; !t && tree < IPCBUS_OPEN_TREES; tree++)
		t = ipcbus_open_next_locked(proc, tree, 0);
	if (t) {
		ipcbus_open_remove_locked(proc, t);
		proc->calls.count--;
	}
	spin_unlock(&proc->lock);
	return t;
}

void ipcbus_open_calls_release(struct ipcbus_proc *proc)
{
	struct ipcbus_transaction *t;

	/* Callers may still cancel concurrently, and check whether the call is open. */
	while ((t = pop_open(proc))) {
		ipcbus_report_failed(t, NULL, -EOWNERDEAD, IPCBUS_STAGE_QUEUE, 0);
		ipcbus_reply_fail(t, -EOWNERDEAD, IPCBUS_STAGE_QUEUE, 0);
		cond_resched();
	}
}

int ipcbus_reply_send(struct ipcbus_thread *thread, struct ipcbus_message *message)
{
	bool error = message->send->kind == IPCBUS_SEND_ERROR;
	struct ipcbus_buffer *buffer = NULL;
	struct ipcbus_transaction *t;
	struct ipcbus_proc *caller;
	int ret;

	ipcbus_message_stage(message, IPCBUS_STAGE_TARGET);
	t = claim(thread, message->send->call);
	if (!t)
		return ipcbus_report_unsent(thread, message, NULL, NULL, -ESRCH);
	caller = t->caller;
	if (unlikely(t->canceled)) {
		WRITE_ONCE(thread->replies, false);
		ipcbus_objects_let_go(thread->proc, message->send);
		ipcbus_transaction_put(t, thread);
		return 0;
	}

	ret = ipcbus_buffer_make(thread->proc, caller, t->flags & IPCBUS_SEND_ACCEPT_FDS, message,
				 &buffer);
	/* If the caller has just died, the reply is dropped, which is no error. */
	if (ret && ret != -EOWNERDEAD) {
		ipcbus_report_unsent(thread, message, t, t->node, ret);
		unclaim(thread->proc, t, thread);
		return ret;
	}
	/* From here on the reply cannot fail. */
	WRITE_ONCE(thread->replies, false);
	if (unlikely(ret))
		ipcbus_objects_let_go(thread->proc, message->send);
	ipcbus_thread_identify(thread, caller, &t->result.sender);
	ipcbus_report_reply(thread, message, t, buffer);
	if (!hand_over(t, buffer, error ? IPCBUS_EVENT_ERROR : IPCBUS_EVENT_REPLY,
		       error ? -(s32)message->send->code : 0))
		ipcbus_buffer_drop(&caller->region, buffer);
	ipcbus_transaction_put(t, thread);
	return 0;
}
