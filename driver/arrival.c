// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arrival watches: see arrival.h. A proc has one at most. It stands in a list of
 * the bus until it is ended, and besides in a queue of the proc from the arrival
 * of a manager until a thread takes the event: any number of managers that come
 * meanwhile are one event. Called by handle.c for the proc's ioctls, by bus.c
 * when a manager comes.
 */
#include <linux/kref.h>
#include <linux/slab.h>

#include "arrival.h"
#include "bus.h"
#include "proc.h"
#include "stats.h"
#include "user.h"
#include "work.h"

/**
 * struct ipcbus_arrival - one watch
 * @ref: the proc's, the queue's
 * @work: in the proc's queue
 * @proc: who watches, counted; constant
 * @cookie: its own; constant
 * @entry: in bus->arrivals (bus->lock)
 * @ended: nothing is told any more (proc->lock)
 */
struct ipcbus_arrival {
	struct kref ref;
	struct ipcbus_work work;
	struct ipcbus_proc *proc;
	u64 cookie;
	struct list_head entry;
	bool ended;
};

static void arrival_free(struct kref *ref)
{
	struct ipcbus_arrival *arrival = container_of(ref, struct ipcbus_arrival, ref);

	ipcbus_user_uncharge(arrival->proc->user, IPCBUS_USE_WATCHES);
	ipcbus_proc_put(arrival->proc);
	ipcbus_stat_remove(IPCBUS_STAT_WATCHES);
	kfree(arrival);
}

static void arrival_put(struct ipcbus_arrival *arrival)
{
	kref_put(&arrival->ref, arrival_free);
}

static bool arrival_deliver(struct ipcbus_work *work, struct ipcbus_thread *thread,
			    struct ipcbus_event *event)
{
	struct ipcbus_arrival *arrival = container_of(work, struct ipcbus_arrival, work);
	bool wanted;

	spin_lock(&arrival->proc->lock);
	wanted = !arrival->ended;
	spin_unlock(&arrival->proc->lock);
	if (wanted) {
		event->kind = IPCBUS_EVENT_MANAGER;
		event->cookie = arrival->cookie;
	}
	arrival_put(arrival);
	return wanted;
}

static void arrival_discard(struct ipcbus_work *work)
{
	arrival_put(container_of(work, struct ipcbus_arrival, work));
}

static const struct ipcbus_work_ops arrival_ops = {
	.deliver = arrival_deliver,
	.discard = arrival_discard,
};

static void arrival_fire(struct ipcbus_arrival *arrival)
{
	struct ipcbus_proc *proc = arrival->proc;

	spin_lock(&proc->lock);
	if (!proc->dead && !ipcbus_work_is_queued_locked(&arrival->work)) {
		kref_get(&arrival->ref);
		ipcbus_proc_queue_locked(proc, &arrival->work);
	}
	spin_unlock(&proc->lock);
}

void ipcbus_arrivals_fire(struct ipcbus_bus *bus)
{
	struct ipcbus_arrival *arrival;

	lockdep_assert_held(&bus->lock);
	list_for_each_entry(arrival, &bus->arrivals, entry)
		arrival_fire(arrival);
}

int ipcbus_arrival_watch(struct ipcbus_proc *proc, u64 cookie)
{
	struct ipcbus_bus *bus = proc->bus;
	struct ipcbus_arrival *arrival;
	int ret;

	lockdep_assert_held(&proc->handle_lock);
	if (proc->arrival)
		return -EBUSY;
	ret = ipcbus_user_charge(proc->user, IPCBUS_USE_WATCHES);
	if (ret)
		return ret;
	arrival = kzalloc(sizeof(*arrival), GFP_KERNEL_ACCOUNT);
	if (!arrival) {
		ipcbus_user_uncharge(proc->user, IPCBUS_USE_WATCHES);
		return -ENOMEM;
	}
	kref_init(&arrival->ref);
	ipcbus_work_init(&arrival->work, &arrival_ops);
	arrival->proc = ipcbus_proc_get(proc);
	arrival->cookie = cookie;
	ipcbus_stat_add(IPCBUS_STAT_WATCHES);
	proc->arrival = arrival;

	mutex_lock(&bus->lock);
	list_add_tail(&arrival->entry, &bus->arrivals);
	if (ipcbus_bus_has_manager_locked(bus))
		arrival_fire(arrival);
	mutex_unlock(&bus->lock);
	return 0;
}

int ipcbus_arrival_unwatch(struct ipcbus_proc *proc)
{
	struct ipcbus_arrival *arrival = proc->arrival;
	bool queued;

	lockdep_assert_held(&proc->handle_lock);
	if (!arrival)
		return -ENOENT;
	proc->arrival = NULL;
	mutex_lock(&proc->bus->lock);
	list_del(&arrival->entry);
	mutex_unlock(&proc->bus->lock);

	spin_lock(&proc->lock);
	/* Off the queue already: a thread has it and will see that it ended. */
	queued = ipcbus_work_unqueue_locked(&arrival->work);
	arrival->ended = true;
	spin_unlock(&proc->lock);
	if (queued)
		arrival_put(arrival);
	arrival_put(arrival);
	return 0;
}
