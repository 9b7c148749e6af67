// SPDX-License-Identifier: GPL-2.0-only
/*
 * How calls end: answered by the server, failed by the driver, abandoned by the
 * caller. Called by exchange.c for replies, by thread.c for the caller's side.
 */
#include "answer.h"
#include "buffer.h"
#include "identity.h"
#include "message.h"
#include "node.h"
#include "proc.h"
#include "report.h"
#include "thread.h"
#include "transaction.h"

/* --- The caller's side ------------------------------------------------------- */

/*
 * Hands the caller its answer; false if it does not wait for one any more. The
 * server's reference stays the server's.
 */
static bool answer(struct ipcbus_transaction *t, struct ipcbus_buffer *reply, u32 kind, s32 error,
		   u32 stage, u32 index)
{
	struct ipcbus_thread *from = t->from;
	bool wanted;

	spin_lock(&from->proc->lock);
	wanted = t->state == IPCBUS_PENDING;
	if (wanted) {
		t->reply = reply;
		t->answer.kind = kind;
		t->answer.error = error;
		t->answer.stage = stage;
		t->answer.index = index;
		t->state = IPCBUS_ANSWERED;
		ipcbus_thread_kick_locked(from);
	}
	spin_unlock(&from->proc->lock);
	return wanted;
}

void ipcbus_answer_fail(struct ipcbus_transaction *t, int error, u32 stage, u32 index)
{
	answer(t, NULL, IPCBUS_EVENT_FAILED, error, stage, index);
	ipcbus_transaction_put(t, NULL);
}

void ipcbus_answer_take(struct ipcbus_transaction *t, struct ipcbus_thread *thread,
			struct ipcbus_event *event)
{
	struct ipcbus_buffer *buffer = t->reply;
	u32 index = 0;
	int ret = 0;

	event->call = t->id;
	if (buffer && buffer->objects.count)
		ret = ipcbus_buffer_install(thread->proc, buffer, &index);
	if (ret) {
		ipcbus_buffer_drop(&thread->proc->region, buffer);
		event->kind = IPCBUS_EVENT_FAILED;
		event->error = ret;
		event->stage = IPCBUS_STAGE_DELIVER;
		event->index = index;
		ipcbus_report_answer(thread, event);
		ipcbus_transaction_put(t, thread);
		return;
	}
	event->kind = t->answer.kind;
	event->error = t->answer.error;
	event->stage = t->answer.stage;
	event->index = t->answer.index;
	/* The driver's own answers have no sender. */
	if (t->answer.kind != IPCBUS_EVENT_FAILED)
		ipcbus_tell_sender(&t->answer.sender, event);
	if (buffer)
		ipcbus_buffer_deliver(thread->proc, buffer, event);
	ipcbus_report_answer(thread, event);
	ipcbus_transaction_put(t, thread);
}

/* Takes t back before anybody saw it, if it is still queued. */
static bool unqueue(struct ipcbus_transaction *t)
{
	struct ipcbus_proc *target = t->node->proc;
	bool queued, idle = false;

	spin_lock(&target->lock);
	queued = ipcbus_work_unqueue_locked(&t->work);
	if (queued)
		idle = ipcbus_node_end_call_locked(t->node);
	spin_unlock(&target->lock);
	if (idle)
		ipcbus_node_check_idle(t->node);
	return queued;
}

void ipcbus_answer_abandon(struct ipcbus_transaction *t)
{
	struct ipcbus_proc *caller = t->from->proc;

	if (t->state == IPCBUS_ANSWERED) {
		ipcbus_buffer_drop(&caller->region, t->reply);
	} else if (unqueue(t)) {
		ipcbus_buffer_drop(&t->node->proc->region, t->buffer);
		ipcbus_transaction_put(t, NULL);
	}
	ipcbus_transaction_put(t, NULL);
}

/* --- The server's side ------------------------------------------------------- */

/* Takes the open call out of the table: only one can answer it. */
static struct ipcbus_transaction *claim(struct ipcbus_proc *proc, u64 id)
{
	struct ipcbus_transaction *t;
	bool idle = false;

	spin_lock(&proc->lock);
	hash_for_each_possible(proc->open, t, open, id)
	{
		if (t->id != id)
			continue;
		hash_del(&t->open);
		if (t->server)
			ipcbus_transaction_end_serving_locked(t);
		idle = ipcbus_node_end_call_locked(t->node);
		break;
	}
	spin_unlock(&proc->lock);
	if (unlikely(idle))
		ipcbus_node_check_idle(t->node);
	return t;
}

/* The reply failed: the call is open again. */
static void unclaim(struct ipcbus_proc *proc, struct ipcbus_transaction *t,
		    struct ipcbus_thread *thread)
{
	spin_lock(&proc->lock);
	hash_add(proc->open, &t->open, t->id);
	t->node->pending++;
	if (t->server == thread) {
		t->to_below = thread->top;
		thread->top = t;
	} else {
		t->server = NULL;
	}
	spin_unlock(&proc->lock);
}

void ipcbus_answers_release(struct ipcbus_proc *proc)
{
	struct ipcbus_transaction *t;
	struct hlist_node *next;
	int bucket;

	/* No thread is left, so nobody else touches the table. */
	hash_for_each_safe(proc->open, bucket, next, t, open)
	{
		hash_del(&t->open);
		ipcbus_report_failed(t, -EOWNERDEAD, IPCBUS_STAGE_QUEUE, 0);
		ipcbus_answer_fail(t, -EOWNERDEAD, IPCBUS_STAGE_QUEUE, 0);
	}
}

int ipcbus_answer_send(struct ipcbus_thread *thread, struct ipcbus_message *message)
{
	bool error = message->send->kind == IPCBUS_SEND_ERROR;
	struct ipcbus_buffer *buffer;
	struct ipcbus_transaction *t;
	struct ipcbus_proc *caller;
	int ret;

	ipcbus_message_stage(message, IPCBUS_STAGE_TARGET);
	t = claim(thread->proc, message->send->call);
	if (!t)
		return ipcbus_report_unsent(message, NULL, NULL, -ESRCH);
	caller = t->from->proc;

	ret = ipcbus_buffer_make(thread->proc, caller, t->accept_fds, message, &buffer);
	if (ret) {
		ipcbus_report_unsent(message, t, t->node, ret);
		unclaim(thread->proc, t, thread);
		return ret;
	}
	ipcbus_identify(thread, caller, &t->answer.sender);
	ipcbus_report_reply(thread, message, t, buffer);
	if (!answer(t, buffer, error ? IPCBUS_EVENT_ERROR : IPCBUS_EVENT_REPLY,
		    error ? -(s32)message->send->code : 0, 0, 0))
		ipcbus_buffer_drop(&caller->region, buffer);
	ipcbus_transaction_put(t, thread);
	return 0;
}
