// SPDX-License-Identifier: GPL-2.0-only
/*
 * Quotas: see quota.h. region.c charges oneways and messages from other users only.
 */
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "../stats.h"
#include "quota.h"
#include "region.h"

/* Maximum number of idle quotas kept. A user that sends now usually sends again. */
#define KEPT_QUOTAS	64

static int compare(const void *uid, const struct rb_node *node)
{
	kuid_t other = rb_entry(node, struct ipcbus_quota, by_user)->uid;

	return uid_lt(*(const kuid_t *)uid, other) ? -1 : !uid_eq(*(const kuid_t *)uid, other);
}

static bool is_before(struct rb_node *a, const struct rb_node *b)
{
	return compare(&rb_entry(a, struct ipcbus_quota, by_user)->uid, b) < 0;
}

static struct ipcbus_quota *find_locked(struct ipcbus_region *region, kuid_t uid)
{
	lockdep_assert_held(&region->lock);
	return rb_entry_safe(rb_find(&uid, &region->quotas, compare), struct ipcbus_quota, by_user);
}

static void hold_locked(struct ipcbus_region *region, struct ipcbus_quota *quota)
{
	if (!quota->held++)
		region->idle_quotas--;
}

static void quota_free(struct ipcbus_quota *quota)
{
	WARN_ON_ONCE(quota->queued);
	ipcbus_stat_remove(IPCBUS_STAT_QUOTAS);
	kfree(quota);
}

static void let_go_locked(struct ipcbus_region *region, struct ipcbus_quota *quota)
{
	lockdep_assert_held(&region->lock);
	if (--quota->held)
		return;
	if (region->max_buffers && region->idle_quotas < KEPT_QUOTAS) {
		region->idle_quotas++;
		return;
	}
	rb_erase(&quota->by_user, &region->quotas);
	quota_free(quota);
}

/* Adds the quota, or frees it if the user has a quota. Returns the user's quota, or ERR_PTR. */
static struct ipcbus_quota *add_quota(struct ipcbus_region *region, struct ipcbus_quota *new)
{
	struct ipcbus_quota *quota;

	spin_lock(&region->lock);
	quota = find_locked(region, new->uid);
	if (quota) {
		hold_locked(region, quota);
	} else if (!region->max_buffers) {
		quota = ERR_PTR(-EOWNERDEAD);
	} else {
		quota = new;
		quota->held = 1;
		rb_add(&quota->by_user, &region->quotas, is_before);
	}
	spin_unlock(&region->lock);
	if (quota != new)
		quota_free(new);
	return quota;
}

struct ipcbus_quota *ipcbus_quota_get(struct ipcbus_region *region, kuid_t uid)
{
	struct ipcbus_quota *quota;

	spin_lock(&region->lock);
	quota = find_locked(region, uid);
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

/* Returns whether a user with @own may take @request. A user may have half of the space that other
 * users leave, which is @left + @own. */
static bool is_fair(u32 own, u32 request, u32 left)
{
	return own + request <= (left + own) / 2;
}

static bool call_fits(const struct ipcbus_region *region, const struct ipcbus_charged *own,
		      u32 units)
{
	u32 left = ipcbus_region_left_locked(region);
	u32 most_units = ipcbus_quota_part(region->size / IPCBUS_UNIT);
	u32 most = ipcbus_quota_part(IPCBUS_LIMIT_BUFFERS);

	/* An empty call counts as a buffer and needs no space. */
	return (!units ||
		is_fair(own->units, units,
			min(left, most_units - region->charged.units))) &&
	       is_fair(own->buffers, 1, min(IPCBUS_LIMIT_BUFFERS - region->buffers,
					    most - region->charged.buffers));
}

/* Returns whether a oneway fits into the half for oneways, and into the sender's quota if any. */
static bool oneway_fits(const struct ipcbus_region *region, const struct ipcbus_quota *quota,
			u32 units)
{
	u32 all_units = region->size / IPCBUS_UNIT, all = IPCBUS_LIMIT_BUFFERS;
	const struct ipcbus_charged *own, *charged = &region->charged;

	if (region->oneway_units + units > all_units / 2 || region->oneways >= all / 2)
		return false;
	if (!quota)
		return true;
	own = &quota->charged;
	return is_fair(own->oneway_units, units,
		       min(all_units / 2 - region->oneway_units,
			   ipcbus_quota_part(all_units / 2) - charged->oneway_units)) &&
	       is_fair(own->oneways, 1,
		       min(all / 2 - region->oneways,
			   ipcbus_quota_part(all / 2) - charged->oneways)) &&
	       is_fair(own->units, units, ipcbus_quota_part(all_units) - charged->units) &&
	       is_fair(own->buffers, 1, ipcbus_quota_part(all) - charged->buffers);
}

static void charge(struct ipcbus_charged *charged, u32 units, bool oneway)
{
	charged->buffers++;
	charged->units += units;
	charged->oneways += oneway;
	charged->oneway_units += oneway ? units : 0;
}

static void uncharge(struct ipcbus_charged *charged, u32 units, bool oneway)
{
	charged->buffers--;
	charged->units -= units;
	charged->oneways -= oneway;
	charged->oneway_units -= oneway ? units : 0;
}

int ipcbus_quota_charge_locked(struct ipcbus_region *region, const struct ipcbus_reservation *want)
{
	struct ipcbus_quota *quota = want->quota;
	bool oneway = want->flags & IPCBUS_BUFFER_ONEWAY;

	lockdep_assert_held(&region->lock);
	if (oneway) {
		if (!oneway_fits(region, quota, want->units))
			return -EAGAIN;
		region->oneway_units += want->units;
		region->oneways++;
	} else if (!call_fits(region, &quota->charged, want->units)) {
		return -EDQUOT;
	}
	if (quota) {
		charge(&quota->charged, want->units, oneway);
		charge(&region->charged, want->units, oneway);
	}
	return 0;
}

static void end_charge(struct ipcbus_region *region, struct ipcbus_quota *quota, u32 units,
		       bool oneway)
{
	lockdep_assert_held(&region->lock);
	if (quota) {
		uncharge(&quota->charged, units, oneway);
		uncharge(&region->charged, units, oneway);
	}
	if (oneway) {
		region->oneway_units -= units;
		region->oneways--;
	}
}

void ipcbus_quota_uncharge_locked(struct ipcbus_region *region,
				  const struct ipcbus_reservation *want)
{
	end_charge(region, want->quota, want->units, want->flags & IPCBUS_BUFFER_ONEWAY);
}

void ipcbus_quota_end_locked(struct ipcbus_region *region, struct ipcbus_buffer *buffer)
{
	bool charged = buffer->flags & IPCBUS_BUFFER_CHARGED;

	end_charge(region, charged ? buffer->quota : NULL, buffer->range.size,
		   buffer->flags & IPCBUS_BUFFER_ONEWAY);
	if (charged)
		let_go_locked(region, buffer->quota);
}

void ipcbus_quota_end_empty_locked(struct ipcbus_region *region, struct ipcbus_quota *quota)
{
	end_charge(region, quota, 0, false);
	let_go_locked(region, quota);
}

void ipcbus_quotas_done(struct ipcbus_region *region)
{
	struct rb_node *node, *next;
	struct ipcbus_quota *quota;

	spin_lock(&region->lock);
	for (node = rb_first(&region->quotas); node; node = next) {
		next = rb_next(node);
		quota = rb_entry(node, struct ipcbus_quota, by_user);
		if (quota->held)
			continue;
		rb_erase(node, &region->quotas);
		quota_free(quota);
	}
	region->idle_quotas = 0;
	spin_unlock(&region->lock);
}
