/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Poll
 *
 * Who polls a proc's file stands in its wait queue. Others wake them, with a spinlock held. The
 * file's owner decides how many there are: an epoll file has as many of them as it has copies of
 * the fd, and others may poll the epoll file. So where there are more than a few, or where it took
 * long lately, a worker of the account wakes them. Its time is charged to nobody, so it rests for
 * longer than it took.
 */
#ifndef IPCBUS_POLL_H
#define IPCBUS_POLL_H

#include "proc.h"

int ipcbus_poll_init(void);
void ipcbus_poll_done(void);

/* Of an account: wakes those who poll its procs that wait for that. */
void ipcbus_poll_work(struct work_struct *work);

void ipcbus_poll_wake_some(struct ipcbus_proc *proc, __poll_t events, bool sync);

/* Wakes those who poll the proc for the events, or has that done. With sync the caller is about to
 * sleep. It has a reference of the proc. */
static inline void ipcbus_poll_wake(struct ipcbus_proc *proc, __poll_t events, bool sync)
{
	if (wq_has_sleeper(&proc->poll_wait))
		ipcbus_poll_wake_some(proc, events, sync);
}

#endif
