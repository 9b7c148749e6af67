/* SPDX-License-Identifier: MIT */
/* Tasks, and sleeping and waking: see sched.c and task.c. */
#pragma once

#include "../lock.h"
#include "pid.h"
#include "refcount.h"

#define TASK_RUNNING		0U
#define TASK_INTERRUPTIBLE	1U
#define TASK_FREEZABLE		2U

#define PF_EXITING		4U
#define PF_KTHREAD		0x00200000U
#define EXIT_DEAD		16

#define SCHED_NORMAL		0
#define SCHED_FIFO		1
#define SCHED_RR		2
#define SCHED_DEADLINE		6
#define SCHED_FLAG_RESET_ON_FORK 0x01

struct cred;
struct mm_struct;
struct shim_fiber;
struct shim_process;

/* Shared state of the tasks of a process: the number that have not begun to exit. */
struct signal_struct {
	atomic_t live;
};

/**
 * struct task_struct - a thread
 * @ref: references, of which one is its own
 * @process: its process; holds a reference
 * @mm: the process's
 * @cred: its credentials; holds a reference
 * @pid: its identity; holds a reference
 * @state: TASK_*
 * @flags: PF_*
 * @timer_slack_ns: ignored
 * @signalled: a signal is pending
 * @policy: SCHED_*; this and the next four are scheduling attributes (priority.c)
 * @never_realtime: its group has no realtime runtime (cgroup.h)
 * @rlimit_nice: RLIMIT_NICE
 * @rlimit_rtprio: RLIMIT_RTPRIO
 * @locks: locks and read-side sections, for the checks
 * @rcu: real threads: start of its read-side section
 * @rcu_bit: scheduler: its bit in the masks of rcu.c
 * @fail: steps until a step must fail; 0: never
 * @fail_gap: next value of @fail after that failure
 * @failed: a step has failed
 * @fiber: the fiber that runs it, or NULL
 * @rcu_end: drops its own reference after it has ended
 */
struct task_struct {
	refcount_t ref;
	struct signal_struct *signal;
	struct task_struct *group_leader;
	u64 start_boottime;
	struct shim_process *process;
	struct mm_struct *mm;
	const struct cred *cred;
	struct pid *pid;
	unsigned int state;
	unsigned int flags;
	int exit_state;
	u64 timer_slack_ns;
	bool signalled;
	unsigned int policy;
	unsigned int rt_priority;
	int normal_prio;
	int nice;
	bool sched_reset_on_fork;
	bool never_realtime;
	unsigned long rlimit_nice;
	unsigned long rlimit_rtprio;
#ifndef SHIM_LEAN
	struct shim_held locks;
	unsigned long rcu;
	unsigned int rcu_bit;
#endif
	unsigned int fail[4];
	unsigned int fail_gap[4];
	bool failed[4];
	struct shim_fiber *fiber;
	struct rcu_head rcu_end;
};

/* The current task. If a thread has none, its first call creates one. */
extern _Thread_local struct task_struct *shim_task;
struct task_struct *shim_task_adopt(void);
#define current (likely(shim_task) ? shim_task : shim_task_adopt())

#define task_pid(task) ((task)->pid)
#define task_pid_nr(task) pid_nr(task_pid(task))
#define task_tgid_nr(task) pid_nr(task_tgid(task))
struct pid *task_tgid(struct task_struct *task);

/* References to the structure. */
struct task_struct *get_task_struct(struct task_struct *task);
void put_task_struct(struct task_struct *task);

void set_current_state(unsigned int state);
#define __set_current_state(s) __atomic_store_n(&current->state, s, __ATOMIC_RELAXED)
void schedule(void);
void shim_wake(struct task_struct *task);
void cond_resched(void);

struct sched_attr;

int sched_setattr_nocheck(struct task_struct *task, const struct sched_attr *attr);
int task_nice(const struct task_struct *task);
