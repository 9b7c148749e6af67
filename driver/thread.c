// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads: see thread.h. Called by exchange.c; work comes from the queueing
 * functions at the end of this file, the only place that wakes anybody.
 */
#include <linux/freezer.h>
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/pid.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "bus.h"
#include "cancel.h"
#include "compat.h"
#include "expiry.h"
#include "proc.h"
#include "reply.h"
#include "report.h"
#include "stats.h"
#include "thread.h"
#include "transaction.h"

void ipcbus_thread_free(struct kref *ref)
{
	struct ipcbus_thread *thread = container_of(ref, struct ipcbus_thread, ref);

	if (thread->spare)
		ipcbus_transaction_free_spare(thread->spare);
	put_task_struct(thread->task);
	put_pid(thread->pid);
	put_pid(thread->tgid);
	ipcbus_proc_put(thread->proc);
	ipcbus_stat_remove(IPCBUS_STAT_THREADS);
	kfree_rcu(thread, rcu);
}

struct ipcbus_thread *ipcbus_thread_find(struct ipcbus_proc *proc)
{
	struct ipcbus_thread *thread;
	unsigned long number;

	/* The result stays: only the thread itself, or nobody, takes it away. */
	rcu_read_lock();
	xa_for_each(&proc->threads, number, thread)
		if (thread->pid == task_pid(current))
			break;
	rcu_read_unlock();
	return thread;
}

bool ipcbus_thread_unlist(struct ipcbus_thread *thread)
{
	struct ipcbus_proc *proc = thread->proc;

	/* Several may try at once: whoever erases it owns it. */
	if (xa_cmpxchg(&proc->threads, thread->number, thread, NULL, 0) != thread)
		return false;
	if (thread->number < IPCBUS_QUICK_THREADS)
		WRITE_ONCE(proc->quick[thread->number].pid, NULL);
	return true;
}

/* Threads that ended without THREAD_EXIT: makes room in a full table. */
static void reap_dead(struct ipcbus_proc *proc)
{
	struct ipcbus_thread *thread;
	unsigned long number;
	bool dead;

	rcu_read_lock();
	xa_for_each(&proc->threads, number, thread) {
		dead = !pid_task(thread->pid, PIDTYPE_PID) && ipcbus_thread_unlist(thread);
		if (!dead)
			continue;
		rcu_read_unlock();
		ipcbus_thread_exit(thread);
		rcu_read_lock();
	}
	rcu_read_unlock();
}

static int thread_insert(struct ipcbus_thread *thread)
{
	struct xa_limit limit = XA_LIMIT(1, READ_ONCE(thread->proc->bus->limits.threads));
	int ret;

	ret = xa_alloc(&thread->proc->threads, &thread->number, thread, limit,
		       GFP_KERNEL_ACCOUNT);
	if (ret != -EBUSY)
		return ret;
	reap_dead(thread->proc);
	ret = xa_alloc(&thread->proc->threads, &thread->number, thread, limit,
		       GFP_KERNEL_ACCOUNT);
	return ret == -EBUSY ? -EDQUOT : ret;
}

static struct ipcbus_thread *thread_new(struct ipcbus_proc *proc)
{
	struct ipcbus_thread *thread;
	int ret;

	thread = kzalloc(sizeof(*thread), GFP_KERNEL_ACCOUNT);
	if (!thread)
		return ERR_PTR(-ENOMEM);
	kref_init(&thread->ref);
	thread->proc = ipcbus_proc_get(proc);
	thread->pid = get_pid(task_pid(current));
	thread->tgid = get_pid(task_tgid(current));
	thread->pid_nr = pid_nr_ns(thread->pid, proc->pid_ns);
	thread->tgid_nr = pid_nr_ns(thread->tgid, proc->pid_ns);
	ipcbus_sender_id_set(&thread->sender_id);
	thread->task = get_task_struct(current);
	init_waitqueue_entry(&thread->waiter, current);
	ipcbus_boost_init(&thread->boost);
	INIT_LIST_HEAD(&thread->work);
	INIT_HLIST_NODE(&thread->idle);
	ipcbus_stat_add(IPCBUS_STAT_THREADS);

	ret = thread_insert(thread);
	if (ret) {
		ipcbus_thread_put(thread);
		return ERR_PTR(ret);
	}
	if (thread->number < IPCBUS_QUICK_THREADS) {
		proc->quick[thread->number].thread = thread;
		/* With the acquire in ipcbus_thread_current(). */
		smp_store_release(&proc->quick[thread->number].pid, thread->pid);
	}
	/* Visible now, so a flush either marks it or is seen here. */
	spin_lock(&proc->lock);
	thread->interrupted |= proc->flushed;
	thread->kick = thread->interrupted;
	spin_unlock(&proc->lock);
	return thread;
}

struct ipcbus_thread *ipcbus_thread_current_slow(struct ipcbus_proc *proc, u32 number)
{
	struct ipcbus_thread *thread;

	rcu_read_lock();
	thread = xa_load(&proc->threads, number);
	if (thread && thread->pid != task_pid(current))
		thread = NULL;
	rcu_read_unlock();
	if (thread)
		return thread;
	thread = ipcbus_thread_find(proc);
	return thread ?: thread_new(proc);
}

void ipcbus_thread_remove_locked(struct ipcbus_thread *thread, struct ipcbus_transaction *t)
{
	struct ipcbus_transaction **link = &thread->top;

	lockdep_assert_held(&thread->proc->lock);
	while (*link != t)
		link = ipcbus_transaction_below(*link, thread);
	*link = *ipcbus_transaction_below(t, thread);
}

/* Calls that it serves stay open, but it is not in them any more. */
static void detach_served_locked(struct ipcbus_thread *thread)
{
	struct ipcbus_transaction *t;

	lockdep_assert_held(&thread->proc->lock);
	while ((t = thread->top) && t->from != thread) {
		thread->top = t->to_below;
		t->server = NULL;
	}
}

static struct ipcbus_work *pop_locked(struct list_head *queue)
{
	struct ipcbus_work *work = list_first_entry(queue, struct ipcbus_work, entry);

	list_del_init(&work->entry);
	return work;
}

/* What was handed to this thread alone. */
static struct ipcbus_work *pop_own_locked(struct ipcbus_thread *thread)
{
	struct ipcbus_work *work = thread->given;

	if (likely(work)) {
		thread->given = NULL;
		work->thread = NULL;
		return work;
	}
	return list_empty(&thread->work) ? NULL : pop_locked(&thread->work);
}

bool ipcbus_work_unqueue_locked(struct ipcbus_work *work)
{
	if (work->thread) {
		work->thread->given = NULL;
		work->thread = NULL;
		return true;
	}
	if (list_empty(&work->entry))
		return false;
	list_del_init(&work->entry);
	return true;
}

void ipcbus_thread_exit(struct ipcbus_thread *thread)
{
	struct ipcbus_proc *proc = thread->proc;
	struct ipcbus_transaction *t;
	struct ipcbus_work *work;
	bool pending = false;

	for (;;) {
		spin_lock(&proc->lock);
		detach_served_locked(thread);
		t = thread->top;
		if (t) {
			thread->top = t->from_below;
			pending = ipcbus_reply_abandon_locked(t);
		}
		spin_unlock(&proc->lock);
		if (!t)
			break;
		if (pending)
			ipcbus_cancel_server(t);
		ipcbus_reply_drop(t);
	}
	spin_lock(&proc->lock);
	while ((work = pop_own_locked(thread))) {
		if (proc->dead)
			list_add_tail(&work->entry, &proc->work);
		else
			ipcbus_proc_queue_locked(proc, work);
	}
	if (thread->serves) {
		thread->serves = false;
		proc->serving--;
	}
	WRITE_ONCE(thread->boost.oneway, IPCBUS_PRIORITY_NONE);
	spin_unlock(&proc->lock);
	ipcbus_boost_update(thread);
	ipcbus_thread_put(thread);
}

int ipcbus_thread_leave(struct ipcbus_proc *proc, void *data)
{
	struct ipcbus_thread *thread = ipcbus_thread_find(proc);

	if (thread && ipcbus_thread_unlist(thread))
		ipcbus_thread_exit(thread);
	return 0;
}

int ipcbus_threads_set(struct ipcbus_proc *proc, void *data)
{
	const struct ipcbus_threads *args = data;

	if (args->max > READ_ONCE(proc->bus->limits.threads))
		return -EINVAL;
	spin_lock(&proc->lock);
	proc->max_threads = args->max;
	proc->asked = false;
	spin_unlock(&proc->lock);
	return 0;
}

/* What a thread finds when it looks. */
struct found {
	struct ipcbus_work *work;
	struct ipcbus_transaction *ended;
	struct ipcbus_transaction *expired;
	bool interrupted;
	bool spawn;
	u32 waited;
};

static bool wants_spawn_locked(struct ipcbus_proc *proc, struct ipcbus_thread *thread)
{
	lockdep_assert_held(&proc->lock);
	if (!thread->serves || proc->asked || proc->serving >= proc->max_threads ||
	    !hlist_empty(&proc->idle))
		return false;
	proc->asked = true;
	return true;
}

/* Is a call on top that the thread made, and in that state? */
static bool is_in_own_call_locked(const struct ipcbus_thread *thread,
				  enum ipcbus_transaction_state state)
{
	const struct ipcbus_transaction *t = thread->top;

	return t && t->from == thread && t->state == state;
}

static bool has_expired_locked(struct ipcbus_thread *thread)
{
	bool waits = is_in_own_call_locked(thread, IPCBUS_PENDING);

	thread->deadline = waits ? thread->top->deadline : 0;
	return unlikely(thread->deadline) && ktime_get_ns() >= thread->deadline;
}

/*
 * Calls that come back first: the thread may never wait again after its reply.
 * Then the reply, and only a thread without a call takes work of the proc.
 */
static bool look_locked(struct ipcbus_thread *thread, bool serve, struct found *found)
{
	struct ipcbus_proc *proc = thread->proc;
	bool more;

	lockdep_assert_held(&proc->lock);
	found->work = pop_own_locked(thread);
	if (found->work) {
		/* Calls that come back, or what it was idle for. */
	} else if (is_in_own_call_locked(thread, IPCBUS_ENDED)) {
		found->ended = thread->top;
		thread->top = thread->top->from_below;
	} else if (serve && !thread->top && !list_empty(&proc->work)) {
		found->work = pop_locked(&proc->work);
		found->waited = ipcbus_transaction_waited(found->work);
	} else if (has_expired_locked(thread)) {
		found->expired = thread->top;
		thread->top = thread->top->from_below;
		ipcbus_reply_abandon_locked(found->expired);
	} else if (thread->interrupted) {
		thread->interrupted = false;
		found->interrupted = true;
	} else {
		WRITE_ONCE(thread->kick, false);
		return false;
	}
	if (found->work) {
		ipcbus_transaction_taken_locked(found->work, thread);
		found->spawn = wants_spawn_locked(proc, thread);
	}
	more = !list_empty(&thread->work) || thread->interrupted ||
	       is_in_own_call_locked(thread, IPCBUS_ENDED);
	WRITE_ONCE(thread->kick, more);
	return true;
}

static void begin_serving_locked(struct ipcbus_thread *thread)
{
	thread->serves = true;
	thread->proc->serving++;
	thread->proc->asked = false;
}

/* All that is there waits until the proc is thawed, which kicks. */
static bool look_frozen_locked(struct ipcbus_thread *thread, struct found *found)
{
	WRITE_ONCE(thread->kick, false);
	thread->deadline = 0;
	swap(found->interrupted, thread->interrupted);
	return found->interrupted;
}

/* Looks, and where there is nothing says that the thread is idle. */
static bool look_or_idle(struct ipcbus_thread *thread, bool serve, bool idle, struct found *found)
{
	struct ipcbus_proc *proc = thread->proc;
	bool any;

	spin_lock(&proc->lock);
	if (unlikely(proc->frozen)) {
		any = look_frozen_locked(thread, found);
		goto out;
	}
	detach_served_locked(thread);
	if (unlikely(serve && !thread->serves))
		begin_serving_locked(thread);
	any = look_locked(thread, serve, found);
	if (!any && idle && serve && !thread->top) {
		if (hlist_unhashed(&thread->idle))
			hlist_add_head(&thread->idle, &proc->idle);
	} else {
		hlist_del_init(&thread->idle);
	}
out:
	spin_unlock(&proc->lock);
	return any;
}

static void sleep_until(u64 deadline)
{
	ktime_t expires = min_t(u64, deadline, KTIME_MAX);

	schedule_hrtimeout_range(&expires, current->timer_slack_ns, HRTIMER_MODE_ABS);
}

/* Sleeps until kicked, the deadline passes or a signal comes: false for the signal. */
static bool thread_sleep(struct ipcbus_thread *thread)
{
	bool signalled = false;

	if (unlikely(thread->boost.stale))
		ipcbus_boost_sleep(thread);
	ipcbus_report_wait(thread);
	WRITE_ONCE(thread->since, jiffies);
	WRITE_ONCE(thread->asleep, true);
	set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
	if (!READ_ONCE(thread->kick)) {
		signalled = signal_pending(current);
		if (signalled)
			;
		else if (likely(!thread->deadline))
			schedule();
		else
			sleep_until(thread->deadline);
	}
	__set_current_state(TASK_RUNNING);
	WRITE_ONCE(thread->asleep, false);
	return !signalled;
}

/*
 * Before it sleeps the thread gives way once while it is still runnable: if the
 * one it woke answers now, neither of them has to be put to sleep and woken
 * again for that, the dearest part of a round trip.
 */
static bool find_or_sleep(struct ipcbus_thread *thread, bool serve, bool called,
			  struct found *found)
{
	/* A thread in a call of its own is not after work that comes unkicked. */
	if ((!called || READ_ONCE(thread->kick)) && look_or_idle(thread, serve, true, found))
		return true;
	cond_resched();
	if (!READ_ONCE(thread->kick) && !thread_sleep(thread)) {
		/* Leaves the idle list, or takes what came at the last moment. */
		if (!look_or_idle(thread, serve, false, found))
			found->interrupted = true;
		return true;
	}
	return false;
}

static void take_expired(struct ipcbus_transaction *t, struct ipcbus_thread *thread,
			 struct ipcbus_event *event)
{
	event->kind = IPCBUS_EVENT_FAILED;
	event->call = t->id;
	event->cookie = t->cookie;
	event->error = -ETIMEDOUT;
	event->stage = IPCBUS_STAGE_REPLY;
	ipcbus_report_failed(t, NULL, -ETIMEDOUT, IPCBUS_STAGE_REPLY, 0);
	ipcbus_cancel_server(t);
	ipcbus_transaction_put(t, thread);
}

/* Makes an event of what was found; false if it came to nothing. */
static bool take(struct ipcbus_thread *thread, struct found *found, struct ipcbus_event *event)
{
	if (found->ended) {
		ipcbus_reply_take(found->ended, thread, event);
	} else if (found->expired) {
		take_expired(found->expired, thread, event);
	} else if (found->work) {
		ipcbus_report_starved(thread, found->work, found->waited);
		if (!found->work->ops->deliver(found->work, thread, event))
			return false;
	} else if (found->interrupted) {
		event->kind = IPCBUS_EVENT_INTERRUPTED;
	}
	return true;
}

void ipcbus_thread_wait(struct ipcbus_thread *thread, u32 flags, bool called,
			struct ipcbus_event *event)
{
	bool serve = flags & IPCBUS_SERVE, spawn = false;
	struct found found;

	for (;;) {
		found = (struct found){};
		if (flags & IPCBUS_NONBLOCK) {
			look_or_idle(thread, serve, false, &found);
		} else {
			while (!find_or_sleep(thread, serve, called, &found))
				called = false;
		}
		spawn |= found.spawn;
		if (likely(take(thread, &found, event)))
			break;
		/* It came to nothing, and the look at it was the last one. */
		called = false;
	}
	if (spawn)
		event->flags |= IPCBUS_EVENT_SPAWN;
}

/* The call that the thread would wait for: those that it serves it would leave first. */
static struct ipcbus_transaction *own_call_locked(struct ipcbus_thread *thread)
{
	struct ipcbus_transaction *t = thread->top;

	lockdep_assert_held(&thread->proc->lock);
	while (t && t->from != thread)
		t = t->to_below;
	return t;
}

static bool call_ended_locked(struct ipcbus_thread *thread)
{
	struct ipcbus_transaction *t = own_call_locked(thread);

	return t && (t->state == IPCBUS_ENDED || (t->deadline && ktime_get_ns() >= t->deadline));
}

bool ipcbus_thread_ready(struct ipcbus_proc *proc, struct ipcbus_thread *thread)
{
	bool ready;

	spin_lock(&proc->lock);
	ready = !list_empty(&proc->work);
	if (thread)
		ready |= !list_empty(&thread->work) || call_ended_locked(thread);
	ready &= !proc->frozen;
	spin_unlock(&proc->lock);
	return ready;
}

void ipcbus_thread_leave_to_timer(struct ipcbus_thread *thread)
{
	struct ipcbus_transaction *t;

	spin_lock(&thread->proc->lock);
	t = own_call_locked(thread);
	if (t && t->state == IPCBUS_PENDING && t->deadline)
		ipcbus_expiry_add_locked(t);
	spin_unlock(&thread->proc->lock);
}

void ipcbus_threads_interrupt(struct ipcbus_proc *proc)
{
	struct ipcbus_thread *thread;
	unsigned long number;

	spin_lock(&proc->lock);
	proc->flushed = true;
	xa_for_each(&proc->threads, number, thread) {
		thread->interrupted = true;
		ipcbus_thread_kick_locked(thread);
	}
	spin_unlock(&proc->lock);
}

static void wake_pollers(struct ipcbus_proc *proc)
{
	if (wq_has_sleeper(&proc->poll_wait))
		wake_up_interruptible_sync_poll(&proc->poll_wait, EPOLLIN | EPOLLRDNORM);
}

void ipcbus_thread_kick_locked(struct ipcbus_thread *thread)
{
	lockdep_assert_held(&thread->proc->lock);
	WRITE_ONCE(thread->kick, true);
	/* Against the same in the thread: it sees the kick, or we see it sleep. */
	smp_mb();
	if (READ_ONCE(thread->asleep))
		ipcbus_wake_sync(&thread->waiter);
	else
		wake_pollers(thread->proc);
}

void ipcbus_proc_queue_locked(struct ipcbus_proc *proc, struct ipcbus_work *work)
{
	struct ipcbus_thread *thread;

	lockdep_assert_held(&proc->lock);
	if (hlist_empty(&proc->idle)) {
		ipcbus_work_queue(&proc->work, work);
		wake_pollers(proc);
		return;
	}
	thread = hlist_entry(proc->idle.first, struct ipcbus_thread, idle);
	hlist_del_init(&thread->idle);
	thread->given = work;
	work->thread = thread;
	ipcbus_thread_kick_locked(thread);
}
