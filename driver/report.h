/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Report
 *
 * The files on a message's way report what happens to it, a line at each stage. While
 * nobody observes, a stage that goes well costs one instruction. observe.c turns reports
 * into tracepoints, records for monitors and the list of failures.
 */
#ifndef IPCBUS_REPORT_H
#define IPCBUS_REPORT_H

#include <linux/jump_label_ratelimit.h>
#include <linux/types.h>

#include "main.h"

/* On while any tracepoint of a message's stages is, or any monitor, and for a second
 * after. */
extern struct static_key_false_deferred ipcbus_report_key;

#define ipcbus_reported()	static_branch_unlikely(&ipcbus_report_key.key)

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
void ipcbus_report_starved_slow(struct ipcbus_thread *thread, struct ipcbus_work *work, u32 ms);
void ipcbus_report_wait_slow(struct ipcbus_thread *thread);

/* t is whole and will be queued next. */
static __always_inline void ipcbus_report_send(struct ipcbus_thread *thread,
					       const struct ipcbus_message *message,
					       const struct ipcbus_transaction *t)
{
	if (ipcbus_reported())
		ipcbus_report_send_slow(thread, message, t);
}

/* t was delivered to thread, which will see this event. */
static __always_inline void ipcbus_report_deliver(struct ipcbus_thread *thread,
						  const struct ipcbus_transaction *t,
						  const struct ipcbus_event *event)
{
	if (ipcbus_reported())
		ipcbus_report_deliver_slow(thread, t, event);
}

/* The reply to t is whole and will be handed to the caller next. */
static __always_inline void ipcbus_report_reply(struct ipcbus_thread *thread,
						const struct ipcbus_message *message,
						const struct ipcbus_transaction *t,
						const struct ipcbus_buffer *buffer)
{
	if (ipcbus_reported())
		ipcbus_report_reply_slow(thread, message, t, buffer);
}

/* The caller, thread, will see this event, which ends its call t. */
static __always_inline void ipcbus_report_result(struct ipcbus_thread *thread,
						 const struct ipcbus_transaction *t,
						 const struct ipcbus_event *event)
{
	if (ipcbus_reported())
		ipcbus_report_result_slow(thread, t, event);
}

/* The current process released a buffer, if result is 0. */
static __always_inline void ipcbus_report_release(u64 id, int result)
{
	if (ipcbus_reported())
		ipcbus_report_release_slow(id, result);
}

/* The thread took work that waited for so long, or 0: not too long. */
static __always_inline void ipcbus_report_starved(struct ipcbus_thread *thread,
						  struct ipcbus_work *work, u32 ms)
{
	if (ipcbus_reported() && ms)
		ipcbus_report_starved_slow(thread, work, ms);
}

/* The thread will sleep. */
static __always_inline void ipcbus_report_wait(struct ipcbus_thread *thread)
{
	if (ipcbus_reported())
		ipcbus_report_wait_slow(thread);
}

/* Raises and lowers the key; may sleep. */
int ipcbus_report_begin(void);
void ipcbus_report_end(void);
/* The module ends. */
void ipcbus_report_done(void);

/*
 * What thread, the current one, asked for was not done. message is as far as it
 * came, and its send NULL if it came to no message; t and node are what was known
 * then, or NULL. Returns error. May sleep, as all that follow.
 */
int ipcbus_report_unsent(struct ipcbus_thread *thread, const struct ipcbus_message *message,
			 const struct ipcbus_transaction *t, const struct ipcbus_node_entry *node,
			 int error);

/* thread sends too many oneways to node; it was notified. */
void ipcbus_report_spam(struct ipcbus_thread *thread, const struct ipcbus_node_entry *node,
			u32 held);

/* A message that had been sent failed after all; buffer: NULL if it was delivered. */
void ipcbus_report_failed(const struct ipcbus_transaction *t, const struct ipcbus_buffer *buffer,
			  int error, u32 stage, u32 index);

#endif
