// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replies: see reply.h.
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
#include "result.h"
#include "thread.h"
#include "transaction.h"

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
		ipcbus_result_fail(t, -EOWNERDEAD, IPCBUS_STAGE_QUEUE, 0);
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
	if (!ipcbus_result_reply(t, buffer, error ? IPCBUS_EVENT_ERROR : IPCBUS_EVENT_REPLY,
				 error ? -(s32)message->send->code : 0))
		ipcbus_buffer_drop(&caller->region, buffer);
	ipcbus_transaction_put(t, thread);
	return 0;
}
