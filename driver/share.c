// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shares of regions: see share.h. Called by buffer.c for oneways and for messages
 * from other users, and for nobody else's.
 */
#include <linux/slab.h>

#include "buffer.h"
#include "message.h"
#include "room.h"
#include "share.h"
#include "stats.h"
#include "user.h"

/* From that many on, those that are empty go when one more comes. */
#define KEPT_SHARES	16

static struct ipcbus_share *find_locked(struct ipcbus_region *region, struct ipcbus_user *user)
{
	struct ipcbus_share *share;

	lockdep_assert_held(&region->lock);
	list_for_each_entry(share, &region->shares, entry) {
		if (share->user == user) {
			/* Who sends now mostly sends again. */
			list_move(&share->entry, &region->shares);
			share->buffers++;
			return share;
		}
	}
	return NULL;
}

static void free_shares(struct list_head *shares)
{
	struct ipcbus_share *share, *next;

	list_for_each_entry_safe(share, next, shares, entry) {
		ipcbus_user_put(share->user);
		ipcbus_stat_remove(IPCBUS_STAT_SHARES);
		kfree(share);
	}
}

/* Takes over the reference of share->user. Returns the one that is there then. */
static struct ipcbus_share *add_share(struct ipcbus_region *region, struct ipcbus_share *new)
{
	struct ipcbus_share *share, *next;
	LIST_HEAD(old);

	spin_lock(&region->lock);
	share = find_locked(region, new->user);
	if (share) {
		list_add(&new->entry, &old);
	} else {
		if (region->share_count >= KEPT_SHARES) {
			list_for_each_entry_safe(share, next, &region->shares, entry) {
				if (share->buffers)
					continue;
				list_move_tail(&share->entry, &old);
				region->share_count--;
			}
		}
		share = new;
		share->buffers = 1;
		list_add(&share->entry, &region->shares);
		region->share_count++;
	}
	spin_unlock(&region->lock);
	free_shares(&old);
	return share;
}

struct ipcbus_share *ipcbus_share_get(struct ipcbus_region *region, struct ipcbus_user *user)
{
	struct ipcbus_share *share;

	spin_lock(&region->lock);
	share = find_locked(region, user);
	spin_unlock(&region->lock);
	if (likely(share))
		return share;
	share = kzalloc(sizeof(*share), GFP_KERNEL_ACCOUNT);
	if (!share)
		return ERR_PTR(-ENOMEM);
	share->user = ipcbus_user_get(user);
	ipcbus_stat_add(IPCBUS_STAT_SHARES);
	return add_share(region, share);
}

void ipcbus_share_put(struct ipcbus_region *region, struct ipcbus_share *share)
{
	spin_lock(&region->lock);
	share->buffers--;
	spin_unlock(&region->lock);
}

/* Half of what is left, with its own. */
static bool is_fair(u32 own, u32 more, u32 left)
{
	return own + more <= (left + own) / 2;
}

static bool call_fits(const struct ipcbus_region *region, const struct ipcbus_share *share,
		      u32 units)
{
	/* This one is among its buffers already, and not yet among all. */
	return is_fair(share->units, units, ipcbus_region_left_locked(region)) &&
	       is_fair(share->buffers - 1, 1, IPCBUS_LIMIT_BUFFERS - region->buffers);
}

/* Among all oneways, and in its sender's share if it has one. */
static bool oneway_fits(const struct ipcbus_region *region, const struct ipcbus_share *share,
			u32 units, u32 credit)
{
	u32 most_units = region->size / IPCBUS_UNIT / 2, most = IPCBUS_LIMIT_BUFFERS / 2;

	if (region->oneway_units + units > most_units + credit ||
	    region->oneways >= most + !!credit)
		return false;
	return !share ||
	       (is_fair(share->oneway_units - credit, units,
			most_units - region->oneway_units + credit) &&
		is_fair(share->oneways - !!credit, 1, most - region->oneways + !!credit));
}

/* What the message replaces is free soon. */
static bool may_take_oneway(const struct ipcbus_region *region, u32 units,
			    struct ipcbus_message *message)
{
	if (oneway_fits(region, message->share, units, 0)) {
		message->credit = 0;
		return true;
	}
	return message->credit && oneway_fits(region, message->share, units, message->credit);
}

int ipcbus_share_charge_locked(struct ipcbus_region *region, u32 units,
			       struct ipcbus_message *message)
{
	struct ipcbus_share *share = message->share;

	lockdep_assert_held(&region->lock);
	if (message->oneway) {
		if (!may_take_oneway(region, units, message))
			return -EAGAIN;
		/* Looked at without the lock by ipcbus_is_spam(). */
		WRITE_ONCE(region->oneway_units, region->oneway_units + units);
		WRITE_ONCE(region->oneways, region->oneways + 1);
	} else if (!call_fits(region, share, units)) {
		return -EDQUOT;
	}
	if (!share)
		return 0;
	share->units += units;
	if (message->oneway) {
		share->oneway_units += units;
		share->oneways++;
	}
	return 0;
}

/* The share first: who waits for room is woken then. */
static void uncharge(struct ipcbus_region *region, struct ipcbus_share *share, u32 units,
		     bool oneway)
{
	lockdep_assert_held(&region->lock);
	if (share) {
		share->units -= units;
		share->oneway_units -= oneway ? units : 0;
		share->oneways -= oneway;
	}
	if (oneway) {
		WRITE_ONCE(region->oneway_units, region->oneway_units - units);
		WRITE_ONCE(region->oneways, region->oneways - 1);
		ipcbus_room_wake(region);
	}
}

void ipcbus_share_uncharge_locked(struct ipcbus_region *region, u32 units,
				  struct ipcbus_message *message)
{
	uncharge(region, message->share, units, message->oneway);
}

void ipcbus_share_end_locked(struct ipcbus_region *region, struct ipcbus_buffer *buffer)
{
	struct ipcbus_share *share = NULL;

	if (buffer->flags & IPCBUS_BUFFER_SHARED) {
		share = buffer->share;
		share->buffers--;
	}
	uncharge(region, share, buffer->range.size, buffer->flags & IPCBUS_BUFFER_ONEWAY);
}

void ipcbus_shares_done(struct ipcbus_region *region)
{
	free_shares(&region->shares);
}
