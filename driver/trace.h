/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: /sys/kernel/tracing/events/ipcbus. docs/tracing.md explains each tracepoint and its
 * fields. The fields are a stable interface: names and meanings must not change, and new fields
 * must be added at the end. monitor.c fires the tracepoints.
 *
 * Process and thread ids are of the initial pid namespace. All tracepoints of a message have the
 * same id. The buffer id, together with the process, connects delivery and release. Kernel pointers
 * are never shown.
 *
 * Tracepoints share a switch with monitors (monitor.h), and cost one instruction if it is off.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ipcbus

#if !defined(IPCBUS_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define IPCBUS_TRACE_H

#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/tracepoint.h>
#include <linux/types.h>

#include "monitor.h"
#include "thread.h"

#ifndef IPCBUS_TRACE_TYPES
#define IPCBUS_TRACE_TYPES

/* Enable and disable the switch for an observer. Both may sleep. */
int ipcbus_trace_begin(void);
void ipcbus_trace_end(void);
/* Called when the module is unloaded. */
void ipcbus_trace_done(void);
#endif

/* enum ipcbus_record_kind */
#define ipcbus_show_kind(kind)			\
	__print_symbolic(kind,			\
			 { 1, "call" },		\
			 { 2, "oneway" },	\
			 { 3, "reply" },	\
			 { 4, "error" },	\
			 { 5, "failure" })

#define ipcbus_show_stage(stage)		\
	__print_symbolic(stage,			\
			 { 0, "none" },		\
			 { 1, "release" },	\
			 { 2, "target" },	\
			 { 3, "buffer" },	\
			 { 4, "copy" },		\
			 { 5, "object" },	\
			 { 6, "queue" },	\
			 { 7, "deliver" },	\
			 { 8, "reply" })

/* A record, as monitors get it. */
DECLARE_EVENT_CLASS(ipcbus_record,
	TP_PROTO(const struct ipcbus_record *r),
	TP_ARGS(r),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, parent)
		__field(u64, size)
		__field(u32, kind)
		__field(s32, error)
		__field(u32, stage)
		__field(u32, index)
		__field(s32, from)
		__field(s32, from_tid)
		__field(s32, to)
		__field(s32, to_tid)
		__field(u32, node)
		__field(u32, code)
		__field(u32, objects)
	),
	TP_fast_assign(
		__entry->id = r->head.id;
		__entry->parent = r->head.parent;
		__entry->size = r->head.data_size;
		__entry->kind = r->head.kind;
		__entry->error = r->head.error;
		__entry->stage = r->head.stage;
		__entry->index = r->head.index;
		__entry->from = pid_nr(r->from.pid);
		__entry->from_tid = pid_nr(r->from.tid);
		__entry->to = pid_nr(r->to.pid);
		__entry->to_tid = pid_nr(r->to.tid);
		__entry->node = r->head.node;
		__entry->code = r->head.code;
		__entry->objects = r->head.object_count;
	),
	TP_printk("id=%llu kind=%s error=%d stage=%s index=%u from=%d:%d to=%d:%d node=%u code=%u size=%llu objects=%u parent=%llu",
		  __entry->id, ipcbus_show_kind(__entry->kind), __entry->error,
		  ipcbus_show_stage(__entry->stage), __entry->index, __entry->from,
		  __entry->from_tid, __entry->to, __entry->to_tid, __entry->node,
		  __entry->code, __entry->size, __entry->objects, __entry->parent)
);

/* A call or oneway is about to be queued. */
DEFINE_EVENT_FN(ipcbus_record, ipcbus_send,
	TP_PROTO(const struct ipcbus_record *r), TP_ARGS(r), ipcbus_trace_begin, ipcbus_trace_end
);

/* A reply is about to be handed to the caller. */
DEFINE_EVENT_FN(ipcbus_record, ipcbus_reply,
	TP_PROTO(const struct ipcbus_record *r), TP_ARGS(r), ipcbus_trace_begin, ipcbus_trace_end
);

/* A message was not sent, or failed after it was sent. id is 0 if it failed before it got an id. */
DEFINE_EVENT_FN(ipcbus_record, ipcbus_fail,
	TP_PROTO(const struct ipcbus_record *r), TP_ARGS(r), ipcbus_trace_begin, ipcbus_trace_end
);

/* A thread got this event. buffer is 0 if there is none. */
DECLARE_EVENT_CLASS(ipcbus_event,
	TP_PROTO(const struct ipcbus_thread *thread, u64 id, u32 kind,
		 const struct ipcbus_event *event),
	TP_ARGS(thread, id, kind, event),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, buffer)
		__field(u64, size)
		__field(u32, kind)
		__field(s32, error)
		__field(s32, to)
		__field(s32, to_tid)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->buffer = event->buffer;
		__entry->size = event->data_size;
		__entry->kind = kind;
		__entry->error = event->error;
		__entry->to = pid_nr(thread->tgid);
		__entry->to_tid = pid_nr(thread->pid);
	),
	TP_printk("id=%llu kind=%s error=%d to=%d:%d buffer=0x%llx size=%llu",
		  __entry->id, ipcbus_show_kind(__entry->kind), __entry->error, __entry->to,
		  __entry->to_tid, __entry->buffer, __entry->size)
);

/* A call or oneway was delivered. */
DEFINE_EVENT_FN(ipcbus_event, ipcbus_deliver,
	TP_PROTO(const struct ipcbus_thread *thread, u64 id, u32 kind,
		 const struct ipcbus_event *event),
	TP_ARGS(thread, id, kind, event), ipcbus_trace_begin, ipcbus_trace_end
);

/* The caller got the result of its call: a reply, an error or a failure. */
DEFINE_EVENT_FN(ipcbus_event, ipcbus_result,
	TP_PROTO(const struct ipcbus_thread *thread, u64 id, u32 kind,
		 const struct ipcbus_event *event),
	TP_ARGS(thread, id, kind, event), ipcbus_trace_begin, ipcbus_trace_end
);

/* The current thread, a receiver, releases a buffer. */
TRACE_EVENT_FN(ipcbus_release,
	TP_PROTO(u64 buffer),
	TP_ARGS(buffer),
	TP_STRUCT__entry(
		__field(u64, buffer)
		__field(s32, pid)
		__field(s32, tid)
	),
	TP_fast_assign(
		__entry->buffer = buffer;
		__entry->pid = task_tgid_nr(current);
		__entry->tid = task_pid_nr(current);
	),
	TP_printk("by=%d:%d buffer=0x%llx", __entry->pid, __entry->tid, __entry->buffer),
	ipcbus_trace_begin, ipcbus_trace_end
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
