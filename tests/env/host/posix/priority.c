// SPDX-License-Identifier: MIT
/*
 * The C library's functions about priorities, for the tasks of the shim: see posix.c. They find
 * tasks by their number.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <sys/resource.h>

#include "posix.h"

struct by_number {
	int nr;
	struct task_struct *task;
};

static bool has_number(struct task_struct *task, void *arg)
{
	struct by_number *search = arg;

	if (task->pid->nr[0] != search->nr)
		return false;
	search->task = get_task_struct(task);
	return true;
}

/* Returns the task with that number, or the calling task for 0, with a reference. */
static struct task_struct *task_of(int nr)
{
	struct by_number search = { .nr = nr };

	if (!nr)
		return get_task_struct(current);
	if (!shim_any_task(has_number, &search))
		shim_panic("posix: there is no thread %d", nr);
	return search.task;
}

int host_getpriority(int which, unsigned int who)
{
	struct task_struct *task = task_of(who);
	int nice = task_nice(task);

	(void)which;
	put_task_struct(task);
	return nice;
}

int host_setpriority(int which, unsigned int who, int nice)
{
	struct task_struct *task = task_of(who);

	(void)which;
	shim_set_nice(task, nice);
	put_task_struct(task);
	return 0;
}

int host_sched_getscheduler(pid_t pid)
{
	struct task_struct *task = task_of(pid);
	int policy = READ_ONCE(task->policy) |
		     (READ_ONCE(task->sched_reset_on_fork) ? SCHED_RESET_ON_FORK : 0);

	put_task_struct(task);
	return policy;
}

int host_sched_getparam(pid_t pid, struct sched_param *param)
{
	struct task_struct *task = task_of(pid);

	param->sched_priority = READ_ONCE(task->rt_priority);
	put_task_struct(task);
	return 0;
}

int host_sched_setscheduler(pid_t pid, int policy, const struct sched_param *param)
{
	struct task_struct *task = task_of(pid);
	int e = shim_set_policy(task, policy & ~SCHED_RESET_ON_FORK, param->sched_priority);

	if (!e)
		WRITE_ONCE(task->sched_reset_on_fork, policy & SCHED_RESET_ON_FORK);
	put_task_struct(task);
	if (!e)
		return 0;
	errno = -e;
	return -1;
}

/* Applies only to the calling thread. */
int host_setrlimit(int which, const struct rlimit *limit)
{
	if (which == RLIMIT_NICE)
		current->rlimit_nice = limit->rlim_cur;
	else if (which == RLIMIT_RTPRIO)
		current->rlimit_rtprio = limit->rlim_cur;
	else
		return setrlimit(which, limit);
	return 0;
}
