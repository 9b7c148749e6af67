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

/* So many that are idle stay, for who sends now mostly sends again. */
#define KEPT_SHARES	16

/* Where the user's is, or would be. */
static struct ipcbus_share *find_locked(struct ipcbus_region *region,
					const struct ipcbus_user *user,
					struct rb_node ***ret_link, struct rb_node **ret_parent)
{
	struct rb_node **link = &region->shares.rb_node;
	struct ipcbus_share *share;

	lockdep_assert_held(&region->lock);
	*ret_parent = NULL;
	while (*link) {
		share = rb_entry(*link, struct ipcbus_share, by_user);
		if (share->user == user)
			return share;
		*ret_parent = *link;
		link = user < share->user ? &(*link)->rb_left : &(*link)->rb_right;
	}
	*ret_link = link;
	return NULL;
}

static void hold_locked(struct ipcbus_region *region, struct ipcbus_share *share)
{
	if (share->buffers++)
		return;
	list_del(&share->idle);
	region->idle_share_count--;
}

static void let_go_locked(struct ipcbus_region *region, struct ipcbus_share *share)
{
	lockdep_assert_held(&region->lock);
	if (--share->buffers)
		return;
	list_add(&share->idle, &region->idle_shares);
	region->idle_share_count++;
}

/* Those that were idle for the longest time; to be freed without the lock. */
static void remove_old_locked(struct ipcbus_region *region, struct list_head *old)
{
	struct ipcbus_share *share;

	lockdep_assert_held(&region->lock);
	while (region->idle_share_count > KEPT_SHARES) {
		share = list_last_entry(&region->idle_shares, struct ipcbus_share, idle);
		list_move(&share->idle, old);
		region->idle_share_count--;
		rb_erase(&share->by_user, &region->shares);
	}
}

static void free_shares(struct list_head *shares)
{
	struct ipcbus_share *share, *next;

	list_for_each_entry_safe(share, next, shares, idle) {
		ipcbus_user_put(share->user);
		ipcbus_stat_remove(IPCBUS_STAT_SHARES);
		kfree(share);
	}
}

/* Takes over the reference of new->user. Returns the one that is there then. */
static struct ipcbus_share *add_share(struct ipcbus_region *region, struct ipcbus_share *new)
{
	struct rb_node **link, *parent;
	struct ipcbus_share *share;
	LIST_HEAD(old);

	spin_lock(&region->lock);
	share = find_locked(region, new->user, &link, &parent);
	if (share) {
		hold_locked(region, share);
		list_add(&new->idle, &old);
	} else {
		share = new;
		share->buffers = 1;
		rb_link_node(&share->by_user, parent, link);
		rb_insert_color(&share->by_user, &region->shares);
		remove_old_locked(region, &old);
	}
	spin_unlock(&region->lock);
	free_shares(&old);
	return share;
}

struct ipcbus_share *ipcbus_share_get(struct ipcbus_region *region, struct ipcbus_user *user)
{
	struct rb_node **link, *parent;
	struct ipcbus_share *share;

	spin_lock(&region->lock);
	share = find_locked(region, user, &link, &parent);
	if (share)
		hold_locked(region, share);
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
	let_go_locked(region, share);
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

/* So many more among all oneways, and in their sender's share if it has one; credit is
 * what they replace, and none if that has gone meanwhile. */
static bool oneways_fit(const struct ipcbus_region *region, const struct ipcbus_share *share,
			u32 units, u32 count, u32 credit)
{
	u32 most_units = region->size / IPCBUS_UNIT / 2, most = IPCBUS_LIMIT_BUFFERS / 2;

	if (region->oneway_units + units > most_units + credit ||
	    region->oneways + count > most + !!credit)
		return false;
	if (!share)
		return true;
	return share->oneway_units >= credit &&
	       is_fair(share->oneway_units - credit, units,
		       most_units - region->oneway_units + credit) &&
	       is_fair(share->oneways - !!credit, count, most - region->oneways + !!credit);
}

bool ipcbus_share_has_room_locked(struct ipcbus_region *region, const struct ipcbus_user *user,
				  u32 units, u32 count, u32 credit)
{
	static const struct ipcbus_share none;
	const struct ipcbus_share *share = NULL;
	struct rb_node **link, *parent;

	lockdep_assert_held(&region->lock);
	if (user)
		share = find_locked(region, user, &link, &parent) ?: &none;
	return oneways_fit(region, share, units, count, 0) ||
	       (credit && oneways_fit(region, share, units, count, credit));
}

/* What the message replaces is free soon. */
static bool may_take_oneway(const struct ipcbus_region *region, u32 units,
			    struct ipcbus_message *message)
{
	if (oneways_fit(region, message->share, units, 1, 0)) {
		message->credit = 0;
		return true;
	}
	return message->credit && oneways_fit(region, message->share, units, 1, message->credit);
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
		ipcbus_room_wake_locked(region);
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
		let_go_locked(region, share);
	}
	uncharge(region, share, buffer->range.size, buffer->flags & IPCBUS_BUFFER_ONEWAY);
}

void ipcbus_shares_init(struct ipcbus_region *region)
{
	region->shares = RB_ROOT;
	INIT_LIST_HEAD(&region->idle_shares);
}

void ipcbus_shares_done(struct ipcbus_region *region)
{
	/* All of them, for no message is left. */
	free_shares(&region->idle_shares);
}
