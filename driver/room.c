// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for room: see room.h. Called by request.c; woken by buffer.c when a
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

/* All of them: they wait for room of different sizes. */
void ipcbus_room_wake(struct ipcbus_region *region)
{
	/* Who comes to wait looks for room, under the region's lock, after that. */
	if (waitqueue_active(&region->room))
		wake_up_interruptible_all(&region->room);
}

static int try_again(struct ipcbus_proc *sender, struct ipcbus_node_entry *node,
		     struct ipcbus_message *message, struct ipcbus_buffer **ret_buffer)
{
	if (READ_ONCE(node->dead))
		return -EOWNERDEAD;
	return ipcbus_buffer_make(sender, node->proc, node->flags & IPCBUS_NODE_ACCEPT_FDS,
				  message, ret_buffer);
}

static int wait_for_room(struct ipcbus_proc *sender, struct ipcbus_node_entry *node,
			 struct ipcbus_message *message, struct ipcbus_buffer **ret_buffer)
{
	struct ipcbus_region *region = &node->proc->region;
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	long left;
	int ret;

	add_wait_queue(&region->room, &wait);
	for (;;) {
		ret = try_again(sender, node, message, ret_buffer);
		if (ret != -EAGAIN)
			break;
		left = ipcbus_ticks_until(message->send->deadline);
		if (!left) {
			ret = -ETIMEDOUT;
			break;
		}
		if (signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		wait_woken(&wait, TASK_INTERRUPTIBLE | TASK_FREEZABLE, left);
	}
	remove_wait_queue(&region->room, &wait);
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
