/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Deadlines of calls that no thread sleeps on: async ones, and those whose thread
 * is elsewhere, in poll for one. A thread that waits for its call watches its
 * deadline by itself and needs nothing of this.
 */
#ifndef IPCBUS_EXPIRY_H
#define IPCBUS_EXPIRY_H

#include "main.h"

int ipcbus_expiry_init(void);
void ipcbus_expiry_done(void);

void ipcbus_expiry_begin(struct ipcbus_proc *proc);
/* The proc is dead; sleeps. */
void ipcbus_expiry_end(struct ipcbus_proc *proc);

/* t, which has a deadline, fails when that passes, unless it ends before
 * (caller->lock). Tells no earlier, and at most two ticks later. */
void ipcbus_expiry_add_locked(struct ipcbus_transaction *t);
void ipcbus_expiry_remove_locked(struct ipcbus_transaction *t);

#endif
