// SPDX-License-Identifier: MIT
/*
 * Real grace periods.
 *
 * Under the scheduler each callback records the tasks that were in a read-side section when it was
 * queued. It runs when the last of these tasks leaves its section: the earliest permitted time, at
 * which a use after free is most visible. With shim_rcu_late it runs as late as permitted: in
 * rcu_barrier().
 *
 * With real threads, a separate thread waits until each task that was in a section has left it, and
 * then runs the callbacks that were queued before.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <linux/rcupdate.h>

#include "shim.h"

struct callback {
	struct callback *next;
	void (*func)(struct rcu_head *head);	/* NULL: free the object */
	void *object;
	u64 readers;
};

bool shim_rcu_late;

static struct callback *queue, **queue_end = &queue;

/* --- Under the scheduler -------------------------------------------------- */

static u64 readers;

static void run(struct callback *callback)
{
	if (callback->func)
		callback->func(callback->object);
	else
		kfree(callback->object);
	free(callback);
}

static void run_if_quiet(void)
{
	struct callback **link = &queue, *callback;

	while ((callback = *link)) {
		if (callback->readers) {
			link = &callback->next;
			continue;
		}
		*link = callback->next;
		if (!*link)
			queue_end = link;
		run(callback);
	}
}

static void leave(u64 bit)
{
	readers &= ~bit;
	for (struct callback *callback = queue; callback; callback = callback->next)
		callback->readers &= ~bit;
	if (!shim_rcu_late)
		run_if_quiet();
}

/* --- With real threads ---------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
static unsigned long period = 1;
static bool started, busy;

static bool reads_since(struct task_struct *task, void *arg)
{
	unsigned long since = __atomic_load_n(&task->rcu, __ATOMIC_SEQ_CST);

	return since && since < *(unsigned long *)arg;
}

static void wait_for_readers(void)
{
	unsigned long now = __atomic_add_fetch(&period, 1, __ATOMIC_SEQ_CST);

	while (shim_any_task(reads_since, &now))
		usleep(20);
}

static void *reclaim(void *unused)
{
	struct callback *batch, *callback;

	pthread_mutex_lock(&lock);
	for (;;) {
		while (!queue)
			pthread_cond_wait(&more, &lock);
		batch = queue;
		queue = NULL;
		queue_end = &queue;
		busy = true;
		pthread_mutex_unlock(&lock);

		wait_for_readers();
		while ((callback = batch)) {
			batch = callback->next;
			run(callback);
		}
		pthread_mutex_lock(&lock);
		busy = false;
		pthread_cond_broadcast(&done);
	}
	return unused;
}

/* A forked child inherits the queued callbacks, but not the thread. */
static void forked(void)
{
	started = false;
	busy = false;
	pthread_mutex_init(&lock, NULL);
	pthread_cond_init(&more, NULL);
	pthread_cond_init(&done, NULL);
}

static void start_locked(void)
{
	static bool notified;
	pthread_t thread;

	if (started)
		return;
	if (!notified)
		pthread_atfork(NULL, NULL, forked);
	notified = true;
	started = true;
	BUG_ON(pthread_create(&thread, NULL, reclaim, NULL));
	pthread_detach(thread);
}

/* --- The driver's side ---------------------------------------------------- */

static void enqueue(void *object, void (*func)(struct rcu_head *))
{
	struct callback *callback = malloc(sizeof(*callback));

	BUG_ON(!callback);
	*callback = (struct callback){ .object = object, .func = func, .readers = readers };
	pthread_mutex_lock(&lock);
	*queue_end = callback;
	queue_end = &callback->next;
	if (!shim_is_deterministic) {
		start_locked();
		pthread_cond_signal(&more);
	}
	pthread_mutex_unlock(&lock);
	if (shim_is_deterministic && !shim_rcu_late)
		run_if_quiet();
}

void shim_kfree_rcu(void *object)
{
	shim_point("kfree_rcu", "");
	enqueue(object, NULL);
}

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	enqueue(head, func);
}

void shim_rcu_enter(void)
{
	struct task_struct *task = current;

	if (task->locks.reading++)
		return;
	if (shim_is_deterministic)
		readers |= 1ULL << task->rcu_bit;
	else
		__atomic_exchange_n(&task->rcu, __atomic_load_n(&period, __ATOMIC_RELAXED),
				    __ATOMIC_SEQ_CST);
}

void shim_rcu_leave(void)
{
	struct task_struct *task = current;

	if (--task->locks.reading)
		return;
	if (shim_is_deterministic)
		leave(1ULL << task->rcu_bit);
	else
		__atomic_store_n(&task->rcu, 0, __ATOMIC_SEQ_CST);
}

void rcu_read_lock(void)
{
	current->locks.rcu++;
	shim_rcu_enter();
}

void rcu_read_unlock(void)
{
	if (current->locks.rcu <= 0)
		shim_panic("rcu: a read-side section ends that never began");
	current->locks.rcu--;
	shim_rcu_leave();
	shim_point("rcu_unlock", "");
}

void shim_rcu_check(const char *what)
{
	if (!current->locks.rcu)
		shim_panic("rcu: %s is read outside of a read-side section", what);
}

void rcu_barrier(void)
{
	shim_might_sleep("rcu_barrier");
	if (shim_is_deterministic) {
		run_if_quiet();
		return;
	}
	pthread_mutex_lock(&lock);
	while (queue || busy)
		pthread_cond_wait(&done, &lock);
	pthread_mutex_unlock(&lock);
}
