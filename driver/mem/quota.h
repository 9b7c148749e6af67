/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Quota
 *
 * A user must not be able to fill another user's region. So a region has a quota for each other
 * user that sends to it:
 *
 *   - All other users together may occupy seven eighths of the region. The last eighth is for the
 *     region's own user.
 *   - The calls and oneways of one user together may occupy at most half of the space that the
 *     remaining users leave free in that part. So the first user can have half, and the next user
 *     half of the rest.
 *   - All oneways together may occupy half of the region. Within that half, the two rules above
 *     also apply to oneways alone.
 *   - The region's own user has no quota, because it can only harm itself.
 *   - Replies are not charged, because the receiver asked for them.
 *
 * The same rules apply to the number of buffers. A call without content has no buffer, but counts
 * as a buffer until it is delivered, because it takes a place in a queue.
 *
 * For a oneway, only oneways and charged messages count as used space. So only their release makes
 * space for a oneway.
 */
#ifndef IPCBUS_MEM_QUOTA_H
#define IPCBUS_MEM_QUOTA_H

#include <linux/rbtree.h>
#include <linux/uidgid.h>

#include "../main.h"

/* Flags of a buffer. */
#define IPCBUS_BUFFER_ONEWAY	1U	/* counts as a oneway */
#define IPCBUS_BUFFER_CHARGED	2U	/* charged to a quota */
#define IPCBUS_BUFFER_COUNTED	(IPCBUS_BUFFER_ONEWAY | IPCBUS_BUFFER_CHARGED)
#define IPCBUS_BUFFER_CLEAR	8U	/* zero on release */

/* Returns the part of @all (units, buffers, the half for oneways) for all other users together. */
static inline u32 ipcbus_quota_part(u32 all)
{
	return all - all / 8;
}

/**
 * struct ipcbus_charged - usage that is charged to a user, or to all other users
 * @buffers: number of buffers
 * @units: units in these buffers
 * @oneways: number of these buffers that are oneways
 * @oneway_units: units in oneways
 */
struct ipcbus_charged {
	u32 buffers;
	u32 units;
	u32 oneways;
	u32 oneway_units;
};

/**
 * struct ipcbus_quota - usage of a user in another user's region (region->lock)
 * @by_user: in region->quotas
 * @uid: the user; constant
 * @held: buffers that are charged to it, and senders that are about to charge it
 * @charged: its usage
 * @queued: number of its messages in the proc's queue, for work.c (proc->lock)
 * @floods: @queued exceeded IPCBUS_FLOOD, and has not been 0 since (proc->lock)
 */
struct ipcbus_quota {
	struct rb_node by_user;
	kuid_t uid;
	u32 held;
	struct ipcbus_charged charged;
	u32 queued;
	bool floods;
};

/**
 * struct ipcbus_reservation - request of a message for space in a region
 * @units: size in units
 * @flags: IPCBUS_BUFFER_* of its buffer
 * @quota: quota to charge (CHARGED), or NULL. The buffer takes ownership.
 */
struct ipcbus_reservation {
	u32 units;
	u32 flags;
	struct ipcbus_quota *quota;
};

/* Returns the user's quota, held for one buffer. May sleep. Returns ERR_PTR of -ENOMEM, or
 * -EOWNERDEAD if the region has ended. */
struct ipcbus_quota *ipcbus_quota_get(struct ipcbus_region *region, kuid_t uid);
/* Drops a hold, because no buffer was made. */
void ipcbus_quota_put(struct ipcbus_region *region, struct ipcbus_quota *quota);

/* Charges a reservation. If it exceeds the quota, returns -EAGAIN (oneway) or -EDQUOT (call). */
int ipcbus_quota_charge_locked(struct ipcbus_region *region, const struct ipcbus_reservation *want);
/* Reverts ipcbus_quota_charge_locked(). */
void ipcbus_quota_uncharge_locked(struct ipcbus_region *region,
				  const struct ipcbus_reservation *want);
/* Uncharges a released buffer that was counted, and drops its hold of the quota. */
void ipcbus_quota_end_locked(struct ipcbus_region *region, struct ipcbus_buffer *buffer);
/* Uncharges a call without a buffer, and drops its hold of the quota. */
void ipcbus_quota_end_empty_locked(struct ipcbus_region *region, struct ipcbus_quota *quota);

/* Called when the region has ended. Frees quotas that are not held. The last put frees the rest. */
void ipcbus_quotas_done(struct ipcbus_region *region);

#endif
