// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transactions: see transaction.h. This file implements their lifetime, the stacks of threads, and
 * the replacement of queued oneways.
 */
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/sched/rt.h>
#include <linux/slab.h>

#include "buffer.h"
#include "message.h"
#include "node.h"
#include "priority.h"
#include "proc.h"
#include "stats.h"
#include "thread.h"
#include "transaction.h"
#include "user.h"

/* Maximum number of spare transactions of a user. Receivers of oneways free transactions, and
 * senders need new transactions. Without spares each message would allocate kernel memory and
 * charge it. Spares count in user_calls and may take only 1/SPARES_PART of that limit. */
#define SPARES		64
#define SPARES_PART	1024

/* A thread reserves this many ids at once, so that messages rarely touch the shared counter. */
#define IDS_AT_ONCE 1024

static struct kmem_cache *cache;
static atomic64_t last_ids;

/* Runs when a slab is allocated. Without a constructor a hardened kernel would clear each
 * transaction at each allocation. Transactions are reused as spares anyway, so _new() initializes
 * all fields that are read. */
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

/* --- Spare transactions -------------------------------------------------------------- */

void ipcbus_transaction_begin(struct ipcbus_user *user)
{
	spin_lock(&user->spare_lock);
	user->procs++;
	spin_unlock(&user->spare_lock);
}

static struct ipcbus_transaction *pop_spare(struct ipcbus_user *user)
{
	struct ipcbus_transaction *t;

	spin_lock(&user->spare_lock);
	t = user->spares;
	if (t) {
		user->spares = t->from_below;
		user->spare_count--;
	}
	spin_unlock(&user->spare_lock);
	return t;
}

/* Adds a transaction to its user's spares. Returns false if the user has enough, or has no procs:
 * spares keep the user, which would never be freed. */
static bool push_spare(struct ipcbus_transaction *t)
{
	struct ipcbus_user *user = t->user;
	u32 most = min_t(u32, SPARES, ipcbus_user_limit(IPCBUS_USE_CALLS) / SPARES_PART);
	bool is_kept;

	spin_lock(&user->spare_lock);
	is_kept = user->procs && user->spare_count < most;
	if (is_kept) {
		t->from_below = user->spares;
		user->spares = t;
		user->spare_count++;
	}
	spin_unlock(&user->spare_lock);
	return is_kept;
}

void ipcbus_transaction_end(struct ipcbus_user *user)
{
	struct ipcbus_transaction *t = NULL, *next;

	spin_lock(&user->spare_lock);
	if (!--user->procs) {
		t = user->spares;
		user->spares = NULL;
		user->spare_count = 0;
	}
	spin_unlock(&user->spare_lock);
	for (; t; t = next) {
		next = t->from_below;
		ipcbus_transaction_free_spare(t);
	}
}

/* Allocates a transaction, or returns ERR_PTR. Charges the user until the transaction is freed,
 * also while it is a spare. */
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
	/* Invariants of every spare transaction. */
	ipcbus_work_init(&t->work, NULL);
	RB_CLEAR_NODE(&t->expiry);
	RB_CLEAR_NODE(&t->open);
	t->delivering = false;
	t->empty = false;
	return t;
}

void ipcbus_transaction_free_spare(struct ipcbus_transaction *t)
{
	ipcbus_user_uncharge(t->user, IPCBUS_USE_CALLS);
	ipcbus_user_put(t->user);
	kmem_cache_free(cache, t);
}

/* Keeps a transaction as a spare of its user, or frees it. A function of its own, like get(), so
 * that the fast path, which uses the thread's own spare, does not save their registers. */
static noinline void retire(struct ipcbus_transaction *t)
{
	if (!push_spare(t))
		ipcbus_transaction_free_spare(t);
}

static noinline struct ipcbus_transaction *get(struct ipcbus_user *user)
{
	return pop_spare(user) ?: alloc(user);
}

/* Frees a transaction without references, and its parents that have no other reference. Loops
 * instead of recursing, because a chain may be long. */
void ipcbus_transaction_free(struct ipcbus_transaction *t, struct ipcbus_thread *user)
{
	struct ipcbus_transaction *parent;

	do {
		parent = t->parent;
		if (t->from)
			ipcbus_thread_put(t->from);
		if (unlikely(t->flags & IPCBUS_SEND_ASYNC))
			ipcbus_proc_put(t->caller);
		ipcbus_node_put(t->node);
		ipcbus_stat_remove(IPCBUS_STAT_TRANSACTIONS);
		if (user && !user->spare && likely(t->user == user->proc->user))
			user->spare = t;
		else
			retire(t);
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

/* --- Creation --------------------------------------------------------------------- */

/* Returns a message id that is unique on all buses and never 0. thread must be current. */
static inline u64 take_id(struct ipcbus_thread *thread)
{
	if (unlikely(!(thread->next_id % IDS_AT_ONCE)))
		thread->next_id = atomic64_add_return(IDS_AT_ONCE, &last_ids);
	return thread->next_id++;
}

/* Sets the better of the current thread's and the node's priority. */
static inline void set_priority(struct ipcbus_transaction *t)
{
	const struct ipcbus_node_entry *node = t->node;
	int own = ipcbus_priority_current();

	t->work.prio = min(own, node->prio);
	if (unlikely(rt_prio(t->work.prio)) &&
	    (own < node->prio ? READ_ONCE(current->policy) : node->policy) == SCHED_RR)
		t->flags |= IPCBUS_ROUND_ROBIN;
}

struct ipcbus_transaction *ipcbus_transaction_new(struct ipcbus_thread *thread,
						  struct ipcbus_node_entry *node,
						  const struct ipcbus_message *message)
{
	const struct ipcbus_send *send = message->send;
	struct ipcbus_transaction *t;

	t = thread->spare;
	if (likely(t))
		thread->spare = NULL;
	else
		t = get(thread->proc->user);
	if (IS_ERR(t))
		return t;
	t->work.of_node = &node->queued;
	refcount_set(&t->ref, 1);
	t->id = take_id(thread);
	t->since = jiffies;
	t->code = send->code;
	t->oneway = message->oneway;
	t->flags = send->flags;
	t->replaces = 0;
	t->depth = 1;
	t->deadline = send->deadline;
	t->cookie = send->cookie;
	t->caller = thread->proc;
	if (unlikely(t->flags & IPCBUS_SEND_ASYNC))
		ipcbus_proc_get(t->caller);
	t->from = NULL;
	t->parent = NULL;
	t->node = node;
	set_priority(t);
	t->buffer = NULL;
	t->state = IPCBUS_PENDING;
	t->reply = NULL;
	t->canceled = false;
	ipcbus_thread_identify(thread, node->proc, &t->sender);
	ipcbus_stat_add(IPCBUS_STAT_TRANSACTIONS);
	return t;
}

/* --- Replacement ----------------------------------------------------------------- */

/* Orders queued oneways that can be replaced in the tree of their node. A tree, because a long
 * queue must not be searched under the lock. */
static int compare_replaceable(struct rb_node *a, const struct rb_node *b)
{
	const struct ipcbus_transaction *t = rb_entry(a, struct ipcbus_transaction, replaceable);
	const struct ipcbus_transaction *u = rb_entry(b, struct ipcbus_transaction, replaceable);

	if (t->replaces != u->replaces)
		return t->replaces < u->replaces ? -1 : 1;
	return t->code < u->code ? -1 : t->code > u->code;
}

struct ipcbus_transaction *ipcbus_replace_locked(struct ipcbus_transaction *t)
{
	struct ipcbus_node_entry *node = t->node;
	struct ipcbus_transaction *old;
	struct rb_node *other;

	lockdep_assert_held(&node->proc->lock);
	other = rb_find_add(&t->replaceable, &node->replaceable, compare_replaceable);
	if (!other)
		return NULL;
	old = rb_entry(other, struct ipcbus_transaction, replaceable);
	rb_replace_node(&old->replaceable, &t->replaceable, &node->replaceable);
	ipcbus_work_unqueue_locked(&old->work);
	node->pending--;
	/* If the old oneway was not behind another, the next one in the queue can go now. */
	if (old->work.waits)
		node->oneway_count--;
	else
		ipcbus_node_next_oneway_locked(node);
	return old;
}

void ipcbus_replace_drop(struct ipcbus_transaction *old)
{
	ipcbus_buffer_drop(&old->node->proc->region, old->buffer);
	ipcbus_transaction_put(old, NULL);
}

void ipcbus_replace_taken_locked(struct ipcbus_transaction *t)
{
	lockdep_assert_held(&t->node->proc->lock);
	/* The tree of a dead node is no longer used. */
	if (!t->node->dead)
		rb_erase(&t->replaceable, &t->node->replaceable);
}
