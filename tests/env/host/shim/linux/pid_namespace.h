/* SPDX-License-Identifier: MIT */
/* Pid namespaces: the first one and its children. */
#pragma once

#include "refcount.h"

struct task_struct;

struct pid_namespace {
	refcount_t ref;
};

extern struct pid_namespace init_pid_ns;

struct pid_namespace *get_pid_ns(struct pid_namespace *ns);
void put_pid_ns(struct pid_namespace *ns);
struct pid_namespace *task_active_pid_ns(struct task_struct *task);
