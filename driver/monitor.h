/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Monitor
 *
 * The files on a message's way report each stage of it. A report becomes a tracepoint, and a
 * record for the monitors: procs that asked to see their bus's traffic (IPCBUS_IOC_MONITOR).
 * Each monitor that wants the record gets a copy in its own region. If there is no space, the
 * record is lost and counted: messages neither wait nor fail for it. While nobody observes, a
 * stage costs one instruction (ipcbus_trace_key).
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
 * @lock: protects the rest, and what each wants; leaf
 * @count: how many; may be read without
 * @proc: who; not counted: each takes itself out when it is shut down
 */
struct ipcbus_monitors {
	spinlock_t lock;
	u32 count;
	struct ipcbus_proc *proc[IPCBUS_MONITORS_MAX];
};

/**
 * struct ipcbus_monitor_wish - what a proc that monitors wants (monitors' lock)
 * @flags: IPCBUS_MONITOR_*; 0: it is no monitor
 * @max_data: bytes of payload to copy at most
 * @pid: only what this process sends or gets; counted, or NULL
 * @lost: records that found no space since the last that did; no lock
 */
struct ipcbus_monitor_wish {
	u32 flags;
	u32 max_data;
	struct pid *pid;
	atomic64_t lost;
};

/**
 * struct ipcbus_record - what a monitor is to learn
 * @wanted_by: IPCBUS_MONITOR_*: the flag of the monitors that want it
 * @head: as the monitor gets it, but for what depends on the monitor: its size,
 *	what is kept, and who from and to are
 * @from: the sender: its process, its thread, its proc; each NULL if not known
 * @to: the receiver, likewise
 * @uid: of the sender
 * @gid: likewise
 * @region: the one that @buffer is in
 * @buffer: the message, which nobody else has yet; or NULL
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

/* For the functions below alone. */
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

/* t is whole and will be queued next. */
static __always_inline void ipcbus_report_send(struct ipcbus_thread *thread,
					       const struct ipcbus_message *message,
					       const struct ipcbus_transaction *t)
{
	if (ipcbus_is_observed())
		ipcbus_report_send_slow(thread, message, t);
}

/* t was delivered to thread, which will see this event. */
static __always_inline void ipcbus_report_deliver(struct ipcbus_thread *thread,
						  const struct ipcbus_transaction *t,
						  const struct ipcbus_event *event)
{
	if (ipcbus_is_observed())
		ipcbus_report_deliver_slow(thread, t, event);
}

/* The reply to t is whole and will be handed to the caller next. */
static __always_inline void ipcbus_report_reply(struct ipcbus_thread *thread,
						const struct ipcbus_message *message,
						const struct ipcbus_transaction *t,
						const struct ipcbus_buffer *buffer)
{
	if (ipcbus_is_observed())
		ipcbus_report_reply_slow(thread, message, t, buffer);
}

/* The caller, thread, will see this event, which ends its call t. */
static __always_inline void ipcbus_report_result(struct ipcbus_thread *thread,
						 const struct ipcbus_transaction *t,
						 const struct ipcbus_event *event)
{
	if (ipcbus_is_observed())
		ipcbus_report_result_slow(thread, t, event);
}

/* The current process released a buffer, if result is 0. */
static __always_inline void ipcbus_report_release(u64 id, int result)
{
	if (ipcbus_is_observed())
		ipcbus_report_release_slow(id, result);
}

/*
 * Reports that an exchange of thread, the current one, failed. message has the stage that
 * failed; its send is NULL if the exchange failed before a message. t and node may be NULL.
 * Returns error. May sleep.
 */
int ipcbus_report_unsent(struct ipcbus_thread *thread, const struct ipcbus_message *message,
			 const struct ipcbus_transaction *t, const struct ipcbus_node_entry *node,
			 int error);

/* Reports that a message failed after it was sent. buffer is NULL if it was delivered. May
 * sleep. */
void ipcbus_report_failed(const struct ipcbus_transaction *t, const struct ipcbus_buffer *buffer,
			  int error, u32 stage, u32 index);

#endif
