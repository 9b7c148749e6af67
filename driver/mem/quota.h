/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Quota
 *
 * A user must not fill another user's region. So a region has a quota for each other user
 * that sends to it:
 *
 *   - All other users together may occupy seven eighths of the region. Only the region's
 *     own user can have the last eighth.
 *   - The calls and oneways of one user together may occupy at most half of the space that
 *     other users leave free in that part. So the first user can have half, and the next
 *     user half of the rest.
 *   - All oneways together may occupy half of the region. Within that half both rules
 *     hold for oneways alone.
 *   - The region's own user has no quota, because it can harm itself anyway.
 *   - Replies have none, because the receiver asked for them.
 *
 * The same rules hold for the number of buffers. A call of nothing at all has no buffer, but
 * counts as a buffer until it is delivered, because it takes a place in a queue.
 *
 * For a oneway, "others" are other users' messages alone, so only messages that are charged and
 * oneways make space for a oneway when they are released.
 */
#ifndef IPCBUS_MEM_QUOTA_H
#define IPCBUS_MEM_QUOTA_H

#include <linux/rbtree.h>
#include <linux/uidgid.h>

#include "../main.h"

/* How a buffer is to be treated. */
#define IPCBUS_BUFFER_ONEWAY	1U	/* it counts as a oneway */
#define IPCBUS_BUFFER_CHARGED	2U	/* it is charged to a quota */
#define IPCBUS_BUFFER_COUNTED	(IPCBUS_BUFFER_ONEWAY | IPCBUS_BUFFER_CHARGED)
#define IPCBUS_BUFFER_CLEAR	8U	/* it is to be wiped at its end */

/* Returns how much of @all (units, buffers, or the half for oneways) all other users together may
 * occupy. */
static inline u32 ipcbus_quota_part(u32 all)
{
	return all - all / 8;
}

/**
 * struct ipcbus_charged - what is charged to one user, or to all of them
 * @buffers: how many
 * @units: that they take
 * @oneways: how many of them are oneways
 * @oneway_units: likewise
 */
struct ipcbus_charged {
	u32 buffers;
	u32 units;
	u32 oneways;
	u32 oneway_units;
};

/**
 * struct ipcbus_quota - one user's in one region (region->lock)
 * @by_user: in region->quotas
 * @uid: the user; constant
 * @held: by buffers that are charged to it, and by those on their way to be
 * @charged: to it
 * @queued: how many of these messages are in the proc's queue, for work.c (proc->lock)
 * @floods: they were too many, and are not all gone; likewise
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
 * struct ipcbus_reservation - what a message wants of a region
 * @units: how many
 * @flags: IPCBUS_BUFFER_* of its buffer
 * @quota: what it is charged to (CHARGED), until a buffer has taken that over
 */
struct ipcbus_reservation {
	u32 units;
	u32 flags;
	struct ipcbus_quota *quota;
};

/* Returns the user's quota, held for a buffer. May sleep. -ENOMEM; -EOWNERDEAD: the region
 * has ended. */
struct ipcbus_quota *ipcbus_quota_get(struct ipcbus_region *region, kuid_t uid);
/* Lets go of it again, because the buffer was not made. */
void ipcbus_quota_put(struct ipcbus_region *region, struct ipcbus_quota *quota);

/*
 * Charges a reservation. If that is too much, fails with -EAGAIN for a oneway and with
 * -EDQUOT for a call.
 */
int ipcbus_quota_charge_locked(struct ipcbus_region *region, const struct ipcbus_reservation *want);
/* Undoes it. */
void ipcbus_quota_uncharge_locked(struct ipcbus_region *region,
				  const struct ipcbus_reservation *want);
/* A counted buffer is released: uncharges it, and lets go of its quota. */
void ipcbus_quota_end_locked(struct ipcbus_region *region, struct ipcbus_buffer *buffer);
/* Does the same for an empty call, which counted as a buffer. */
void ipcbus_quota_end_empty_locked(struct ipcbus_region *region, struct ipcbus_quota *quota);

/* The region has ended: frees the quotas that no sender holds. The last put frees the others. */
void ipcbus_quotas_done(struct ipcbus_region *region);

#endif
