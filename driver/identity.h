/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who sends: as the receiver of the message is told. Taken from the sending
 * thread itself while it sends, never from another task later. What the receiver
 * may ask about it afterwards is in identity.c.
 */
#ifndef IPCBUS_IDENTITY_H
#define IPCBUS_IDENTITY_H

#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/user_namespace.h>

#include "main.h"
#include "proc.h"
#include "thread.h"

/* Who sent a message, as its receiver sees it. */
struct ipcbus_sender {
	u32 pid;
	u32 tid;
	u32 uid;
	u32 gid;
};

/* The current thread, as the owner of receiver sees it. */
static __always_inline void ipcbus_identify(struct ipcbus_thread *thread,
					    struct ipcbus_proc *receiver,
					    struct ipcbus_sender *sender)
{
	const struct cred *cred = current_cred();

	if (likely(receiver->pid_ns == thread->proc->pid_ns)) {
		sender->pid = thread->tgid_nr;
		sender->tid = thread->pid_nr;
	} else {
		sender->pid = pid_nr_ns(thread->tgid, receiver->pid_ns);
		sender->tid = pid_nr_ns(thread->pid, receiver->pid_ns);
	}
	if (likely(receiver->user_ns == &init_user_ns)) {
		sender->uid = __kuid_val(cred->euid);
		sender->gid = __kgid_val(cred->egid);
	} else {
		sender->uid = from_kuid_munged(receiver->user_ns, cred->euid);
		sender->gid = from_kgid_munged(receiver->user_ns, cred->egid);
	}
}

static inline void ipcbus_tell_sender(const struct ipcbus_sender *sender,
				      struct ipcbus_event *event)
{
	event->pid = sender->pid;
	event->tid = sender->tid;
	event->uid = sender->uid;
	event->gid = sender->gid;
}

/* IPCBUS_IOC_SENDER_INFO */
int ipcbus_sender_info(struct ipcbus_proc *proc, void *data);

#endif
