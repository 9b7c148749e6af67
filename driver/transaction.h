/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Transaction
 *
 * A transaction is a call or oneway. request.c creates it, deliver.c delivers it, result.c ends
 * it. It has a state on each of its two sides:
 *
 *   caller's side (state, under caller->lock)
 *     PENDING --reply, error, failure, cancel--> ENDED --caller takes it--> gone
 *        \--deadline passes, caller dies or exits--> ABANDONED
 *     A reply that arrives after a cancellation or in state ABANDONED is dropped.
 *   server's side (under node->proc->lock)
 *     queued (work.entry) -> taken (in proc->calls.open, on server's stack) -> replying (in
 *     neither) -> gone; if the reply fails, the transaction returns to proc->calls.open
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

/* In transaction.flags: work.prio comes from a thread or node with SCHED_RR. */
#define IPCBUS_ROUND_ROBIN	(1U << 31)

/**
 * struct ipcbus_transaction - a call or oneway
 * @work: in a queue of the target
 * @ref: see main.h
 * @id: names it for monitors and tracing, unique on all buses; constant
 * @call: the number by which @server's proc replies to it; constant once a thread takes it
 * @since: time of sending, in jiffies; constant
 * @code: ipcbus_send.code; constant
 * @oneway: a oneway, not a call; constant
 * @flags: IPCBUS_SEND_*, and IPCBUS_ROUND_ROBIN; constant
 * @depth: at least the number of calls in the chain up to this call, and more than the depth of the
 *	call below it on the stack of a thread, so that the stack is limited as well. Rises if the
 *	call comes onto the stack of its server (node->proc->lock).
 * @sender: the sender as the receiver sees it; constant
 * @sender_id: for a oneway or async call: the process that sent it; constant
 * @deadline: when the call ends, or 0 for never; constant
 * @cookie: the caller's cookie; constant
 * @caller: the proc that gets the reply: @from's proc; counted for an async call; constant
 * @replaces: number of the sending proc if IPCBUS_SEND_REPLACE is set, else 0; constant once queued
 * @replaceable: in node->replaceable while it is queued (node->proc->lock)
 * @from: the calling thread, counted; NULL for a oneway or async call; constant
 * @parent: the innermost call that @from was in when it called, counted, or NULL; constant. The
 *	parents form the chain of calls.
 * @user: the user that it is charged to, counted; constant
 * @node: the target, counted; constant
 * @buffer: the request until it is delivered, or NULL
 * @empty: needs no buffer, but counts as a buffer in the target's region until it is delivered
 * @quota: if @empty: the quota that it is charged to, or NULL
 * @state: state of the caller's side (caller->lock)
 * @from_below: the next on @from's stack (caller->lock). For a spare transaction: the next spare of
 *	its user. For a oneway taken by IPCBUS_MORE: the next such oneway.
 * @async_entry: in caller->calls.asyncs while PENDING (caller->lock)
 * @done: for an async call: queues its end for the caller. For another call: entry in a list of
 *	calls to cancel (caller->lock)
 * @expiry: in caller->calls.expiry if a timer ends the call (caller->lock)
 * @result: the event for the caller (caller->lock)
 * @reply: buffer of the reply in the caller's region, or NULL
 * @open: in proc->calls.open (node->proc->lock)
 * @delivering: the thread that took the call is still filling in its event. No reply is accepted
 *	until this is false. Set under node->proc->lock, cleared without it
 * @canceled: the caller no longer waits for the reply (node->proc->lock)
 * @canceled_work: notifies the server of the cancellation; holds a reference while queued
 * @server: the thread on whose stack the call is, or NULL (node->proc->lock)
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

/* Count the procs of the user that are on a bus. The last _end frees the user's spares. */
void ipcbus_transaction_begin(struct ipcbus_user *user);
void ipcbus_transaction_end(struct ipcbus_user *user);

/* Frees a transaction that is on no spare list. */
void ipcbus_transaction_free_spare(struct ipcbus_transaction *t);

/* Takes ownership of the reference of node on success. Returns -EDQUOT or -ENOMEM as ERR_PTR. The
 * caller must set work.ops. */
struct ipcbus_transaction *ipcbus_transaction_new(struct ipcbus_thread *thread,
						  struct ipcbus_node_entry *node,
						  const struct ipcbus_message *message);
/* Called when the last reference is gone. */
void ipcbus_transaction_free(struct ipcbus_transaction *t, struct ipcbus_thread *user);

/* If this puts the last reference and user has no spare transaction, user keeps t as its spare. */
static inline void ipcbus_transaction_put(struct ipcbus_transaction *t, struct ipcbus_thread *user)
{
	if (refcount_dec_and_test(&t->ref))
		ipcbus_transaction_free(t, user);
}

/* An empty call was delivered or dropped: no longer counts it in the target's region. */
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

/* Returns the link to the next transaction below t on thread's stack. */
struct ipcbus_transaction **ipcbus_transaction_below(struct ipcbus_transaction *t,
						     struct ipcbus_thread *thread);

/*
 * A oneway with IPCBUS_SEND_REPLACE replaces an older oneway that no thread has taken yet. So a
 * node's queue has at most one such oneway of each sending proc and code. The newer oneway needs
 * space in addition to the older one. If the send fails, the older oneway stays queued.
 *
 * Called when t is about to be queued. Takes the older oneway off its queue and returns it, or NULL
 * if there is none. The caller must drop the result by ipcbus_replace_drop() without the lock
 * (proc->lock).
 */
struct ipcbus_transaction *ipcbus_replace_locked(struct ipcbus_transaction *t);
void ipcbus_replace_drop(struct ipcbus_transaction *old);
/* A thread took t, which can no longer be replaced (proc->lock). */
void ipcbus_replace_taken_locked(struct ipcbus_transaction *t);

/* Pushes t on the stack of the thread that serves it (proc->lock). A call that came back, was
 * directed to the thread, or whose reply failed may be less deep than the call below it. */
static __always_inline void ipcbus_transaction_begin_serving_locked(struct ipcbus_transaction *t,
								    struct ipcbus_thread *thread)
{
	struct ipcbus_transaction *below = thread->top;

	lockdep_assert_held(&thread->proc->lock);
	if (unlikely(below) && t->depth <= below->depth)
		t->depth = below->depth + 1;
	t->server = thread;
	t->to_below = below;
	thread->top = t;
}

/* Takes t off the thread's stack, at any position (proc->lock). */
void ipcbus_transaction_remove_locked(struct ipcbus_transaction *t, struct ipcbus_thread *thread);

/* Takes t off the stack of the thread that serves it, where it usually is on top (proc->lock). */
static inline void ipcbus_transaction_end_serving_locked(struct ipcbus_transaction *t)
{
	if (likely(t->server->top == t))
		t->server->top = t->to_below;
	else
		ipcbus_transaction_remove_locked(t, t->server);
}

/* Removes the calls that the thread serves from its stack, down to the last call that it made.
 * These calls stay open, and any thread may reply to them (proc->lock). */
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
