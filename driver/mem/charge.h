/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who pays: what a sender makes for a region is charged to the memory cgroup of
 * the region's owner, not the sender's own. Used by buffer.c and pages.c around
 * their allocations.
 *
 * Such memory is asked for with IPCBUS_CHARGE_GFP: where the owner's group is
 * full the kernel reclaims from it, and then gives up. The sender is told
 * -ENOMEM, and nobody is killed for what somebody else sends.
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
