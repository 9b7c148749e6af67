/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Monitor
 *
 * The files on the path of a message report each stage of it. A report becomes a tracepoint, and a
 * record for the monitors: procs that observe their bus's traffic (IPCBUS_IOC_MONITOR). Each
 * monitor that wants the record gets a copy in its own region. If its region has no space, the
 * record is lost and counted; the message neither waits nor fails. If no tracepoint or monitor is
 * enabled, a stage costs one instruction (ipcbus_trace_key).
 */
#ifndef IPCBUS_MONITOR_H
#define IPCBUS_MONITOR_H

#include <linux/atomic.h>
#include <linux/jump_label_ratelimit.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uidgid.h>

#include "ipcbus-monitor.h"
#include "main.h"

struct pid;

#define IPCBUS_MONITORS_MAX	8

/**
 * struct ipcbus_monitors - the monitors of a bus
 * @lock: protects the rest, and the monitors' filters; leaf
 * @count: number of monitors; may be read without @lock
 * @proc: the monitors; not counted, because each removes itself when it is shut down
 */
struct ipcbus_monitors {
	spinlock_t lock;
	u32 count;
	struct ipcbus_proc *proc[IPCBUS_MONITORS_MAX];
};

/**
 * struct ipcbus_monitor_filter - filter of a monitor (monitors' lock)
 * @flags: IPCBUS_MONITOR_*; 0 if the proc is no monitor
 * @max_data: maximum number of payload bytes to copy
 * @pid: only messages from or to this process, counted; or NULL
 * @lost: number of records lost since the last record that was queued; atomic
 */
struct ipcbus_monitor_filter {
	u32 flags;
	u32 max_data;
	struct pid *pid;
	atomic64_t lost;
};

/**
 * struct ipcbus_record - a record, before it is copied to the monitors
 * @wanted_by: IPCBUS_MONITOR_*: flag of the monitors that want it
 * @head: the record's head, without the fields that depend on the monitor: size, data_kept, and the
 *	ids of sender and receiver
 * @from: process, thread and proc of the sender; each NULL if unknown
 * @to: process, thread and proc of the receiver; each NULL if unknown
 * @uid: the sender's effective user
 * @gid: the sender's effective group
 * @region: the region of @buffer
 * @buffer: the message, which must not be queued yet, or NULL
 */
struct ipcbus_record {
	u32 wanted_by;
	struct ipcbus_monitor_record head;
	struct {
		struct pid *pid;
		struct pid *tid;
		const struct ipcbus_proc *proc;
	} from, to;
	kuid_t uid;
	kgid_t gid;
	struct ipcbus_region *region;
	const struct ipcbus_buffer *buffer;
};

/* IPCBUS_IOC_MONITOR: struct ipcbus_monitor. */
int ipcbus_monitor_set(struct ipcbus_proc *proc, void *data);
/* Ends the monitor of a dead proc. */
void ipcbus_monitor_release(struct ipcbus_proc *proc);

/* --- Reports ------------------------------------------------------------------------ */

/* True while a tracepoint or a monitor is enabled, and for one second afterwards. */
extern struct static_key_false_deferred ipcbus_trace_key;

#define ipcbus_is_observed()	static_branch_unlikely(&ipcbus_trace_key.key)

/* Only for the inline functions below. */
void ipcbus_report_send_slow(struct ipcbus_thread *thread, const struct ipcbus_message *message,
			     const struct ipcbus_transaction *t);
void ipcbus_report_deliver_slow(struct ipcbus_thread *thread, const struct ipcbus_transaction *t,
				const struct ipcbus_event *event);
void ipcbus_report_reply_slow(struct ipcbus_thread *thread, const struct ipcbus_message *message,
			      const struct ipcbus_transaction *t,
			      const struct ipcbus_buffer *buffer);
void ipcbus_report_result_slow(struct ipcbus_thread *thread, const struct ipcbus_transaction *t,
			       const struct ipcbus_event *event);
void ipcbus_report_release_slow(u64 id, int result);

/* t is complete, and will be queued next. */
static __always_inline void ipcbus_report_send(struct ipcbus_thread *thread,
					       const struct ipcbus_message *message,
					       const struct ipcbus_transaction *t)
{
	if (ipcbus_is_observed())
		ipcbus_report_send_slow(thread, message, t);
}

/* t was delivered to thread with this event. */
static __always_inline void ipcbus_report_deliver(struct ipcbus_thread *thread,
						  const struct ipcbus_transaction *t,
						  const struct ipcbus_event *event)
{
	if (ipcbus_is_observed())
		ipcbus_report_deliver_slow(thread, t, event);
}

/* The reply to t is complete, and will be handed to the caller next. */
static __always_inline void ipcbus_report_reply(struct ipcbus_thread *thread,
						const struct ipcbus_message *message,
						const struct ipcbus_transaction *t,
						const struct ipcbus_buffer *buffer)
{
	if (ipcbus_is_observed())
		ipcbus_report_reply_slow(thread, message, t, buffer);
}

/* thread, the caller, takes this event, which ends its call t. */
static __always_inline void ipcbus_report_result(struct ipcbus_thread *thread,
						 const struct ipcbus_transaction *t,
						 const struct ipcbus_event *event)
{
	if (ipcbus_is_observed())
		ipcbus_report_result_slow(thread, t, event);
}

/* If result is 0, the current process has released a buffer. */
static __always_inline void ipcbus_report_release(u64 id, int result)
{
	if (ipcbus_is_observed())
		ipcbus_report_release_slow(id, result);
}

/* Reports that an exchange of the current thread failed. message has the stage that failed. If the
 * exchange failed while releasing, message->send is NULL. t and node may be NULL. Returns error.
 * May sleep. */
int ipcbus_report_unsent(struct ipcbus_thread *thread, const struct ipcbus_message *message,
			 const struct ipcbus_transaction *t, const struct ipcbus_node_entry *node,
			 int error);

/* Reports that a message failed after it was sent. buffer is NULL if delivered. May sleep. */
void ipcbus_report_failed(const struct ipcbus_transaction *t, const struct ipcbus_buffer *buffer,
			  int error, u32 stage, u32 index);

#endif
