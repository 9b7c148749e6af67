// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watches: see watch.h. One state machine serves all kinds of watches:
 *
 *   ARMED --death, once--> FIRED --a thread takes the event--> DONE
 *   any state --the watch is ended--> DONE
 *
 * A notification is work in the watcher's queue, which holds a reference of the watch. Frozen,
 * thawed and manager notifications leave the watch ARMED. A thread that takes a notification checks
 * the state again.
 *
 * A death watch is in the node's list (lock of the node's owner) until it fires or is ended, with a
 * reference. With IPCBUS_WATCH_FROZEN it is also in a list of the owner. A manager watch is in a
 * list of the bus (lock of the bus) until it is ended.
 */
#include <linux/kref.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "bus.h"
#include "node.h"
#include "proc.h"
#include "stats.h"
#include "user.h"
#include "watch.h"
#include "work.h"

enum watch_state {
	WATCH_ARMED,
	WATCH_FIRED,
	WATCH_DONE,
};

/**
 * struct notification - a kind of notification of a watch
 * @work: in the watcher's queue
 * @watch: the watch that it belongs to
 * @take_locked: Checks the state again (proc->lock). Fills in event and returns true, or returns
 *	false if the notification is stale.
 */
struct notification {
	struct ipcbus_work work;
	struct ipcbus_watch *watch;
	bool (*take_locked)(struct ipcbus_watch *watch, struct ipcbus_event *event);
};

/**
 * struct ipcbus_watch - a death watch or manager watch
 * @ref: held by the handle or proc, the node's list, and queued notifications
 * @proc: the watcher, counted; constant
 * @node: held; NULL for a manager watch; constant
 * @cookie: the watcher's cookie; constant
 * @entry: in node->watches (node->proc->lock), or in bus->manager_watches (bus->lock)
 * @state: state of the state machine (proc->lock)
 * @changed: notification that the node is dead, or that the bus has a new manager
 * @freeze: notification that the node's owner was frozen or thawed
 * @freeze_entry: in owner->freeze.watches, or empty (node->proc->lock)
 * @freeze_count: owner->freeze.count at the last notification (node->proc->lock)
 * @manager_count: bus->manager_count at the last notification (bus->lock)
 * @notified_frozen: state that the last event reported (proc->lock)
 * @notified_count: number of frozen and thawed events (proc->lock)
 */
struct ipcbus_watch {
	struct kref ref;
	struct ipcbus_proc *proc;
	struct ipcbus_node_entry *node;
	u64 cookie;
	struct list_head entry;
	enum watch_state state;
	struct notification changed;
	struct notification freeze;
	struct list_head freeze_entry;
	u32 freeze_count;
	u32 manager_count;
	bool notified_frozen;
	u32 notified_count;
};

static void watch_free(struct kref *ref)
{
	struct ipcbus_watch *watch = container_of(ref, struct ipcbus_watch, ref);

	if (watch->node)
		ipcbus_node_let_go(watch->node);
	ipcbus_user_uncharge(watch->proc->user, IPCBUS_USE_WATCHES);
	ipcbus_proc_put(watch->proc);
	ipcbus_stat_remove(IPCBUS_STAT_WATCHES);
	kfree(watch);
}

void ipcbus_watch_put(struct ipcbus_watch *watch)
{
	kref_put(&watch->ref, watch_free);
}

/* --- Notifications ------------------------------------------------------------- */

static bool notification_deliver(struct ipcbus_work *work, struct ipcbus_thread *thread,
				 struct ipcbus_event *event)
{
	struct notification *notification = container_of(work, struct notification, work);
	struct ipcbus_watch *watch = notification->watch;
	bool wanted;

	spin_lock(&watch->proc->lock);
	wanted = notification->take_locked(watch, event);
	spin_unlock(&watch->proc->lock);
	if (wanted)
		event->cookie = watch->cookie;
	ipcbus_watch_put(watch);
	return wanted;
}

static void notification_discard(struct ipcbus_work *work)
{
	ipcbus_watch_put(container_of(work, struct notification, work)->watch);
}

static const struct ipcbus_work_ops notification_ops = {
	.deliver = notification_deliver,
	.discard = notification_discard,
};

static bool take_dead_locked(struct ipcbus_watch *watch, struct ipcbus_event *event)
{
	bool wanted = watch->state == WATCH_FIRED;

	watch->state = WATCH_DONE;
	if (wanted)
		event->kind = IPCBUS_EVENT_DEAD;
	return wanted;
}

static bool take_frozen_locked(struct ipcbus_watch *watch, struct ipcbus_event *event)
{
	bool frozen;

	/* While the watch is armed, bury() has not reached it yet, and node->proc stays. */
	if (watch->state != WATCH_ARMED)
		return false;
	/* If the state changes after this, the notification is queued again. */
	frozen = READ_ONCE(watch->node->proc->freeze.frozen);
	if (watch->notified_frozen == frozen)
		return false;
	watch->notified_frozen = frozen;
	event->kind = frozen ? IPCBUS_EVENT_FROZEN : IPCBUS_EVENT_THAWED;
	event->code = ++watch->notified_count;
	return true;
}

static bool take_manager_locked(struct ipcbus_watch *watch, struct ipcbus_event *event)
{
	if (watch->state != WATCH_ARMED)
		return false;
	event->kind = IPCBUS_EVENT_MANAGER;
	return true;
}

/* Queues the notification of an armed watch, unless it is already queued. */
static void notify(struct notification *notification, enum watch_state next)
{
	struct ipcbus_watch *watch = notification->watch;
	struct ipcbus_proc *proc = watch->proc;

	spin_lock(&proc->lock);
	if (watch->state == WATCH_ARMED && !proc->dead &&
	    !ipcbus_work_is_queued_locked(&notification->work)) {
		watch->state = next;
		kref_get(&watch->ref);
		ipcbus_proc_queue_locked(proc, &notification->work);
	}
	spin_unlock(&proc->lock);
}

/* --- Beginning and end ------------------------------------------------------------ */

static void notification_init(struct notification *notification, struct ipcbus_watch *watch,
			      bool (*take_locked)(struct ipcbus_watch *, struct ipcbus_event *))
{
	ipcbus_work_init(&notification->work, &notification_ops);
	notification->watch = watch;
	notification->take_locked = take_locked;
}

static struct ipcbus_watch *watch_new(struct ipcbus_proc *proc, struct ipcbus_node_entry *node,
				      u64 cookie)
{
	struct ipcbus_watch *watch;
	int ret;

	ret = ipcbus_user_charge(proc->user, IPCBUS_USE_WATCHES);
	if (ret)
		return ERR_PTR(ret);
	watch = kzalloc(sizeof(*watch), GFP_KERNEL_ACCOUNT);
	if (!watch) {
		ipcbus_user_uncharge(proc->user, IPCBUS_USE_WATCHES);
		return ERR_PTR(-ENOMEM);
	}
	kref_init(&watch->ref);
	watch->proc = ipcbus_proc_get(proc);
	watch->node = node;
	if (node)
		ipcbus_node_hold(node);
	watch->cookie = cookie;
	INIT_LIST_HEAD(&watch->entry);
	notification_init(&watch->changed, watch, node ? take_dead_locked : take_manager_locked);
	notification_init(&watch->freeze, watch, take_frozen_locked);
	INIT_LIST_HEAD(&watch->freeze_entry);
	ipcbus_stat_add(IPCBUS_STAT_WATCHES);
	return watch;
}

static void unlink_locked(struct ipcbus_watch *watch)
{
	lockdep_assert_held(&watch->node->proc->lock);
	list_del_init(&watch->entry);
	list_del_init(&watch->freeze_entry);
	watch->node->watch_count--;
}

/* Notifies the watcher. The watch must be off the node's list; drops the list's reference. */
static void fire(struct ipcbus_watch *watch)
{
	notify(&watch->changed, WATCH_FIRED);
	ipcbus_watch_put(watch);
}

/* Adds the watch to the lists of a node. Returns the node's state. */
static void enlist(struct ipcbus_watch *watch, struct ipcbus_node_entry *node, u32 flags,
		   bool *ret_dead, bool *ret_frozen)
{
	struct ipcbus_proc *owner = node->proc;
	bool dead, frozen;

	spin_lock(&owner->lock);
	dead = node->dead;
	frozen = flags & IPCBUS_WATCH_FROZEN && owner->freeze.frozen;
	if (!dead) {
		list_add_tail(&watch->entry, &node->watches);
		node->watch_count++;
	}
	if (!dead && flags & IPCBUS_WATCH_FROZEN) {
		watch->freeze_count = owner->freeze.count;
		list_add_tail(&watch->freeze_entry, &owner->freeze.watches);
	}
	spin_unlock(&owner->lock);
	*ret_dead = dead;
	*ret_frozen = frozen;
}

int ipcbus_watch_node(struct ipcbus_proc *proc, struct ipcbus_node_entry *node, u32 flags,
		      u64 cookie, struct ipcbus_watch **ret_watch)
{
	bool dead = true, frozen = false;
	struct ipcbus_watch *watch;

	watch = watch_new(proc, node, cookie);
	if (IS_ERR(watch))
		return PTR_ERR(watch);
	kref_get(&watch->ref);
	if (ipcbus_node_get_active(node)) {
		enlist(watch, node, flags, &dead, &frozen);
		ipcbus_node_put(node);
	}
	if (dead)
		fire(watch);
	else if (frozen)
		notify(&watch->freeze, WATCH_ARMED);
	*ret_watch = watch;
	return 0;
}

int ipcbus_watch_manager(struct ipcbus_proc *proc, u64 cookie)
{
	struct ipcbus_bus *bus = proc->bus;
	struct ipcbus_watch *watch;

	lockdep_assert_held(&proc->handle_lock);
	if (proc->manager_watch)
		return -EBUSY;
	watch = watch_new(proc, NULL, cookie);
	if (IS_ERR(watch))
		return PTR_ERR(watch);
	proc->manager_watch = watch;
	mutex_lock(&bus->lock);
	watch->manager_count = bus->manager_count;
	list_add_tail(&watch->entry, &bus->manager_watches);
	if (ipcbus_node_is_alive(bus->manager))
		notify(&watch->changed, WATCH_ARMED);
	mutex_unlock(&bus->lock);
	return 0;
}

bool ipcbus_watch_is_done(struct ipcbus_watch *watch)
{
	bool done;

	spin_lock(&watch->proc->lock);
	done = watch->state == WATCH_DONE;
	spin_unlock(&watch->proc->lock);
	return done;
}

/* Ends the watch: no event is delivered after this. Drops a reference. */
static int end(struct ipcbus_watch *watch)
{
	bool changed, freeze;
	int ret;

	spin_lock(&watch->proc->lock);
	ret = watch->state == WATCH_DONE ? -ENOENT : 0;
	/* A notification that is not queued may be with a thread, which will see WATCH_DONE. */
	changed = ipcbus_work_unqueue_locked(&watch->changed.work);
	freeze = ipcbus_work_unqueue_locked(&watch->freeze.work);
	watch->state = WATCH_DONE;
	spin_unlock(&watch->proc->lock);
	if (changed)
		ipcbus_watch_put(watch);
	if (freeze)
		ipcbus_watch_put(watch);
	ipcbus_watch_put(watch);
	return ret;
}

/* Takes the watch off its node's list. Returns whether it was in the list. */
static bool unlist(struct ipcbus_watch *watch)
{
	struct ipcbus_node_entry *node = watch->node;
	bool listed;

	if (!ipcbus_node_get_active(node))
		return false;
	spin_lock(&node->proc->lock);
	listed = !list_empty(&watch->entry);
	if (listed)
		unlink_locked(watch);
	spin_unlock(&node->proc->lock);
	ipcbus_node_put(node);
	return listed;
}

int ipcbus_watch_cancel(struct ipcbus_watch *watch)
{
	if (unlist(watch))
		ipcbus_watch_put(watch);
	return end(watch);
}

int ipcbus_unwatch_manager(struct ipcbus_proc *proc)
{
	struct ipcbus_watch *watch = proc->manager_watch;

	lockdep_assert_held(&proc->handle_lock);
	if (!watch)
		return -ENOENT;
	proc->manager_watch = NULL;
	mutex_lock(&proc->bus->lock);
	list_del(&watch->entry);
	mutex_unlock(&proc->bus->lock);
	return end(watch);
}

/* --- Notifying ------------------------------------------------------------------------- */

void ipcbus_watches_notify_dead(struct ipcbus_node_entry *node)
{
	struct ipcbus_watch *watch;

	for (;;) {
		spin_lock(&node->proc->lock);
		watch = list_first_entry_or_null(&node->watches, struct ipcbus_watch, entry);
		if (watch)
			unlink_locked(watch);
		spin_unlock(&node->proc->lock);
		if (!watch)
			return;
		fire(watch);
		cond_resched();
	}
}

/* Returns the next watch that was not notified of the proc's latest change, counted, or NULL. */
static struct ipcbus_watch *next_to_notify(struct ipcbus_proc *proc)
{
	struct ipcbus_watch *watch;

	spin_lock(&proc->lock);
	watch = list_first_entry_or_null(&proc->freeze.watches, struct ipcbus_watch, freeze_entry);
	if (watch && watch->freeze_count == proc->freeze.count)
		watch = NULL;
	if (watch) {
		watch->freeze_count = proc->freeze.count;
		list_move_tail(&watch->freeze_entry, &proc->freeze.watches);
		kref_get(&watch->ref);
	}
	spin_unlock(&proc->lock);
	return watch;
}

void ipcbus_watches_notify_frozen(struct ipcbus_proc *proc)
{
	struct ipcbus_watch *watch;

	while ((watch = next_to_notify(proc))) {
		notify(&watch->freeze, WATCH_ARMED);
		ipcbus_watch_put(watch);
		cond_resched();
	}
}

/* Returns the next watch that was not notified of the current manager, counted, or NULL. */
static struct ipcbus_watch *next_of_manager(struct ipcbus_bus *bus)
{
	struct ipcbus_watch *watch;

	mutex_lock(&bus->lock);
	watch = list_first_entry_or_null(&bus->manager_watches, struct ipcbus_watch, entry);
	if (watch && watch->manager_count == bus->manager_count)
		watch = NULL;
	if (watch) {
		watch->manager_count = bus->manager_count;
		list_move_tail(&watch->entry, &bus->manager_watches);
		kref_get(&watch->ref);
	}
	mutex_unlock(&bus->lock);
	return watch;
}

void ipcbus_watches_notify_manager(struct ipcbus_bus *bus)
{
	struct ipcbus_watch *watch;

	while ((watch = next_of_manager(bus))) {
		notify(&watch->changed, WATCH_ARMED);
		ipcbus_watch_put(watch);
		cond_resched();
	}
}
