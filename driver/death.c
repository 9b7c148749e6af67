// SPDX-License-Identifier: GPL-2.0-only
/*
 * Death watches: see death.h. A watch stands in its node's list (under the lock
 * of the node's owner) until it fires or is cancelled, and then in a queue of
 * the watcher (under the watcher's lock). Between the two it is in neither; the
 * state, under the watcher's lock, tells whether it may still go there.
 *
 * One that also tells when the owner is frozen or thawed stands in a list of the
 * owner's as well, for as long as in the node's, and has another work item for
 * that. What it tells is the owner's state when a thread takes the event: what
 * changed back in between is not told.
 */
#include <linux/kref.h>
#include <linux/pid.h>
#include <linux/slab.h>

#include "death.h"
#include "node.h"
#include "proc.h"
#include "stats.h"
#include "trace.h"
#include "user.h"
#include "work.h"

enum watch_state {
	WATCH_ARMED,	/* in the node's list, or on the way from there */
	WATCH_QUEUED,	/* fired; waits for a thread of the watcher */
	WATCH_DONE,	/* taken or cancelled */
};

/**
 * struct ipcbus_watch - one watch
 * @ref: the handle's, the node list's, the queue's
 * @work: in the watcher's queue
 * @proc: the watcher, counted; constant
 * @node: counted; constant
 * @cookie: the watcher's; constant
 * @entry: in node->watches (node->proc->lock)
 * @state: (proc->lock)
 * @freeze_work: in the watcher's queue, too
 * @freeze_entry: in owner->freeze_watches, or empty (node->proc->lock)
 * @freeze_count: owner->freeze_count when it was looked at last (node->proc->lock)
 * @notified_frozen: what the last event said (proc->lock)
 * @notified_count: how many there were (proc->lock)
 */
struct ipcbus_watch {
	struct kref ref;
	struct ipcbus_work work;
	struct ipcbus_proc *proc;
	struct ipcbus_node_entry *node;
	u64 cookie;
	struct list_head entry;
	enum watch_state state;
	struct ipcbus_work freeze_work;
	struct list_head freeze_entry;
	u32 freeze_count;
	bool notified_frozen;
	u32 notified_count;
};

static void trace_life(const struct ipcbus_watch *watch, u32 what)
{
	const struct ipcbus_node_entry *node = watch->node;

	trace_ipcbus_watch(pid_nr(watch->proc->pid), pid_nr(node->proc->pid), node->id, what);
}

static void watch_free(struct kref *ref)
{
	struct ipcbus_watch *watch = container_of(ref, struct ipcbus_watch, ref);

	trace_life(watch, IPCBUS_LIFE_ENDS);
	ipcbus_node_put(watch->node);
	ipcbus_user_uncharge(watch->proc->user, IPCBUS_USE_WATCHES);
	ipcbus_proc_put(watch->proc);
	ipcbus_stat_remove(IPCBUS_STAT_WATCHES);
	kfree(watch);
}

void ipcbus_watch_put(struct ipcbus_watch *watch)
{
	kref_put(&watch->ref, watch_free);
}

static bool watch_deliver(struct ipcbus_work *work, struct ipcbus_thread *thread,
			  struct ipcbus_event *event)
{
	struct ipcbus_watch *watch = container_of(work, struct ipcbus_watch, work);
	bool wanted;

	spin_lock(&watch->proc->lock);
	wanted = watch->state == WATCH_QUEUED;
	watch->state = WATCH_DONE;
	spin_unlock(&watch->proc->lock);
	if (wanted) {
		event->kind = IPCBUS_EVENT_DEAD;
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

static void link_locked(struct ipcbus_watch *watch, u32 flags)
{
	struct ipcbus_proc *owner = watch->node->proc;

	lockdep_assert_held(&owner->lock);
	list_add_tail(&watch->entry, &watch->node->watches);
	watch->node->watch_count++;
	if (flags & IPCBUS_WATCH_FROZEN) {
		watch->freeze_count = owner->freeze_count;
		list_add_tail(&watch->freeze_entry, &owner->freeze_watches);
	}
}

static void unlink_locked(struct ipcbus_watch *watch)
{
	lockdep_assert_held(&watch->node->proc->lock);
	list_del_init(&watch->entry);
	list_del_init(&watch->freeze_entry);
	watch->node->watch_count--;
}

/* Queues it for the watcher; drops the reference of the node's list. */
static void watch_fire(struct ipcbus_watch *watch)
{
	struct ipcbus_proc *proc = watch->proc;

	spin_lock(&proc->lock);
	if (watch->state == WATCH_ARMED && !proc->dead) {
		watch->state = WATCH_QUEUED;
		kref_get(&watch->ref);
		ipcbus_proc_queue_locked(proc, &watch->work);
		trace_life(watch, IPCBUS_LIFE_FIRES);
	}
	spin_unlock(&proc->lock);
	ipcbus_watch_put(watch);
}

/* --- Frozen and thawed ----------------------------------------------------------- */

static bool freeze_deliver(struct ipcbus_work *work, struct ipcbus_thread *thread,
			   struct ipcbus_event *event)
{
	struct ipcbus_watch *watch = container_of(work, struct ipcbus_watch, freeze_work);
	bool frozen, wanted;

	spin_lock(&watch->proc->lock);
	/* If it changes after this the work is queued again. */
	frozen = READ_ONCE(watch->node->proc->frozen);
	wanted = watch->state == WATCH_ARMED && watch->notified_frozen != frozen;
	if (wanted) {
		watch->notified_frozen = frozen;
		event->code = ++watch->notified_count;
	}
	spin_unlock(&watch->proc->lock);
	if (wanted) {
		event->kind = frozen ? IPCBUS_EVENT_FROZEN : IPCBUS_EVENT_THAWED;
		event->cookie = watch->cookie;
	}
	ipcbus_watch_put(watch);
	return wanted;
}

static void freeze_discard(struct ipcbus_work *work)
{
	ipcbus_watch_put(container_of(work, struct ipcbus_watch, freeze_work));
}

static const struct ipcbus_work_ops freeze_ops = {
	.deliver = freeze_deliver,
	.discard = freeze_discard,
};

static void watch_notify(struct ipcbus_watch *watch)
{
	struct ipcbus_proc *proc = watch->proc;

	spin_lock(&proc->lock);
	if (watch->state == WATCH_ARMED && !proc->dead &&
	    !ipcbus_work_is_queued_locked(&watch->freeze_work)) {
		kref_get(&watch->ref);
		ipcbus_proc_queue_locked(proc, &watch->freeze_work);
	}
	spin_unlock(&proc->lock);
}

/* The next that was not looked at since the proc's state changed, counted. */
static struct ipcbus_watch *next_to_notify(struct ipcbus_proc *proc)
{
	struct ipcbus_watch *watch;

	spin_lock(&proc->lock);
	watch = list_first_entry_or_null(&proc->freeze_watches, struct ipcbus_watch, freeze_entry);
	if (watch && watch->freeze_count == proc->freeze_count)
		watch = NULL;
	if (watch) {
		watch->freeze_count = proc->freeze_count;
		list_move_tail(&watch->freeze_entry, &proc->freeze_watches);
		kref_get(&watch->ref);
	}
	spin_unlock(&proc->lock);
	return watch;
}

void ipcbus_watches_notify(struct ipcbus_proc *proc)
{
	struct ipcbus_watch *watch;

	while ((watch = next_to_notify(proc))) {
		watch_notify(watch);
		ipcbus_watch_put(watch);
	}
}

/* --- Beginning and end ------------------------------------------------------------ */

int ipcbus_watch_new(struct ipcbus_proc *proc, struct ipcbus_node_entry *node, u32 flags,
		     u64 cookie, struct ipcbus_watch **ret_watch)
{
	struct ipcbus_watch *watch;
	bool dead, frozen;
	int ret;

	ret = ipcbus_user_charge(proc->user, IPCBUS_USE_WATCHES);
	if (ret)
		return ret;
	watch = kzalloc(sizeof(*watch), GFP_KERNEL_ACCOUNT);
	if (!watch) {
		ipcbus_user_uncharge(proc->user, IPCBUS_USE_WATCHES);
		return -ENOMEM;
	}
	kref_init(&watch->ref);
	ipcbus_work_init(&watch->work, &watch_ops);
	watch->proc = ipcbus_proc_get(proc);
	watch->node = ipcbus_node_get(node);
	watch->cookie = cookie;
	INIT_LIST_HEAD(&watch->entry);
	ipcbus_work_init(&watch->freeze_work, &freeze_ops);
	INIT_LIST_HEAD(&watch->freeze_entry);
	ipcbus_stat_add(IPCBUS_STAT_WATCHES);
	trace_life(watch, IPCBUS_LIFE_BEGINS);

	kref_get(&watch->ref);
	spin_lock(&node->proc->lock);
	dead = node->dead;
	frozen = flags & IPCBUS_WATCH_FROZEN && node->proc->frozen;
	if (!dead)
		link_locked(watch, flags);
	spin_unlock(&node->proc->lock);
	if (dead)
		watch_fire(watch);
	else if (frozen)
		watch_notify(watch);
	*ret_watch = watch;
	return 0;
}

bool ipcbus_watch_done(struct ipcbus_watch *watch)
{
	bool done;

	spin_lock(&watch->proc->lock);
	done = watch->state == WATCH_DONE;
	spin_unlock(&watch->proc->lock);
	return done;
}

int ipcbus_watch_cancel(struct ipcbus_watch *watch)
{
	bool listed, queued, telling;
	int ret;

	spin_lock(&watch->node->proc->lock);
	listed = !list_empty(&watch->entry);
	if (listed)
		unlink_locked(watch);
	spin_unlock(&watch->node->proc->lock);

	spin_lock(&watch->proc->lock);
	ret = watch->state == WATCH_DONE ? -ENOENT : 0;
	/* Off the queue already: a thread has it and will see the state. */
	queued = ipcbus_work_unqueue_locked(&watch->work);
	telling = ipcbus_work_unqueue_locked(&watch->freeze_work);
	watch->state = WATCH_DONE;
	spin_unlock(&watch->proc->lock);

	if (listed)
		ipcbus_watch_put(watch);
	if (queued)
		ipcbus_watch_put(watch);
	if (telling)
		ipcbus_watch_put(watch);
	ipcbus_watch_put(watch);
	return ret;
}

void ipcbus_watches_fire(struct ipcbus_node_entry *node)
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
		watch_fire(watch);
	}
}
