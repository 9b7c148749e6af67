// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for events: see thread.h.
 */
#include <linux/freezer.h>
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "cancel.h"
#include "deliver.h"
#include "monitor.h"
#include "priority.h"
#include "proc.h"
#include "result.h"
#include "thread.h"
#include "transaction.h"
#include "work.h"

/* The event source that a waiting thread picked, if any. */
struct pick {
	struct ipcbus_work *work;
	struct ipcbus_transaction *ended;
	struct ipcbus_transaction *expired;
	bool interrupted;
};

/* Returns whether the thread made the call on top of its stack, and that call is in this state. */
static bool is_in_own_call_locked(const struct ipcbus_thread *thread,
				  enum ipcbus_transaction_state state)
{
	const struct ipcbus_transaction *t = thread->top;

	return t && t->from == thread && t->state == state;
}

/* Returns whether the deadline of the thread's own call, or of its wait for directed calls, has
 * passed. Sets thread->deadline to the earlier of both, or 0. If it has not passed, the thread then
 * sleeps until it. */
static bool has_expired_locked(struct ipcbus_thread *thread)
{
	bool waits = is_in_own_call_locked(thread, IPCBUS_PENDING);
	u64 deadline = waits ? thread->top->deadline : 0;

	if (unlikely(thread->listens) && (!deadline || thread->listens < deadline))
		deadline = thread->listens;
	thread->deadline = deadline;
	return unlikely(thread->deadline) && ktime_get_ns() >= thread->deadline;
}

/* Ends the thread's own call with its deadline, or interrupts its wait for directed calls. */
static noinline void expire_locked(struct ipcbus_thread *thread, struct pick *pick)
{
	struct ipcbus_transaction *t = thread->top;

	if (!t || t->deadline != thread->deadline) {
		pick->interrupted = true;
		return;
	}
	pick->expired = t;
	thread->top = t->from_below;
	ipcbus_result_abandon_locked(t);
}

/* Picks the event that the thread takes next, and returns false if there is none. First comes work
 * for this thread only, because it may never wait again after its reply. Then comes the end of its
 * own call. Only a thread without a call takes work of the proc. */
static bool pick_locked(struct ipcbus_thread *thread, bool serve, struct pick *pick)
{
	struct ipcbus_proc *proc = thread->proc;
	bool kick;

	lockdep_assert_held(&proc->lock);
	pick->work = ipcbus_thread_pop_own_locked(thread);
	if (pick->work) {
		/* A call that came back to this thread, or work that it got while idle. */
	} else if (is_in_own_call_locked(thread, IPCBUS_ENDED)) {
		pick->ended = thread->top;
		thread->top = thread->top->from_below;
	} else if (serve && !thread->top && !ipcbus_queue_is_empty_locked(&proc->work)) {
		pick->work = ipcbus_queue_pop_locked(&proc->work);
		ipcbus_deliver_count_starved(pick->work);
	} else if (has_expired_locked(thread)) {
		expire_locked(thread, pick);
	} else if (thread->interrupted) {
		thread->interrupted = false;
		pick->interrupted = true;
	} else {
		WRITE_ONCE(thread->kick, false);
		return false;
	}
	if (pick->work) {
		ipcbus_deliver_taken_locked(pick->work, thread);
		if (unlikely(thread->more.most))
			ipcbus_more_take_locked(&thread->more, pick->work, thread);
	}
	kick = !list_empty(&thread->work) || thread->interrupted ||
	       is_in_own_call_locked(thread, IPCBUS_ENDED);
	WRITE_ONCE(thread->kick, kick);
	return true;
}

/* Picks an event source. If there is none and idle is true, puts the thread on the idle list.
 * Returns whether the wait is over. */
static bool pick_or_idle(struct ipcbus_thread *thread, bool serve, bool idle, struct pick *pick)
{
	struct ipcbus_proc *proc = thread->proc;
	bool picked;

	spin_lock(&proc->lock);
	/* Its oneway is done, unless the thread waits for a call made on behalf of that oneway. */
	if (!thread->top)
		thread->oneway = IPCBUS_PRIORITY_NONE;
	/* Work stays queued until the proc is thawed, and thawing kicks this thread. FREEZE may not
	 * have reached this thread yet, so take it off the idle list here as well. */
	if (unlikely(proc->freeze.frozen)) {
		ipcbus_thread_stop_locked(thread);
		WRITE_ONCE(thread->kick, false);
		thread->deadline = 0;
		swap(pick->interrupted, thread->interrupted);
		picked = pick->interrupted;
		goto out;
	}
	ipcbus_transactions_detach_locked(thread);
	picked = pick_locked(thread, serve, pick);
	if (!picked && idle && serve && !thread->top) {
		if (hlist_unhashed(&thread->idle))
			hlist_add_head(&thread->idle, &proc->pool.idle);
	} else {
		hlist_del_init(&thread->idle);
	}
out:
	/* A directed call must find the thread waiting. */
	if (unlikely(thread->listens) && (picked || !idle))
		WRITE_ONCE(thread->listens, 0);
	spin_unlock(&proc->lock);
	return picked;
}

static void sleep_until(u64 deadline)
{
	ktime_t expires = min_t(u64, deadline, KTIME_MAX);

	schedule_hrtimeout_range(&expires, current->timer_slack_ns, HRTIMER_MODE_ABS);
}

/* Sleeps until a kick, the deadline or a signal. Returns false for a signal. */
static bool thread_sleep(struct ipcbus_thread *thread)
{
	bool signaled = false;

	if (unlikely(thread->stale))
		ipcbus_boost_update(thread);
	WRITE_ONCE(thread->since, jiffies);
	WRITE_ONCE(thread->asleep, true);
	set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
	if (!READ_ONCE(thread->kick)) {
		signaled = signal_pending(current);
		if (signaled)
			;
		else if (likely(!thread->deadline))
			schedule();
		else
			sleep_until(thread->deadline);
	}
	__set_current_state(TASK_RUNNING);
	WRITE_ONCE(thread->asleep, false);
	return !signaled;
}

/* Picks an event. If there is none, sleeps until a kick. Returns true if the wait is over: an event
 * was picked, or the thread was interrupted. Before it sleeps, the thread yields once while it is
 * still runnable: if the thread that it woke replies right away, neither has to sleep and be woken
 * again, which is the most expensive part of a round trip. */
static bool find_or_sleep(struct ipcbus_thread *thread, bool serve, bool called,
			  struct pick *pick)
{
	/* A thread in a call of its own is kicked for each event that it could take. */
	if ((!called || READ_ONCE(thread->kick)) && pick_or_idle(thread, serve, true, pick))
		return true;
	cond_resched();
	if (!READ_ONCE(thread->kick) && !thread_sleep(thread)) {
		/* Interrupted: leaves the idle list. If work was given just before, takes it. */
		if (!pick_or_idle(thread, serve, false, pick))
			pick->interrupted = true;
		return true;
	}
	return false;
}

static void take_expired(struct ipcbus_transaction *t, struct ipcbus_thread *thread,
			 struct ipcbus_event *event)
{
	event->kind = IPCBUS_EVENT_FAILED;
	event->cookie = t->cookie;
	event->error = -ETIMEDOUT;
	event->stage = IPCBUS_STAGE_REPLY;
	ipcbus_report_failed(t, NULL, -ETIMEDOUT, IPCBUS_STAGE_REPLY, 0);
	ipcbus_cancel_server(t);
	ipcbus_transaction_put(t, thread);
}

/* Makes an event of the picked source. Returns false if the source was stale. */
static bool take(struct ipcbus_thread *thread, struct pick *pick, struct ipcbus_event *event)
{
	if (pick->ended) {
		ipcbus_result_take(pick->ended, thread, event);
	} else if (pick->expired) {
		take_expired(pick->expired, thread, event);
	} else if (pick->work) {
		if (!pick->work->ops->deliver(pick->work, thread, event))
			return ipcbus_more_pop(&thread->more, thread, event);
	} else if (pick->interrupted) {
		event->kind = IPCBUS_EVENT_INTERRUPTED;
	}
	return true;
}

void ipcbus_thread_wait(struct ipcbus_thread *thread, u32 flags, bool called,
			struct ipcbus_event *event)
{
	bool serve = flags & IPCBUS_SERVE;
	u64 listens = thread->listens;
	struct pick pick;

	for (;;) {
		pick = (struct pick){};
		if (flags & IPCBUS_NONBLOCK) {
			pick_or_idle(thread, serve, false, &pick);
		} else {
			while (!find_or_sleep(thread, serve, called, &pick))
				called = false;
		}
		if (likely(take(thread, &pick, event)))
			break;
		/* The work was stale: keep waiting, and examine the queue again first. */
		called = false;
		WRITE_ONCE(thread->listens, listens);
	}
}

/* Returns the call that the thread would wait for. A wait first leaves the calls that it serves. */
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
	ready = !ipcbus_queue_is_empty_locked(&proc->work);
	if (thread)
		ready |= !list_empty(&thread->work) || call_ended_locked(thread);
	ready &= !proc->freeze.frozen;
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
