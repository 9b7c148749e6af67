// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls and oneways: see transaction.h. Sent by request.c, delivered through
 * thread.c to who serves them, answered by reply.c.
 */
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "cancel.h"
#include "freeze.h"
#include "message.h"
#include "node.h"
#include "priority.h"
#include "proc.h"
#include "replace.h"
#include "reply.h"
#include "report.h"
#include "sender.h"
#include "stats.h"
#include "thread.h"
#include "transaction.h"
#include "user.h"

static unsigned int starved_ms = 100;
module_param(starved_ms, uint, 0644);
MODULE_PARM_DESC(starved_ms, "Milliseconds of waiting for a free thread that are reported");

static struct kmem_cache *cache;
static atomic64_t last_id;

/*
 * Once, when the slab is made. Without a constructor a hardened kernel clears each
 * transaction for each message, as if it came to be only then; here they are used
 * again and again anyway, as threads' spare ones, and _new() sets all that is read.
 */
static void construct(void *t)
{
	memset(t, 0, sizeof(struct ipcbus_transaction));
}

int ipcbus_transaction_cache_init(void)
{
	cache = kmem_cache_create("ipcbus_transaction", sizeof(struct ipcbus_transaction), 0,
				  SLAB_HWCACHE_ALIGN | SLAB_ACCOUNT, construct);
	return cache ? 0 : -ENOMEM;
}

void ipcbus_transaction_cache_done(void)
{
	kmem_cache_destroy(cache);
}

/* Charged as long as it is memory: a spare one is its thread's user's. */
static struct ipcbus_transaction *alloc(struct ipcbus_user *user)
{
	struct ipcbus_transaction *t;
	int ret;

	ret = ipcbus_user_charge(user, IPCBUS_USE_CALLS);
	if (ret)
		return ERR_PTR(ret);
	t = kmem_cache_alloc(cache, GFP_KERNEL);
	if (!t) {
		ipcbus_user_uncharge(user, IPCBUS_USE_CALLS);
		return ERR_PTR(-ENOMEM);
	}
	t->user = ipcbus_user_get(user);
	return t;
}

void ipcbus_transaction_free_spare(struct ipcbus_transaction *t)
{
	ipcbus_user_uncharge(t->user, IPCBUS_USE_CALLS);
	ipcbus_user_put(t->user);
	kmem_cache_free(cache, t);
}

/* A loop over the parents, not a recursion: a chain may be long. */
void ipcbus_transaction_free(struct ipcbus_transaction *t, struct ipcbus_thread *user)
{
	struct ipcbus_transaction *parent;

	do {
		parent = t->parent;
		if (t->from)
			ipcbus_thread_put(t->from);
		if (unlikely(t->async))
			ipcbus_proc_put(t->caller);
		ipcbus_node_put(t->node);
		ipcbus_stat_remove(IPCBUS_STAT_TRANSACTIONS);
		if (user && !user->spare && likely(t->user == user->proc->user))
			user->spare = t;
		else
			ipcbus_transaction_free_spare(t);
		t = parent;
	} while (t && refcount_dec_and_test(&t->ref));
}

struct ipcbus_transaction **ipcbus_transaction_below(struct ipcbus_transaction *t,
						     struct ipcbus_thread *thread)
{
	return t->from == thread ? &t->from_below : &t->to_below;
}

void ipcbus_transaction_end_serving_locked(struct ipcbus_transaction *t)
{
	/* Mostly it is on top. */
	if (likely(t->server->top == t))
		t->server->top = t->to_below;
	else
		ipcbus_thread_remove_locked(t->server, t);
}

/* --- Delivery -------------------------------------------------------------- */

static void drop_oneway(struct ipcbus_transaction *t)
{
	ipcbus_stat_count(IPCBUS_STAT_LOST);
	ipcbus_buffer_drop(&t->node->proc->region, t->buffer);
	ipcbus_node_oneway_done(t->node);
	ipcbus_transaction_put(t, NULL);
}

/* t is off every queue and was not delivered. */
static void refuse(struct ipcbus_transaction *t, int error, u32 stage, u32 index)
{
	ipcbus_report_failed(t, t->buffer, error, stage, index);
	if (t->oneway) {
		drop_oneway(t);
		return;
	}
	ipcbus_buffer_drop(&t->node->proc->region, t->buffer);
	ipcbus_reply_fail(t, error, stage, index);
}

static void transaction_discard(struct ipcbus_work *work)
{
	refuse(container_of(work, struct ipcbus_transaction, work), -EOWNERDEAD, IPCBUS_STAGE_QUEUE,
	       0);
}

/* The call could not be delivered after all. */
static void undo_serving(struct ipcbus_transaction *t, struct ipcbus_thread *thread)
{
	bool idle, withdrawn;

	spin_lock(&thread->proc->lock);
	hash_del(&t->open);
	withdrawn = ipcbus_cancel_withdraw_locked(t);
	ipcbus_transaction_end_serving_locked(t);
	/* The call below may have been answered while this one hid it. */
	ipcbus_thread_kick_locked(thread);
	idle = ipcbus_node_end_call_locked(t->node);
	ipcbus_freeze_changed_locked(thread->proc);
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

/* The thread is going to serve a oneway to node, by the node's priority if any. */
static void begin_oneway(struct ipcbus_thread *thread, const struct ipcbus_node_entry *node)
{
	WRITE_ONCE(thread->boost.oneway, node->prio);
	if (unlikely(node->flags & IPCBUS_NODE_PRIORITY)) {
		WRITE_ONCE(thread->boost.oneway_policy, node->policy);
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
	if (buffer && buffer->cargo.objects.count)
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
	if (unlikely(t->work.prio != ipcbus_priority_current()))
		ipcbus_boost_mark(thread);
	event->kind = IPCBUS_EVENT_CALL;
	event->flags |= t->accept_fds ? IPCBUS_EVENT_ACCEPT_FDS : 0;
	event->call = t->id;
	event->deadline = t->deadline;
	if (buffer)
		ipcbus_buffer_deliver(thread->proc, buffer, event);
	ipcbus_report_deliver(thread, t, event);
	/* With the acquire in claim(): from here on it may be answered. */
	smp_store_release(&t->delivering, false);
	return true;
}

static const struct ipcbus_work_ops transaction_ops = {
	.deliver = transaction_deliver,
	.discard = transaction_discard,
};

struct ipcbus_transaction *ipcbus_transaction_of(struct ipcbus_work *work)
{
	if (work->ops != &transaction_ops)
		return NULL;
	return container_of(work, struct ipcbus_transaction, work);
}

u32 ipcbus_transaction_waited(struct ipcbus_work *work)
{
	const struct ipcbus_transaction *t = ipcbus_transaction_of(work);
	unsigned long ms;

	if (!t)
		return 0;
	/* A oneway waits for the one before it first. */
	ms = (jiffies - (t->oneway ? t->node->oneway_since : t->since)) * (MSEC_PER_SEC / HZ);
	if (likely(ms <= READ_ONCE(starved_ms)))
		return 0;
	ipcbus_stat_count(IPCBUS_STAT_STARVED);
	return ms;
}

void ipcbus_transaction_taken_locked(struct ipcbus_work *work, struct ipcbus_thread *thread)
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
	t->server = thread;
	t->to_below = thread->top;
	thread->top = t;
	hash_add(thread->proc->open, &t->open, t->id);
}

/* --- Birth -------------------------------------------------------------------- */

struct ipcbus_transaction *ipcbus_transaction_new(struct ipcbus_thread *thread,
						  struct ipcbus_node_entry *node,
						  const struct ipcbus_message *message)
{
	struct ipcbus_transaction *t;

	t = thread->spare;
	if (likely(t))
		thread->spare = NULL;
	else
		t = alloc(thread->proc->user);
	if (IS_ERR(t))
		return t;
	ipcbus_work_init(&t->work, &transaction_ops);
	t->work.prio = min(ipcbus_priority_current(), node->prio);
	refcount_set(&t->ref, 1);
	t->id = atomic64_inc_return(&last_id);
	t->since = jiffies;
	t->code = message->send->code;
	t->oneway = message->oneway;
	t->async = message->send->flags & IPCBUS_SEND_ASYNC;
	t->accept_fds = message->send->flags & IPCBUS_SEND_ACCEPT_FDS;
	t->replaces = 0;
	t->depth = 1;
	t->deadline = message->send->deadline;
	t->cookie = message->send->cookie;
	t->caller = thread->proc;
	if (unlikely(t->async))
		ipcbus_proc_get(t->caller);
	t->from = NULL;
	t->parent = NULL;
	t->node = node;
	t->buffer = NULL;
	t->state = IPCBUS_PENDING;
	t->reply = NULL;
	RB_CLEAR_NODE(&t->expiry);
	INIT_HLIST_NODE(&t->open);
	t->delivering = false;
	t->canceled = false;
	t->server = NULL;
	ipcbus_thread_identify(thread, node->proc, &t->sender);
	ipcbus_stat_add(IPCBUS_STAT_TRANSACTIONS);
	return t;
}
