// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transactions: see transaction.h. This file has their lifetime and the stacks of threads.
 */
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "message.h"
#include "node.h"
#include "priority.h"
#include "proc.h"
#include "stats.h"
#include "thread.h"
#include "transaction.h"
#include "user.h"

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

void ipcbus_transaction_remove_locked(struct ipcbus_transaction *t, struct ipcbus_thread *thread)
{
	struct ipcbus_transaction **link = &thread->top;

	lockdep_assert_held(&thread->proc->lock);
	while (*link != t)
		link = ipcbus_transaction_below(*link, thread);
	*link = *ipcbus_transaction_below(t, thread);
}

void ipcbus_transaction_end_serving_locked(struct ipcbus_transaction *t)
{
	/* Mostly it is on top. */
	if (likely(t->server->top == t))
		t->server->top = t->to_below;
	else
		ipcbus_transaction_remove_locked(t, t->server);
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
	ipcbus_work_init(&t->work, &ipcbus_transaction_ops);
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
