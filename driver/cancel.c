// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cancellation and deadlines: see cancel.h. Each proc has a tree of calls ordered by deadline, and
 * one delayed work for the earliest.
 */
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/time_namespace.h>
#include <linux/workqueue.h>

#include "buffer.h"
#include "calls.h"
#include "cancel.h"
#include "monitor.h"
#include "node.h"
#include "object.h"
#include "proc.h"
#include "result.h"
#include "thread.h"
#include "transaction.h"

static bool canceled_deliver(struct ipcbus_work *work, struct ipcbus_thread *thread,
			     struct ipcbus_event *event)
{
	struct ipcbus_transaction *t = container_of(work, struct ipcbus_transaction, canceled_work);

	event->kind = IPCBUS_EVENT_CANCELED;
	event->call = t->call;
	event->cookie = t->node->cookie;
	ipcbus_transaction_put(t, thread);
	return true;
}

static void canceled_discard(struct ipcbus_work *work)
{
	ipcbus_transaction_put(container_of(work, struct ipcbus_transaction, canceled_work), NULL);
}

static const struct ipcbus_work_ops canceled_ops = {
	.deliver = canceled_deliver,
	.discard = canceled_discard,
};

void ipcbus_cancel_notify_locked(struct ipcbus_transaction *t)
{
	struct ipcbus_proc *server = t->node->proc;

	lockdep_assert_held(&server->lock);
	if (t->canceled)
		return;
	t->canceled = true;
	ipcbus_work_init(&t->canceled_work, &canceled_ops);
	if (server->dead)
		return;
	refcount_inc(&t->ref);
	ipcbus_proc_queue_locked(server, &t->canceled_work);
}

/* Fails the calls that t's server made while it served t and that it waits for. Adds them to the
 * list, counted. A detached call, and calls above it on the stack, do not depend on t. */
static void cancel_nested_locked(struct ipcbus_transaction *t, struct list_head *list)
{
	struct ipcbus_thread *server = t->server;
	struct ipcbus_transaction *p, *first = server ? server->top : t;

	lockdep_assert_held(&t->node->proc->lock);
	for (p = first; p != t; p = *ipcbus_transaction_below(p, server))
		if (p->from == server && p->flags & IPCBUS_SEND_DETACHED)
			first = *ipcbus_transaction_below(p, server);
	for (p = first; p != t; p = *ipcbus_transaction_below(p, server)) {
		if (p->from != server || p->state != IPCBUS_PENDING)
			continue;
		ipcbus_result_fail_locked(p, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
		refcount_inc(&p->ref);
		list_add_tail(&p->done.entry, list);
	}
}

/* Drops a request that was taken back. If the current thread is of another process, or a worker of
 * the kernel, leaves its files to the user's own work, because it must not close them. */
static void drop_request(struct ipcbus_transaction *t)
{
	struct ipcbus_buffer *buffer = t->buffer;

	if (buffer && buffer->cargo.objects && t->caller->pid != task_tgid(current)) {
		ipcbus_objects_close_later(buffer->cargo.objects);
		buffer->cargo.objects = NULL;
	}
	ipcbus_transaction_drop_request(t);
}

static void cancel_at_server(struct ipcbus_transaction *t, struct list_head *nested)
{
	struct ipcbus_proc *server = t->node->proc;
	bool queued, idle = false;

	spin_lock(&server->lock);
	queued = ipcbus_work_unqueue_locked(&t->work);
	if (queued) {
		idle = ipcbus_node_end_call_locked(t->node);
		server->calls.count--;
	} else if (ipcbus_is_open_locked(t)) {
		ipcbus_cancel_notify_locked(t);
		cancel_nested_locked(t, nested);
	}
	/* If t is neither queued nor open, the server is replying, or t is not queued yet. */
	spin_unlock(&server->lock);
	if (idle)
		ipcbus_node_check_idle(t->node);
	if (queued) {
		drop_request(t);
		ipcbus_transaction_put(t, NULL);
	}
}

/* Notifies the server of a call that ended early, and cancels the calls that the server made while
 * it served it. Collects these in a list, because recursion could exhaust the stack. */
void ipcbus_cancel_server(struct ipcbus_transaction *t)
{
	LIST_HEAD(nested);

	cancel_at_server(t, &nested);
	while ((t = list_first_entry_or_null(&nested, struct ipcbus_transaction, done.entry))) {
		list_del(&t->done.entry);
		ipcbus_report_failed(t, NULL, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
		cancel_at_server(t, &nested);
		ipcbus_transaction_put(t, NULL);
	}
}

static struct ipcbus_transaction *find_in_thread_locked(struct ipcbus_thread *thread, u64 cookie)
{
	struct ipcbus_transaction *t;

	for (t = thread->top; t; t = *ipcbus_transaction_below(t, thread))
		if (t->from == thread && t->cookie == cookie && t->state == IPCBUS_PENDING)
			return t;
	return NULL;
}

/* Fails a call with the cookie: of thread, or async if thread is NULL. Returns it counted, or
 * NULL. */
static struct ipcbus_transaction *cancel_one(struct ipcbus_proc *proc,
					     struct ipcbus_thread *thread, u64 cookie)
{
	struct ipcbus_transaction *t;

	spin_lock(&proc->lock);
	t = thread ? find_in_thread_locked(thread, cookie) : ipcbus_async_find_locked(proc, cookie);
	if (t) {
		refcount_inc(&t->ref);
		ipcbus_result_fail_locked(t, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
	}
	spin_unlock(&proc->lock);
	return t;
}

/* Fails a call with the cookie, of any thread from *number on. Takes the lock for each thread
 * separately, because there may be many. Sets *number to the number of the call's thread. */
static struct ipcbus_transaction *cancel_next(struct ipcbus_proc *proc, unsigned long *number,
					      u64 cookie)
{
	struct ipcbus_transaction *t = NULL;
	struct ipcbus_thread *thread;

	for (;; ++*number) {
		rcu_read_lock();
		thread = xa_find(&proc->pool.threads, number, ULONG_MAX, XA_PRESENT);
		if (thread)
			t = cancel_one(proc, thread, cookie);
		rcu_read_unlock();
		if (t || !thread)
			return t;
		cond_resched();
	}
}

/* Completes t, which has failed with error, without the lock. Drops the reference. */
static void end_failed(struct ipcbus_transaction *t, int error)
{
	ipcbus_report_failed(t, NULL, error, IPCBUS_STAGE_REPLY, 0);
	ipcbus_cancel_server(t);
	ipcbus_transaction_put(t, NULL);
	cond_resched();
}

int ipcbus_cancel(struct ipcbus_proc *proc, void *data)
{
	const struct ipcbus_cancel *args = data;
	struct ipcbus_transaction *t;
	unsigned long number = 0;
	int ret = -ENOENT;

	if (args->flags || !args->cookie)
		return -EINVAL;
	while ((t = cancel_one(proc, NULL, args->cookie))) {
		end_failed(t, -ECANCELED);
		ret = 0;
	}
	while ((t = cancel_next(proc, &number, args->cookie))) {
		end_failed(t, -ECANCELED);
		ret = 0;
	}
	return ret;
}

/* Removes an async call and abandons it. Returns it with the caller's reference, or NULL. */
static struct ipcbus_transaction *pop_async(struct ipcbus_proc *proc)
{
	struct ipcbus_transaction *t;

	spin_lock(&proc->lock);
	t = rb_entry_safe(rb_first(&proc->calls.asyncs), struct ipcbus_transaction, async_entry);
	if (t) {
		ipcbus_async_remove_locked(proc, t);
		ipcbus_result_abandon_locked(t);
	}
	spin_unlock(&proc->lock);
	return t;
}

void ipcbus_asyncs_release(struct ipcbus_proc *proc)
{
	struct ipcbus_transaction *t;

	/* Servers may still reply concurrently, and remove async calls. */
	while ((t = pop_async(proc))) {
		ipcbus_cancel_server(t);
		ipcbus_transaction_put(t, NULL);
		cond_resched();
	}
}

/* --- Deadlines --------------------------------------------------------------- */

static struct workqueue_struct *queue;

int ipcbus_expiry_init(void)
{
	queue = alloc_workqueue("ipcbus", WQ_UNBOUND, 0);
	return queue ? 0 : -ENOMEM;
}

void ipcbus_expiry_done(void)
{
	destroy_workqueue(queue);
}

/* Returns by how many nanoseconds the current task's clock is ahead of the kernel's. */
static s64 clock_ahead(void)
{
	struct timespec64 ahead = {};

	timens_add_monotonic(&ahead);
	return timespec64_to_ns(&ahead);
}

static u64 shift(u64 deadline, s64 by)
{
	if (by < 0)
		return deadline > (u64)-by ? deadline + by : 1;
	return deadline <= ~0ULL - by ? deadline + by : ~0ULL;
}

void ipcbus_deadline_from_user(u64 *deadline)
{
	*deadline = shift(*deadline, -clock_ahead());
}

u64 ipcbus_deadline_to_user(const struct ipcbus_transaction *t)
{
	return shift(t->deadline, clock_ahead());
}

static struct ipcbus_transaction *first_locked(struct ipcbus_proc *proc)
{
	lockdep_assert_held(&proc->lock);
	return rb_entry_safe(rb_first_cached(&proc->calls.expiry), struct ipcbus_transaction,
			     expiry);
}

static void arm_locked(struct ipcbus_proc *proc, u64 deadline)
{
	if (!proc->dead)
		mod_delayed_work(queue, &proc->calls.expire, ipcbus_ticks_until(deadline));
}

/* Fails the earliest call if its deadline has passed. Returns it, counted, or NULL. */
static struct ipcbus_transaction *expire_one(struct ipcbus_proc *proc)
{
	struct ipcbus_transaction *t;

	spin_lock(&proc->lock);
	t = first_locked(proc);
	if (t && t->deadline > ktime_get_ns()) {
		arm_locked(proc, t->deadline);
		t = NULL;
	}
	if (t) {
		refcount_inc(&t->ref);
		ipcbus_result_fail_locked(t, -ETIMEDOUT, IPCBUS_STAGE_REPLY, 0);
	}
	spin_unlock(&proc->lock);
	return t;
}

static void expire(struct work_struct *work)
{
	struct ipcbus_proc *proc = container_of(work, struct ipcbus_proc, calls.expire.work);
	struct ipcbus_transaction *t;

	while ((t = expire_one(proc)))
		end_failed(t, -ETIMEDOUT);
}

void ipcbus_expiry_begin(struct ipcbus_proc *proc)
{
	proc->calls.expiry = RB_ROOT_CACHED;
	INIT_DELAYED_WORK(&proc->calls.expire, expire);
}

void ipcbus_expiry_end(struct ipcbus_proc *proc)
{
	cancel_delayed_work_sync(&proc->calls.expire);
}

static bool is_earlier(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct ipcbus_transaction, expiry)->deadline <
	       rb_entry(b, struct ipcbus_transaction, expiry)->deadline;
}

void ipcbus_expiry_add_locked(struct ipcbus_transaction *t)
{
	struct ipcbus_proc *proc = t->caller;

	lockdep_assert_held(&proc->lock);
	if (!RB_EMPTY_NODE(&t->expiry))
		return;
	rb_add_cached(&t->expiry, &proc->calls.expiry, is_earlier);
	if (first_locked(proc) == t)
		arm_locked(proc, t->deadline);
}
