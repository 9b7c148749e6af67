/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fibers and workers. A worker is a thread of the daemon. A fiber always belongs to the same worker
 * and runs until it sleeps, yields or ends. Other threads may wake it.
 */
#pragma once

#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

struct client;
struct worker;

/**
 * struct shim_fiber - stack and state of a task
 * @sp: saved stack pointer
 * @stack: mapped, with a guard page below
 * @fake_stack: handle of the address sanitizer
 * @tsan: handle of the thread sanitizer
 * @task: the task that runs on it
 * @worker: constant
 * @client: user copies access the memory of this client; constant
 * @fn: main function
 * @arg: argument of @fn
 * @next: in the worker's queue
 * @queued: the fiber is in the queue; the thread that sets it must queue the fiber
 * @until: time at which the fiber wakes, while @timer is in the worker's list
 * @done: @fn has returned
 * @rcu: for freeing: a thread that saw the task asleep may still wake the fiber
 */
struct shim_fiber {
	void *sp;
	void *stack;
	void *fake_stack;
	void *tsan;
	struct task_struct *task;
	struct worker *worker;
	struct client *client;
	void (*fn)(void *arg);
	void *arg;
	struct shim_fiber *next;
	bool queued;
	u64 until;
	struct list_head timer;
	bool done;
	struct rcu_head rcu;
};

/* The word on which a worker sleeps, and its callbacks. */
struct worker_ops {
	/* A futex that is 1 while the worker sleeps. Clients may read it and wake the worker. Its
	 * memory must not have holes, because any thread writes it. */
	u32 *asleep;
	/* Called before the worker sleeps. Returns true if there was work; may queue fibers. */
	bool (*look)(void *arg);
	/* Called after the worker has ended and no thread reads the word any more. */
	void (*free)(void *arg);
	void *arg;
};

/* Returns NULL if memory or a thread cannot be allocated. */
struct worker *worker_new(const struct worker_ops *ops);
/* Ends the worker after its last fiber. It must get no more fibers. Any thread. */
void worker_end(struct worker *worker);
/* Must be called after the stopped clock was moved, or the daemon was continued. */
void workers_wake(void);

/* Any thread may call these. Returns NULL if memory is short. */
struct shim_fiber *fiber_new(struct worker *worker, struct task_struct *task,
			     struct client *client, void (*fn)(void *arg), void *arg);
void fiber_wake(struct shim_fiber *fiber);

/* Suspends the current fiber. It may also resume without a wake-up. */
void fiber_sleep(void);
/* Frees a fiber that never ran. */
void fiber_free(struct shim_fiber *fiber);
