// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a receiver can find out about a sender: see identity.h. What goes into every
 * event is inline there.
 */
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "buffer.h"
#include "identity.h"
#include "origin.h"
#include "transaction.h"

void ipcbus_origin_set(struct ipcbus_origin *origin)
{
	origin->pid = pid_nr_ns(task_tgid(current), &init_pid_ns);
	origin->started = current->group_leader->start_boottime;
}

struct pid *ipcbus_origin_find(const struct ipcbus_origin *origin)
{
	struct pid *pid = find_pid_ns(origin->pid, &init_pid_ns);
	struct task_struct *leader = pid ? pid_task(pid, PIDTYPE_TGID) : NULL;

	return leader && leader->start_boottime == origin->started ? pid : NULL;
}

/* Of a call that is open in proc: its thread is counted as long as it is. */
static int origin_of_call(struct ipcbus_proc *proc, u64 id, struct ipcbus_origin *ret_origin)
{
	struct ipcbus_transaction *t;
	int ret = -ESRCH;

	spin_lock(&proc->lock);
	hash_for_each_possible(proc->open, t, open, id) {
		if (t->id != id)
			continue;
		*ret_origin = t->from ? t->from->origin : t->origin;
		ret = 0;
		break;
	}
	spin_unlock(&proc->lock);
	return ret;
}

int ipcbus_sender_info(struct ipcbus_proc *proc, void *data)
{
	struct ipcbus_sender_info *args = data;
	struct ipcbus_origin origin;
	struct pid *pid;
	int ret;

	if (args->flags || args->pid || args->reserved || !args->call == !args->buffer)
		return -EINVAL;
	if (args->call)
		ret = origin_of_call(proc, args->call, &origin);
	else
		ret = ipcbus_buffer_origin(&proc->region, args->buffer, &origin);
	if (ret)
		return ret;
	rcu_read_lock();
	pid = ipcbus_origin_find(&origin);
	if (pid) {
		args->flags = IPCBUS_SENDER_ALIVE;
		args->pid = pid_nr_ns(pid, proc->pid_ns);
	}
	rcu_read_unlock();
	return 0;
}
