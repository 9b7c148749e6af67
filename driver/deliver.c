// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delivery: see deliver.h. wait.c takes work off the queues and calls this file.
 */
#include <linux/jiffies.h>
#include <linux/uaccess.h>

#include "buffer.h"
#include "calls.h"
#include "cancel.h"
#include "deliver.h"
#include "monitor.h"
#include "node.h"
#include "priority.h"
#include "proc.h"
#include "result.h"
#include "stats.h"
#include "thread.h"
#include "transaction.h"
#include "work.h"

/* A message that waits longer than this for a free thread counts as starved. */
#define STARVED_MS	100

/* Fails a call or drops a oneway that is in no queue and was not delivered. */
static void refuse(struct ipcbus_transaction *t, int error, u32 stage, u32 index)
{
	ipcbus_report_failed(t, t->buffer, error, stage, index);
	if (t->oneway) {
		ipcbus_stat_count(IPCBUS_STAT_DISCARDED);
		ipcbus_buffer_drop(&t->node->proc->region, t->buffer);
		ipcbus_node_oneway_done(t->node);
		ipcbus_transaction_put(t, NULL);
		return;
	}
	ipcbus_transaction_drop_request(t);
	ipcbus_result_fail(t, error, stage, index);
}

static void transaction_discard(struct ipcbus_work *work)
{
	struct ipcbus_transaction *t = container_of(work, struct ipcbus_transaction, work);
	struct ipcbus_proc *proc = t->node->proc;

	if (!t->oneway) {
		spin_lock(&proc->lock);
		proc->calls.count--;
		spin_unlock(&proc->lock);
	}
	refuse(t, -EOWNERDEAD, IPCBUS_STAGE_QUEUE, 0);
}

/* Reverts ipcbus_deliver_taken_locked(), because the call could not be delivered. */
static void undo_serving(struct ipcbus_transaction *t, struct ipcbus_thread *thread)
{
	bool idle, withdrawn;

	spin_lock(&thread->proc->lock);
	t->delivering = false;
	ipcbus_open_remove_locked(thread->proc, t);
	withdrawn = ipcbus_cancel_withdraw_locked(t);
	ipcbus_transaction_end_serving_locked(t);
	/* The thread's own call may have ended while this call was on top of it. */
	ipcbus_thread_kick_locked(thread, /* here= */ false);
	idle = ipcbus_node_end_call_locked(t->node);
	thread->proc->calls.count--;
	spin_unlock(&thread->proc->lock);
	if (idle)
		ipcbus_node_check_idle(t->node);
	if (withdrawn)
		ipcbus_transaction_put(t, NULL);
}

static bool refuse_delivery(struct ipcbus_transaction *t, struct ipcbus_thread *thread, int error,
			    u32 stage, u32 index)
{
	if (!t->oneway)
		undo_serving(t, thread);
	refuse(t, error, stage, index);
	return false;
}

/* Sets the priority of a thread that serves a oneway to node: that of the node, if any. */
static void begin_oneway(struct ipcbus_thread *thread, const struct ipcbus_node_entry *node)
{
	thread->oneway = node->prio;
	if (unlikely(node->flags & IPCBUS_NODE_PRIORITY)) {
		thread->oneway_policy = node->policy;
		ipcbus_boost_mark(thread);
	}
}

static void label_to_event(const struct ipcbus_buffer *buffer, struct ipcbus_event *event)
{
	if (!buffer || !buffer->label_size)
		return;
	event->label = buffer->label;
	event->label_size = buffer->label_size - 1;
}

static bool transaction_deliver(struct ipcbus_work *work, struct ipcbus_thread *thread,
				struct ipcbus_event *event)
{
	struct ipcbus_transaction *t = container_of(work, struct ipcbus_transaction, work);
	struct ipcbus_buffer *buffer = t->buffer;
	u32 index = 0;
	int ret = 0;

	if (READ_ONCE(t->node->dead))
		return refuse_delivery(t, thread, -EOWNERDEAD, IPCBUS_STAGE_QUEUE, 0);
	if (buffer && buffer->cargo.objects)
		ret = ipcbus_buffer_install(thread->proc, buffer, &index);
	if (ret)
		return refuse_delivery(t, thread, ret, IPCBUS_STAGE_DELIVER, index);

	if (unlikely(t->node->flags & IPCBUS_NODE_WANT_LABEL))
		label_to_event(buffer, event);
	event->cookie = t->node->cookie;
	event->code = t->code;
	ipcbus_sender_to_event(&t->sender, event);
	if (t->oneway) {
		event->kind = IPCBUS_EVENT_ONEWAY;
		buffer->cargo.node = ipcbus_node_get(t->node);
		buffer->sender_id = t->sender_id;
		begin_oneway(thread, t->node);
		ipcbus_buffer_deliver(thread->proc, buffer, event);
		ipcbus_report_deliver(thread, t, event);
		ipcbus_transaction_put(t, thread);
		return true;
	}
	if (unlikely(t->work.prio < ipcbus_priority_current()))
		ipcbus_boost_mark(thread);
	event->kind = IPCBUS_EVENT_CALL;
	event->flags |= t->flags & IPCBUS_SEND_ACCEPT_FDS ? IPCBUS_EVENT_ACCEPT_FDS : 0;
	event->call = t->call;
	if (unlikely(t->deadline))
		event->deadline = ipcbus_deadline_to_user(t);
	if (buffer)
		ipcbus_buffer_deliver(thread->proc, buffer, event);
	else
		ipcbus_transaction_end_empty(t);
	ipcbus_report_deliver(thread, t, event);
	/* Pairs with the acquire in claim(): from here on the call can be replied to. */
	smp_store_release(&t->delivering, false);
	return true;
}

static struct ipcbus_quota *transaction_quota(const struct ipcbus_work *work)
{
	const struct ipcbus_transaction *t = container_of(work, struct ipcbus_transaction, work);

	if (!t->buffer)
		return t->empty ? t->quota : NULL;
	return t->buffer->flags & IPCBUS_BUFFER_CHARGED ? t->buffer->quota : NULL;
}

const struct ipcbus_work_ops ipcbus_transaction_ops = {
	.deliver = transaction_deliver,
	.discard = transaction_discard,
	.quota = transaction_quota,
};

/* --- Called by wait.c under the lock ---------------------------------------------- */

void ipcbus_deliver_count_starved(struct ipcbus_work *work)
{
	const struct ipcbus_transaction *t = ipcbus_transaction_of(work);
	unsigned long since;

	if (!t)
		return;
	/* The time that a oneway waits behind another oneway does not count. */
	since = t->oneway ? t->node->oneway_since : t->since;
	if (unlikely(time_after(jiffies, since + msecs_to_jiffies(STARVED_MS))))
		ipcbus_stat_count(IPCBUS_STAT_STARVED);
}

void ipcbus_deliver_taken_locked(struct ipcbus_work *work, struct ipcbus_thread *thread)
{
	struct ipcbus_transaction *t = ipcbus_transaction_of(work);

	lockdep_assert_held(&thread->proc->lock);
	if (!t)
		return;
	if (t->oneway) {
		if (t->replaces)
			ipcbus_replace_taken_locked(t);
		return;
	}
	t->delivering = true;
	t->call = ++thread->proc->calls.last;
	ipcbus_transaction_begin_serving_locked(t, thread);
	ipcbus_open_add_locked(thread->proc, t);
}

/* --- Oneways that follow ---------------------------------------------------- */

/* Returns the node's next oneway if it may follow, or NULL. */
static struct ipcbus_transaction *next_locked(const struct ipcbus_node_entry *node)
{
	struct ipcbus_transaction *t;

	lockdep_assert_held(&node->proc->lock);
	/* Other work that is queued for any thread must come first. Oneways of a dead node are
	 * discarded. A thread has the priority of a node for a single oneway at a time. */
	if (node->dead || node->flags & IPCBUS_NODE_PRIORITY || list_empty(&node->oneways) ||
	    !ipcbus_queue_is_empty_locked(&node->proc->work))
		return NULL;
	t = ipcbus_transaction_of(list_first_entry(&node->oneways, struct ipcbus_work, entry));
	return t->replaces ? NULL : t;
}

void ipcbus_more_take_locked(struct ipcbus_more *more, struct ipcbus_work *work,
			     struct ipcbus_thread *thread)
{
	struct ipcbus_transaction *t = ipcbus_transaction_of(work), **link = &more->first;
	struct ipcbus_node_entry *node;
	u32 count;

	lockdep_assert_held(&thread->proc->lock);
	if (!t || !t->oneway)
		return;
	node = t->node;
	for (count = 0; count < more->most; count++) {
		t = next_locked(node);
		if (!t)
			break;
		list_del_init(&t->work.entry);
		t->work.waits = false;
		node->oneway_count--;
		node->oneway_busy++;
		ipcbus_deliver_taken_locked(&t->work, thread);
		*link = t;
		link = &t->from_below;
	}
	*link = NULL;
}

bool ipcbus_more_pop(struct ipcbus_more *more, struct ipcbus_thread *thread,
		     struct ipcbus_event *event)
{
	struct ipcbus_transaction *t;

	while ((t = more->first)) {
		more->first = t->from_below;
		if (t->work.ops->deliver(&t->work, thread, event))
			return true;
	}
	return false;
}

void ipcbus_more_write(struct ipcbus_more *more, struct ipcbus_thread *thread, u32 __user *count)
{
	struct ipcbus_event event;
	u32 i;

	for (i = 0; more->first; i++) {
		event = (struct ipcbus_event){ .thread = thread->number };
		if (!ipcbus_more_pop(more, thread, &event))
			break;
		if (!copy_to_user(&more->events[i], &event, sizeof(event)) &&
		    !put_user(i + 1, count))
			continue;
		ipcbus_more_put_back(more);
		break;
	}
}

/* Puts t and the oneways after it back, before oneways that came in the meantime. */
static void put_back_locked(struct ipcbus_node_entry *node, struct ipcbus_transaction *t)
{
	struct list_head *after = &node->oneways;

	lockdep_assert_held(&node->proc->lock);
	for (; t; t = t->from_below) {
		t->work.waits = true;
		list_add(&t->work.entry, after);
		after = &t->work.entry;
		node->oneway_count++;
		node->oneway_busy--;
	}
	/* Other threads may have released the earlier buffers already. */
	if (!node->oneway_busy)
		ipcbus_node_next_oneway_locked(node);
}

void ipcbus_more_put_back(struct ipcbus_more *more)
{
	struct ipcbus_transaction *t = more->first, *next;
	struct ipcbus_node_entry *node;
	bool is_dead;

	if (!t)
		return;
	more->first = NULL;
	node = t->node;
	spin_lock(&node->proc->lock);
	is_dead = node->dead;
	if (!is_dead)
		put_back_locked(node, t);
	spin_unlock(&node->proc->lock);
	/* bury() has not seen these oneways, because they were in no queue. */
	for (; is_dead && t; t = next) {
		next = t->from_below;
		t->work.ops->discard(&t->work);
	}
}
