/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Delivery
 *
 * A thread takes a call or oneway off a queue, installs its objects, and gets the
 * event. If anything fails, the message is refused: its sender gets the failure of a
 * call, and a oneway is lost and counted.
 */
#ifndef IPCBUS_DELIVER_H
#define IPCBUS_DELIVER_H

#include "main.h"

/* Work was taken off a queue for thread (proc->lock). If it is a call, the thread is
 * in it from here on. */
void ipcbus_deliver_taken_locked(struct ipcbus_work *work, struct ipcbus_thread *thread);

/* For how many milliseconds did work of the proc's queue wait for a thread, if that
 * was too long? Else 0 (proc->lock). */
u32 ipcbus_deliver_waited(struct ipcbus_work *work);

#endif
