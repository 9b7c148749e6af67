// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for room: see room.h. Called by request.c; woken by share.c when a
 * oneway's buffer goes, by node.c when the target does.
 */
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "buffer.h"
#include "message.h"
#include "node.h"
#include "proc.h"
#include "room.h"
#include "share.h"
#include "ticks.h"

/**
 * struct ipcbus_room_watch - a sender that polls, and a region that was full
 * @entry: in sender->rooms (sender->lock)
 * @waiter: in region->room of the target
 * @sender: whose file is polled; it outlives the watch
 * @target: counted; NULL once it has fired, when it is in no queue any more
 * @fired: there was room since, or the target went
 */
struct ipcbus_room_watch {
	struct list_head entry;
	wait_queue_entry_t waiter;
	struct ipcbus_proc *sender;
	struct ipcbus_proc *target;
	bool fired;
};

enum room_state {
	ROOM_LOOKING,	/* tries to send */
	ROOM_WAITING,	/* there was none */
	ROOM_WOKEN,	/* there may be some; did not look yet */
};

/**
 * struct room_waiter - a sender that waits for room until its deadline
 * @entry: in region->room of the target: behind the watches, the first come first;
 *	with them if it needs no more room than what it replaces gives back
 * @region: the target's
 * @user: in whose share of it there must be room, or NULL
 * @message: what it wants to send
 * @state: region->lock, but to begin looking
 */
struct room_waiter {
	wait_queue_entry_t entry;
	struct ipcbus_region *region;
	struct ipcbus_user *user;
	const struct ipcbus_message *message;
	enum room_state state;
};

/**
 * struct room_round - one look at who may have the room that there is
 * @units: promised to those who were woken
 * @count: how many those are
 */
struct room_round {
	u32 units;
	u32 count;
};

static bool is_full(const struct ipcbus_region *region, const struct room_round *round)
{
	return region->oneway_units + round->units >= region->size / IPCBUS_UNIT / 2 ||
	       region->oneways + round->count >= IPCBUS_LIMIT_BUFFERS / 2;
}

/*
 * Wakes the waiter if there is room for it beside those before it that were woken
 * and did not look yet. Whoever has looked, and whoever leaves, calls for one more
 * round: so nobody sleeps over room that another one was woken for and did not take.
 */
static int may_have_room(wait_queue_entry_t *entry, unsigned int mode, int flags, void *key)
{
	struct room_waiter *waiter = container_of(entry, struct room_waiter, entry);
	struct room_round *round = key;
	enum room_state state;
	u32 units;

	/* The end of a node: all are to look whether it is theirs. */
	if (!round)
		return woken_wake_function(entry, mode, flags, key);
	if (!waiter->message->credit && is_full(waiter->region, round))
		return -1;
	state = READ_ONCE(waiter->state);
	if (state == ROOM_LOOKING)
		return 0;
	units = ipcbus_buffer_units(waiter->message);
	if (state == ROOM_WAITING) {
		if (!ipcbus_share_has_room_locked(waiter->region, waiter->user,
						  round->units + units, round->count + 1,
						  waiter->message->credit))
			return 0;
		WRITE_ONCE(waiter->state, ROOM_WOKEN);
		woken_wake_function(entry, mode, flags, key);
	}
	round->units += units;
	round->count++;
	return 0;
}

void ipcbus_room_wake_locked(struct ipcbus_region *region)
{
	struct room_round round = {};

	lockdep_assert_held(&region->lock);
	/* Who comes to wait looks for room, under the region's lock, after that. */
	if (waitqueue_active(&region->room))
		__wake_up(&region->room, TASK_INTERRUPTIBLE, 0, &round);
}

/* The waiter has looked: it waits, or leaves and is in the queue no more. Room that
 * came meanwhile, or that it was woken for, is for whoever is next. */
static void end_look(struct room_waiter *waiter)
{
	spin_lock(&waiter->region->lock);
	WRITE_ONCE(waiter->state, ROOM_WAITING);
	ipcbus_room_wake_locked(waiter->region);
	spin_unlock(&waiter->region->lock);
}

static int try_again(struct ipcbus_proc *sender, struct ipcbus_node_entry *node,
		     struct ipcbus_message *message, struct ipcbus_buffer **ret_buffer)
{
	if (READ_ONCE(node->dead))
		return -EOWNERDEAD;
	return ipcbus_buffer_make(sender, node->proc, node->flags & IPCBUS_NODE_ACCEPT_FDS,
				  message, ret_buffer);
}

/* 0 to look again. */
static int sleep_for_room(struct room_waiter *waiter, u64 deadline)
{
	long left = ipcbus_ticks_until(deadline);

	if (!left)
		return -ETIMEDOUT;
	if (signal_pending(current))
		return -EINTR;
	wait_woken(&waiter->entry, TASK_INTERRUPTIBLE | TASK_FREEZABLE, left);
	return 0;
}

static int wait_for_room(struct ipcbus_proc *sender, struct ipcbus_node_entry *node,
			 struct ipcbus_message *message, struct ipcbus_buffer **ret_buffer)
{
	struct ipcbus_region *region = &node->proc->region;
	struct room_waiter waiter = {
		.region = region,
		.user = sender->user != node->proc->user ? sender->user : NULL,
		.message = message,
	};
	int ret;

	init_waitqueue_entry(&waiter.entry, current);
	waiter.entry.func = may_have_room;
	if (message->credit)
		add_wait_queue(&region->room, &waiter.entry);
	else
		add_wait_queue_exclusive(&region->room, &waiter.entry);
	do {
		WRITE_ONCE(waiter.state, ROOM_LOOKING);
		ret = try_again(sender, node, message, ret_buffer);
		if (ret != -EAGAIN)
			break;
		end_look(&waiter);
		ret = sleep_for_room(&waiter, message->send->deadline);
	} while (!ret);
	remove_wait_queue(&region->room, &waiter.entry);
	end_look(&waiter);
	return ret;
}

static int room_is_there(wait_queue_entry_t *waiter, unsigned int mode, int flags, void *key)
{
	struct ipcbus_room_watch *watch = container_of(waiter, struct ipcbus_room_watch, waiter);
	struct ipcbus_proc *target;

	if (READ_ONCE(watch->fired))
		return 0;
	WRITE_ONCE(watch->fired, true);
	WRITE_ONCE(watch->sender->room, IPCBUS_ROOM_NEWS);
	wake_up_interruptible_poll(&watch->sender->poll_wait, EPOLLOUT | EPOLLWRNORM);
	list_del_init(&waiter->entry);
	/* The last that is done with the watch: who finds no target may free it. And not
	 * the target's last reference, for who wakes has one. */
	target = xchg(&watch->target, NULL);
	if (target)
		ipcbus_proc_put(target);
	return 0;
}

static void watch_free(struct ipcbus_room_watch *watch)
{
	struct ipcbus_proc *target = xchg(&watch->target, NULL);

	if (target) {
		remove_wait_queue(&target->region.room, &watch->waiter);
		ipcbus_proc_put(target);
	}
	kfree(watch);
}

/* Takes out one that has fired or is of target, or any; NULL if there is none. */
static struct ipcbus_room_watch *pop_watch(struct ipcbus_proc *sender,
					   const struct ipcbus_proc *target, bool any)
{
	struct ipcbus_room_watch *watch;

	spin_lock(&sender->lock);
	list_for_each_entry(watch, &sender->rooms, entry) {
		if (!any && !READ_ONCE(watch->fired) && READ_ONCE(watch->target) != target)
			continue;
		list_del(&watch->entry);
		spin_unlock(&sender->lock);
		return watch;
	}
	spin_unlock(&sender->lock);
	return NULL;
}

static void free_watches(struct ipcbus_proc *sender, const struct ipcbus_proc *target, bool all)
{
	struct ipcbus_room_watch *watch;

	while ((watch = pop_watch(sender, target, all)))
		watch_free(watch);
}

static bool is_watched(struct ipcbus_proc *sender, struct ipcbus_proc *target)
{
	struct ipcbus_room_watch *watch;
	bool found = false;

	spin_lock(&sender->lock);
	list_for_each_entry(watch, &sender->rooms, entry)
		found |= READ_ONCE(watch->target) == target && !READ_ONCE(watch->fired);
	spin_unlock(&sender->lock);
	return found;
}

static int watch_room(struct ipcbus_proc *sender, struct ipcbus_proc *target)
{
	struct ipcbus_room_watch *watch;

	free_watches(sender, NULL, false);
	if (is_watched(sender, target))
		return 0;
	watch = kzalloc(sizeof(*watch), GFP_KERNEL_ACCOUNT);
	if (!watch)
		return -ENOMEM;
	watch->sender = sender;
	watch->target = ipcbus_proc_get(target);
	init_waitqueue_func_entry(&watch->waiter, room_is_there);
	/* Both at once: who finds it fired may free it, and who finds that it has not
	 * relies on it. */
	spin_lock(&sender->lock);
	list_add(&watch->entry, &sender->rooms);
	add_wait_queue(&target->region.room, &watch->waiter);
	spin_unlock(&sender->lock);
	return 0;
}

int ipcbus_room_make(struct ipcbus_proc *sender, struct ipcbus_node_entry *node,
		     struct ipcbus_message *message, struct ipcbus_buffer **ret_buffer)
{
	bool watched;
	int ret;

	if (message->send->deadline)
		return wait_for_room(sender, node, message, ret_buffer);
	/* Not over news of another target that nobody has heard yet. */
	cmpxchg(&sender->room, IPCBUS_ROOM, IPCBUS_NO_ROOM);
	watched = !watch_room(sender, node->proc);
	ret = watched ? try_again(sender, node, message, ret_buffer) : -EAGAIN;
	/* The watch came too late for the node's end, and is not to keep the proc. */
	if (unlikely(ret == -EOWNERDEAD))
		free_watches(sender, node->proc, false);
	/* Without a watch poll goes on saying that there is room. */
	if (ret != -EAGAIN || !watched)
		cmpxchg(&sender->room, IPCBUS_NO_ROOM, IPCBUS_ROOM);
	return ret;
}

__poll_t ipcbus_room_poll(struct ipcbus_proc *sender, __poll_t asked)
{
	if (READ_ONCE(sender->room) == IPCBUS_NO_ROOM)
		return 0;
	if (asked & EPOLLOUT)
		cmpxchg(&sender->room, IPCBUS_ROOM_NEWS, IPCBUS_ROOM);
	return EPOLLOUT | EPOLLWRNORM;
}

void ipcbus_rooms_release(struct ipcbus_proc *sender)
{
	free_watches(sender, NULL, true);
}
