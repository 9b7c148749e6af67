/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The end of a call: replies, and what the caller finds.
 */
#ifndef IPCBUS_REPLY_H
#define IPCBUS_REPLY_H

#include "main.h"

/* Sends thread's reply or error; returns 0, or -errno and the call is open still. */
int ipcbus_reply_send(struct ipcbus_thread *thread, struct ipcbus_message *message);

/* The driver's own answer, for whoever moves t from PENDING (caller->lock). */
void ipcbus_reply_fail_locked(struct ipcbus_transaction *t, int error, u32 stage, u32 index);

/* The same where t may not be PENDING any more; drops the server's reference. */
void ipcbus_reply_fail(struct ipcbus_transaction *t, int error, u32 stage, u32 index);

/* t is answered and off thread's stack: fills in the event and drops it. */
void ipcbus_reply_take(struct ipcbus_transaction *t, struct ipcbus_thread *thread,
		       struct ipcbus_event *event);

/* Nobody takes the answer any more, whatever it is (caller->lock). True if t was
 * PENDING: ipcbus_cancel_server() is to follow. */
bool ipcbus_reply_abandon_locked(struct ipcbus_transaction *t);

/* Drops an answer that was not taken, and the caller's reference. */
void ipcbus_reply_drop(struct ipcbus_transaction *t);

/* What a dead proc without threads still waits for comes to nothing. */
void ipcbus_asyncs_release(struct ipcbus_proc *proc);

/* All calls that a dead proc without threads left unanswered fail. */
void ipcbus_open_calls_release(struct ipcbus_proc *proc);

#endif
