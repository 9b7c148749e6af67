/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fibers and workers. A worker is a thread of the daemon's; a fiber belongs to one worker
 * for ever and runs until it sleeps, gives way or ends. Other threads may wake it.
 */
#pragma once

#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

struct client;
struct worker;

/**
 * struct shim_fiber - what a task runs on
 * @sp: where it was left
 * @stack: mapped, with a guard page below
 * @fake_stack: of the address sanitizer
 * @tsan: what the thread sanitizer knows it as
 * @task: whose it is
 * @worker: runs it; constant
 * @client: whose memory user copies reach; constant
 * @fn: what it runs
 * @arg: for @fn
 * @next: in the worker's queue
 * @queued: it is in the queue; whoever sets it puts it there
 * @until: when it wakes by itself, with @timer in the worker's list
 * @done: it returned from @fn
 * @rcu: frees it: who saw the task asleep may still wake it
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

/* A word that a worker sleeps on, and what it looks at before it does. */
struct worker_ops {
	u32 *word;	/* a futex that others may write */
	/* Whether there was anything to do; it may queue fibers. */
	bool (*look)(void *arg);
	/* The worker has ended, and nobody looks at the word any more. */
	void (*free)(void *arg);
	void *arg;
};

/* NULL: no memory, or no thread. */
struct worker *worker_new(const struct worker_ops *ops);
/* It gets no more fibers, and ends after the last one that it has. Any thread. */
void worker_end(struct worker *worker);
/* The clock, which is stopped, was moved. */
void workers_look_at_clock(void);

/* Any thread may call these. NULL: no memory. */
struct shim_fiber *fiber_new(struct worker *worker, struct task_struct *task,
			     struct client *client, void (*fn)(void *arg), void *arg);
void fiber_wake(struct shim_fiber *fiber);

/* The current fiber goes on when it is woken, or for no reason. */
void fiber_sleep(void);
/* Frees a fiber that never ran. */
void fiber_free(struct shim_fiber *fiber);
