// SPDX-License-Identifier: GPL-2.0-only
/*
 * Freezing and thawing: see freeze.h. The ioctl acts on all procs that the process has on the
 * caller's bus when the ioctl begins. It collects these procs first, and then holds the lock of one
 * of them at a time. While calls are open, it polls at short intervals, like the kernel's own
 * freezer.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/freezer.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/pid.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "bus.h"
#include "cancel.h"
#include "freeze.h"
#include "thread.h"
#include "transaction.h"
#include "watch.h"

/* Interval at which FREEZE checks for open calls. */
#define POLL_INTERVAL_NS	(2 * NSEC_PER_MSEC)

/**
 * struct ipcbus_freezer - state of a FREEZE ioctl
 * @bus: the caller's bus
 * @pid: the process to freeze
 * @args: the ioctl's argument
 * @proc: the process's procs, counted, ordered by number
 * @count: number of procs in @proc
 * @size: capacity of @proc
 */
struct ipcbus_freezer {
	struct ipcbus_bus *bus;
	struct pid *pid;
	struct ipcbus_freeze *args;
	struct ipcbus_proc **proc;
	u32 count;
	u32 size;
};

/* Returns the i-th proc, or NULL after the last. Reschedules, because there may be many. */
static struct ipcbus_proc *target(const struct ipcbus_freezer *freezer, u32 i)
{
	cond_resched();
	return i < freezer->count ? freezer->proc[i] : NULL;
}

static int add_target(struct ipcbus_freezer *freezer, struct ipcbus_proc *proc)
{
	u32 size = freezer->size ? 2 * freezer->size : 4;
	struct ipcbus_proc **larger;

	if (freezer->count == freezer->size) {
		larger = kvcalloc(size, sizeof(proc), GFP_KERNEL_ACCOUNT);
		if (!larger)
			return -ENOMEM;
		if (freezer->count)
			memcpy(larger, freezer->proc, freezer->count * sizeof(proc));
		kvfree(freezer->proc);
		freezer->proc = larger;
		freezer->size = size;
	}
	freezer->proc[freezer->count++] = ipcbus_proc_get(proc);
	return 0;
}

static int find_targets(struct ipcbus_freezer *freezer)
{
	struct ipcbus_proc *proc = NULL;
	int ret = 0;

	while ((proc = ipcbus_proc_next(freezer->bus, proc))) {
		if (proc->pid == freezer->pid && !ret)
			ret = add_target(freezer, proc);
		cond_resched();
	}
	return ret;
}

static void put_targets(struct ipcbus_freezer *freezer)
{
	struct ipcbus_proc *proc;
	u32 i;

	for (i = 0; (proc = target(freezer, i)); i++)
		ipcbus_proc_put(proc);
	kvfree(freezer->proc);
}

/* Returns whether the caller may freeze the proc. The rule is that of kill(): the caller's own
 * processes, or CAP_KILL. */
static bool may_freeze(struct ipcbus_proc *proc)
{
	return uid_eq(current_euid(), proc->owner) || ipcbus_ns_capable(proc->user_ns, CAP_KILL);
}

static int check_targets(struct ipcbus_freezer *freezer)
{
	struct ipcbus_proc *proc;
	int ret = -ESRCH;
	u32 i;

	for (i = 0; (proc = target(freezer, i)); i++) {
		if (READ_ONCE(proc->dead))
			continue;
		if (!may_freeze(proc))
			return -EPERM;
		ret = 0;
	}
	return ret;
}

static void report(struct ipcbus_freezer *freezer)
{
	struct ipcbus_proc *proc;
	u32 i;

	freezer->args->received = 0;
	for (i = 0; (proc = target(freezer, i)); i++) {
		spin_lock(&proc->lock);
		freezer->args->received |= proc->freeze.received;
		if (proc->freeze.frozen)
			freezer->args->received |= IPCBUS_FROZEN_NOW;
		spin_unlock(&proc->lock);
	}
}

/* --- Which calls must end first ----------------------------------------------- */

/* Maximum number of threads examined per lock hold. */
#define THREADS_PER_HOLD	64

/* Adds the number of replies that may still fail, for some threads from *number on. Returns whether
 * there may be more threads. */
static bool count_some_locked(struct ipcbus_proc *proc, unsigned long *number, u32 *count)
{
	struct ipcbus_thread *thread;
	unsigned int i;

	lockdep_assert_held(&proc->lock);
	for (i = 0; i < THREADS_PER_HOLD; i++, ++*number) {
		thread = xa_find(&proc->pool.threads, number, ULONG_MAX, XA_PRESENT);
		if (!thread)
			return false;
		*count += READ_ONCE(thread->replies);
	}
	return true;
}

/* Returns the number of open calls, plus replies in progress: if these fail, their calls are open
 * again. If no call is open when this begins, and none is opened again, then no other reply can
 * have begun. */
static u32 count_calls(struct ipcbus_proc *proc)
{
	u32 count, reopened;
	unsigned long number = 0;

	spin_lock(&proc->lock);
	count = proc->calls.count;
	reopened = proc->freeze.reopened;
	while (count_some_locked(proc, &number, &count)) {
		spin_unlock(&proc->lock);
		cond_resched();
		spin_lock(&proc->lock);
	}
	if (proc->freeze.reopened != reopened)
		count++;
	if (proc->dead)
		count = 0;
	spin_unlock(&proc->lock);
	return count;
}

static void count_pending(struct ipcbus_freezer *freezer)
{
	struct ipcbus_proc *proc;
	u32 i;

	freezer->args->pending = 0;
	for (i = 0; (proc = target(freezer, i)); i++)
		freezer->args->pending += count_calls(proc);
}

/* --- State of a proc -------------------------------------------------------------- */

static void set_state_locked(struct ipcbus_proc *proc, struct ipcbus_freezer *freezer, bool frozen)
{
	lockdep_assert_held(&proc->lock);
	proc->freeze.freezer = freezer;
	proc->freeze.frozen = frozen;
	proc->barred = proc->dead || freezer || frozen;
}

/* Takes work from some threads from *number on. Returns whether there may be more threads. */
static bool stop_some_locked(struct ipcbus_proc *proc, unsigned long *number)
{
	struct ipcbus_thread *thread;
	unsigned int i;

	for (i = 0; i < THREADS_PER_HOLD; i++, ++*number) {
		thread = xa_find(&proc->pool.threads, number, ULONG_MAX, XA_PRESENT);
		if (!thread)
			return false;
		ipcbus_thread_stop_locked(thread);
	}
	return true;
}

/* Makes the threads of a proc stop taking work. Called and returns with proc->lock held, but drops
 * it in between if there are many threads. */
static void freeze_locked(struct ipcbus_proc *proc)
{
	unsigned long number = 0;
	u32 count;

	set_state_locked(proc, NULL, true);
	count = ++proc->freeze.count;
	while (stop_some_locked(proc, &number)) {
		spin_unlock(&proc->lock);
		cond_resched();
		spin_lock(&proc->lock);
		/* If the proc was thawed, the thawing thread kicks all threads. */
		if (proc->freeze.count != count || proc->dead)
			break;
	}
}

static void thaw_locked(struct ipcbus_proc *proc)
{
	if (proc->freeze.frozen)
		proc->freeze.count++;
	set_state_locked(proc, NULL, false);
	wake_up_interruptible_poll(&proc->poll_wait, EPOLLIN | EPOLLRDNORM);
}

/* --- All procs of the process ----------------------------------------------------- */

/* Bars new calls. Returns -EBUSY if another FREEZE is in progress, which has the same first
 * proc. */
static int begin(struct ipcbus_freezer *freezer)
{
	struct ipcbus_proc *proc;
	int ret = 0;
	u32 i;

	for (i = 0; (proc = target(freezer, i)); i++) {
		spin_lock(&proc->lock);
		if (proc->freeze.freezer) {
			ret = -EBUSY;
		} else if (!proc->freeze.frozen && !proc->dead) {
			set_state_locked(proc, freezer, false);
			proc->freeze.received = 0;
		}
		spin_unlock(&proc->lock);
	}
	return ret;
}

/* Freezes the procs that this ioctl has barred, or unbars them. */
static void end(struct ipcbus_freezer *freezer, bool freeze)
{
	struct ipcbus_proc *proc;
	bool mine;
	u32 i;

	for (i = 0; (proc = target(freezer, i)); i++) {
		spin_lock(&proc->lock);
		mine = proc->freeze.freezer == freezer;
		if (mine && freeze && !proc->dead)
			freeze_locked(proc);
		else if (mine)
			set_state_locked(proc, NULL, false);
		spin_unlock(&proc->lock);
	}
}

static void thaw(struct ipcbus_freezer *freezer)
{
	struct ipcbus_proc *proc;
	u32 i;

	for (i = 0; (proc = target(freezer, i)); i++) {
		spin_lock(&proc->lock);
		thaw_locked(proc);
		spin_unlock(&proc->lock);
		ipcbus_threads_kick(proc);
	}
}

/* Returns whether another thread thawed a proc that this ioctl has barred. */
static bool is_thawed(struct ipcbus_freezer *freezer)
{
	struct ipcbus_proc *proc;
	bool thawed = false;
	u32 i;

	for (i = 0; (proc = target(freezer, i)); i++) {
		spin_lock(&proc->lock);
		thawed |= proc->freeze.freezer != freezer && !proc->freeze.frozen &&
			  !proc->dead;
		spin_unlock(&proc->lock);
	}
	return thawed;
}

/* Returns 1 if calls are still open, 0 if the process is frozen now, or -errno. */
static int try_to_end(struct ipcbus_freezer *freezer)
{
	int ret = check_targets(freezer);

	if (!ret && is_thawed(freezer))
		ret = -EAGAIN;
	if (ret)
		return ret;
	count_pending(freezer);
	if (freezer->args->pending)
		return 1;
	end(freezer, true);
	return 0;
}

/* Sleeps until the next check. Returns -EAGAIN if the time is over, -EINTR for a signal. */
static int wait_for_calls(u64 until)
{
	u64 now = ktime_get_ns();
	ktime_t expires = min(until, now + POLL_INTERVAL_NS);

	if (now >= until)
		return -EAGAIN;
	set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
	schedule_hrtimeout_range(&expires, current->timer_slack_ns, HRTIMER_MODE_ABS);
	__set_current_state(TASK_RUNNING);
	return signal_pending(current) ? -EINTR : 0;
}

static int freeze(struct ipcbus_freezer *freezer)
{
	u64 until = ktime_get_ns() + freezer->args->timeout_ms * 1000000ULL;
	int ret;

	ret = begin(freezer);
	while (!ret) {
		ret = try_to_end(freezer);
		if (ret <= 0)
			break;
		ret = wait_for_calls(until);
	}
	if (ret)
		end(freezer, false);
	return ret;
}

static int act(struct ipcbus_freezer *freezer)
{
	struct ipcbus_freeze *args = freezer->args;
	int ret;

	args->pending = 0;
	args->received = 0;
	ret = check_targets(freezer);
	if (ret)
		return ret;
	if (args->flags & IPCBUS_FREEZE_THAW)
		thaw(freezer);
	else if (args->flags & IPCBUS_FREEZE_QUERY)
		count_pending(freezer);
	else
		ret = freeze(freezer);
	report(freezer);
	/* The process was frozen, even if another thread has thawed it since. */
	if (!ret && !args->flags)
		args->received |= IPCBUS_FROZEN_NOW;
	return ret;
}

static int check_args(const struct ipcbus_freeze *args)
{
	u32 flags = args->flags;

	if (flags && flags != IPCBUS_FREEZE_THAW && flags != IPCBUS_FREEZE_QUERY)
		return -EINVAL;
	return flags && args->timeout_ms ? -EINVAL : 0;
}

int ipcbus_freeze(struct ipcbus_proc *proc, void *data)
{
	struct ipcbus_freezer freezer = { .bus = proc->bus, .args = data };
	int ret;

	ret = check_args(freezer.args);
	if (ret)
		return ret;
	freezer.pid = find_get_pid(freezer.args->pid);
	if (!freezer.pid)
		return -ESRCH;
	ret = find_targets(&freezer);
	if (!ret)
		ret = act(&freezer);
	put_targets(&freezer);
	put_pid(freezer.pid);
	return ret;
}
