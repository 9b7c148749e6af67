/* SPDX-License-Identifier: MIT */
/* Counts of tasks. */
#pragma once

#include "../sched.h"

struct task_struct *get_task_struct(struct task_struct *task);
void put_task_struct(struct task_struct *task);
