/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Quota
 *
 * Nobody may fill another user's region, so a region has a quota for each other user
 * who sends to it:
 *
 *   - A user's calls may occupy at most half of the space that others leave free in
 *     the region. So the first user can have half, the next one half of the rest.
 *   - All oneways together may occupy half of the region. Within that half the same
 *     rule holds for the oneways of one user.
 *   - The region's own user has no quota, because it can harm itself anyway.
 *   - Replies have none, because the receiver asked for them.
 *
 * The same rules hold for the number of buffers. Oneways do not count against the
 * quota of calls, so only released oneways can make space for a waiting oneway.
 */
#ifndef IPCBUS_MEM_QUOTA_H
#define IPCBUS_MEM_QUOTA_H

#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/uidgid.h>

#include "../main.h"

/* How a buffer is to be treated. */
#define IPCBUS_BUFFER_ONEWAY	1U	/* it counts as a oneway */
#define IPCBUS_BUFFER_CHARGED	2U	/* it is charged to a quota */
#define IPCBUS_BUFFER_COUNTED	(IPCBUS_BUFFER_ONEWAY | IPCBUS_BUFFER_CHARGED)
#define IPCBUS_BUFFER_CLEAR	8U	/* it is to be wiped at its end */

/**
 * struct ipcbus_quota - one user's in one region (region->lock for all of it)
 * @by_user: in region->quotas
 * @idle: in region->idle_quotas while it has no buffers
 * @uid: the user; constant
 * @buffers: that are charged to it, and those on their way to be
 * @units: that they take
 * @oneways: how many of them are oneways
 * @oneway_units: likewise
 */
struct ipcbus_quota {
	struct rb_node by_user;
	struct list_head idle;
	kuid_t uid;
	u32 buffers;
	u32 units;
	u32 oneways;
	u32 oneway_units;
};

/**
 * struct ipcbus_reservation - what a message wants of a region
 * @units: how many
 * @flags: IPCBUS_BUFFER_* of its buffer
 * @credit: units of the oneway that this one replaces, which count as free; 0 once
 *	they are not needed
 * @quota: what it is charged to (CHARGED), until a buffer has taken that over
 */
struct ipcbus_reservation {
	u32 units;
	u32 flags;
	u32 credit;
	struct ipcbus_quota *quota;
};

/**
 * struct ipcbus_space_round - what wakes those who wait in region->space
 * @units: promised to those who were woken in this round
 * @count: how many those are
 */
struct ipcbus_space_round {
	u32 units;
	u32 count;
};

/* Returns the user's quota with one more buffer in it. May sleep. -ENOMEM. */
struct ipcbus_quota *ipcbus_quota_get(struct ipcbus_region *region, kuid_t uid);
/* Takes that buffer out again, because it was not made. */
void ipcbus_quota_put(struct ipcbus_region *region, struct ipcbus_quota *quota);

/*
 * Charges the units of a reservation. If they are too many, fails with -EAGAIN for a
 * oneway and with -EDQUOT for a call. Its place among the quota's buffers is not
 * concerned: ipcbus_quota_get() has charged that.
 */
int ipcbus_quota_charge_locked(struct ipcbus_region *region, struct ipcbus_reservation *want);
/* Undoes it. */
void ipcbus_quota_uncharge_locked(struct ipcbus_region *region,
				  const struct ipcbus_reservation *want);
/* A counted buffer is released: uncharges it, and its place. */
void ipcbus_quota_end_locked(struct ipcbus_region *region, struct ipcbus_buffer *buffer);

/*
 * Is there space for count more oneways of units in all? uid is invalid for the
 * region's own user. If the space of credit units that they replace would do, there
 * is.
 */
bool ipcbus_quota_has_space_locked(struct ipcbus_region *region, kuid_t uid, u32 units, u32 count,
				   u32 credit);

/* Wakes who waits in region->space for space for oneways. */
void ipcbus_space_wake_locked(struct ipcbus_region *region);

void ipcbus_quotas_init(struct ipcbus_region *region);
/* Nobody sends to the region any more. */
void ipcbus_quotas_done(struct ipcbus_region *region);

#endif
