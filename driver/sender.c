// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a receiver can find out about a sender: see sender.h. What goes into every
 * event is inline there.
 */
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "buffer.h"
#include "proc.h"
#include "sender.h"
#include "thread.h"
#include "transaction.h"

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

/* Of a call that is open in proc: its thread is counted as long as it is. */
static int sender_of_call(struct ipcbus_proc *proc, u64 id, struct ipcbus_sender_id *ret_id)
{
	struct ipcbus_transaction *t;
	int ret = -ESRCH;

	spin_lock(&proc->lock);
	hash_for_each_possible(proc->open, t, open, id) {
		if (t->id != id)
			continue;
		*ret_id = t->from ? t->from->sender_id : t->sender_id;
		ret = 0;
		break;
	}
	spin_unlock(&proc->lock);
	return ret;
}

int ipcbus_sender_info(struct ipcbus_proc *proc, void *data)
{
	struct ipcbus_sender_info *args = data;
	struct ipcbus_sender_id id;
	struct pid *pid;
	int ret;

	if (args->flags || args->pid || args->reserved || !args->call == !args->buffer)
		return -EINVAL;
	if (args->call)
		ret = sender_of_call(proc, args->call, &id);
	else
		ret = ipcbus_region_sender(&proc->region, args->buffer, &id);
	if (ret)
		return ret;
	rcu_read_lock();
	pid = ipcbus_sender_id_find(&id);
	if (pid) {
		args->flags = IPCBUS_SENDER_ALIVE;
		args->pid = pid_nr_ns(pid, proc->pid_ns);
	}
	rcu_read_unlock();
	return 0;
}
