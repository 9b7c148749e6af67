/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reply
 *
 * A call ends once, by what comes first:
 *
 *   the server replies          ipcbus_reply_send()
 *   the driver ends it          ipcbus_reply_fail(): it cannot be delivered, is cancelled,
 *                               expires, or the server dies
 *   the caller gives it up      ipcbus_reply_abandon_locked(): it exits or dies
 *
 * In the first two cases the caller then takes the result. Who moves the call from
 * PENDING (caller->lock) ends it; others find that it has ended.
 */
#ifndef IPCBUS_REPLY_H
#define IPCBUS_REPLY_H

#include "main.h"

/* Sends thread's reply or error; returns 0, or -errno and the call is open still. */
int ipcbus_reply_send(struct ipcbus_thread *thread, struct ipcbus_message *message);

/* Fails t, which is PENDING (caller->lock). */
void ipcbus_reply_fail_locked(struct ipcbus_transaction *t, int error, u32 stage, u32 index);

/* The same where t may not be PENDING any more; drops the server's reference. */
void ipcbus_reply_fail(struct ipcbus_transaction *t, int error, u32 stage, u32 index);

/* t has ended and is off thread's stack: fills in the event and drops it. */
void ipcbus_reply_take(struct ipcbus_transaction *t, struct ipcbus_thread *thread,
		       struct ipcbus_event *event);

/* Nobody takes the result any more, whatever it is (caller->lock). True if t was
 * PENDING: ipcbus_cancel_server() is to follow. */
bool ipcbus_reply_abandon_locked(struct ipcbus_transaction *t);

/* Drops a result that was not taken, and the caller's reference. */
void ipcbus_reply_drop(struct ipcbus_transaction *t);

/* Abandons the async calls of a dead proc without threads. */
void ipcbus_asyncs_release(struct ipcbus_proc *proc);

/* Fails all calls that are open in a dead proc without threads. */
void ipcbus_open_calls_release(struct ipcbus_proc *proc);

#endif
