/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The life of one call or oneway: created by the sender, queued, delivered,
 * and answered | failed | abandoned.
 *
 *   caller's side (state, under from->proc->lock)
 *     PENDING --reply, error, failure--> ANSWERED --caller takes it--> gone
 *        \--caller dies or exits--> ABANDONED: a late answer is dropped
 *   server's side (under node->proc->lock)
 *     queued (work.entry) -> taken (in proc->open, on server's stack) ->
 *     answering (neither) -> gone; a failing reply goes back to proc->open
 */
#ifndef IPCBUS_TRANSACTION_H
#define IPCBUS_TRANSACTION_H

#include <linux/refcount.h>
#include <linux/list.h>

#include "main.h"
#include "work.h"

enum ipcbus_transaction_state {
	IPCBUS_PENDING,
	IPCBUS_ANSWERED,
	IPCBUS_ABANDONED,
};

/* Who sent a message, as its receiver sees it. */
struct ipcbus_sender {
	u32 pid;
	u32 tid;
	u32 uid;
	u32 gid;
};

/**
 * struct ipcbus_transaction - one call or oneway
 * @work: in a queue of the target
 * @ref: see main.h
 * @id: names the call to the server and in traces; constant
 * @code: the sender's number; constant
 * @oneway: no reply; constant
 * @accept_fds: the reply may bring fds; constant
 * @depth: calls in the chain up to this one; constant
 * @sender: who sent it; constant
 * @from: the calling thread, counted; NULL for a oneway; constant
 * @parent: the innermost call @from was in when it called, counted, or NULL;
 *	constant. Parents of parents are the chain of calls.
 * @node: the target, counted; constant
 * @buffer: the request, until it is delivered
 * @state: see above
 * @from_below: the next on @from's stack (from->proc->lock)
 * @answer: the event the caller will get (from->proc->lock)
 * @reply: the answer's buffer, in the caller's region, or NULL
 * @open: in proc->open (node->proc->lock)
 * @server: on whose stack it is, or NULL (node->proc->lock)
 * @to_below: the next on @server's stack
 */
struct ipcbus_transaction {
	struct ipcbus_work work;
	refcount_t ref;
	u64 id;
	u32 code;
	bool oneway;
	bool accept_fds;
	u32 depth;
	struct ipcbus_sender sender;
	struct ipcbus_thread *from;
	struct ipcbus_transaction *parent;
	struct ipcbus_node_entry *node;
	struct ipcbus_buffer *buffer;

	enum ipcbus_transaction_state state;
	struct ipcbus_transaction *from_below;
	struct {
		u32 kind;
		s32 error;
		u32 stage;
		u32 index;
		struct ipcbus_sender sender;
	} answer;
	struct ipcbus_buffer *reply;

	struct hlist_node open;
	struct ipcbus_thread *server;
	struct ipcbus_transaction *to_below;
};

int ipcbus_transaction_cache_init(void);
void ipcbus_transaction_cache_done(void);

/* A thread's spare one is not wanted any more. */
void ipcbus_transaction_free_spare(struct ipcbus_transaction *t);

/* Sends the message for thread; returns 0, or -errno with nothing sent. */
int ipcbus_transaction_send(struct ipcbus_thread *thread, struct ipcbus_message *message);

/* The next of thread's stack below t. */
struct ipcbus_transaction **ipcbus_transaction_below(struct ipcbus_transaction *t,
						     struct ipcbus_thread *thread);

/* t is answered and off thread's stack: fills in the event and drops it. */
void ipcbus_transaction_take_answer(struct ipcbus_transaction *t, struct ipcbus_thread *thread,
				    struct ipcbus_event *event);

/* The caller is going: t is off its stack. */
void ipcbus_transaction_abandon(struct ipcbus_transaction *t);

/* All calls that a dead proc without threads left unanswered fail. */
void ipcbus_transactions_release(struct ipcbus_proc *proc);

/* Work was taken off a queue for thread: if it is a call, the thread is in it
 * from here on (proc->lock). */
void ipcbus_transaction_taken_locked(struct ipcbus_work *work, struct ipcbus_thread *thread);

/* The transaction that this work is, or NULL if it is something else. */
struct ipcbus_transaction *ipcbus_transaction_of(struct ipcbus_work *work);

#endif
