/* SPDX-License-Identifier: MIT */
/* References to address spaces. */
#pragma once

#include "../mm.h"

void mmgrab(struct mm_struct *mm);
void mmdrop(struct mm_struct *mm);

struct mem_cgroup;

static inline struct mem_cgroup *set_active_memcg(struct mem_cgroup *group)
{
	return group;
}
