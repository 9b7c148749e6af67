/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Result
 *
 * A call ends once, by the first of these events:
 *
 *   the server replies          ipcbus_result_reply(), for reply.c
 *   the driver ends it          ipcbus_result_fail(): it cannot be delivered, is canceled, the
 *                               timer of its deadline expires, or the server dies
 *   the caller gives it up      ipcbus_result_abandon_locked(): its deadline passes while it
 *                               waits (wait.c), or it exits or dies
 *
 * In the first two cases the call has a result, which the caller takes afterwards. The thread that
 * changes the state from PENDING (caller->lock) ends the call.
 */
#ifndef IPCBUS_RESULT_H
#define IPCBUS_RESULT_H

#include "main.h"

/* Ends t with a reply or error, which is empty if buffer is NULL. Returns false if t has ended
 * before. Then the caller must drop the buffer. Keeps the server's reference. */
bool ipcbus_result_reply(struct ipcbus_transaction *t, struct ipcbus_buffer *buffer, u32 kind,
			 s32 error);

/* Fails t, which must be PENDING (caller->lock). */
void ipcbus_result_fail_locked(struct ipcbus_transaction *t, int error, u32 stage, u32 index);

/* Fails t if it is still PENDING, and drops the server's reference. */
void ipcbus_result_fail(struct ipcbus_transaction *t, int error, u32 stage, u32 index);

/* Fills in the event of t, which has ended and is off thread's stack, and drops t. */
void ipcbus_result_take(struct ipcbus_transaction *t, struct ipcbus_thread *thread,
			struct ipcbus_event *event);

/* The caller no longer takes the result (caller->lock). If it returns true, t was PENDING and the
 * caller must call ipcbus_cancel_server() next. */
bool ipcbus_result_abandon_locked(struct ipcbus_transaction *t);

/* Drops a result that no thread took, and the caller's reference. */
void ipcbus_result_drop(struct ipcbus_transaction *t);

#endif
