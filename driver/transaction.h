/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Transaction
 *
 * One call or oneway. request.c makes it, deliver.c delivers it, reply.c ends it. It has
 * two sides with a state each:
 *
 *   caller's side (state, under caller->lock)
 *     PENDING --reply, error, failure, cancel--> ENDED --caller takes it--> gone
 *        \--deadline passes, caller dies or exits--> ABANDONED
 *     A reply that comes after a cancel or in ABANDONED is dropped.
 *   server's side (under node->proc->lock)
 *     queued (work.entry) -> taken (in proc->calls.open, on server's stack) ->
 *     replying (neither) -> gone; a reply that fails goes back to proc->calls.open
 */
#ifndef IPCBUS_TRANSACTION_H
#define IPCBUS_TRANSACTION_H

#include <linux/list.h>
#include <linux/rbtree.h>

#include "buffer.h"
#include "main.h"
#include "node.h"
#include "thread.h"
#include "work.h"

enum ipcbus_transaction_state {
	IPCBUS_PENDING,
	IPCBUS_ENDED,
	IPCBUS_ABANDONED,
};

/* In transaction.flags: its priority (work.prio) is that of a thread or node with SCHED_RR. */
#define IPCBUS_ROUND_ROBIN	(1U << 31)

/**
 * struct ipcbus_transaction - one call or oneway
 * @work: in a queue of the target
 * @ref: see main.h
 * @id: names it to observers, on all buses; constant
 * @call: names the call to @server's proc, from when a thread takes it; constant then
 * @since: when it was sent, in jiffies; constant
 * @code: the sender's number; constant
 * @oneway: no reply; constant
 * @flags: IPCBUS_SEND_*, and IPCBUS_ROUND_ROBIN; constant
 * @depth: calls in the chain up to this one; constant
 * @sender: who sent it; constant
 * @sender_id: of a oneway or async call: the process that sent it; constant
 * @deadline: when the caller stops waiting, or 0; constant
 * @cookie: the caller's; constant
 * @caller: where the reply goes: @from's proc, or of an async call counted; NULL
 *	for a oneway; constant
 * @replaces: a oneway that replaces an older one, and may be replaced: by which
 *	proc (its number), else 0; constant once queued
 * @replaceable: in node->replaceable while it is queued (node->proc->lock)
 * @from: the calling thread, counted; NULL unless it waits; constant
 * @parent: the innermost call @from was in when it called, counted, or NULL;
 *	constant. Parents of parents are the chain of calls.
 * @user: charged for it, counted; constant
 * @node: the target, counted; constant
 * @buffer: the request, until it is delivered
 * @empty: it has none, and counts as one in the target's region until it is delivered
 * @quota: if @empty: what it is charged to, or NULL
 * @state: see above
 * @from_below: the next on @from's stack (caller->lock); of a spare one: the next of its user
 * @async_entry: in caller->calls.asyncs while PENDING (caller->lock)
 * @done: an async call's end, in the caller's queue (caller->lock); of another:
 *	in the list of who cancels it
 * @expiry: in caller->calls.expiry, if a timer ends it (caller->lock)
 * @result: the event the caller will get (caller->lock)
 * @reply: the reply's buffer, in the caller's region, or NULL
 * @open: in proc->calls.open (node->proc->lock)
 * @delivering: the thread that took it still makes its event: set with node->proc->lock,
 *	cleared without; until then there can be no reply
 * @canceled: nobody waits for the reply (node->proc->lock)
 * @canceled_work: notifies the server of that; holds a reference while it is queued
 * @server: once it was taken: on whose stack it is, or NULL (node->proc->lock)
 * @to_below: the next on @server's stack
 */
struct ipcbus_transaction {
	struct ipcbus_work work;
	refcount_t ref;
	u64 id;
	u64 call;
	unsigned long since;
	u32 code;
	bool oneway;
	u32 flags;
	u32 depth;
	struct ipcbus_sender sender;
	struct ipcbus_sender_id sender_id;
	u64 deadline;
	u64 cookie;
	struct ipcbus_proc *caller;
	u64 replaces;
	struct rb_node replaceable;
	struct ipcbus_thread *from;
	struct ipcbus_transaction *parent;
	struct ipcbus_user *user;
	struct ipcbus_node_entry *node;
	struct ipcbus_buffer *buffer;
	struct ipcbus_quota *quota;
	bool empty;

	enum ipcbus_transaction_state state;
	struct ipcbus_transaction *from_below;
	struct rb_node async_entry;
	struct ipcbus_work done;
	struct rb_node expiry;
	struct {
		u32 kind;
		s32 error;
		u32 stage;
		u32 index;
		struct ipcbus_sender sender;
	} result;
	struct ipcbus_buffer *reply;

	struct rb_node open;
	bool delivering;
	bool canceled;
	struct ipcbus_work canceled_work;
	struct ipcbus_thread *server;
	struct ipcbus_transaction *to_below;
};

int ipcbus_transaction_cache_init(void);
void ipcbus_transaction_cache_done(void);

/* A proc of the user is on its bus; it was shut down. With the last one its spare ones go. */
void ipcbus_transaction_begin(struct ipcbus_user *user);
void ipcbus_transaction_end(struct ipcbus_user *user);

/* Nobody wants it any more, a thread's spare one included. */
void ipcbus_transaction_free_spare(struct ipcbus_transaction *t);

/* Takes over the reference of node; NULL without memory. */
struct ipcbus_transaction *ipcbus_transaction_new(struct ipcbus_thread *thread,
						  struct ipcbus_node_entry *node,
						  const struct ipcbus_message *message);
/* The last reference is gone. */
void ipcbus_transaction_free(struct ipcbus_transaction *t, struct ipcbus_thread *user);

/* If it was the last reference, user gets t as its spare one, if it has none. */
static inline void ipcbus_transaction_put(struct ipcbus_transaction *t, struct ipcbus_thread *user)
{
	if (refcount_dec_and_test(&t->ref))
		ipcbus_transaction_free(t, user);
}

/* An empty call is delivered, or was not. */
static inline void ipcbus_transaction_end_empty(struct ipcbus_transaction *t)
{
	t->empty = false;
	ipcbus_region_end_empty(&t->node->proc->region, t->quota);
}

/* Drops the request of a transaction that was not delivered. */
static inline void ipcbus_transaction_drop_request(struct ipcbus_transaction *t)
{
	if (t->buffer)
		ipcbus_buffer_free(&t->node->proc->region, t->buffer);
	else if (t->empty)
		ipcbus_transaction_end_empty(t);
}

/* The next of thread's stack below t. */
struct ipcbus_transaction **ipcbus_transaction_below(struct ipcbus_transaction *t,
						     struct ipcbus_thread *thread);

/*
 * A oneway with IPCBUS_SEND_REPLACE takes the place of an older one that nobody has taken yet.
 * So a node's queue has at most one such oneway of each sending proc and code. The
 * newer one needs space beside the older one, which stays if the newer one fails.
 *
 * t is about to be queued: takes the one that it replaces off its queue. NULL, or for
 * ipcbus_replace_drop() (proc->lock).
 */
struct ipcbus_transaction *ipcbus_replace_locked(struct ipcbus_transaction *t);
void ipcbus_replace_drop(struct ipcbus_transaction *old);
/* A thread took t: it stays (proc->lock). */
void ipcbus_replace_taken_locked(struct ipcbus_transaction *t);

/* How transactions are delivered; see deliver.c. */
extern const struct ipcbus_work_ops ipcbus_transaction_ops;

/* The transaction that this work is, or NULL if it is something else. */
static inline struct ipcbus_transaction *ipcbus_transaction_of(struct ipcbus_work *work)
{
	if (work->ops != &ipcbus_transaction_ops)
		return NULL;
	return container_of(work, struct ipcbus_transaction, work);
}

/* Takes t off the thread's stack, wherever in it (proc->lock). */
void ipcbus_transaction_remove_locked(struct ipcbus_transaction *t, struct ipcbus_thread *thread);

/* Takes t off the stack of the thread that serves it (proc->lock). Mostly it is on top. */
static inline void ipcbus_transaction_end_serving_locked(struct ipcbus_transaction *t)
{
	if (likely(t->server->top == t))
		t->server->top = t->to_below;
	else
		ipcbus_transaction_remove_locked(t, t->server);
}

/* Takes the thread out of the calls that it serves, down to the last one that it made.
 * They stay open (proc->lock). */
static inline void ipcbus_transactions_detach_locked(struct ipcbus_thread *thread)
{
	struct ipcbus_transaction *t;

	lockdep_assert_held(&thread->proc->lock);
	while ((t = thread->top) && t->from != thread) {
		thread->top = t->to_below;
		t->server = NULL;
	}
}

#endif
