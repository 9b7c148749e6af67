// SPDX-License-Identifier: GPL-2.0-only
/*
 * Monitors and tracepoints: see monitor.h.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/ktime.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "buffer.h"
#include "bus.h"
#include "message.h"
#include "monitor.h"
#include "node.h"
#include "object.h"
#include "proc.h"
#include "stats.h"
#include "thread.h"
#include "transaction.h"
#include "work.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

#define MONITOR_FLAGS	(IPCBUS_MONITOR_MESSAGES | IPCBUS_MONITOR_FAILURES)

/* Changing the code interrupts all CPUs. So the key stays on for a second after its last use. A
 * program that starts and stops a monitor in a loop turns the key on at most once a second. */
DEFINE_STATIC_KEY_DEFERRED_FALSE(ipcbus_trace_key, HZ);

int ipcbus_trace_begin(void)
{
	static_branch_inc(&ipcbus_trace_key.key);
	return 0;
}

void ipcbus_trace_end(void)
{
	static_branch_slow_dec_deferred(&ipcbus_trace_key);
}

void ipcbus_trace_done(void)
{
	static_key_deferred_flush(&ipcbus_trace_key);
}

/**
 * struct queued_record - a record in the queue of a monitor
 * @work: in the monitor's queue
 * @proc: the monitor; not counted, because shutting it down discards its queue; constant
 * @buffer: the record, in the monitor's region
 */
struct queued_record {
	struct ipcbus_work work;
	struct ipcbus_proc *proc;
	struct ipcbus_buffer *buffer;
};

static bool queued_deliver(struct ipcbus_work *work, struct ipcbus_thread *thread,
			   struct ipcbus_event *event)
{
	struct queued_record *entry = container_of(work, struct queued_record, work);

	event->kind = IPCBUS_EVENT_RECORD;
	ipcbus_buffer_deliver(entry->proc, entry->buffer, event);
	kfree(entry);
	return true;
}

static void queued_discard(struct ipcbus_work *work)
{
	struct queued_record *entry = container_of(work, struct queued_record, work);

	ipcbus_buffer_free(&entry->proc->region, entry->buffer);
	kfree(entry);
}

static const struct ipcbus_work_ops queued_ops = {
	.deliver = queued_deliver,
	.discard = queued_discard,
};

/* --- Building a record ---------------------------------------------------------------- */

static u32 objects_of(const struct ipcbus_record *record)
{
	const struct ipcbus_buffer *buffer = record->buffer;

	return buffer && buffer->cargo.objects ? buffer->cargo.objects->count : 0;
}

/* Completes the head for this monitor. */
static void complete_head(const struct ipcbus_proc *proc, const struct ipcbus_record *record,
			  u32 max_data, struct ipcbus_monitor_record *ret_head)
{
	struct ipcbus_monitor_record *head = ret_head;

	*head = record->head;
	head->size = sizeof(*head);
	head->from_pid = pid_nr_ns(record->from.pid, proc->pid_ns);
	head->from_tid = pid_nr_ns(record->from.tid, proc->pid_ns);
	head->to_pid = pid_nr_ns(record->to.pid, proc->pid_ns);
	head->to_tid = pid_nr_ns(record->to.tid, proc->pid_ns);
	head->from_uid = from_kuid_munged(proc->user_ns, record->uid);
	head->from_gid = from_kgid_munged(proc->user_ns, record->gid);
	/* A secret must not stay in the monitor's region. */
	if (record->buffer && !(head->flags & IPCBUS_SEND_CLEAR))
		head->data_kept = min_t(u64, head->data_size, max_data);
	head->objects = sizeof(*head) + ALIGN(head->data_kept, 8);
	head->object_count = objects_of(record);
}

static void write_objects(const struct ipcbus_proc *proc, const struct ipcbus_record *record,
			  struct ipcbus_region *region, struct ipcbus_buffer *buffer, size_t at)
{
	const struct ipcbus_object_ref *ref;
	struct ipcbus_record_object object;
	u32 i;

	for (i = 0; i < objects_of(record); i++) {
		ref = &record->buffer->cargo.objects->ref[i];
		object = (struct ipcbus_record_object){ .type = ref->type, .tag = ref->tag };
		if (ref->type != IPCBUS_OBJECT_FD) {
			object.pid = pid_nr_ns(ref->node->pid, proc->pid_ns);
			object.owner = ref->node->owner;
			object.node = ref->node->id;
		}
		ipcbus_buffer_write(region, buffer, at, &object, sizeof(object));
		at += sizeof(object);
	}
}

/* Writes the record to the monitor's region. Returns NULL if there is no space. */
static struct ipcbus_buffer *make_buffer(struct ipcbus_proc *proc,
					 const struct ipcbus_record *record, u32 max_data, u64 lost)
{
	struct ipcbus_region *region = &proc->region;
	struct ipcbus_buffer *buffer;
	struct ipcbus_monitor_record head;
	size_t size;

	complete_head(proc, record, max_data, &head);
	head.lost = lost;
	size = head.objects + head.object_count * sizeof(struct ipcbus_record_object);
	buffer = ipcbus_buffer_reserve(region, size);
	if (!buffer)
		return NULL;
	ipcbus_buffer_write(region, buffer, 0, &head, sizeof(head));
	if (head.data_kept)
		ipcbus_buffer_copy(region, buffer, sizeof(head), record->region, record->buffer,
				   head.data_kept);
	write_objects(proc, record, region, buffer, head.objects);
	return buffer;
}

/* --- Recording ------------------------------------------------------------------- */

static bool try_record(struct ipcbus_proc *proc, const struct ipcbus_record *record, u32 max_data,
		       u64 lost)
{
	struct queued_record *entry;
	bool dead;

	entry = kmalloc(sizeof(*entry), GFP_KERNEL_ACCOUNT);
	if (!entry)
		return false;
	ipcbus_work_init(&entry->work, &queued_ops);
	entry->proc = proc;
	entry->buffer = make_buffer(proc, record, max_data, lost);
	if (!entry->buffer) {
		kfree(entry);
		return false;
	}
	spin_lock(&proc->lock);
	dead = proc->dead;
	if (!dead)
		ipcbus_proc_queue_locked(proc, &entry->work);
	spin_unlock(&proc->lock);
	if (dead)
		queued_discard(&entry->work);
	return true;
}

static void record_for(struct ipcbus_proc *proc, const struct ipcbus_record *record, u32 max_data)
{
	u64 lost = atomic64_xchg(&proc->monitor.lost, 0);

	if (!try_record(proc, record, max_data, lost)) {
		ipcbus_stat_count(IPCBUS_STAT_RECORDS_LOST);
		atomic64_add(lost + 1, &proc->monitor.lost);
	}
}

static bool wants(const struct ipcbus_proc *proc, const struct ipcbus_record *record)
{
	const struct ipcbus_monitor_filter *filter = &proc->monitor;

	lockdep_assert_held(&proc->bus->monitors.lock);
	/* Never record a monitor's own messages: each record would cause more. */
	if (record->from.proc == proc || record->to.proc == proc)
		return false;
	return filter->flags & record->wanted_by &&
	       (!filter->pid || filter->pid == record->from.pid || filter->pid == record->to.pid);
}

/* Gives the record to all monitors that want it. May sleep. */
static void record_for_all(struct ipcbus_bus *bus, const struct ipcbus_record *record)
{
	struct ipcbus_monitors *monitors = &bus->monitors;
	struct ipcbus_proc *proc;
	u32 max_data = 0;
	int i;

	if (!READ_ONCE(monitors->count))
		return;
	for (i = 0; i < IPCBUS_MONITORS_MAX; i++) {
		spin_lock(&monitors->lock);
		proc = monitors->proc[i];
		if (proc && wants(proc, record)) {
			max_data = proc->monitor.max_data;
			ipcbus_proc_get(proc);
		} else {
			proc = NULL;
		}
		spin_unlock(&monitors->lock);
		if (!proc)
			continue;
		record_for(proc, record, max_data);
		ipcbus_proc_put(proc);
	}
}

/* --- Starting and stopping ------------------------------------------------------------ */

static int find_slot(struct ipcbus_monitors *monitors, const struct ipcbus_proc *proc)
{
	int i;

	lockdep_assert_held(&monitors->lock);
	for (i = 0; i < IPCBUS_MONITORS_MAX; i++)
		if (monitors->proc[i] == proc)
			return i;
	return -EDQUOT;
}

/* Sets the proc's filter. Takes ownership of filter->pid, and returns the old pid there. Returns
 * the change of the number of monitors, or -EDQUOT. */
static int exchange_filter(struct ipcbus_proc *proc, struct ipcbus_monitor_filter *filter)
{
	struct ipcbus_monitors *monitors = &proc->bus->monitors;
	bool was_monitor = proc->monitor.flags, is_monitor = filter->flags;
	int slot = 0;

	lockdep_assert_held(&monitors->lock);
	if (was_monitor != is_monitor)
		slot = find_slot(monitors, was_monitor ? proc : NULL);
	if (slot < 0)
		return slot;
	if (was_monitor != is_monitor) {
		monitors->proc[slot] = is_monitor ? proc : NULL;
		WRITE_ONCE(monitors->count, monitors->count + is_monitor - was_monitor);
	}
	proc->monitor.flags = filter->flags;
	proc->monitor.max_data = filter->max_data;
	swap(proc->monitor.pid, filter->pid);
	return is_monitor - was_monitor;
}

static int set_filter(struct ipcbus_proc *proc, struct ipcbus_monitor_filter *filter)
{
	struct ipcbus_monitors *monitors = &proc->bus->monitors;
	int change;

	/* Each monitor holds a reference of the key. Taking it sleeps, so it must come before the
	 * lock. It is dropped below unless the proc becomes a monitor. */
	ipcbus_trace_begin();
	spin_lock(&monitors->lock);
	change = exchange_filter(proc, filter);
	spin_unlock(&monitors->lock);
	if (change != 1)
		ipcbus_trace_end();
	if (change == -1)
		ipcbus_trace_end();
	put_pid(filter->pid);
	return change == -EDQUOT ? change : 0;
}

int ipcbus_monitor_set(struct ipcbus_proc *proc, void *data)
{
	const struct ipcbus_monitor *args = data;
	struct ipcbus_monitor_filter filter = { .flags = args->flags, .max_data = args->max_data };

	if (args->flags & ~MONITOR_FLAGS || (!args->flags && (args->pid || args->max_data)))
		return -EINVAL;
	if (!ipcbus_ns_capable(proc->bus->user_ns, CAP_SYS_ADMIN))
		return -EPERM;
	if (!proc->region.size)
		return -ENOBUFS;
	if (args->pid) {
		rcu_read_lock();
		filter.pid = get_pid(find_pid_ns(args->pid, task_active_pid_ns(current)));
		rcu_read_unlock();
		if (!filter.pid)
			return -ESRCH;
	}
	return set_filter(proc, &filter);
}

void ipcbus_monitor_release(struct ipcbus_proc *proc)
{
	struct ipcbus_monitor_filter none = {};

	if (READ_ONCE(proc->monitor.flags))
		set_filter(proc, &none);
}

/* --- Stages ------------------------------------------------------------------- */

/* Initializes a record of the message that the current thread sends: t, or a reply to t. */
static void begin_record(struct ipcbus_record *record, struct ipcbus_thread *thread,
			 const struct ipcbus_message *message, const struct ipcbus_transaction *t)
{
	const struct ipcbus_send *send = message->send;

	*record = (struct ipcbus_record){
		.wanted_by = IPCBUS_MONITOR_MESSAGES,
		.head = {
			/* IPCBUS_RECORD_CALL to _ERROR have the same values as IPCBUS_SEND_*. */
			.kind = send->kind,
			.time = ktime_get_ns(),
			.id = t->id,
			.data_size = send->data_size,
			.object_count = send->object_count,
			.flags = send->flags,
			.code = t->code,
			.node = t->node->id,
			.owner = t->node->owner,
		},
		.from = { thread->tgid, thread->pid, thread->proc },
		.uid = current_euid(),
		.gid = current_egid(),
	};
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
	trace_ipcbus_send(&record);
	record_for_all(target->bus, &record);
}

void ipcbus_report_deliver_slow(struct ipcbus_thread *thread, const struct ipcbus_transaction *t,
				const struct ipcbus_event *event)
{
	u32 kind = t->oneway ? IPCBUS_RECORD_ONEWAY : IPCBUS_RECORD_CALL;

	trace_ipcbus_deliver(thread, t->id, kind, event);
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
	record_for_all(caller->bus, &record);
}

void ipcbus_report_result_slow(struct ipcbus_thread *thread, const struct ipcbus_transaction *t,
			       const struct ipcbus_event *event)
{
	u32 kind = event->kind - IPCBUS_EVENT_REPLY + IPCBUS_RECORD_REPLY;

	trace_ipcbus_result(thread, t->id, kind, event);
}

void ipcbus_report_release_slow(u64 id, int result)
{
	if (!result)
		trace_ipcbus_release(id);
}

/* --- Failures ----------------------------------------------------------------- */

/* Returns the receiving process of a message, or NULL if it is not known. */
static struct pid *target_of(const struct ipcbus_send *send, const struct ipcbus_transaction *t,
			     const struct ipcbus_node_entry *node)
{
	/* For a reply, t is the call. */
	if (send && (send->kind == IPCBUS_SEND_REPLY || send->kind == IPCBUS_SEND_ERROR))
		return t ? t->caller->pid : NULL;
	return node ? node->pid : NULL;
}

static bool is_observed(const struct ipcbus_proc *proc)
{
	return trace_ipcbus_fail_enabled() || READ_ONCE(proc->bus->monitors.count);
}

static void record_failure(struct ipcbus_proc *proc, struct ipcbus_record *record)
{
	record->wanted_by = IPCBUS_MONITOR_FAILURES;
	record->head.kind = IPCBUS_RECORD_FAILED;
	record->head.time = ktime_get_ns();
	trace_ipcbus_fail(record);
	record_for_all(proc->bus, record);
}

int ipcbus_report_unsent(struct ipcbus_thread *thread, const struct ipcbus_message *message,
			 const struct ipcbus_transaction *t, const struct ipcbus_node_entry *node,
			 int error)
{
	const struct ipcbus_send *send = message->send;
	struct ipcbus_record record = {
		.head = {
			.id = t ? t->id : 0,
			.data_size = send ? send->data_size : 0,
			.code = send ? send->code : 0,
			.node = node ? node->id : 0,
			.owner = node ? node->owner : 0,
			.error = error,
			.stage = message->stage,
			.index = message->index,
		},
		.from = { thread->tgid, thread->pid, thread->proc },
		.to.pid = target_of(send, t, node),
		.uid = current_euid(),
		.gid = current_egid(),
	};

	ipcbus_stat_count(IPCBUS_STAT_FAILURES);
	if (is_observed(thread->proc))
		record_failure(thread->proc, &record);
	return error;
}

void ipcbus_report_failed(const struct ipcbus_transaction *t, const struct ipcbus_buffer *buffer,
			  int error, u32 stage, u32 index)
{
	struct ipcbus_proc *target = t->node->proc;
	struct ipcbus_record record = {
		.head = {
			.id = t->id,
			.data_size = buffer ? buffer->data_size : 0,
			.code = t->code,
			.node = t->node->id,
			.owner = t->node->owner,
			.error = error,
			.stage = stage,
			.index = index,
		},
		.from.proc = target,
		.to.pid = target->pid,
		.uid = make_kuid(target->user_ns, t->sender.uid),
		.gid = make_kgid(target->user_ns, t->sender.gid),
	};
	struct pid *pid = NULL;

	ipcbus_stat_count(IPCBUS_STAT_FAILURES);
	if (!is_observed(target))
		return;
	if (t->from) {
		record.from.pid = t->from->tgid;
		record.from.tid = t->from->pid;
	} else {
		/* No thread waits for t, and the sending process may have ended. */
		rcu_read_lock();
		pid = get_pid(ipcbus_sender_id_find(&t->sender_id));
		rcu_read_unlock();
		record.from.pid = pid;
	}
	record_failure(target, &record);
	put_pid(pid);
}
