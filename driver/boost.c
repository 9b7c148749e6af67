// SPDX-License-Identifier: GPL-2.0-only
/*
 * Boosts: see boost.h. exchange.c and wait.c update them for the current thread. reply.c
 * and cancel.c do it for the server of a call that ended without its doing.
 */
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/rcupdate.h>
#include <linux/sched/rt.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "boost.h"
#include "compat.h"
#include "node.h"
#include "open.h"
#include "proc.h"
#include "thread.h"
#include "transaction.h"

/* While a boost is realtime, how often to look whether whoever gave it is dying. */
#define CHECK_NS	(100 * (u64)NSEC_PER_MSEC)

/* The best that is inherited: whoever ends a boost must come before it. */
#define BEST_PRIO	1

/* So many of the files that a task uses boost it: the one by which it is boosted now, and those
 * that it began to use last. Others than the task look at them, too, and must not pay for how many
 * there are. */
#define MAX_FILES	16

/* Who holds the lock makes so many updates for others. */
#define AT_ONCE		4

static struct kthread_worker *worker;

int ipcbus_boost_init(void)
{
	struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = SCHED_FIFO,
		.sched_priority = MAX_RT_PRIO - 1,
	};

	worker = kthread_run_worker(0, "ipcbus");
	if (IS_ERR(worker))
		return PTR_ERR(worker);
	sched_setattr_nocheck(worker->task, &attr);
	return 0;
}

void ipcbus_boost_done(void)
{
	kthread_destroy_worker(worker);
}

/* --- What a task should run by ----------------------------------------------- */

/**
 * struct wish - what a task should run by
 * @prio: priority, or NONE
 * @policy: SCHED_*
 * @deadline: when that ends, 0: not known
 */
struct wish {
	int prio;
	u32 policy;
	u64 deadline;
};

static bool is_pending(const struct ipcbus_transaction *t)
{
	/* Whoever ends the caller's wait updates once more afterwards. */
	return READ_ONCE(t->state) == IPCBUS_PENDING;
}

/* Round robin or not is all that matters of the caller after it sent. */
static u32 policy_of(const struct ipcbus_transaction *t)
{
	struct task_struct *caller;
	u32 policy = SCHED_FIFO;

	rcu_read_lock();
	caller = t->from ? ipcbus_thread_task(t->from) : NULL;
	if (caller)
		policy = READ_ONCE(caller->policy);
	rcu_read_unlock();
	return policy;
}

static struct wish wish_for_locked(struct ipcbus_transaction *t)
{
	int prio = t->work.prio;

	lockdep_assert_held(&t->node->proc->lock);
	if (t->flags & IPCBUS_INHERITS && !(t->root && is_pending(t->root)))
		prio = t->own_prio;
	return (struct wish){
		/* A deadline cannot be inherited. */
		.prio = prio < 0 ? t->node->prio : prio,
		.policy = prio == t->node->prio ? t->node->policy : policy_of(t),
		.deadline = t->deadline,
	};
}

/* The innermost call that the thread serves and whose caller waits. */
static struct ipcbus_transaction *served_locked(struct ipcbus_thread *thread,
						struct ipcbus_transaction *t)
{
	lockdep_assert_held(&thread->proc->lock);
	while (t && (t->from == thread || !is_pending(t)))
		t = *ipcbus_transaction_below(t, thread);
	return t;
}

/* The first queued call, if the thread was the last to take work: the call waits for it. */
static struct ipcbus_transaction *queued_locked(struct ipcbus_thread *thread)
{
	struct ipcbus_transaction *t;
	struct ipcbus_work *work;
	int left = 16;

	lockdep_assert_held(&thread->proc->lock);
	if (thread->proc->taker != thread)
		return NULL;
	list_for_each_entry(work, &thread->proc->work.list, entry) {
		t = ipcbus_transaction_of(work);
		if (t && !t->oneway && is_pending(t))
			return t;
		if (!--left)
			break;
	}
	return NULL;
}

static struct wish wish_of_locked(struct ipcbus_thread *thread)
{
	struct ipcbus_transaction *served = served_locked(thread, thread->top);
	struct ipcbus_transaction *queued = queued_locked(thread);
	struct wish wish = {
		.prio = READ_ONCE(thread->oneway),
		.policy = READ_ONCE(thread->oneway_policy),
	};
	struct wish other;

	if (served)
		wish = wish_for_locked(served);
	if (queued) {
		other = wish_for_locked(queued);
		/* It never lowers the thread. */
		if (other.prio <
		    (wish.prio == IPCBUS_PRIORITY_NONE ? thread->boost->prio : wish.prio))
			wish = other;
	}
	return wish;
}

/* The best of the files that boost the task, and of which; NULL: it wants nothing. */
static struct ipcbus_thread *best_wish(struct ipcbus_boost *boost, struct wish *ret_wish)
{
	struct ipcbus_thread *thread, *best = NULL;
	int left = MAX_FILES;
	struct wish wish;

	lockdep_assert_held(&boost->lock);
	*ret_wish = (struct wish){ .prio = IPCBUS_PRIORITY_NONE };
	list_for_each_entry(thread, &boost->threads, boost_entry) {
		if (!left--)
			break;
		spin_lock(&thread->proc->lock);
		wish = wish_of_locked(thread);
		spin_unlock(&thread->proc->lock);
		if (wish.prio < ret_wish->prio) {
			*ret_wish = wish;
			best = thread;
		}
	}
	return best;
}

/* --- Inheriting and restoring ------------------------------------------------------ */

/* False if it changes meanwhile. */
static bool remember_own(struct ipcbus_boost *boost, struct task_struct *task)
{
	struct sched_attr again;

	lockdep_assert_held(&boost->lock);
	boost->prio = READ_ONCE(task->normal_prio);
	ipcbus_sched_get(task, &boost->own);
	ipcbus_sched_get(task, &again);
	return task == current || (READ_ONCE(task->normal_prio) == boost->prio &&
				   !memcmp(&again, &boost->own, sizeof(again)));
}

/*
 * Only the thread itself inherits: its children start as ordinary ones. If that fails
 * the thread goes on as it is, for nobody can do anything about it.
 */
static void inherit(struct ipcbus_boost *boost, struct task_struct *task, const struct wish *wish)
{
	struct sched_attr attr = boost->own;

	lockdep_assert_held(&boost->lock);
	attr.sched_flags = SCHED_FLAG_RESET_ON_FORK;
	if (rt_prio(wish->prio) && boost->prio >= MAX_RT_PRIO &&
	    !ipcbus_sched_may_be_realtime(task)) {
		attr.sched_nice = MIN_NICE;
	} else if (rt_prio(wish->prio)) {
		attr.sched_policy = wish->policy == SCHED_RR ? SCHED_RR : SCHED_FIFO;
		attr.sched_priority = MAX_RT_PRIO - 1 - max(wish->prio, BEST_PRIO);
		attr.sched_runtime = 0;
	} else {
		attr.sched_nice = PRIO_TO_NICE(wish->prio);
	}
	if (sched_setattr_nocheck(task, &attr))
		return;
	/* Its pid may become another one's: a thread that executes a program gets a new one. */
	if (!boost->task)
		boost->task = get_task_struct(task);
	boost->inherited = wish->prio;
	boost->inherited_policy = attr.sched_policy;
}

static void restore(struct ipcbus_boost *boost, struct task_struct *task)
{
	lockdep_assert_held(&boost->lock);
	if (boost->inherited != IPCBUS_PRIORITY_NONE && !(READ_ONCE(task->flags) & PF_EXITING))
		sched_setattr_nocheck(task, &boost->own);
	boost->inherited = IPCBUS_PRIORITY_NONE;
	if (boost->task)
		put_task_struct(boost->task);
	boost->task = NULL;
}

/*
 * Looks soon whether the boost is over: when it ends at the latest, 0 if nothing says so. A
 * timer in interrupt context, because softirqs may wait for a thread that gets no CPU time.
 */
static void check_later(struct ipcbus_boost *boost, u64 deadline)
{
	u64 at = ktime_get_ns() + CHECK_NS;

	lockdep_assert_held(&boost->lock);
	if (deadline && deadline < at)
		at = deadline;
	if (boost->check_at && boost->check_at <= at)
		return;
	boost->check_at = at;
	hrtimer_start(&boost->timer, ns_to_ktime(at), HRTIMER_MODE_ABS_HARD);
}

static enum hrtimer_restart queue_check(struct hrtimer *timer)
{
	struct ipcbus_boost *boost = container_of(timer, struct ipcbus_boost, timer);

	kthread_queue_work(worker, &boost->check);
	return HRTIMER_NORESTART;
}

static void mark_stale(struct ipcbus_boost *boost, bool stale)
{
	struct ipcbus_thread *thread;
	int left = MAX_FILES;

	lockdep_assert_held(&boost->lock);
	list_for_each_entry(thread, &boost->threads, boost_entry) {
		if (!left--)
			break;
		WRITE_ONCE(thread->stale, stale);
	}
}

static void update_locked(struct ipcbus_boost *boost, struct task_struct *task)
{
	struct ipcbus_thread *best;
	struct wish wish;

	lockdep_assert_held(&boost->lock);
	if (boost->inherited == IPCBUS_PRIORITY_NONE &&
	    (READ_ONCE(task->flags) & PF_EXITING || !remember_own(boost, task)))
		return;
	/* Before the look at what it serves: a reply that comes after the look sees the mark. */
	if (task != current)
		mark_stale(boost, true);
	best = best_wish(boost, &wish);
	/* A realtime thread is never lowered. */
	if (wish.prio == boost->prio || (boost->prio < MAX_RT_PRIO && wish.prio > boost->prio))
		wish.prio = IPCBUS_PRIORITY_NONE;
	if (wish.prio == IPCBUS_PRIORITY_NONE)
		restore(boost, task);
	else if (wish.prio != boost->inherited ||
		 (rt_prio(wish.prio) && wish.policy != boost->inherited_policy))
		inherit(boost, task, &wish);
	/* It stays among those that are looked at, whatever files the task begins to use. */
	if (boost->inherited != IPCBUS_PRIORITY_NONE && best)
		list_move(&best->boost_entry, &boost->threads);
	if (rt_prio(boost->inherited))
		check_later(boost, wish.deadline);
	/* Only the task itself knows what it has just taken, so only it may clear the mark. */
	if (task == current)
		mark_stale(boost, boost->inherited != IPCBUS_PRIORITY_NONE);
}

/* Who has ended runs by no priority. */
static void update_task_locked(struct ipcbus_boost *boost)
{
	struct task_struct *task;

	task = boost->task ? get_task_struct(boost->task) : get_pid_task(boost->pid, PIDTYPE_PID);
	if (!task)
		return;
	update_locked(boost, task);
	put_task_struct(task);
}

/* The last access to the boost may be that of whoever queued it. */
static void pass_through(struct kthread_work *work)
{
	struct ipcbus_boost *boost = container_of(work, struct ipcbus_boost, hurry);

	/* While this waits, the holder has the priority of this thread. */
	mutex_lock(&boost->lock);
	ipcbus_boost_unlock(boost);
	ipcbus_boost_put(boost);
}

void ipcbus_boost_lock(struct ipcbus_boost *boost)
{
	if (likely(mutex_trylock(&boost->lock)))
		return;
	kref_get(&boost->ref);
	if (!kthread_queue_work(worker, &boost->hurry))
		ipcbus_boost_put(boost);
	mutex_lock(&boost->lock);
}

/* Did the lock become the caller's? Otherwise its holder sees that somebody asked. */
static bool try_or_ask(struct ipcbus_boost *boost)
{
	WRITE_ONCE(boost->asked, true);
	/* Pairs with that in ipcbus_boost_unlock(). */
	smp_mb();
	return mutex_trylock(&boost->lock);
}

static void update_asked_locked(struct ipcbus_boost *boost)
{
	WRITE_ONCE(boost->asked, false);
	update_task_locked(boost);
}

void ipcbus_boost_unlock(struct ipcbus_boost *boost)
{
	unsigned int left = AT_ONCE;

	while (left--) {
		mutex_unlock(&boost->lock);
		/* Who asks and finds the lock taken is seen here: see try_or_ask(). */
		smp_mb();
		if (likely(!READ_ONCE(boost->asked)) || !mutex_trylock(&boost->lock))
			return;
		update_asked_locked(boost);
	}
	/* Others ask as fast as this goes. The check sees to it; without a file there is none. */
	if (!list_empty(&boost->threads))
		check_later(boost, ktime_get_ns() + NSEC_PER_MSEC);
	mutex_unlock(&boost->lock);
}

void ipcbus_boost_checks_begin(struct ipcbus_boost *boost)
{
	kthread_init_work(&boost->check, ipcbus_boost_check);
	kthread_init_work(&boost->hurry, pass_through);
	ipcbus_hrtimer_init(&boost->timer, queue_check, HRTIMER_MODE_ABS_HARD);
}

void ipcbus_boost_checks_end(struct ipcbus_boost *boost)
{
	hrtimer_cancel(&boost->timer);
	kthread_cancel_work_sync(&boost->check);
}

void ipcbus_boost_update(struct ipcbus_thread *thread)
{
	struct ipcbus_boost *boost = thread->boost;

	if (boost->pid == task_pid(current)) {
		ipcbus_boost_lock(boost);
		update_task_locked(boost);
	} else {
		if (!try_or_ask(boost))
			return;
		update_asked_locked(boost);
	}
	ipcbus_boost_unlock(boost);
}

/* Unless it is in a call that it made on behalf of the oneway. */
static void end_oneway(struct ipcbus_thread *thread)
{
	struct ipcbus_transaction *t;

	spin_lock(&thread->proc->lock);
	t = thread->top;
	while (t && t->from != thread)
		t = t->to_below;
	if (!t)
		WRITE_ONCE(thread->oneway, IPCBUS_PRIORITY_NONE);
	spin_unlock(&thread->proc->lock);
}

static void update_relieved(struct ipcbus_thread *thread)
{
	struct ipcbus_thread *relieved = thread->relieved;

	if (!relieved)
		return;
	thread->relieved = NULL;
	ipcbus_boost_update(relieved);
	ipcbus_thread_put(relieved);
}

void ipcbus_boost_relieve_locked(struct ipcbus_thread *thread, struct ipcbus_thread *other)
{
	lockdep_assert_held(&thread->proc->lock);
	if (!READ_ONCE(other->stale) || thread->relieved)
		return;
	thread->relieved = ipcbus_thread_get(other);
	ipcbus_boost_mark(thread);
}

void ipcbus_boost_sleep(struct ipcbus_thread *thread)
{
	update_relieved(thread);
	end_oneway(thread);
	ipcbus_boost_update(thread);
}

void ipcbus_boost_leave(struct ipcbus_thread *thread, u32 flags, u32 kind)
{
	switch (kind) {
	case IPCBUS_EVENT_ONEWAY:
	case IPCBUS_EVENT_REPLY:
	case IPCBUS_EVENT_ERROR:
	case IPCBUS_EVENT_FAILED:
		/* A oneway begins, or a thread goes on serving one after its own call. */
		break;
	default:
		if (flags & IPCBUS_WAIT)
			end_oneway(thread);
	}
	update_relieved(thread);
	ipcbus_boost_update(thread);
}

static void end_at_server(struct ipcbus_transaction *t)
{
	struct ipcbus_proc *proc = t->node->proc;
	struct ipcbus_thread *server;

	spin_lock(&proc->lock);
	/* Once it is claimed its server may be gone. Where it is queued it may boost another. */
	server = ipcbus_is_open_locked(t) ? t->server : proc->taker;
	if (server && READ_ONCE(server->stale))
		ipcbus_thread_get(server);
	else
		server = NULL;
	spin_unlock(&proc->lock);
	if (!server)
		return;
	ipcbus_boost_update(server);
	ipcbus_thread_put(server);
}

void ipcbus_boost_end(struct ipcbus_transaction *t)
{
	struct ipcbus_transaction *heir;

	end_at_server(t);
	while ((heir = ipcbus_transaction_pop_heir(t))) {
		end_at_server(heir);
		ipcbus_transaction_put(heir, NULL);
	}
}

struct ipcbus_thread *ipcbus_boost_of_taker_locked(struct ipcbus_proc *proc, int prio)
{
	struct task_struct *task;
	bool is_worse = false;

	lockdep_assert_held(&proc->lock);
	if (!proc->taker)
		return NULL;
	rcu_read_lock();
	task = ipcbus_thread_task(proc->taker);
	if (task)
		is_worse = READ_ONCE(task->normal_prio) > prio;
	rcu_read_unlock();
	return is_worse ? ipcbus_thread_get(proc->taker) : NULL;
}

/* --- Passing it on ----------------------------------------------------------------- */

/* The call from which the thread inherits the priority of its wish, counted, or NULL. */
static struct ipcbus_transaction *root_of(struct ipcbus_thread *thread, int prio)
{
	struct ipcbus_transaction *t;

	spin_lock(&thread->proc->lock);
	t = served_locked(thread, thread->top);
	if (!t || wish_for_locked(t).prio != prio)
		t = queued_locked(thread);
	if (t && t->root && is_pending(t->root))
		t = t->root;
	if (t)
		refcount_inc(&t->ref);
	spin_unlock(&thread->proc->lock);
	return t;
}

void ipcbus_boost_pass(struct ipcbus_thread *thread, struct ipcbus_transaction *t)
{
	struct ipcbus_boost *boost = thread->boost;
	struct ipcbus_transaction *root = NULL;
	struct ipcbus_thread *best = NULL;
	struct wish wish;
	int own;

	ipcbus_boost_lock(boost);
	own = ipcbus_priority_current();
	if (boost->inherited != IPCBUS_PRIORITY_NONE) {
		own = boost->prio;
		/* A oneway outlasts whatever its sender serves. */
		if (!t->oneway)
			best = best_wish(boost, &wish);
	}
	if (best)
		root = root_of(best, wish.prio);
	ipcbus_boost_unlock(boost);

	t->own_prio = min_t(int, own, t->node->prio);
	t->work.prio = t->own_prio;
	if (root && !ipcbus_transaction_inherit(t, root))
		t->work.prio = min_t(int, wish.prio, t->node->prio);
	else if (best && !root)
		t->work.prio = min_t(int, wish.prio, t->node->prio);
}

/* --- Boosts whose end nobody else sees to ---------------------------------------------- */

static bool is_dying(const struct ipcbus_transaction *t)
{
	struct task_struct *task;
	bool dying;

	rcu_read_lock();
	task = t->from ? ipcbus_thread_task(t->from) : pid_task(t->caller->pid, PIDTYPE_TGID);
	dying = !task || READ_ONCE(task->signal->flags) & SIGNAL_GROUP_EXIT ||
		(t->from && READ_ONCE(task->flags) & PF_EXITING);
	rcu_read_unlock();
	return dying;
}

static bool is_overdue(const struct ipcbus_transaction *t)
{
	return t && is_pending(t) &&
	       ((t->deadline && ktime_get_ns() >= t->deadline) || is_dying(t));
}

/* Counted, or NULL. */
static struct ipcbus_transaction *overdue_of(struct ipcbus_thread *thread)
{
	struct ipcbus_transaction *t, *found = NULL;

	spin_lock(&thread->proc->lock);
	t = served_locked(thread, thread->top);
	while (t && !is_overdue(t) && !is_overdue(t->root))
		t = served_locked(thread, *ipcbus_transaction_below(t, thread));
	if (!t)
		t = queued_locked(thread);
	if (is_overdue(t))
		found = t;
	else if (t && is_overdue(t->root))
		found = t->root;
	if (found)
		refcount_inc(&found->ref);
	spin_unlock(&thread->proc->lock);
	return found;
}

struct ipcbus_transaction *ipcbus_boost_overdue(struct ipcbus_boost *boost)
{
	struct ipcbus_transaction *t = NULL;
	struct ipcbus_thread *thread;
	int left = MAX_FILES;
	struct wish wish;

	mutex_lock(&boost->lock);
	boost->check_at = 0;
	if (rt_prio(boost->inherited)) {
		list_for_each_entry(thread, &boost->threads, boost_entry) {
			if (!left--)
				break;
			t = overdue_of(thread);
			if (t)
				break;
		}
		best_wish(boost, &wish);
		check_later(boost, t ? ktime_get_ns() + NSEC_PER_MSEC : wish.deadline);
	}
	ipcbus_boost_unlock(boost);
	return t;
}
