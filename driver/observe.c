// SPDX-License-Identifier: GPL-2.0-only
/*
 * Observation: what the reports of report.h become. A stage of a message becomes a
 * tracepoint and a record for monitors, and a failure also stays in the list of its bus.
 */
#include <linux/cred.h>
#include <linux/ktime.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/user_namespace.h>

#include "bus.h"
#include "failures.h"
#include "message.h"
#include "monitor.h"
#include "node.h"
#include "proc.h"
#include "report.h"
#include "sender.h"
#include "stats.h"
#include "thread.h"
#include "trace.h"
#include "transaction.h"

/* Changing code stops all processors, so the key stays on for a while in case somebody
 * else comes: whoever turns a monitor on and off does it once a second at most. */
DEFINE_STATIC_KEY_DEFERRED_FALSE(ipcbus_report_key, HZ);

int ipcbus_report_begin(void)
{
	static_branch_inc(&ipcbus_report_key.key);
	return 0;
}

void ipcbus_report_end(void)
{
	static_branch_slow_dec_deferred(&ipcbus_report_key);
}

void ipcbus_report_done(void)
{
	static_key_deferred_flush(&ipcbus_report_key);
}

static struct ipcbus_party party(const struct ipcbus_thread *thread)
{
	return (struct ipcbus_party){ pid_nr(thread->tgid), pid_nr(thread->pid) };
}

/* --- Stages ------------------------------------------------------------------- */

/* What thread, the current one, sends by t or as the reply to it. */
static void begin_record(struct ipcbus_record *record, struct ipcbus_thread *thread,
			 const struct ipcbus_message *message, const struct ipcbus_transaction *t)
{
	const struct ipcbus_send *send = message->send;

	*record = (struct ipcbus_record){
		.wanted_by = IPCBUS_MONITOR_MESSAGES,
		.head = {
			/* IPCBUS_RECORD_CALL to _ERROR have the numbers of IPCBUS_SEND_*. */
			.kind = send->kind,
			.time = ktime_get_ns(),
			.id = t->id,
			.data_size = send->data_size,
			.object_count = send->object_count,
			.flags = send->flags,
			.code = t->code,
			.node = t->node->id,
		},
		.from = { thread->tgid, thread->pid, thread->proc },
		.uid = current_euid(),
		.gid = current_egid(),
	};
}

static void record_for_monitors(struct ipcbus_bus *bus, const struct ipcbus_record *record)
{
	if (READ_ONCE(bus->monitors.count))
		ipcbus_monitors_record(&bus->monitors, record);
}

void ipcbus_report_send_slow(struct ipcbus_thread *thread, const struct ipcbus_message *message,
			     const struct ipcbus_transaction *t)
{
	struct ipcbus_proc *target = t->node->proc;
	struct ipcbus_record record;

	if (!trace_ipcbus_send_enabled() && !READ_ONCE(target->bus->monitors.count))
		return;
	begin_record(&record, thread, message, t);
	record.head.parent = t->parent ? t->parent->id : 0;
	record.to.pid = target->pid;
	record.to.proc = target;
	record.region = &target->region;
	record.buffer = t->buffer;
	trace_ipcbus_send(&record, message->send->handle);
	record_for_monitors(target->bus, &record);
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
	struct ipcbus_proc *caller = t->caller;
	struct ipcbus_record record;

	if (!trace_ipcbus_reply_enabled() && !READ_ONCE(caller->bus->monitors.count))
		return;
	begin_record(&record, thread, message, t);
	if (message->send->kind == IPCBUS_SEND_ERROR)
		record.head.error = -(s32)message->send->code;
	record.to.pid = caller->pid;
	record.to.tid = t->from ? t->from->pid : NULL;
	record.to.proc = caller;
	record.region = &caller->region;
	record.buffer = buffer;
	trace_ipcbus_reply(&record);
	record_for_monitors(caller->bus, &record);
}

void ipcbus_report_result_slow(struct ipcbus_thread *thread, const struct ipcbus_transaction *t,
			       const struct ipcbus_event *event)
{
	trace_ipcbus_result(t->id, event->kind, event->error, party(thread), event->buffer);
}

void ipcbus_report_release_slow(u64 id, int result)
{
	struct ipcbus_party by = { task_tgid_nr(current), task_pid_nr(current) };

	if (!result)
		trace_ipcbus_release(by, id);
}

void ipcbus_report_wait_slow(struct ipcbus_thread *thread)
{
	struct ipcbus_transaction *t;
	u64 call = 0;

	if (!trace_ipcbus_wait_enabled())
		return;
	/* A call of its own stays until the thread itself takes the result. */
	spin_lock(&thread->proc->lock);
	t = thread->top;
	if (t && t->from == thread)
		call = t->id;
	spin_unlock(&thread->proc->lock);
	trace_ipcbus_wait(party(thread), call);
}

/* --- Failures ----------------------------------------------------------------- */

/* The receiver of a message, as far as that is known. */
static struct pid *target_of(const struct ipcbus_send *send, const struct ipcbus_transaction *t,
			     const struct ipcbus_node_entry *node)
{
	/* t is the call that the reply is for. */
	if (send && (send->kind == IPCBUS_SEND_REPLY || send->kind == IPCBUS_SEND_ERROR))
		return t ? t->caller->pid : NULL;
	return node ? node->proc->pid : NULL;
}

/* proc: the one that sent, or that would have received, whichever is known. */
static void report_failure(struct ipcbus_proc *proc, struct ipcbus_failure *failure, kuid_t uid,
			   kgid_t gid)
{
	struct ipcbus_record record = {
		.wanted_by = IPCBUS_MONITOR_FAILURES,
		.head = {
			.kind = IPCBUS_RECORD_FAILED,
			.id = failure->id,
			.data_size = failure->size,
			.code = failure->code,
			.node = failure->node,
			.error = failure->error,
			.stage = failure->stage,
			.index = failure->index,
		},
		.from = { failure->from.pid, failure->from.tid, proc },
		.to.pid = failure->to,
		.uid = uid,
		.gid = gid,
	};

	failure->time = ktime_get_ns();
	record.head.time = failure->time;
	ipcbus_failures_add(&proc->bus->failures, failure);
	trace_ipcbus_fail(failure);
	record_for_monitors(proc->bus, &record);
}

int ipcbus_report_unsent(struct ipcbus_thread *thread, const struct ipcbus_message *message,
			 const struct ipcbus_transaction *t, const struct ipcbus_node_entry *node,
			 int error)
{
	const struct ipcbus_send *send = message->send;
	struct ipcbus_failure failure = {
		.id = t ? t->id : 0,
		.from = { thread->tgid, thread->pid },
		.to = target_of(send, t, node),
		.kind = send ? send->kind : 0,
		.node = node ? node->id : 0,
		.code = send ? send->code : 0,
		.size = send ? send->data_size : 0,
		.error = error,
		.stage = message->stage,
		.index = message->index,
	};

	report_failure(thread->proc, &failure, current_euid(), current_egid());
	return error;
}

/* The thread of the process, if it is there, by its number in ns (RCU). */
static struct pid *find_thread(struct pid *process, u32 nr, struct pid_namespace *ns)
{
	struct pid *tid = find_pid_ns(nr, ns);
	struct task_struct *task = tid ? pid_task(tid, PIDTYPE_PID) : NULL;

	return process && task && task_tgid(task) == process ? tid : NULL;
}

/*
 * Who sent t: where nobody waits for it, the process may be gone, or that thread of
 * it, and their numbers may be others' by now. Both counted, or NULL.
 */
static void get_sender(const struct ipcbus_transaction *t, struct pid **ret_pid,
		       struct pid **ret_tid)
{
	if (t->from) {
		*ret_pid = get_pid(t->from->tgid);
		*ret_tid = get_pid(t->from->pid);
		return;
	}
	rcu_read_lock();
	*ret_pid = get_pid(ipcbus_sender_id_find(&t->sender_id));
	*ret_tid = get_pid(find_thread(*ret_pid, t->sender.tid, t->node->proc->pid_ns));
	rcu_read_unlock();
}

void ipcbus_report_failed(const struct ipcbus_transaction *t, const struct ipcbus_buffer *buffer,
			  int error, u32 stage, u32 index)
{
	struct ipcbus_proc *target = t->node->proc;
	struct ipcbus_failure failure = {
		.id = t->id,
		.to = target->pid,
		.kind = t->oneway ? IPCBUS_SEND_ONEWAY : IPCBUS_SEND_CALL,
		.node = t->node->id,
		.code = t->code,
		.size = buffer ? buffer->data_size : 0,
		.error = error,
		.stage = stage,
		.index = index,
	};

	get_sender(t, &failure.from.pid, &failure.from.tid);
	report_failure(target, &failure, make_kuid(target->user_ns, t->sender.uid),
		       make_kgid(target->user_ns, t->sender.gid));
	put_pid(failure.from.pid);
	put_pid(failure.from.tid);
}

/* --- Reports ------------------------------------------------------------------ */

void ipcbus_report_spam(struct ipcbus_thread *thread, const struct ipcbus_node_entry *node,
			u32 held)
{
	struct ipcbus_record record = {
		.wanted_by = IPCBUS_MONITOR_REPORTS,
		.head = {
			.kind = IPCBUS_RECORD_SPAM,
			.time = ktime_get_ns(),
			.node = node->id,
			.value = held,
		},
		.from = { thread->tgid, thread->pid, thread->proc },
		.to.pid = node->proc->pid,
		.to.proc = node->proc,
		.uid = current_euid(),
		.gid = current_egid(),
	};

	ipcbus_stat_count(IPCBUS_STAT_SPAM);
	trace_ipcbus_spam(&record);
	record_for_monitors(node->proc->bus, &record);
}

void ipcbus_report_starved_slow(struct ipcbus_thread *thread, struct ipcbus_work *work, u32 ms)
{
	/* Only messages starve: ipcbus_deliver_waited(). */
	const struct ipcbus_transaction *t = container_of(work, struct ipcbus_transaction, work);
	struct ipcbus_proc *proc = thread->proc;
	struct ipcbus_record record = {
		.wanted_by = IPCBUS_MONITOR_REPORTS,
		.head = {
			.kind = IPCBUS_RECORD_STARVED,
			.time = ktime_get_ns(),
			.id = t->id,
			.code = t->code,
			.node = t->node->id,
			.value = ms,
		},
		.to = { thread->tgid, thread->pid, proc },
		.uid = make_kuid(proc->user_ns, t->sender.uid),
		.gid = make_kgid(proc->user_ns, t->sender.gid),
	};

	get_sender(t, &record.from.pid, &record.from.tid);
	trace_ipcbus_starved(&record);
	record_for_monitors(proc->bus, &record);
	put_pid(record.from.pid);
	put_pid(record.from.tid);
}
