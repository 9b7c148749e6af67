// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reports of space: see space.h. mem/quota.c reports here that space was released, and node.c
 * that a node is gone.
 */
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "buffer.h"
#include "cancel.h"
#include "mem/quota.h"
#include "message.h"
#include "node.h"
#include "proc.h"
#include "space.h"
#include "user.h"

static struct workqueue_struct *queue;

/* So many are reported to while somebody holds the lock. */
#define AT_ONCE	16
/* Whoever makes space notifies so many of those who poll, and a worker the others. */
#define NOTIFIED	4
/* After so many the worker rests for a tick, because its time is charged to nobody, and there may
 * be others as fast as it looks. */
#define A_LOT	256

/**
 * struct ipcbus_space_watch - a sender that polls, and a region that was full
 * @entry: in sender->space_watches (sender->lock)
 * @by_target: likewise in @space_by_target
 * @at_region: in region->pollers of the target until it fires (region->lock)
 * @sender: whose file is polled; it outlives the watch
 * @of: the target, to compare with; it may be gone once the watch has fired; constant
 * @target: the same, counted; NULL once it has fired
 * @fired: there was space since, or the target died
 */
struct ipcbus_space_watch {
	struct list_head entry;
	struct rb_node by_target;
	struct list_head at_region;
	struct ipcbus_proc *sender;
	const struct ipcbus_proc *of;
	struct ipcbus_proc *target;
	bool fired;
};

/* --- Reporting ---------------------------------------------------------------------- */

/* Reports to some of those who poll. Returns whether there are others. */
static bool fire_some_locked(struct ipcbus_region *region, unsigned int most)
{
	struct ipcbus_space_watch *watch;
	struct ipcbus_proc *target;
	unsigned int i;

	lockdep_assert_held(&region->lock);
	for (i = 0; i < most && !list_empty(&region->pollers); i++) {
		watch = list_first_entry(&region->pollers, struct ipcbus_space_watch, at_region);
		list_del_init(&watch->at_region);
		WRITE_ONCE(watch->fired, true);
		WRITE_ONCE(watch->sender->writable, IPCBUS_WRITABLE_AGAIN);
		wake_up_interruptible_poll(&watch->sender->poll_wait,
					   EPOLLOUT | EPOLLWRNORM);
		/* The last access to the watch: a thread that finds no target may free it. This is
		 * not the last reference of the target, because the caller has one. */
		target = xchg(&watch->target, NULL);
		if (target)
			ipcbus_proc_put(target);
	}
	return !list_empty(&region->pollers);
}

/* After each A_LOT. */
static void rest(unsigned int looked)
{
	if (looked % A_LOT)
		cond_resched();
	else
		schedule_timeout_uninterruptible(1);
}

/* Goes on where space_came() ended, without keeping anybody from the region for long. */
static void wake_rest(struct work_struct *work)
{
	struct ipcbus_proc *proc = container_of(work, struct ipcbus_proc, space_rest.work);
	struct ipcbus_region *region = &proc->region;
	unsigned int looked = 0;
	bool more;

	do {
		spin_lock(&region->lock);
		more = fire_some_locked(region, AT_ONCE);
		spin_unlock(&region->lock);
		looked += AT_ONCE;
		rest(looked);
	} while (more);
	ipcbus_proc_put(proc);
	/* Meanwhile this work is not done again, however often there is space. */
	if (looked > A_LOT)
		schedule_timeout_uninterruptible(1);
}

/* Reports to some of those who poll, and leaves the others to wake_rest(). */
static void space_came_locked(struct ipcbus_region *region)
{
	struct ipcbus_proc *proc = container_of(region, struct ipcbus_proc, region);

	if (!fire_some_locked(region, NOTIFIED))
		return;
	/* Until it is done. */
	ipcbus_proc_get(proc);
	if (mod_delayed_work(queue, &proc->space_rest, 0))
		ipcbus_proc_put(proc);
}

int ipcbus_space_init(void)
{
	queue = alloc_workqueue("ipcbus_space", WQ_UNBOUND, 0);
	return queue ? 0 : -ENOMEM;
}

void ipcbus_space_done(void)
{
	destroy_workqueue(queue);
}

void ipcbus_space_begin(struct ipcbus_proc *proc)
{
	proc->region.space_came_locked = space_came_locked;
	INIT_DELAYED_WORK(&proc->space_rest, wake_rest);
}

/* --- Polling ------------------------------------------------------------------------ */

/* It does not fire from here on. */
static void detach(struct ipcbus_space_watch *watch)
{
	struct ipcbus_proc *target = xchg(&watch->target, NULL);

	if (!target)
		return;
	spin_lock(&target->region.lock);
	list_del_init(&watch->at_region);
	spin_unlock(&target->region.lock);
	ipcbus_proc_put(target);
}

static void watch_free(struct ipcbus_space_watch *watch)
{
	detach(watch);
	ipcbus_user_uncharge(watch->sender->user, IPCBUS_USE_WATCHES);
	kfree(watch);
}

static struct ipcbus_space_watch *watch_new(struct ipcbus_proc *sender)
{
	struct ipcbus_space_watch *watch;

	if (ipcbus_user_charge(sender->user, IPCBUS_USE_WATCHES))
		return NULL;
	watch = kzalloc(sizeof(*watch), GFP_KERNEL_ACCOUNT);
	if (!watch) {
		ipcbus_user_uncharge(sender->user, IPCBUS_USE_WATCHES);
		return NULL;
	}
	watch->sender = sender;
	return watch;
}

/* One of target, or NULL. */
static struct ipcbus_space_watch *find_locked(struct ipcbus_proc *sender,
					      const struct ipcbus_proc *target)
{
	struct rb_node *node = sender->space_by_target.rb_node;
	struct ipcbus_space_watch *watch;

	lockdep_assert_held(&sender->lock);
	while (node) {
		watch = rb_entry(node, struct ipcbus_space_watch, by_target);
		if (watch->of == target)
			return watch;
		node = target < watch->of ? node->rb_left : node->rb_right;
	}
	return NULL;
}

static void add_locked(struct ipcbus_proc *sender, struct ipcbus_space_watch *watch)
{
	struct rb_node **link = &sender->space_by_target.rb_node, *parent = NULL;

	lockdep_assert_held(&sender->lock);
	while (*link) {
		parent = *link;
		if (watch->of < rb_entry(parent, struct ipcbus_space_watch, by_target)->of)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&watch->by_target, parent, link);
	rb_insert_color(&watch->by_target, &sender->space_by_target);
	list_add_tail(&watch->entry, &sender->space_watches);
}

static void remove_locked(struct ipcbus_proc *sender, struct ipcbus_space_watch *watch)
{
	lockdep_assert_held(&sender->lock);
	list_del(&watch->entry);
	rb_erase(&watch->by_target, &sender->space_by_target);
}

/* Takes one that has fired out of the next two, which come last then. So each that is made
 * makes up for one that is left. */
static struct ipcbus_space_watch *pop_fired_locked(struct ipcbus_proc *sender)
{
	struct ipcbus_space_watch *watch;
	unsigned int left = 2;

	lockdep_assert_held(&sender->lock);
	while (left-- && !list_empty(&sender->space_watches)) {
		watch = list_first_entry(&sender->space_watches, struct ipcbus_space_watch, entry);
		if (READ_ONCE(watch->fired)) {
			remove_locked(sender, watch);
			return watch;
		}
		list_move_tail(&watch->entry, &sender->space_watches);
	}
	return NULL;
}

/* Is there a watch of target? Otherwise *ret_fired is one that has fired, or NULL. */
static bool is_watched(struct ipcbus_proc *sender, const struct ipcbus_proc *target,
		       struct ipcbus_space_watch **ret_fired)
{
	struct ipcbus_space_watch *watch;
	bool watched;

	*ret_fired = NULL;
	spin_lock(&sender->lock);
	watch = find_locked(sender, target);
	watched = watch && !READ_ONCE(watch->fired);
	if (watch && !watched) {
		remove_locked(sender, watch);
		*ret_fired = watch;
	} else if (!watched) {
		*ret_fired = pop_fired_locked(sender);
	}
	spin_unlock(&sender->lock);
	return watched;
}

/* Where the user may have no more, one of many that has fired. */
static struct ipcbus_space_watch *find_fired(struct ipcbus_proc *sender)
{
	struct ipcbus_space_watch *watch = NULL;
	unsigned int left;

	for (left = 64; left && !watch; left--) {
		spin_lock(&sender->lock);
		watch = pop_fired_locked(sender);
		spin_unlock(&sender->lock);
	}
	return watch;
}

static int watch_space(struct ipcbus_proc *sender, struct ipcbus_proc *target)
{
	struct ipcbus_space_watch *watch;

	if (is_watched(sender, target, &watch))
		return 0;
	watch = watch ?: watch_new(sender) ?: find_fired(sender);
	if (!watch)
		return -ENOMEM;
	/* It may just be about to have fired. */
	detach(watch);
	watch->of = target;
	watch->fired = false;
	watch->target = ipcbus_proc_get(target);
	/* First at the region: a watch in the list of the sender can always fire. */
	spin_lock(&target->region.lock);
	list_add(&watch->at_region, &target->region.pollers);
	spin_unlock(&target->region.lock);
	spin_lock(&sender->lock);
	add_locked(sender, watch);
	spin_unlock(&sender->lock);
	return 0;
}

static void end_watch(struct ipcbus_proc *sender, const struct ipcbus_proc *target)
{
	struct ipcbus_space_watch *watch;

	spin_lock(&sender->lock);
	watch = find_locked(sender, target);
	if (watch)
		remove_locked(sender, watch);
	spin_unlock(&sender->lock);
	if (watch)
		watch_free(watch);
}

static int try_again(struct ipcbus_proc *sender, struct ipcbus_node_entry *node,
		     struct ipcbus_message *message, struct ipcbus_buffer **ret_buffer)
{
	if (READ_ONCE(node->dead))
		return -EOWNERDEAD;
	return ipcbus_buffer_make(sender, node->proc, node->flags & IPCBUS_NODE_ACCEPT_FDS,
				  message, ret_buffer);
}

int ipcbus_space_make(struct ipcbus_proc *sender, struct ipcbus_node_entry *node,
		      struct ipcbus_message *message, struct ipcbus_buffer **ret_buffer)
{
	bool watched;
	int ret;

	/* Not if space of another target has to be reported first. */
	cmpxchg(&sender->writable, IPCBUS_WRITABLE, IPCBUS_NOT_WRITABLE);
	watched = !watch_space(sender, node->proc);
	ret = watched ? try_again(sender, node, message, ret_buffer) : -EAGAIN;
	/* The watch came too late for the node's end, and is not to keep the proc. */
	if (unlikely(ret == -EOWNERDEAD))
		end_watch(sender, node->proc);
	/* Without a watch poll goes on reporting the file as writable. */
	if (ret != -EAGAIN || !watched)
		cmpxchg(&sender->writable, IPCBUS_NOT_WRITABLE, IPCBUS_WRITABLE);
	return ret;
}

__poll_t ipcbus_space_poll(struct ipcbus_proc *sender, __poll_t asked)
{
	if (READ_ONCE(sender->writable) == IPCBUS_NOT_WRITABLE)
		return 0;
	if (asked & EPOLLOUT)
		cmpxchg(&sender->writable, IPCBUS_WRITABLE_AGAIN, IPCBUS_WRITABLE);
	return EPOLLOUT | EPOLLWRNORM;
}

void ipcbus_space_watches_release(struct ipcbus_proc *sender)
{
	struct ipcbus_space_watch *watch;

	for (;;) {
		spin_lock(&sender->lock);
		watch = list_first_entry_or_null(&sender->space_watches, struct ipcbus_space_watch,
						 entry);
		if (watch)
			remove_locked(sender, watch);
		spin_unlock(&sender->lock);
		if (!watch)
			return;
		watch_free(watch);
		cond_resched();
	}
}
