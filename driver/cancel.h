/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls that end before they are answered: cancelled by another thread, expired,
 * or their caller is gone.
 */
#ifndef IPCBUS_CANCEL_H
#define IPCBUS_CANCEL_H

#include "main.h"

/* IPCBUS_IOC_CANCEL: struct ipcbus_cancel. */
int ipcbus_cancel(struct ipcbus_proc *proc, void *data);

/*
 * t is not PENDING any more, and it was not its server who ended it: a request that
 * nobody took is taken back; else the server is told, and what it called for t's
 * sake is cancelled too. The caller holds a reference.
 */
void ipcbus_cancel_server(struct ipcbus_transaction *t);

/* Only the telling, of an open call (node->proc->lock). */
void ipcbus_cancel_notify_locked(struct ipcbus_transaction *t);
/* Not open any more: if the server was not told yet there is no need to. True if
 * the event's reference is to be put (node->proc->lock). */
bool ipcbus_cancel_withdraw_locked(struct ipcbus_transaction *t);

#endif
