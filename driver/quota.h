/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What one user's messages take of another user's region, so that nobody can fill
 * it for all: calls at most half of what is left, with what the user has there
 * already counted as left. The first stranger can have half, the next one half of
 * the rest; the owner's own user is not counted, for that one can harm itself as
 * it likes; nor are replies, which were asked for.
 *
 * All oneways together may take half of the region, and of that the same is true.
 * They are not held against the share of calls, so that room for one is always
 * room that other oneways gave back, which is what wakes those who wait.
 */
#ifndef IPCBUS_QUOTA_H
#define IPCBUS_QUOTA_H

#include <linux/list.h>
#include <linux/rbtree.h>

#include "main.h"

/**
 * struct ipcbus_quota - one user's in one region (region->lock for all of it)
 * @by_user: in region->quotas
 * @idle: in region->idle_quotas while it has no buffers
 * @user: counted; constant
 * @buffers: that are charged to it, and those on their way to be
 * @units: that they take
 * @oneways: how many of them are oneways
 * @oneway_units: likewise
 */
struct ipcbus_quota {
	struct rb_node by_user;
	struct list_head idle;
	struct ipcbus_user *user;
	u32 buffers;
	u32 units;
	u32 oneways;
	u32 oneway_units;
};

/* The user's quota, with one more buffer in it; an error if there is no memory. */
struct ipcbus_quota *ipcbus_quota_get(struct ipcbus_region *region, struct ipcbus_user *user);
/* That buffer was not made. */
void ipcbus_quota_put(struct ipcbus_region *region, struct ipcbus_quota *quota);

/*
 * The message takes so many units; -EDQUOT or, of a oneway, -EAGAIN if they are
 * beyond its quota, or that of all oneways. It gives them back, but for its place
 * among the share's buffers; a buffer that was made for it does, with its place.
 */
int ipcbus_quota_charge_locked(struct ipcbus_region *region, u32 units,
			       struct ipcbus_message *message);
void ipcbus_quota_uncharge_locked(struct ipcbus_region *region, u32 units,
				  struct ipcbus_message *message);
void ipcbus_quota_end_locked(struct ipcbus_region *region, struct ipcbus_buffer *buffer);

/* May the user, NULL: the region's own, have so many oneways more there, if what they
 * replace, of credit units, goes? */
bool ipcbus_quota_has_space_locked(struct ipcbus_region *region, const struct ipcbus_user *user,
				   u32 units, u32 count, u32 credit);

void ipcbus_quotas_init(struct ipcbus_region *region);
/* Nobody sends to the region any more. */
void ipcbus_quotas_done(struct ipcbus_region *region);

#endif
