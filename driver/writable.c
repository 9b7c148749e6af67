// SPDX-License-Identifier: GPL-2.0-only
/*
 * Polling for space: see writable.h. mem/region.c calls space_came() after it has released space,
 * and node.c after a node is gone.
 *
 * A watch is in the tree of its sender and in the list of the region. bus->space_lock protects
 * both, so a watch needs no reference. It ends with the first report, which wakes the sender, or
 * with the sender.
 */
#include <linux/list.h>
#include <linux/poll.h>
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "buffer.h"
#include "bus.h"
#include "node.h"
#include "proc.h"
#include "writable.h"
#include "user.h"

/**
 * struct ipcbus_space_watch - a sender that polls for space in a region (bus->space_lock)
 * @by_target: in sender->space_watches
 * @at_region: in target->region.pollers
 * @sender: the proc that polls; its user is charged for the watch
 * @target: the proc of the region
 */
struct ipcbus_space_watch {
	struct rb_node by_target;
	struct list_head at_region;
	struct ipcbus_proc *sender;
	struct ipcbus_proc *target;
};

static void watch_free(struct ipcbus_space_watch *watch)
{
	ipcbus_user_uncharge(watch->sender->user, IPCBUS_USE_WATCHES);
	kfree(watch);
}

static struct ipcbus_space_watch *watch_new(struct ipcbus_proc *sender, struct ipcbus_proc *target)
{
	struct ipcbus_space_watch *watch;
	int ret;

	ret = ipcbus_user_charge(sender->user, IPCBUS_USE_WATCHES);
	if (ret)
		return ERR_PTR(ret);
	watch = kmalloc(sizeof(*watch), GFP_KERNEL_ACCOUNT);
	if (!watch) {
		ipcbus_user_uncharge(sender->user, IPCBUS_USE_WATCHES);
		return ERR_PTR(-ENOMEM);
	}
	watch->sender = sender;
	watch->target = target;
	return watch;
}

static void remove_locked(struct ipcbus_space_watch *watch)
{
	lockdep_assert_held(&watch->sender->bus->space_lock);
	rb_erase(&watch->by_target, &watch->sender->space_watches);
	list_del(&watch->at_region);
}

/* --- Reporting ---------------------------------------------------------------------- */

/* Takes a watch off the batch. Returns its sender, counted, or NULL if the batch is empty. */
static struct ipcbus_proc *pop(struct ipcbus_bus *bus, struct list_head *batch,
			       struct ipcbus_space_watch **ret_watch)
{
	struct ipcbus_proc *sender = NULL;

	spin_lock(&bus->space_lock);
	*ret_watch = list_first_entry_or_null(batch, struct ipcbus_space_watch, at_region);
	if (*ret_watch) {
		remove_locked(*ret_watch);
		sender = ipcbus_proc_get((*ret_watch)->sender);
	}
	spin_unlock(&bus->space_lock);
	return sender;
}

/* Wakes the senders that poll now. If a sender is refused again, it polls for the next release. */
static void space_came(struct ipcbus_region *region)
{
	struct ipcbus_proc *proc = container_of(region, struct ipcbus_proc, region), *sender;
	struct ipcbus_bus *bus = proc->bus;
	struct ipcbus_space_watch *watch;
	LIST_HEAD(batch);

	spin_lock(&bus->space_lock);
	list_splice_tail_init(&region->pollers, &batch);
	spin_unlock(&bus->space_lock);
	while ((sender = pop(bus, &batch, &watch))) {
		WRITE_ONCE(sender->writable, IPCBUS_WRITABLE_AGAIN);
		wake_up_interruptible_poll(&sender->poll_wait, EPOLLOUT | EPOLLWRNORM);
		watch_free(watch);
		ipcbus_proc_put(sender);
		cond_resched();
	}
}

void ipcbus_writable_begin(struct ipcbus_proc *proc)
{
	proc->space_watches = RB_ROOT;
	proc->region.space_came = space_came;
}

void ipcbus_writable_end(struct ipcbus_proc *proc)
{
	struct ipcbus_space_watch *watch;
	struct rb_node *node;

	do {
		spin_lock(&proc->bus->space_lock);
		node = proc->space_watches.rb_node;
		watch = rb_entry_safe(node, struct ipcbus_space_watch, by_target);
		if (watch)
			remove_locked(watch);
		spin_unlock(&proc->bus->space_lock);
		if (watch)
			watch_free(watch);
		cond_resched();
	} while (watch);
}

/* --- Polling ------------------------------------------------------------------------ */

static int compare_target(const void *target, const struct rb_node *node)
{
	const void *other = rb_entry(node, struct ipcbus_space_watch, by_target)->target;

	return target < other ? -1 : target > other;
}

static int compare(struct rb_node *a, const struct rb_node *b)
{
	return compare_target(rb_entry(a, struct ipcbus_space_watch, by_target)->target, b);
}

static bool is_watched(struct ipcbus_proc *sender, const struct ipcbus_proc *target)
{
	bool watched;

	spin_lock(&sender->bus->space_lock);
	watched = rb_find(target, &sender->space_watches, compare_target);
	spin_unlock(&sender->bus->space_lock);
	return watched;
}

/* Adds the watch to the sender's tree and to the pollers of the node's region. Returns 0,
 * -EOWNERDEAD or -EEXIST. A node that dies after its check finds the watch, so no watch outlives
 * its target's nodes. */
static int add(struct ipcbus_space_watch *watch, const struct ipcbus_node_entry *node)
{
	struct ipcbus_proc *sender = watch->sender;
	int ret = 0;

	spin_lock(&sender->bus->space_lock);
	if (READ_ONCE(node->dead))
		ret = -EOWNERDEAD;
	else if (rb_find_add(&watch->by_target, &sender->space_watches, compare))
		ret = -EEXIST;
	else
		list_add_tail(&watch->at_region, &watch->target->region.pollers);
	spin_unlock(&sender->bus->space_lock);
	return ret;
}

static int watch_space(struct ipcbus_proc *sender, struct ipcbus_node_entry *node)
{
	struct ipcbus_space_watch *watch;
	int ret;

	if (is_watched(sender, node->proc))
		return READ_ONCE(node->dead) ? -EOWNERDEAD : 0;
	watch = watch_new(sender, node->proc);
	if (IS_ERR(watch))
		return PTR_ERR(watch);
	ret = add(watch, node);
	if (ret)
		watch_free(watch);
	return ret == -EEXIST ? 0 : ret;
}

int ipcbus_writable_retry(struct ipcbus_proc *sender, struct ipcbus_node_entry *node,
			  struct ipcbus_message *message, struct ipcbus_buffer **ret_buffer)
{
	int ret;

	/* Keeps IPCBUS_WRITABLE_AGAIN: poll must first report the space of another target. */
	cmpxchg(&sender->writable, IPCBUS_WRITABLE, IPCBUS_NOT_WRITABLE);
	ret = watch_space(sender, node);
	/* If space is released after this attempt, the release finds the watch. */
	if (!ret)
		ret = ipcbus_buffer_make(sender, node->proc, node->flags & IPCBUS_NODE_ACCEPT_FDS,
					 message, ret_buffer);
	/* Without a watch, poll must continue to report the file as writable. */
	if (ret != -EAGAIN || !is_watched(sender, node->proc))
		WRITE_ONCE(sender->writable, IPCBUS_WRITABLE_AGAIN);
	return ret;
}

__poll_t ipcbus_writable_poll(struct ipcbus_proc *sender, __poll_t asked)
{
	if (READ_ONCE(sender->writable) == IPCBUS_NOT_WRITABLE)
		return 0;
	if (asked & EPOLLOUT)
		cmpxchg(&sender->writable, IPCBUS_WRITABLE_AGAIN, IPCBUS_WRITABLE);
	return EPOLLOUT | EPOLLWRNORM;
}
