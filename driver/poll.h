/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Poll
 *
 * Who polls a proc's file stands in its wait queue. Others wake them, with a spinlock held. The
 * file's owner decides how many there are: an epoll file has as many of them as it has copies of
 * the fd. So where there are more than a few, a worker wakes them. Its time is charged to nobody,
 * so it rests for longer than it took.
 */
#ifndef IPCBUS_POLL_H
#define IPCBUS_POLL_H

#include "proc.h"

int ipcbus_poll_init(void);
void ipcbus_poll_done(void);

/* A new proc, before anybody knows it. */
void ipcbus_poll_begin(struct ipcbus_proc *proc);

/* Its last fd is closed, so nobody polls it or will. The caller has had the lock with which others
 * wake them since then. The worker must not outlast the module, whose user was that fd. */
void ipcbus_poll_end(struct ipcbus_proc *proc);

bool ipcbus_poll_may_wake_slow(struct ipcbus_proc *proc);

/* May the caller wake those who poll the proc? If there are too many, a worker does so instead. The
 * caller has a reference of the proc. */
static inline bool ipcbus_poll_may_wake(struct ipcbus_proc *proc)
{
	return wq_has_sleeper(&proc->poll_wait) && ipcbus_poll_may_wake_slow(proc);
}

#endif
