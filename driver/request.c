// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests: calls and oneways. Finds the target, fills a buffer in its region and queues the
 * transaction there. exchange.c calls this file in the sending thread.
 */
#include <linux/ktime.h>

#include "buffer.h"
#include "calls.h"
#include "cancel.h"
#include "deliver.h"
#include "freeze.h"
#include "handle.h"
#include "message.h"
#include "monitor.h"
#include "node.h"
#include "proc.h"
#include "result.h"
#include "thread.h"
#include "transaction.h"
#include "writable.h"

/* Returns the node behind the handle, if its region is mapped and it is not dead, or ERR_PTR. */
static struct ipcbus_node_entry *find_target(struct ipcbus_proc *proc,
					     struct ipcbus_message *message)
{
	struct ipcbus_node_entry *node;
	int ret = 0;

	ipcbus_message_stage(message, IPCBUS_STAGE_TARGET);
	node = ipcbus_handle_node(proc, message->send->handle);
	if (IS_ERR(node))
		return node;
	if (READ_ONCE(node->dead))
		ret = -EOWNERDEAD;
	else if (node->proc == proc)
		ret = -EINVAL;
	/* Pairs with the release in ipcbus_region_map(): the rest of the region is initialized. */
	else if (!smp_load_acquire(&node->proc->region.size))
		ret = -ENOBUFS;
	if (ret) {
		ipcbus_node_put(node);
		return ERR_PTR(ret);
	}
	return node;
}

/* Limits the deadline of a call to the deadline of the call that its thread serves, unless the new
 * call is detached. */
static void inherit_deadline_locked(struct ipcbus_transaction *t,
				    const struct ipcbus_thread *thread)
{
	const struct ipcbus_transaction *served = thread->top;

	lockdep_assert_held(&thread->proc->lock);
	if (t->flags & IPCBUS_SEND_DETACHED)
		return;
	while (served && served->from == thread)
		served = served->from_below;
	if (served && served->deadline && (!t->deadline || served->deadline < t->deadline))
		t->deadline = served->deadline;
}

static bool has_expired(const struct ipcbus_transaction *t)
{
	return unlikely(t->deadline) && ktime_get_ns() >= t->deadline;
}

/* Pushes t on the thread's stack, nested in the call that the thread is in. */
static int begin_sync(struct ipcbus_transaction *t, struct ipcbus_thread *thread)
{
	struct ipcbus_proc *proc = thread->proc;
	int ret = 0;

	t->from = ipcbus_thread_get(thread);
	spin_lock(&proc->lock);
	t->parent = thread->top;
	if (t->parent) {
		t->depth = t->parent->depth + 1;
		refcount_inc(&t->parent->ref);
		inherit_deadline_locked(t, thread);
	}
	if (t->depth > IPCBUS_MAX_DEPTH) {
		ret = -ELOOP;
	} else if (has_expired(t)) {
		ret = -ETIMEDOUT;
	} else {
		t->from_below = thread->top;
		thread->top = t;
		thread->deadline = t->deadline;
	}
	spin_unlock(&proc->lock);
	return ret;
}

/* Makes t a call of the thread's proc. It belongs to no chain, because no thread waits for it. */
static int begin_async(struct ipcbus_transaction *t, struct ipcbus_thread *thread)
{
	struct ipcbus_proc *proc = thread->proc;
	int ret = 0;

	t->sender_id = thread->sender_id;
	spin_lock(&proc->lock);
	inherit_deadline_locked(t, thread);
	if (proc->calls.async_count >= IPCBUS_LIMIT_ASYNCS) {
		ret = -EDQUOT;
	} else if (has_expired(t)) {
		ret = -ETIMEDOUT;
	} else {
		proc->calls.async_count++;
		ipcbus_async_add_locked(proc, t);
		/* The thread's next wait is for any work, so it must not sleep before it checks. */
		WRITE_ONCE(thread->kick, true);
		if (t->deadline)
			ipcbus_expiry_add_locked(t);
	}
	spin_unlock(&proc->lock);
	return ret;
}

/* Undoes begin_sync(). Only a concurrent CANCEL may have found t in the meantime. */
static void end_sync(struct ipcbus_transaction *t, struct ipcbus_thread *thread)
{
	spin_lock(&thread->proc->lock);
	ipcbus_transaction_remove_locked(t, thread);
	ipcbus_result_abandon_locked(t);
	spin_unlock(&thread->proc->lock);
}

/* Undoes begin_async(). Returns false if t was canceled before. Then its event is queued, and the
 * caller must not free t. */
static bool end_async(struct ipcbus_transaction *t)
{
	struct ipcbus_proc *proc = t->caller;
	bool ended;

	spin_lock(&proc->lock);
	ended = ipcbus_result_abandon_locked(t);
	if (ended) {
		ipcbus_async_remove_locked(proc, t);
		proc->calls.async_count--;
	}
	spin_unlock(&proc->lock);
	return ended;
}

static bool is_ending(const struct ipcbus_thread *thread)
{
	struct task_struct *task;
	bool ending;

	rcu_read_lock();
	task = ipcbus_thread_task(thread);
	ending = !task || READ_ONCE(task->flags) & PF_EXITING;
	rcu_read_unlock();
	return ending;
}

/* Returns the thread of target that waits in the chain of t, or NULL. Parents are counted, and
 * their state is read under the target's lock. A thread that is exiting between two waits will
 * never examine its queue, so it is skipped. */
static struct ipcbus_thread *waiting_in_chain_locked(struct ipcbus_transaction *t,
						     struct ipcbus_proc *target)
{
	struct ipcbus_transaction *p;

	lockdep_assert_held(&target->lock);
	for (p = t->parent; p; p = p->parent)
		if (p->from && p->from->proc == target && p->state == IPCBUS_PENDING &&
		    !is_ending(p->from))
			return p->from;
	return NULL;
}

/* Queues a call: for the thread of the receiver that waits in its chain, or for the thread with
 * this number, else for any thread. number is 0 unless the call is directed to a thread. Returns 0
 * or -errno. On failure t is not queued: -ESRCH if the thread does not listen, -ECANCELED if t was
 * canceled before. */
static int queue_call(struct ipcbus_transaction *t, u64 number)
{
	struct ipcbus_proc *target = t->node->proc;
	struct ipcbus_thread *thread;
	int ret = 0;

	spin_lock(&target->lock);
	if (unlikely(t->node->dead || target->barred)) {
		ret = ipcbus_frozen_call_locked(t->node);
		goto out;
	}
	/* If t was canceled before it is queued, ipcbus_cancel_server() could not find it here. */
	if (unlikely(READ_ONCE(t->state) != IPCBUS_PENDING)) {
		ret = -ECANCELED;
		goto out;
	}
	thread = t->parent ? waiting_in_chain_locked(t, target) : NULL;
	if (unlikely(number)) {
		thread = xa_load(&target->pool.threads, number);
		ret = thread && READ_ONCE(thread->listens) ? 0 : -ESRCH;
		if (ret)
			goto out;
	}
	t->node->pending++;
	target->calls.count++;
	t->work.here = IPCBUS_WAKES_HERE && !(t->flags & IPCBUS_SEND_ASYNC);
	if (thread) {
		list_add_tail(&t->work.entry, &thread->work);
		ipcbus_thread_kick_locked(thread, t->work.here);
	} else {
		ipcbus_proc_queue_locked(target, &t->work);
	}
out:
	spin_unlock(&target->lock);
	return ret;
}

/* Queues a oneway, behind earlier oneways to the same node. Returns 0 or -errno. On failure t is
 * not queued. If t replaces a queued oneway, sets *ret_old to it, and the caller must drop it. */
static int queue_oneway(struct ipcbus_transaction *t, struct ipcbus_transaction **ret_old)
{
	struct ipcbus_proc *target = t->node->proc;
	int ret = 0;

	spin_lock(&target->lock);
	if (unlikely(t->node->dead || target->barred)) {
		ret = ipcbus_frozen_oneway_locked(t->node);
		if (ret)
			goto out;
	}
	if (unlikely(t->replaces))
		*ret_old = ipcbus_replace_locked(t);
	t->node->pending++;
	t->work.waits = t->node->oneway_busy;
	if (t->work.waits) {
		list_add_tail(&t->work.entry, &t->node->oneways);
		t->node->oneway_count++;
	} else {
		t->node->oneway_busy = 1;
		t->node->oneway_since = t->since;
		ipcbus_proc_queue_locked(target, &t->work);
	}
out:
	spin_unlock(&target->lock);
	return ret;
}

static int send_call(struct ipcbus_thread *thread, struct ipcbus_message *message,
		     struct ipcbus_transaction *t)
{
	bool async;
	int ret;

	ipcbus_message_stage(message, IPCBUS_STAGE_QUEUE);
	refcount_inc(&t->ref);
	async = unlikely(t->flags & IPCBUS_SEND_ASYNC);
	ret = likely(!async) ? begin_sync(t, thread) : begin_async(t, thread);
	if (unlikely(ret)) {
		ipcbus_transaction_put(t, NULL);
		return ret;
	}
	ipcbus_report_send(thread, message, t);
	ret = queue_call(t, message->send->call);
	if (likely(!ret))
		return 0;
	/* t was canceled in the meantime. The caller gets that result when it waits. */
	if (ret == -ECANCELED || (async && !end_async(t))) {
		ipcbus_transaction_drop_request(t);
		ipcbus_transaction_put(t, NULL);
		return 0;
	}
	if (!async)
		end_sync(t, thread);
	ipcbus_transaction_put(t, NULL);
	return ret;
}

static int send_oneway(struct ipcbus_thread *thread, struct ipcbus_message *message,
		       struct ipcbus_transaction *t)
{
	/* Once t is queued, the receiver may free it. This reference keeps the lock. */
	struct ipcbus_node_entry *node = ipcbus_node_get(t->node);
	struct ipcbus_transaction *old = NULL;
	int ret;

	t->sender_id = thread->sender_id;
	ipcbus_message_stage(message, IPCBUS_STAGE_QUEUE);
	ipcbus_report_send(thread, message, t);
	ret = queue_oneway(t, &old);
	if (unlikely(old))
		ipcbus_replace_drop(old);
	ipcbus_node_put(node);
	return ret;
}

static __always_inline int make_buffer(struct ipcbus_proc *sender, struct ipcbus_node_entry *node,
				       struct ipcbus_message *message,
				       struct ipcbus_buffer **ret_buffer)
{
	int ret;

	ret = ipcbus_buffer_make(sender, node->proc, node->flags & IPCBUS_NODE_ACCEPT_FDS, message,
				 ret_buffer);
	if (unlikely(ret == -EAGAIN && message->oneway && message->stage == IPCBUS_STAGE_BUFFER))
		ret = ipcbus_writable_retry(sender, node, message, ret_buffer);
	return ret;
}

/* Makes the buffer of a message to a node that wants labels: as make_buffer(), with the sender's
 * label. noinline keeps the stack of other sends small. */
static noinline int make_labelled_buffer(struct ipcbus_proc *sender, struct ipcbus_node_entry *node,
					 struct ipcbus_message *message,
					 struct ipcbus_buffer **ret_buffer)
{
	struct ipcbus_label label;
	int ret;

	ret = ipcbus_label_take(&label);
	if (ret)
		return ret;
	message->label_size = label.size ? label.size + 1 : 0;
	ret = make_buffer(sender, node, message, ret_buffer);
	if (!ret && *ret_buffer)
		ipcbus_buffer_label(&node->proc->region, *ret_buffer, message, label.text);
	ipcbus_label_drop(&label);
	return ret;
}

static __always_inline int try_to_send(struct ipcbus_thread *thread, struct ipcbus_node_entry *node,
				       struct ipcbus_message *message, struct ipcbus_transaction *t)
{
	int ret;

	if (unlikely(node->flags & IPCBUS_NODE_WANT_LABEL))
		ret = make_labelled_buffer(thread->proc, node, message, &t->buffer);
	else
		ret = make_buffer(thread->proc, node, message, &t->buffer);
	if (ret)
		return ret;
	if (unlikely(!t->buffer)) {
		t->empty = true;
		t->quota = message->want.quota;
	}
	ret = message->oneway ? send_oneway(thread, message, t) : send_call(thread, message, t);
	if (ret < 0)
		ipcbus_transaction_drop_request(t);
	return ret;
}

/* Reports that the target of a message could not be used, and returns error. The report names the
 * node, also if it is dead. */
static int refuse_target(struct ipcbus_thread *thread, const struct ipcbus_message *message,
			 int error)
{
	struct ipcbus_node_entry *node = ipcbus_handle_hold(thread->proc, message->send->handle);

	ipcbus_report_unsent(thread, message, NULL, node, error);
	if (node)
		ipcbus_node_let_go(node);
	return error;
}

int ipcbus_request_send(struct ipcbus_thread *thread, struct ipcbus_message *message)
{
	struct ipcbus_node_entry *node;
	struct ipcbus_transaction *t;
	int ret;

	node = find_target(thread->proc, message);
	if (IS_ERR(node))
		return refuse_target(thread, message, PTR_ERR(node));
	t = ipcbus_transaction_new(thread, node, message);
	if (IS_ERR(t)) {
		ipcbus_report_unsent(thread, message, NULL, node, PTR_ERR(t));
		ipcbus_node_put(node);
		return PTR_ERR(t);
	}
	t->work.ops = &ipcbus_transaction_ops;
	if (unlikely(message->send->flags & IPCBUS_SEND_REPLACE))
		t->replaces = thread->proc->number;
	ret = try_to_send(thread, node, message, t);
	if (unlikely(ret < 0)) {
		ipcbus_report_unsent(thread, message, t, node, ret);
		ipcbus_transaction_put(t, thread);
	}
	return ret;
}
