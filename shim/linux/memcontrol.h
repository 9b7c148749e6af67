/* SPDX-License-Identifier: MIT */
/* Memory cgroups: tasks have none here. */
#pragma once

#include "mm.h"

struct mem_cgroup;

static inline struct mem_cgroup *get_mem_cgroup_from_mm(struct mm_struct *mm)
{
	BUG_ON(!refcount_read(&mm->mm_count));
	return NULL;
}

static inline void mem_cgroup_put(struct mem_cgroup *group)
{
	BUG_ON(group);
}
