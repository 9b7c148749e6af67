/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Charge
 *
 * What a sender allocates for a region is charged to the memory cgroup of the region's
 * owner, not to the sender's own. region.c and pages.c do so around their allocations.
 *
 * They allocate with IPCBUS_CHARGE_GFP. If the owner's group is full, the kernel
 * reclaims from it, and then gives up. The send fails with -ENOMEM, and nobody is killed
 * for what somebody else sends.
 */
#ifndef IPCBUS_CHARGE_H
#define IPCBUS_CHARGE_H

#include <linux/memcontrol.h>
#include <linux/sched/mm.h>

#define IPCBUS_CHARGE_GFP	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

struct ipcbus_charge {
	struct mem_cgroup *group;
	struct mem_cgroup *before;
};

/* From here on, in this thread; the group is that of the owner now. */
static inline struct ipcbus_charge ipcbus_charge_begin(struct mm_struct *owner)
{
	struct ipcbus_charge charge;

	charge.group = get_mem_cgroup_from_mm(owner);
	charge.before = set_active_memcg(charge.group);
	return charge;
}

static inline void ipcbus_charge_end(const struct ipcbus_charge *charge)
{
	set_active_memcg(charge->before);
	mem_cgroup_put(charge->group);
}

#endif
