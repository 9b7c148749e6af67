/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Oneways that take the place of an older one which nobody took yet: of those
 * with IPCBUS_SEND_REPLACE, one node's queue has at most one of each sending proc
 * and code.
 */
#ifndef IPCBUS_REPLACE_H
#define IPCBUS_REPLACE_H

#include "main.h"

/* The room of the one that t would replace, in units; 0: there is none. */
u32 ipcbus_replace_space(struct ipcbus_transaction *t);
/* t is about to be queued: takes the one that it replaces off its queue. NULL, or
 * for ipcbus_replace_drop() (proc->lock). */
struct ipcbus_transaction *ipcbus_replace_locked(struct ipcbus_transaction *t);
void ipcbus_replace_drop(struct ipcbus_transaction *old);
/* A thread took t: it stays (proc->lock). */
void ipcbus_replace_taken_locked(struct ipcbus_transaction *t);

#endif
