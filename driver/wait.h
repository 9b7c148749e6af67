/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Wait
 *
 * A thread waits for one event at a time. It looks in this order:
 *
 *   1. work that was given to it alone: calls that come back to it, or what it was
 *      idle for. They come first, for it may never wait again after its reply.
 *   2. the end of the call that it made last
 *   3. if it serves and is in no call: the proc's queue
 *   4. the deadline of its call
 *   5. an interruption
 *
 * While the proc is frozen the thread finds nothing but an interruption.
 */
#ifndef IPCBUS_WAIT_H
#define IPCBUS_WAIT_H

#include "main.h"

/* Waits for an event as exchange->flags say, and fills it in. called: the thread has
 * just made a call. If that is async, it was kicked. */
void ipcbus_thread_wait(struct ipcbus_thread *thread, u32 flags, bool called,
			struct ipcbus_event *event);

/* For poll: is there anything that a wait with IPCBUS_SERVE would return? thread may
 * be NULL. */
bool ipcbus_thread_ready(struct ipcbus_proc *proc, struct ipcbus_thread *thread);

/* Leaves the deadline of the thread's call to a timer, for the thread returns to user
 * space and does not sleep on it. */
void ipcbus_thread_leave_to_timer(struct ipcbus_thread *thread);

#endif
