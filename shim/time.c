// SPDX-License-Identifier: MIT
/*
 * The clock, sleeping until a time, and delayed work. With real threads the clock is the machine's,
 * and one thread runs the work. Under the scheduler the clock stands still until the policy chooses
 * a task that waits for a time. It may do so at any point, because a timer may fire before or after
 * any other event. The task that calls shim_time_passes() then runs the work.
 *
 * The clock of real threads can be stopped. Then a caller advances it, and the thread runs the work
 * that became due.
 */
#define _GNU_SOURCE
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/workqueue.h>
#include <pthread.h>
#include <time.h>

#include "shim.h"

#define NEVER (~0ULL)

#define BEGIN 1000000000ULL

static u64 virtual_now = BEGIN;
/* 0 if the clock is not stopped. */
static u64 stopped_at;

static u64 machine_now(void)
{
	struct timespec ts;
	u64 now = shim_clock_kept();

	if (now)
		return now;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = ts.tv_sec * 1000000000ULL + ts.tv_nsec;
	shim_clock_keep(now);
	return now;
}

#ifdef SHIM_LEAN
#define now_of(task) virtual_now
#else
/* task: NULL if the scheduler does not run it. */
static u64 now_of(struct task_struct *task)
{
	struct shim_held *held = task ? &task->locks : NULL;

	if (!held || !held->spinning)
		return virtual_now;
	if (!held->since)
		held->since = virtual_now;
	return held->since;
}
#endif

u64 ktime_get_ns(void)
{
	u64 stopped;

	if (shim_is_deterministic)
		return now_of(shim_task);
	stopped = __atomic_load_n(&stopped_at, __ATOMIC_SEQ_CST);
	return stopped ?: machine_now();
}

u64 shim_ticks_from_now(unsigned long ticks)
{
	u64 now = ktime_get_ns();

	if (!shim_clock_is_stopped() || !ticks)
		return now + ticks * NSEC_PER_TICK;
	return ticks > 1 ? now + (ticks - 1) * NSEC_PER_TICK : now + 1;
}

void shim_time_reaches(u64 when)
{
	if (shim_is_deterministic && when > virtual_now)
		virtual_now = when;
}

void shim_time_begins(void)
{
	virtual_now = BEGIN;
}

/* --- Delayed work ----------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static pthread_t worker;
static bool has_worker;
static bool is_ending;
static struct list_head pending = LIST_HEAD_INIT(pending);
static struct work_struct *running;

struct workqueue_struct {
	int unused;
};

static struct workqueue_struct the_queue;
/* All workqueues are represented by this variable. */
static int queues;

struct workqueue_struct *alloc_workqueue(const char *name, unsigned int flags, int max_active)
{
	pthread_condattr_t attr;

	(void)name, (void)flags, (void)max_active;
	if (shim_fail_now(SHIM_FAIL_ALLOC))
		return NULL;
	if (queues++)
		return &the_queue;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&changed, &attr);
	pthread_condattr_destroy(&attr);
	is_ending = false;
	return &the_queue;
}

static struct work_struct *earliest(void)
{
	struct work_struct *work, *first = NULL;

	list_for_each_entry(work, &pending, entry)
		if (work->due != NEVER && (!first || work->due < first->due))
			first = work;
	return first;
}

/* Must be called with the lock held; drops it while the work runs. The work may free itself. The
 * current task has PF_KTHREAD in the meantime. */
static void do_work(struct work_struct *work)
{
	list_del_init(&work->entry);
	running = work;
	pthread_mutex_unlock(&lock);
	__atomic_fetch_or(&current->flags, PF_KTHREAD, __ATOMIC_RELAXED);
	work->func(work);
	__atomic_fetch_and(&current->flags, ~PF_KTHREAD, __ATOMIC_RELAXED);
	pthread_mutex_lock(&lock);
	running = NULL;
	pthread_cond_broadcast(&changed);
}

static void *worker_main(void *unused)
{
	struct work_struct *work;
	struct timespec until;

	pthread_mutex_lock(&lock);
	while (!is_ending) {
		work = earliest();
		if (!work || (work->due > ktime_get_ns() && shim_clock_is_stopped())) {
			pthread_cond_wait(&changed, &lock);
		} else if (work->due > ktime_get_ns()) {
			until.tv_sec = work->due / 1000000000;
			until.tv_nsec = work->due % 1000000000;
			pthread_cond_timedwait(&changed, &lock, &until);
		} else {
			do_work(work);
		}
	}
	pthread_mutex_unlock(&lock);
	return unused;
}

static bool is_work_due(void)
{
	struct work_struct *work = earliest();

	return running || (work && work->due <= ktime_get_ns());
}

void destroy_workqueue(struct workqueue_struct *queue)
{
	(void)queue;
	pthread_mutex_lock(&lock);
	while (is_work_due()) {
		if (has_worker)
			pthread_cond_wait(&changed, &lock);
		else
			do_work(earliest());
	}
	pthread_mutex_unlock(&lock);
	if (--queues)
		return;
	BUG_ON(!list_empty(&pending));
	if (has_worker) {
		pthread_mutex_lock(&lock);
		is_ending = true;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
		pthread_join(worker, NULL);
		has_worker = false;
	}
	pthread_cond_destroy(&changed);
}

/* Must be called with the lock held. */
static void add_work(struct work_struct *work, unsigned long delay)
{
	list_del_init(&work->entry);
	work->due = delay < MAX_JIFFY_OFFSET / NSEC_PER_TICK ? shim_ticks_from_now(delay) : NEVER;
	list_add_tail(&work->entry, &pending);
	/* At a limit of threads, the work is late: the next work tries again. */
	if (!has_worker && !shim_is_deterministic)
		has_worker = !pthread_create(&worker, NULL, worker_main, NULL);
	pthread_cond_broadcast(&changed);
}

bool mod_delayed_work(struct workqueue_struct *queue, struct delayed_work *work,
		      unsigned long delay)
{
	bool was_pending;

	(void)queue;
	pthread_mutex_lock(&lock);
	was_pending = !list_empty(&work->work.entry);
	add_work(&work->work, delay);
	pthread_mutex_unlock(&lock);
	return was_pending;
}

bool cancel_delayed_work_sync(struct delayed_work *work)
{
	bool was_pending;

	shim_might_sleep("cancel_delayed_work_sync");
	pthread_mutex_lock(&lock);
	was_pending = !list_empty(&work->work.entry);
	list_del_init(&work->work.entry);
	while (running == &work->work) {
		if (shim_scheduled) {
			pthread_mutex_unlock(&lock);
			shim_fiber_wait(&running, "cancels work");
			pthread_mutex_lock(&lock);
		} else {
			pthread_cond_wait(&changed, &lock);
		}
		/* The work may have queued itself again. */
		list_del_init(&work->work.entry);
	}
	pthread_mutex_unlock(&lock);
	return was_pending;
}

/* --- The stopped clock ------------------------------------------------------- */

void shim_clock_stop(void)
{
	__atomic_store_n(&stopped_at, machine_now(), __ATOMIC_SEQ_CST);
}

bool shim_clock_is_stopped(void)
{
	return __atomic_load_n(&stopped_at, __ATOMIC_RELAXED);
}

u64 shim_clock_ahead(void)
{
	return shim_clock_is_stopped() ? machine_now() - ktime_get_ns() : 0;
}

void shim_clock_advance(u64 by)
{
	pthread_mutex_lock(&lock);
	__atomic_store_n(&stopped_at, stopped_at + by, __ATOMIC_SEQ_CST);
	pthread_cond_broadcast(&changed);
	while (is_work_due())
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

bool shim_time_passes(void)
{
	struct work_struct *work;
	bool any;

	pthread_mutex_lock(&lock);
	work = earliest();
	any = work && !running;
	if (any) {
		shim_time_reaches(work->due);
		do_work(work);
		if (shim_scheduled)
			shim_fibers_ready(&running);
	}
	pthread_mutex_unlock(&lock);
	return any;
}
