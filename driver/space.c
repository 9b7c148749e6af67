// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for space: see space.h. mem/quota.c wakes the waiters when a oneway's buffer is
 * released, node.c when their target dies.
 */
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "buffer.h"
#include "mem/quota.h"
#include "message.h"
#include "node.h"
#include "proc.h"
#include "space.h"
#include "ticks.h"
#include "user.h"

/**
 * struct ipcbus_space_watch - a sender that polls, and a region that was full
 * @entry: in sender->space_watches (sender->lock)
 * @waiter: in region->space of the target
 * @sender: whose file is polled; it outlives the watch
 * @target: counted; NULL once it has fired, when it is in no queue any more
 * @fired: there was space since, or the target died
 */
struct ipcbus_space_watch {
	struct list_head entry;
	wait_queue_entry_t waiter;
	struct ipcbus_proc *sender;
	struct ipcbus_proc *target;
	bool fired;
};

enum space_state {
	SPACE_LOOKING, /* tries to send */
	SPACE_WAITING, /* there was none */
	SPACE_WOKEN,   /* there may be some; did not look yet */
};

/**
 * struct space_waiter - a sender that waits for space until its deadline
 * @entry: in region->space of the target: behind the watches, the first come first;
 *	with them if it needs no more space than what it replaces releases
 * @region: the target's
 * @uid: the user whose quota there must have space, or invalid
 * @message: what it wants to send
 * @state: region->lock, but to begin looking
 */
struct space_waiter {
	wait_queue_entry_t entry;
	struct ipcbus_region *region;
	kuid_t uid;
	const struct ipcbus_message *message;
	enum space_state state;
};

static bool is_full(const struct ipcbus_region *region, const struct ipcbus_space_round *round)
{
	return region->oneway_units + round->units >= region->size / IPCBUS_UNIT / 2 ||
	       region->oneways + round->count >= IPCBUS_LIMIT_BUFFERS / 2;
}

/*
 * Wakes the waiter if there is space for it beside those before it that were woken and
 * did not look yet. Whoever has looked, and whoever leaves, starts one more round. So
 * nobody sleeps while there is space that another one was woken for and did not take.
 */
static int may_have_space(wait_queue_entry_t *entry, unsigned int mode, int flags, void *key)
{
	struct space_waiter *waiter = container_of(entry, struct space_waiter, entry);
	struct ipcbus_space_round *round = key;
	enum space_state state;
	u32 units;

	/* The end of a node: all are to look whether it is theirs. */
	if (!round)
		return woken_wake_function(entry, mode, flags, key);
	if (!waiter->message->want.credit && is_full(waiter->region, round))
		return -1;
	state = READ_ONCE(waiter->state);
	if (state == SPACE_LOOKING)
		return 0;
	units = READ_ONCE(waiter->message->want.units);
	if (state == SPACE_WAITING) {
		if (!ipcbus_quota_has_space_locked(waiter->region, waiter->uid,
						   round->units + units, round->count + 1,
						   waiter->message->want.credit))
			return 0;
		WRITE_ONCE(waiter->state, SPACE_WOKEN);
		woken_wake_function(entry, mode, flags, key);
	}
	round->units += units;
	round->count++;
	return 0;
}

/* The waiter has looked: it waits, or leaves and is in the queue no more. Space that
 * came meanwhile, or that it was woken for, is for whoever is next. */
static void end_look(struct space_waiter *waiter)
{
	spin_lock(&waiter->region->lock);
	WRITE_ONCE(waiter->state, SPACE_WAITING);
	ipcbus_space_wake_locked(waiter->region);
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
static int sleep_for_space(struct space_waiter *waiter, u64 deadline)
{
	long left = ipcbus_ticks_until(deadline);

	if (!left)
		return -ETIMEDOUT;
	if (signal_pending(current))
		return -EINTR;
	wait_woken(&waiter->entry, TASK_INTERRUPTIBLE | TASK_FREEZABLE, left);
	return 0;
}

static int wait_for_space(struct ipcbus_proc *sender, struct ipcbus_node_entry *node,
			  struct ipcbus_message *message, struct ipcbus_buffer **ret_buffer)
{
	struct ipcbus_region *region = &node->proc->region;
	struct space_waiter waiter = {
		.region = region,
		.uid = sender->user != node->proc->user ? sender->user->uid : INVALID_UID,
		.message = message,
	};
	int ret;

	init_waitqueue_entry(&waiter.entry, current);
	waiter.entry.func = may_have_space;
	if (message->want.credit)
		add_wait_queue(&region->space, &waiter.entry);
	else
		add_wait_queue_exclusive(&region->space, &waiter.entry);
	do {
		WRITE_ONCE(waiter.state, SPACE_LOOKING);
		ret = try_again(sender, node, message, ret_buffer);
		if (ret != -EAGAIN)
			break;
		end_look(&waiter);
		ret = sleep_for_space(&waiter, message->send->deadline);
	} while (!ret);
	remove_wait_queue(&region->space, &waiter.entry);
	end_look(&waiter);
	return ret;
}

static int space_released(wait_queue_entry_t *waiter, unsigned int mode, int flags, void *key)
{
	struct ipcbus_space_watch *watch = container_of(waiter, struct ipcbus_space_watch, waiter);
	struct ipcbus_proc *target;

	if (READ_ONCE(watch->fired))
		return 0;
	WRITE_ONCE(watch->fired, true);
	WRITE_ONCE(watch->sender->writable, IPCBUS_WRITABLE_AGAIN);
	wake_up_interruptible_poll(&watch->sender->poll_wait, EPOLLOUT | EPOLLWRNORM);
	list_del_init(&waiter->entry);
	/* The last that is done with the watch: who finds no target may free it. And not
	 * the target's last reference, for who wakes has one. */
	target = xchg(&watch->target, NULL);
	if (target)
		ipcbus_proc_put(target);
	return 0;
}

static void watch_free(struct ipcbus_space_watch *watch)
{
	struct ipcbus_proc *target = xchg(&watch->target, NULL);

	if (target) {
		remove_wait_queue(&target->region.space, &watch->waiter);
		ipcbus_proc_put(target);
	}
	kfree(watch);
}

/* Takes out one that has fired or is of target, or any; NULL if there is none. */
static struct ipcbus_space_watch *pop_watch(struct ipcbus_proc *sender,
					    const struct ipcbus_proc *target, bool any)
{
	struct ipcbus_space_watch *watch;

	spin_lock(&sender->lock);
	list_for_each_entry(watch, &sender->space_watches, entry) {
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
	struct ipcbus_space_watch *watch;

	while ((watch = pop_watch(sender, target, all)))
		watch_free(watch);
}

static bool is_watched(struct ipcbus_proc *sender, struct ipcbus_proc *target)
{
	struct ipcbus_space_watch *watch;
	bool found = false;

	spin_lock(&sender->lock);
	list_for_each_entry(watch, &sender->space_watches, entry)
		found |= READ_ONCE(watch->target) == target && !READ_ONCE(watch->fired);
	spin_unlock(&sender->lock);
	return found;
}

static int watch_space(struct ipcbus_proc *sender, struct ipcbus_proc *target)
{
	struct ipcbus_space_watch *watch;

	free_watches(sender, NULL, false);
	if (is_watched(sender, target))
		return 0;
	watch = kzalloc(sizeof(*watch), GFP_KERNEL_ACCOUNT);
	if (!watch)
		return -ENOMEM;
	watch->sender = sender;
	watch->target = ipcbus_proc_get(target);
	init_waitqueue_func_entry(&watch->waiter, space_released);
	/* Both at once: who finds it fired may free it, and who finds that it has not
	 * relies on it. */
	spin_lock(&sender->lock);
	list_add(&watch->entry, &sender->space_watches);
	add_wait_queue(&target->region.space, &watch->waiter);
	spin_unlock(&sender->lock);
	return 0;
}

int ipcbus_space_make(struct ipcbus_proc *sender, struct ipcbus_node_entry *node,
		      struct ipcbus_message *message, struct ipcbus_buffer **ret_buffer)
{
	bool watched;
	int ret;

	if (message->send->deadline)
		return wait_for_space(sender, node, message, ret_buffer);
	/* Not if space of another target has to be reported first. */
	cmpxchg(&sender->writable, IPCBUS_WRITABLE, IPCBUS_NOT_WRITABLE);
	watched = !watch_space(sender, node->proc);
	ret = watched ? try_again(sender, node, message, ret_buffer) : -EAGAIN;
	/* The watch came too late for the node's end, and is not to keep the proc. */
	if (unlikely(ret == -EOWNERDEAD))
		free_watches(sender, node->proc, false);
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
	free_watches(sender, NULL, true);
}
