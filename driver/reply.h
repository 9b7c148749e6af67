/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reply
 *
 * A server replies once to each of its open calls: see calls.h. The reply or error becomes the
 * result that the caller takes: see result.h.
 */
#ifndef IPCBUS_REPLY_H
#define IPCBUS_REPLY_H

#include "main.h"

/* Sends thread's reply or error. If it returns -errno, the call is still open. */
int ipcbus_reply_send(struct ipcbus_thread *thread, struct ipcbus_message *message);

/* Fails all calls that are open in a dead proc, which must have no threads. */
void ipcbus_open_calls_release(struct ipcbus_proc *proc);

#endif
