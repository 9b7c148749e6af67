// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watches: see watch.h. One state machine serves all kinds of watches:
 *
 *   ARMED --death, once--> FIRED --a thread takes the event--> DONE
 *   any state --the watch is ended--> DONE
 *
 * A notification is the watch in the watcher's queue, which holds a reference. A manager's
 * notification leaves the watch ARMED. A thread that takes a notification checks the state again.
 *
 * A death watch is in the node's list (lock of the node's owner) until it fires or is ended, with a
 * reference. A manager watch is in a list of the bus (lock of the bus) until it is ended.
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
 * struct ipcbus_watch - a death watch or manager watch
 * @work: in the watcher's queue
 * @ref: held by the handle or proc, the node's list, and the watcher's queue
 * @proc: the watcher, counted; constant
 * @node: held; NULL for a manager watch; constant
 * @cookie: the watcher's cookie; constant
 * @entry: in node->watches (node->proc->lock), or in bus->manager_watches (bus->lock)
 * @state: state of the state machine (proc->lock)
 * @manager_count: bus->manager_count at the last notification (bus->lock)
 */
struct ipcbus_watch {
	struct ipcbus_work work;
	struct kref ref;
	struct ipcbus_proc *proc;
	struct ipcbus_node_entry *node;
	u64 cookie;
	struct list_head entry;
	enum watch_state state;
	u32 manager_count;
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

/* --- Notification -------------------------------------------------------------- */

/* Returns whether the notification is still wanted. */
static bool take_locked(struct ipcbus_watch *watch)
{
	if (!watch->node)
		return watch->state == WATCH_ARMED;
	if (watch->state != WATCH_FIRED)
		return false;
	watch->state = WATCH_DONE;
	return true;
}

static bool watch_deliver(struct ipcbus_work *work, struct ipcbus_thread *thread,
			  struct ipcbus_event *event)
{
	struct ipcbus_watch *watch = container_of(work, struct ipcbus_watch, work);
	bool wanted;

	spin_lock(&watch->proc->lock);
	wanted = take_locked(watch);
	spin_unlock(&watch->proc->lock);
	if (wanted) {
		event->kind = watch->node ? IPCBUS_EVENT_DEAD : IPCBUS_EVENT_MANAGER;
		event->cookie = watch->cookie;
	}
	ipcbus_watch_put(watch);
	return wanted;
}

static void watch_discard(struct ipcbus_work *work)
{
	ipcbus_watch_put(container_of(work, struct ipcbus_watch, work));
}

static const struct ipcbus_work_ops watch_ops = {
	.deliver = watch_deliver,
	.discard = watch_discard,
};

/* Queues the notification of an armed watch, unless it is already queued. */
static void notify(struct ipcbus_watch *watch)
{
	struct ipcbus_proc *proc = watch->proc;

	spin_lock(&proc->lock);
	if (watch->state == WATCH_ARMED && !proc->dead &&
	    !ipcbus_work_is_queued_locked(&watch->work)) {
		if (watch->node)
			watch->state = WATCH_FIRED;
		kref_get(&watch->ref);
		ipcbus_proc_queue_locked(proc, &watch->work);
	}
	spin_unlock(&proc->lock);
}

/* --- Beginning and end ------------------------------------------------------------ */

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
	ipcbus_work_init(&watch->work, &watch_ops);
	kref_init(&watch->ref);
	watch->proc = ipcbus_proc_get(proc);
	watch->node = node;
	if (node)
		ipcbus_node_hold(node);
	watch->cookie = cookie;
	INIT_LIST_HEAD(&watch->entry);
	ipcbus_stat_add(IPCBUS_STAT_WATCHES);
	return watch;
}

static void unlink_locked(struct ipcbus_watch *watch)
{
	lockdep_assert_held(&watch->node->proc->lock);
	list_del_init(&watch->entry);
	watch->node->watch_count--;
}

/* Notifies the watcher. The watch must be off the node's list; drops the list's reference. */
static void fire(struct ipcbus_watch *watch)
{
	notify(watch);
	ipcbus_watch_put(watch);
}

/* Adds the watch to the list of a node. Returns false if the node is dead. */
static bool enlist(struct ipcbus_watch *watch, struct ipcbus_node_entry *node)
{
	bool alive;

	spin_lock(&node->proc->lock);
	alive = !node->dead;
	if (alive) {
		list_add_tail(&watch->entry, &node->watches);
		node->watch_count++;
	}
	spin_unlock(&node->proc->lock);
	return alive;
}

int ipcbus_watch_node(struct ipcbus_proc *proc, struct ipcbus_node_entry *node, u64 cookie,
		      struct ipcbus_watch **ret_watch)
{
	struct ipcbus_watch *watch;
	bool alive = false;

	watch = watch_new(proc, node, cookie);
	if (IS_ERR(watch))
		return PTR_ERR(watch);
	kref_get(&watch->ref);
	if (ipcbus_node_get_active(node)) {
		alive = enlist(watch, node);
		ipcbus_node_put(node);
	}
	if (!alive)
		fire(watch);
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
		notify(watch);
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
	bool queued;
	int ret;

	spin_lock(&watch->proc->lock);
	ret = watch->state == WATCH_DONE ? -ENOENT : 0;
	/* A notification that is not queued may be with a thread, which will see WATCH_DONE. */
	queued = ipcbus_work_unqueue_locked(&watch->work);
	watch->state = WATCH_DONE;
	spin_unlock(&watch->proc->lock);
	if (queued)
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
		notify(watch);
		ipcbus_watch_put(watch);
		cond_resched();
	}
}
