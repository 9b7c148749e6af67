/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cancel
 *
 * A call can end before its server replies:
 *
 *   - a thread of the caller cancels it by its cookie (IPCBUS_IOC_CANCEL)
 *   - its deadline passes (expiry.c, wait.c)
 *   - the caller exits or dies (exit.c)
 *
 * First the caller's side ends (reply.h). Then ipcbus_cancel_server() ends the server's
 * side: it takes back a request that nobody has taken. If the server has it, the
 * server is notified by EVENT_CANCELED, and calls that the server waits for on its
 * behalf are cancelled too.
 */
#ifndef IPCBUS_CANCEL_H
#define IPCBUS_CANCEL_H

#include "node.h"
#include "proc.h"
#include "transaction.h"
#include "work.h"

/* IPCBUS_IOC_CANCEL: struct ipcbus_cancel. */
int ipcbus_cancel(struct ipcbus_proc *proc, void *data);

/* Ends the server's side of t, which is not PENDING any more. The caller holds a
 * reference. May sleep. */
void ipcbus_cancel_server(struct ipcbus_transaction *t);

/* Notifies the server of an open call (node->proc->lock). */
void ipcbus_cancel_notify_locked(struct ipcbus_transaction *t);
/* Withdraws the notification of a call that is not open any more (node->proc->lock). True: the
 * caller puts its reference. */
static inline bool ipcbus_cancel_withdraw_locked(struct ipcbus_transaction *t)
{
	lockdep_assert_held(&t->node->proc->lock);
	return unlikely(t->canceled) && ipcbus_work_unqueue_locked(&t->canceled_work);
}

#endif
