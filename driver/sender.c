// SPDX-License-Identifier: GPL-2.0-only
/*
 * Senders: see sender.h.
 */
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "sender.h"

void ipcbus_sender_id_set(struct ipcbus_sender_id *id)
{
	id->pid = pid_nr_ns(task_tgid(current), &init_pid_ns);
	id->started = current->group_leader->start_boottime;
}

struct pid *ipcbus_sender_id_find(const struct ipcbus_sender_id *id)
{
	struct pid *pid = find_pid_ns(id->pid, &init_pid_ns);
	struct task_struct *leader = pid ? pid_task(pid, PIDTYPE_TGID) : NULL;

	return leader && leader->start_boottime == id->started ? pid : NULL;
}

bool __weak ipcbus_sender_id_exists(const struct ipcbus_sender_id *id, struct pid_namespace *ns,
				    u32 *ret_pid)
{
	struct pid *pid;

	rcu_read_lock();
	pid = ipcbus_sender_id_find(id);
	if (pid)
		*ret_pid = pid_nr_ns(pid, ns);
	rcu_read_unlock();
	return pid;
}
