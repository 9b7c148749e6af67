/* SPDX-License-Identifier: MIT */
/* Identities of tasks and processes. They may outlive their task or process. */
#pragma once

#include "rcupdate.h"
#include "refcount.h"

struct pid_namespace;
struct task_struct;

enum pid_type {
	PIDTYPE_PID,
	PIDTYPE_TGID,
};

/**
 * struct pid - a number
 * @ref: references
 * @rcu: for freeing
 * @ns: the namespace of the number; holds a reference
 * @task: the task with this number, or NULL
 * @next: in the list of all pids
 * @nr: the number in each namespace, from the first to @ns
 */
struct pid {
	refcount_t ref;
	struct rcu_head rcu;
	struct pid_namespace *ns;
	struct task_struct *task;
	struct pid *next;
	int nr[];
};

struct pid *get_pid(struct pid *pid);
/* Looks up a number in the current task's namespace and takes a reference. */
struct pid *find_get_pid(int nr);
void put_pid(struct pid *pid);
int pid_nr(struct pid *pid);
int pid_nr_ns(struct pid *pid, struct pid_namespace *ns);
int pid_vnr(struct pid *pid);
struct task_struct *pid_task(struct pid *pid, enum pid_type type);
/* Must be called in an RCU read-side section. */
struct pid *find_pid_ns(int nr, struct pid_namespace *ns);
