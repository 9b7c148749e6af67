// SPDX-License-Identifier: GPL-2.0-only
/*
 * Quotas: see quota.h. region.c charges oneways and messages from other users, and
 * nobody else's. space.c waits for what is uncharged.
 */
#include <linux/slab.h>
#include <linux/wait.h>

#include "../stats.h"
#include "quota.h"
#include "region.h"

/* So many idle ones stay, for a user who sends now mostly sends again. */
#define KEPT_QUOTAS	16

/* Where the user's is, or would be. */
static struct ipcbus_quota *find_locked(struct ipcbus_region *region, kuid_t uid,
					struct rb_node ***ret_link, struct rb_node **ret_parent)
{
	struct rb_node **link = &region->quotas.rb_node;
	struct ipcbus_quota *quota;

	lockdep_assert_held(&region->lock);
	*ret_parent = NULL;
	while (*link) {
		quota = rb_entry(*link, struct ipcbus_quota, by_user);
		if (uid_eq(quota->uid, uid))
			return quota;
		*ret_parent = *link;
		link = uid_lt(uid, quota->uid) ? &(*link)->rb_left : &(*link)->rb_right;
	}
	*ret_link = link;
	return NULL;
}

static void hold_locked(struct ipcbus_region *region, struct ipcbus_quota *quota)
{
	if (quota->buffers++)
		return;
	list_del(&quota->idle);
	region->idle_quota_count--;
}

static void let_go_locked(struct ipcbus_region *region, struct ipcbus_quota *quota)
{
	lockdep_assert_held(&region->lock);
	if (--quota->buffers)
		return;
	list_add(&quota->idle, &region->idle_quotas);
	region->idle_quota_count++;
}

/* Those that were idle for the longest time; to be freed without the lock. */
static void remove_old_locked(struct ipcbus_region *region, struct list_head *old)
{
	struct ipcbus_quota *quota;

	lockdep_assert_held(&region->lock);
	while (region->idle_quota_count > KEPT_QUOTAS) {
		quota = list_last_entry(&region->idle_quotas, struct ipcbus_quota, idle);
		list_move(&quota->idle, old);
		region->idle_quota_count--;
		rb_erase(&quota->by_user, &region->quotas);
	}
}

static void free_quotas(struct list_head *quotas)
{
	struct ipcbus_quota *quota, *next;

	list_for_each_entry_safe(quota, next, quotas, idle) {
		ipcbus_stat_remove(IPCBUS_STAT_QUOTAS);
		kfree(quota);
	}
}

/* Returns the one that is there then. */
static struct ipcbus_quota *add_quota(struct ipcbus_region *region, struct ipcbus_quota *new)
{
	struct rb_node **link, *parent;
	struct ipcbus_quota *quota;
	LIST_HEAD(old);

	spin_lock(&region->lock);
	quota = find_locked(region, new->uid, &link, &parent);
	if (quota) {
		hold_locked(region, quota);
		list_add(&new->idle, &old);
	} else {
		quota = new;
		quota->buffers = 1;
		rb_link_node(&quota->by_user, parent, link);
		rb_insert_color(&quota->by_user, &region->quotas);
		remove_old_locked(region, &old);
	}
	spin_unlock(&region->lock);
	free_quotas(&old);
	return quota;
}

struct ipcbus_quota *ipcbus_quota_get(struct ipcbus_region *region, kuid_t uid)
{
	struct rb_node **link, *parent;
	struct ipcbus_quota *quota;

	spin_lock(&region->lock);
	quota = find_locked(region, uid, &link, &parent);
	if (quota)
		hold_locked(region, quota);
	spin_unlock(&region->lock);
	if (likely(quota))
		return quota;
	quota = kzalloc(sizeof(*quota), GFP_KERNEL_ACCOUNT);
	if (!quota)
		return ERR_PTR(-ENOMEM);
	quota->uid = uid;
	ipcbus_stat_add(IPCBUS_STAT_QUOTAS);
	return add_quota(region, quota);
}

void ipcbus_quota_put(struct ipcbus_region *region, struct ipcbus_quota *quota)
{
	spin_lock(&region->lock);
	let_go_locked(region, quota);
	spin_unlock(&region->lock);
}

/* Is it at most half of what is left, its own counted as left? */
static bool is_fair(u32 own, u32 more, u32 left)
{
	return own + more <= (left + own) / 2;
}

static bool call_fits(const struct ipcbus_region *region, const struct ipcbus_quota *quota,
		      u32 units)
{
	/* This one is among its buffers already, and not yet among all. */
	return is_fair(quota->units, units, ipcbus_region_left_locked(region)) &&
	       is_fair(quota->buffers - 1, 1, IPCBUS_LIMIT_BUFFERS - region->buffers);
}

/* Do so many more fit among all oneways, and into their sender's quota if it has one?
 * credit is what they replace, and none if that has gone meanwhile. */
static bool oneways_fit(const struct ipcbus_region *region, const struct ipcbus_quota *quota,
			u32 units, u32 count, u32 credit)
{
	u32 most_units = region->size / IPCBUS_UNIT / 2, most = IPCBUS_LIMIT_BUFFERS / 2;

	if (region->oneway_units + units > most_units + credit ||
	    region->oneways + count > most + !!credit)
		return false;
	if (!quota)
		return true;
	return quota->oneway_units >= credit &&
	       is_fair(quota->oneway_units - credit, units,
		       most_units - region->oneway_units + credit) &&
	       is_fair(quota->oneways - !!credit, count, most - region->oneways + !!credit);
}

bool ipcbus_quota_has_space_locked(struct ipcbus_region *region, kuid_t uid, u32 units, u32 count,
				   u32 credit)
{
	static const struct ipcbus_quota none;
	const struct ipcbus_quota *quota = NULL;
	struct rb_node **link, *parent;

	lockdep_assert_held(&region->lock);
	if (uid_valid(uid))
		quota = find_locked(region, uid, &link, &parent) ?: &none;
	return oneways_fit(region, quota, units, count, 0) ||
	       (credit && oneways_fit(region, quota, units, count, credit));
}

/* What the message replaces is free soon. */
static bool may_take_oneway(const struct ipcbus_region *region, struct ipcbus_reservation *want)
{
	if (oneways_fit(region, want->quota, want->units, 1, 0)) {
		want->credit = 0;
		return true;
	}
	return want->credit && oneways_fit(region, want->quota, want->units, 1, want->credit);
}

int ipcbus_quota_charge_locked(struct ipcbus_region *region, struct ipcbus_reservation *want)
{
	struct ipcbus_quota *quota = want->quota;

	lockdep_assert_held(&region->lock);
	if (want->flags & IPCBUS_BUFFER_ONEWAY) {
		if (!may_take_oneway(region, want))
			return -EAGAIN;
		/* ipcbus_is_spam() looks at them without the lock. */
		WRITE_ONCE(region->oneway_units, region->oneway_units + want->units);
		WRITE_ONCE(region->oneways, region->oneways + 1);
	} else if (!call_fits(region, quota, want->units)) {
		return -EDQUOT;
	}
	if (!quota)
		return 0;
	quota->units += want->units;
	if (want->flags & IPCBUS_BUFFER_ONEWAY) {
		quota->oneway_units += want->units;
		quota->oneways++;
	}
	return 0;
}

void ipcbus_space_wake_locked(struct ipcbus_region *region)
{
	struct ipcbus_space_round round = {};

	lockdep_assert_held(&region->lock);
	/* Who comes to wait looks for space, under the region's lock, after that. */
	if (waitqueue_active(&region->space))
		__wake_up(&region->space, TASK_INTERRUPTIBLE, 0, &round);
}

/* The quota first: then it wakes who waits for space in it. */
static void uncharge(struct ipcbus_region *region, struct ipcbus_quota *quota, u32 units,
		     bool oneway)
{
	lockdep_assert_held(&region->lock);
	if (quota) {
		quota->units -= units;
		quota->oneway_units -= oneway ? units : 0;
		quota->oneways -= oneway;
	}
	if (oneway) {
		WRITE_ONCE(region->oneway_units, region->oneway_units - units);
		WRITE_ONCE(region->oneways, region->oneways - 1);
		ipcbus_space_wake_locked(region);
	}
}

void ipcbus_quota_uncharge_locked(struct ipcbus_region *region,
				  const struct ipcbus_reservation *want)
{
	uncharge(region, want->quota, want->units, want->flags & IPCBUS_BUFFER_ONEWAY);
}

void ipcbus_quota_end_locked(struct ipcbus_region *region, struct ipcbus_buffer *buffer)
{
	struct ipcbus_quota *quota = NULL;

	if (buffer->flags & IPCBUS_BUFFER_CHARGED) {
		quota = buffer->quota;
		let_go_locked(region, quota);
	}
	uncharge(region, quota, buffer->range.size, buffer->flags & IPCBUS_BUFFER_ONEWAY);
}

void ipcbus_quotas_init(struct ipcbus_region *region)
{
	region->quotas = RB_ROOT;
	INIT_LIST_HEAD(&region->idle_quotas);
}

void ipcbus_quotas_done(struct ipcbus_region *region)
{
	/* All of them, for no message is left. */
	free_quotas(&region->idle_quotas);
}
