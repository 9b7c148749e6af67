/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reply
 *
 * A call ends once, by the first of these events:
 *
 *   the server replies          ipcbus_reply_send()
 *   the driver ends it          ipcbus_reply_fail(): it cannot be delivered, is canceled, the
 *                               timer of its deadline expires, or the server dies
 *   the caller gives it up      ipcbus_reply_abandon_locked(): its deadline passes while it
 *                               waits (wait.c), or it exits or dies
 *
 * In the first two cases the caller takes the result afterwards. The thread that changes the state
 * from PENDING (caller->lock) ends the call.
 */
#ifndef IPCBUS_REPLY_H
#define IPCBUS_REPLY_H

#include "main.h"

/* Sends thread's reply or error. If it returns -errno, the call is still open. */
int ipcbus_reply_send(struct ipcbus_thread *thread, struct ipcbus_message *message);

/* Fails t, which must be PENDING (caller->lock). */
void ipcbus_reply_fail_locked(struct ipcbus_transaction *t, int error, u32 stage, u32 index);

/* Fails t if it is still PENDING, and drops the server's reference. */
void ipcbus_reply_fail(struct ipcbus_transaction *t, int error, u32 stage, u32 index);

/* Fills in the event of t, which has ended and is off thread's stack, and drops t. */
void ipcbus_reply_take(struct ipcbus_transaction *t, struct ipcbus_thread *thread,
		       struct ipcbus_event *event);

/* The caller no longer takes the result (caller->lock). If it returns true, t was PENDING and the
 * caller must call ipcbus_cancel_server() next. */
bool ipcbus_reply_abandon_locked(struct ipcbus_transaction *t);

/* Drops a result that no thread took, and the caller's reference. */
void ipcbus_reply_drop(struct ipcbus_transaction *t);

/* Abandons the async calls of a dead proc, which must have no threads. */
void ipcbus_asyncs_release(struct ipcbus_proc *proc);

/* Fails all calls that are open in a dead proc, which must have no threads. */
void ipcbus_open_calls_release(struct ipcbus_proc *proc);

#endif
