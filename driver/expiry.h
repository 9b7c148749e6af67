/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Expiry
 *
 * A thread that waits for its call watches the deadline itself. Where no thread sleeps
 * on a call a timer ends it: that of an async call, and of a call whose thread is in
 * poll.
 *
 * The driver's deadlines are times of the kernel's own clock. A process in a time namespace
 * reads another one.
 */
#ifndef IPCBUS_EXPIRY_H
#define IPCBUS_EXPIRY_H

#include "main.h"

struct delayed_work;

int ipcbus_expiry_init(void);
void ipcbus_expiry_done(void);

/* Makes a deadline of the current task, which is not 0, the driver's, and says what that of t,
 * which has one, is for the current task. What is before the clock's beginning becomes 1. */
void ipcbus_deadline_from_user(u64 *deadline);
u64 ipcbus_deadline_to_user(const struct ipcbus_transaction *t);

void ipcbus_expiry_begin(struct ipcbus_proc *proc);
/* The proc is dead. Sleeps. */
void ipcbus_expiry_end(struct ipcbus_proc *proc);

/* Lets t fail when its deadline passes, unless it ends before (caller->lock): no
 * earlier, and at most two ticks later. */
void ipcbus_expiry_add_locked(struct ipcbus_transaction *t);
void ipcbus_expiry_remove_locked(struct ipcbus_transaction *t);

#endif
