/* SPDX-License-Identifier: MIT */
/*
 * Groups of tasks. There are two: the root group, in which tasks begin, and a group without
 * realtime runtime. A realtime task in that group would never run, so the shim panics (priority.c).
 */
#pragma once

#include "sched.h"

#define CONFIG_RT_GROUP_SCHED 1

struct cgroup_subsys_state {
	struct cgroup_subsys_state *parent;
};

enum cgroup_subsys_id { cpu_cgrp_id };

struct cgroup_subsys_state *task_css(struct task_struct *task, int subsys);
