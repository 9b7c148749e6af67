// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens to messages, told to whoever looks: see report.h.
 */
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#include "message.h"
#include "node.h"
#include "proc.h"
#include "report.h"
#include "thread.h"
#include "trace.h"
#include "transaction.h"

DEFINE_STATIC_KEY_FALSE(ipcbus_report_key);

int ipcbus_report_begin(void)
{
	static_branch_inc(&ipcbus_report_key);
	return 0;
}

void ipcbus_report_end(void)
{
	static_branch_dec(&ipcbus_report_key);
}

static struct ipcbus_party party(const struct ipcbus_thread *thread)
{
	return (struct ipcbus_party){ pid_nr(thread->tgid), pid_nr(thread->pid) };
}

static struct ipcbus_party current_party(void)
{
	return (struct ipcbus_party){ task_tgid_nr(current), task_pid_nr(current) };
}

/* Who sent t. Of a oneway only numbers are kept, which the target knows. */
static struct ipcbus_party sender_of(const struct ipcbus_transaction *t)
{
	struct pid_namespace *ns = t->node->proc->pid_ns;
	struct ipcbus_party from;

	if (t->from)
		return party(t->from);
	rcu_read_lock();
	from.pid = pid_nr(find_pid_ns(t->sender.pid, ns));
	from.tid = pid_nr(find_pid_ns(t->sender.tid, ns));
	rcu_read_unlock();
	return from;
}

void ipcbus_report_send_slow(struct ipcbus_thread *thread, const struct ipcbus_message *message,
			     const struct ipcbus_transaction *t)
{
	struct ipcbus_trace_message m = {
		.id = t->id,
		.parent = t->parent ? t->parent->id : 0,
		.from = party(thread),
		.to = pid_nr(t->node->proc->pid),
		.kind = message->send->kind,
		.node = t->node->id,
		.handle = message->send->handle,
		.code = t->code,
		.size = message->send->data_size,
		.objects = message->send->object_count,
	};

	trace_ipcbus_send(&m);
}

void ipcbus_report_deliver_slow(struct ipcbus_thread *thread, const struct ipcbus_transaction *t,
				const struct ipcbus_event *event)
{
	u32 kind = t->oneway ? IPCBUS_SEND_ONEWAY : IPCBUS_SEND_CALL;

	trace_ipcbus_deliver(t->id, kind, party(thread), event->buffer, event->data_size);
}

void ipcbus_report_reply_slow(struct ipcbus_thread *thread, const struct ipcbus_message *message,
			      const struct ipcbus_transaction *t,
			      const struct ipcbus_buffer *buffer)
{
	const struct ipcbus_send *send = message->send;
	s32 error = send->kind == IPCBUS_SEND_ERROR ? -(s32)send->code : 0;

	trace_ipcbus_reply(t->id, send->kind, error, party(thread), send->data_size,
			   send->object_count);
}

void ipcbus_report_answer_slow(struct ipcbus_thread *thread, const struct ipcbus_event *event)
{
	trace_ipcbus_answer(event->call, event->kind, event->error, party(thread),
			    event->buffer);
}

void ipcbus_report_free_slow(u64 id, int result)
{
	if (!result)
		trace_ipcbus_free(current_party(), id);
}

void ipcbus_report_wait_slow(struct ipcbus_thread *thread)
{
	struct ipcbus_transaction *t;
	u64 call = 0;

	/* A call of its own stays until the thread itself takes the answer. */
	spin_lock(&thread->proc->lock);
	t = thread->top;
	if (t && t->from == thread)
		call = t->id;
	spin_unlock(&thread->proc->lock);
	trace_ipcbus_wait(party(thread), call);
}

int ipcbus_report_unsent(const struct ipcbus_message *message, const struct ipcbus_transaction *t,
			 const struct ipcbus_node_entry *node, int error)
{
	const struct ipcbus_send *send = message->send;
	struct ipcbus_trace_failure f = {
		.id = t ? t->id : 0,
		.from = current_party(),
		.to = node ? pid_nr(node->proc->pid) : 0,
		.node = node ? node->id : 0,
		.code = send ? send->code : 0,
		.size = send ? send->data_size : 0,
		.error = error,
		.stage = message->stage,
		.index = message->index,
	};

	trace_ipcbus_fail(&f);
	return error;
}

void ipcbus_report_failed(const struct ipcbus_transaction *t, int error, u32 stage, u32 index)
{
	struct ipcbus_trace_failure f = {
		.id = t->id,
		.from = sender_of(t),
		.to = pid_nr(t->node->proc->pid),
		.node = t->node->id,
		.code = t->code,
		.size = t->buffer ? t->buffer->data_size : 0,
		.error = error,
		.stage = stage,
		.index = index,
	};

	trace_ipcbus_fail(&f);
}
