/* SPDX-License-Identifier: MIT */
/* PID namespaces: the first namespace and the namespaces below it. */
#pragma once

#include "refcount.h"

struct task_struct;

/**
 * struct pid_namespace - a namespace
 * @ref: references
 * @parent: holds a reference; constant
 * @level: levels below the first namespace; constant
 */
struct pid_namespace {
	refcount_t ref;
	struct pid_namespace *parent;
	unsigned int level;
};

extern struct pid_namespace init_pid_ns;

struct pid_namespace *get_pid_ns(struct pid_namespace *ns);
void put_pid_ns(struct pid_namespace *ns);
struct pid_namespace *task_active_pid_ns(struct task_struct *task);
