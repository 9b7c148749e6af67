/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Charge
 *
 * What a sender allocates for a region is charged to the memory cgroup in which the region's
 * owner mapped it, not to the sender's own. region.c and pages.c do so around their
 * allocations.
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

/* From here on, in this thread. Returns what ipcbus_charge_end() restores. */
static inline struct mem_cgroup *ipcbus_charge_begin(struct mem_cgroup *group)
{
	return set_active_memcg(group);
}

static inline void ipcbus_charge_end(struct mem_cgroup *before)
{
	set_active_memcg(before);
}

#endif
