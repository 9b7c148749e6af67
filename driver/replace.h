/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Replace
 *
 * A oneway with IPCBUS_SEND_REPLACE takes the place of an older one that nobody has
 * taken yet. So a node's queue has at most one such oneway of each sending proc and
 * code. The newer one needs space beside the older one, which stays if the newer one fails.
 */
#ifndef IPCBUS_REPLACE_H
#define IPCBUS_REPLACE_H

#include "main.h"

/* t is about to be queued: takes the one that it replaces off its queue. NULL, or
 * for ipcbus_replace_drop() (proc->lock). */
struct ipcbus_transaction *ipcbus_replace_locked(struct ipcbus_transaction *t);
void ipcbus_replace_drop(struct ipcbus_transaction *old);
/* A thread took t: it stays (proc->lock). */
void ipcbus_replace_taken_locked(struct ipcbus_transaction *t);

#endif
