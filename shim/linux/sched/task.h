/* SPDX-License-Identifier: MIT */
/* Counts of tasks. */
#pragma once

#include "../sched.h"

struct task_struct *get_task_struct(struct task_struct *task);
void put_task_struct(struct task_struct *task);
/* The task that has the number, counted, or NULL. */
struct task_struct *get_pid_task(struct pid *pid, enum pid_type type);
