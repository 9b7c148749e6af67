// SPDX-License-Identifier: GPL-2.0-only
/*
 * Freezing and thawing: see freeze.h. The ioctl acts on all procs that one process has
 * on the caller's bus, under the bus's lock. It holds nothing while it waits for the
 * last calls to end. Whoever ends one of the procs' calls wakes it, and it looks whether
 * that was the last.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/freezer.h>
#include <linux/ktime.h>
#include <linux/pid.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>
#include <linux/wait.h>

#include "bus.h"
#include "freeze.h"
#include "thread.h"
#include "ticks.h"
#include "transaction.h"
#include "watch.h"

/* One call of the ioctl. Procs that it is freezing point here, until that ends or they
 * die. */
struct ipcbus_freezer {
	struct ipcbus_bus *bus;
	struct pid *pid;
	struct ipcbus_freeze *args;
	wait_queue_head_t changed;
};

/* The process's next one on the bus, or the first (bus->lock). */
static struct ipcbus_proc *next_target(struct ipcbus_freezer *freezer, struct ipcbus_proc *proc)
{
	struct list_head *procs = &freezer->bus->procs;

	lockdep_assert_held(&freezer->bus->lock);
	proc = list_prepare_entry(proc, procs, bus_entry);
	list_for_each_entry_continue(proc, procs, bus_entry)
		if (proc->pid == freezer->pid)
			return proc;
	return NULL;
}

/* Like kill(): one's own user's processes, or those one has power over. */
static bool may_freeze(struct ipcbus_proc *proc)
{
	return uid_eq(current_euid(), proc->owner) || ns_capable(proc->user_ns, CAP_KILL);
}

static int check_targets(struct ipcbus_freezer *freezer)
{
	struct ipcbus_proc *proc;
	int ret = -ESRCH;

	for (proc = next_target(freezer, NULL); proc; proc = next_target(freezer, proc)) {
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

	freezer->args->received = 0;
	for (proc = next_target(freezer, NULL); proc; proc = next_target(freezer, proc)) {
		spin_lock(&proc->lock);
		freezer->args->received |= proc->received;
		if (proc->frozen)
			freezer->args->received |= IPCBUS_FROZEN_NOW;
		spin_unlock(&proc->lock);
	}
}

/* --- Which calls must end first ----------------------------------------------- */

static bool is_call(struct ipcbus_work *work)
{
	struct ipcbus_transaction *t = work ? ipcbus_transaction_of(work) : NULL;

	return t && !t->oneway;
}

static u32 count_calls_in(struct list_head *queue)
{
	struct ipcbus_work *work;
	u32 count = 0;

	list_for_each_entry(work, queue, entry)
		count += is_call(work);
	return count;
}

/* Calls that wait for the proc, and those that it took. */
static u32 count_calls_locked(struct ipcbus_proc *proc)
{
	struct ipcbus_transaction *t;
	struct ipcbus_thread *thread;
	unsigned long number;
	u32 count;
	int bucket;

	lockdep_assert_held(&proc->lock);
	count = count_calls_in(&proc->work);
	hash_for_each(proc->open, bucket, t, open)
		count++;
	xa_for_each(&proc->threads, number, thread)
		count += is_call(thread->given) + count_calls_in(&thread->work);
	return count;
}

static void count_pending(struct ipcbus_freezer *freezer)
{
	struct ipcbus_proc *proc;

	freezer->args->pending = 0;
	for (proc = next_target(freezer, NULL); proc; proc = next_target(freezer, proc)) {
		spin_lock(&proc->lock);
		if (!proc->dead)
			freezer->args->pending += count_calls_locked(proc);
		spin_unlock(&proc->lock);
	}
}

/* --- One proc's state ------------------------------------------------------------ */

static void set_state_locked(struct ipcbus_proc *proc, struct ipcbus_freezer *freezer, bool frozen)
{
	lockdep_assert_held(&proc->lock);
	proc->freezer = freezer ? &freezer->changed : NULL;
	WRITE_ONCE(proc->frozen, frozen);
	proc->barred = proc->dead || freezer || frozen;
}

/*
 * From here on no thread takes anything. What was handed to one that did not look
 * yet goes back to the front of the queue.
 */
static void freeze_locked(struct ipcbus_proc *proc)
{
	struct ipcbus_thread *thread;
	struct ipcbus_work *work;
	unsigned long number;

	set_state_locked(proc, NULL, true);
	proc->freeze_count++;
	xa_for_each(&proc->threads, number, thread) {
		hlist_del_init(&thread->idle);
		work = thread->given;
		if (work && ipcbus_work_unqueue_locked(work))
			list_add(&work->entry, &proc->work);
	}
}

static void thaw_locked(struct ipcbus_proc *proc)
{
	struct ipcbus_thread *thread;
	unsigned long number;

	if (proc->frozen)
		proc->freeze_count++;
	ipcbus_proc_calls_changed_locked(proc);
	set_state_locked(proc, NULL, false);
	xa_for_each(&proc->threads, number, thread)
		ipcbus_thread_kick_locked(thread);
	wake_up_interruptible_poll(&proc->poll_wait, EPOLLIN | EPOLLRDNORM);
}

/* --- All procs of the process ----------------------------------------------------- */

/* Bars new calls; -EBUSY if somebody else is at it. */
static int begin(struct ipcbus_freezer *freezer)
{
	struct ipcbus_proc *proc;
	int ret = 0;

	for (proc = next_target(freezer, NULL); proc; proc = next_target(freezer, proc)) {
		spin_lock(&proc->lock);
		if (proc->freezer) {
			ret = -EBUSY;
		} else if (!proc->frozen && !proc->dead) {
			set_state_locked(proc, freezer, false);
			proc->received = 0;
		}
		spin_unlock(&proc->lock);
	}
	return ret;
}

/* Freezes what this call has begun with, or gives it up. */
static void end(struct ipcbus_freezer *freezer, bool freeze)
{
	struct ipcbus_proc *proc;
	bool mine;

	for (proc = next_target(freezer, NULL); proc; proc = next_target(freezer, proc)) {
		spin_lock(&proc->lock);
		mine = proc->freezer == &freezer->changed;
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

	for (proc = next_target(freezer, NULL); proc; proc = next_target(freezer, proc)) {
		spin_lock(&proc->lock);
		thaw_locked(proc);
		spin_unlock(&proc->lock);
	}
}

/* A proc of whose change its watchers were not notified yet, counted, or NULL. */
static struct ipcbus_proc *next_to_notify(struct ipcbus_freezer *freezer)
{
	struct ipcbus_proc *proc, *found = NULL;

	mutex_lock(&freezer->bus->lock);
	for (proc = next_target(freezer, NULL); proc; proc = next_target(freezer, proc)) {
		spin_lock(&proc->lock);
		if (!found && proc->freeze_notified != proc->freeze_count) {
			proc->freeze_notified = proc->freeze_count;
			found = ipcbus_proc_get(proc);
		}
		spin_unlock(&proc->lock);
	}
	mutex_unlock(&freezer->bus->lock);
	return found;
}

/* Watches may be the last to know a proc, so no lock is held. */
static void notify_watchers(struct ipcbus_freezer *freezer)
{
	struct ipcbus_proc *proc;

	while ((proc = next_to_notify(freezer))) {
		ipcbus_watches_notify_frozen(proc);
		ipcbus_proc_put(proc);
	}
}

/* Did somebody thaw what this call has begun to freeze? */
static bool is_thawed(struct ipcbus_freezer *freezer)
{
	struct ipcbus_proc *proc;
	bool thawed = false;

	for (proc = next_target(freezer, NULL); proc; proc = next_target(freezer, proc)) {
		spin_lock(&proc->lock);
		thawed |= proc->freezer != &freezer->changed && !proc->frozen && !proc->dead;
		spin_unlock(&proc->lock);
	}
	return thawed;
}

/* 1: calls are left. */
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

/* Until the next look; -EAGAIN when the time is over. */
static int wait_for_change(wait_queue_entry_t *wait, u64 until)
{
	long left = ipcbus_ticks_until(until);

	if (!left)
		return -EAGAIN;
	wait_woken(wait, TASK_INTERRUPTIBLE | TASK_FREEZABLE, left);
	return signal_pending(current) ? -EINTR : 0;
}

/* Under bus->lock, which is dropped while it waits. */
static int freeze(struct ipcbus_freezer *freezer)
{
	u64 until = ktime_get_ns() + freezer->args->timeout_ms * 1000000ULL;
	struct mutex *lock = &freezer->bus->lock;
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	int ret;

	add_wait_queue(&freezer->changed, &wait);
	ret = begin(freezer);
	while (!ret) {
		ret = try_to_end(freezer);
		if (ret <= 0)
			break;
		mutex_unlock(lock);
		ret = wait_for_change(&wait, until);
		mutex_lock(lock);
	}
	if (ret)
		end(freezer, false);
	remove_wait_queue(&freezer->changed, &wait);
	return ret;
}

static int act(struct ipcbus_freezer *freezer)
{
	struct ipcbus_freeze *args = freezer->args;
	int ret;

	mutex_lock(&freezer->bus->lock);
	args->pending = 0;
	args->received = 0;
	ret = check_targets(freezer);
	if (ret)
		goto out;
	if (args->flags & IPCBUS_FREEZE_THAW)
		thaw(freezer);
	else if (args->flags & IPCBUS_FREEZE_QUERY)
		count_pending(freezer);
	else
		ret = freeze(freezer);
	report(freezer);
out:
	mutex_unlock(&freezer->bus->lock);
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
	init_waitqueue_head(&freezer.changed);
	freezer.pid = find_get_pid(freezer.args->pid);
	if (!freezer.pid)
		return -ESRCH;
	ret = act(&freezer);
	notify_watchers(&freezer);
	put_pid(freezer.pid);
	return ret;
}
