/* SPDX-License-Identifier: MIT */
/*
 * Groups of tasks. There are two: the root, in which a task begins, and one that has no
 * realtime runtime. A realtime task in that would never run, so it is a mistake (priority.c).
 */
#pragma once

#include "sched.h"

#define CONFIG_RT_GROUP_SCHED 1

struct cgroup_subsys_state {
	struct cgroup_subsys_state *parent;
};

enum cgroup_subsys_id { cpu_cgrp_id };

struct cgroup_subsys_state *task_css(struct task_struct *task, int subsys);
