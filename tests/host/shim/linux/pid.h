/* SPDX-License-Identifier: MIT */
/* Identities of tasks and processes, which outlive both. */
#pragma once

#include "refcount.h"

struct pid_namespace;
struct task_struct;

enum pid_type {
	PIDTYPE_PID,
	PIDTYPE_TGID,
};

/**
 * struct pid - one number
 * @ref: who holds it
 * @ns: the namespace in which it was made; counted
 * @nr: the number there
 * @outer_nr: the number in the first namespace
 * @task: who has it now, or NULL
 */
struct pid {
	refcount_t ref;
	struct pid_namespace *ns;
	int nr;
	int outer_nr;
	struct task_struct *task;
};

struct pid *get_pid(struct pid *pid);
void put_pid(struct pid *pid);
int pid_nr_ns(struct pid *pid, struct pid_namespace *ns);
int pid_vnr(struct pid *pid);
struct task_struct *pid_task(struct pid *pid, enum pid_type type);
