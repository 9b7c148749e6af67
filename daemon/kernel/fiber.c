// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fibers and workers: see fiber.h.
 *
 * A worker has two queues. Fibers that the worker wakes itself go to a private list. Other threads
 * push the fibers that they wake to a stack, which the worker takes as a whole.
 *
 * A fiber is the task of the driver's code: schedule(), wake-ups and cond_resched() of the driver
 * switch between the fibers of a worker. Threads that are not workers sleep in a futex instead.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/hrtimer.h>
#include <linux/ktime.h>

#include "asan.h"
#include "fiber.h"
#include "rcu.h"
#include "shim.h"
#include "switch.h"

#if defined(SHIM_ASAN) || defined(SHIM_TSAN)
#define STACK_SIZE (256UL << 10)
#else
#define STACK_SIZE (64UL << 10)
#endif
#define GUARD 4096UL
/* A fiber yields after this many calls of cond_resched(). */
#define STEPS	     16
/* Maximum number of stacks that a worker keeps for new fibers. */
#define SPARE_STACKS 16

/**
 * struct worker - a thread
 * @ops: constant
 * @first: fibers to run, in order; private to the worker
 * @last: likewise
 * @remote: fibers that other threads woke, newest first
 * @timers: fibers with a timer, earliest first; private to the worker
 * @steps: calls of cond_resched() since the current fiber was resumed
 * @fibers: number of its fibers that are not yet freed; any thread may add fibers
 * @ends: the worker must end when it has no fibers
 * @next: in the list of all workers (workers_lock)
 * @sp: saved stack pointer of the worker
 * @task: current task while no fiber runs
 * @tsan: handle of the thread sanitizer
 */
struct worker {
	struct worker_ops ops;
	struct shim_fiber *first, *last;
	struct shim_fiber *remote;
	struct list_head timers;
	unsigned int steps;
	unsigned int fibers;
	bool ends;
	struct worker *next;
	void *sp;
	void *fake_stack;
	const void *bottom;
	size_t size;
	struct task_struct *task;
	void *tsan;
	void *spare[SPARE_STACKS];
	int spares;
};

static _Thread_local struct worker *this_worker;
static pthread_mutex_t workers_lock = PTHREAD_MUTEX_INITIALIZER;
static struct worker *workers;

/* --- Switching -------------------------------------------------------------- */

/* Provided by the C library since 2.35. Its <sys/rseq.h> conflicts with the kernel's headers
 * here. */
extern const long __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

#ifdef __x86_64__
#define RSEQ_SIGNATURE 0x53053053
#else
#define RSEQ_SIGNATURE 0xd428bc00
#endif

/* Switches from the fiber to its worker. */
static void leave(struct shim_fiber *fiber)
{
	struct worker *worker = fiber->worker;

	if (unlikely(shim_thread.held.n | shim_thread.held.rcu))
		shim_panic("fiber: leaves with %d locks, in %d sections", shim_thread.held.n,
			   shim_thread.held.rcu);
	__sanitizer_start_switch_fiber(fiber->done ? NULL : &fiber->fake_stack, worker->bottom,
				       worker->size);
	__tsan_switch_to_fiber(worker->tsan, 0);
	shim_switch(&fiber->sp, worker->sp);
	__sanitizer_finish_switch_fiber(fiber->fake_stack, &worker->bottom, &worker->size);
}

static void fiber_main(void)
{
	struct shim_fiber *fiber = current->fiber;

	__sanitizer_finish_switch_fiber(NULL, &fiber->worker->bottom, &fiber->worker->size);
	fiber->fn(fiber->arg);
	/* The task may already be freed. */
	shim_task = fiber->worker->task;
	fiber->done = true;
	leave(fiber);
}

/* --- Queues ----------------------------------------------------------------- */

static long futex(u32 *word, int op, u32 value, const struct timespec *until)
{
	return syscall(SYS_futex, word, op, value, until, NULL, FUTEX_BITSET_MATCH_ANY);
}

static void append(struct worker *worker, struct shim_fiber *fiber)
{
	fiber->next = NULL;
	if (worker->first)
		worker->last->next = fiber;
	else
		worker->first = fiber;
	worker->last = fiber;
}

/* Wakes the worker if it sleeps. The caller must first publish whatever the worker checks before it
 * sleeps. */
static void worker_wake(struct worker *worker)
{
	if (!__atomic_load_n(worker->ops.asleep, __ATOMIC_SEQ_CST))
		return;
	/* The worker may sleep again in the meantime. It checks for work before it sleeps. */
	__atomic_store_n(worker->ops.asleep, 0, __ATOMIC_SEQ_CST);
	futex(worker->ops.asleep, FUTEX_WAKE, 1, NULL);
}

static void push(struct worker *worker, struct shim_fiber *fiber)
{
	struct shim_fiber *old = __atomic_load_n(&worker->remote, __ATOMIC_RELAXED);

	do
		fiber->next = old;
	while (!__atomic_compare_exchange_n(&worker->remote, &old, fiber, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	worker_wake(worker);
}

void fiber_wake(struct shim_fiber *fiber)
{
	if (__atomic_exchange_n(&fiber->queued, true, __ATOMIC_SEQ_CST))
		return;
	if (fiber->worker == this_worker)
		append(fiber->worker, fiber);
	else
		push(fiber->worker, fiber);
}

/* Queues the fibers of the stack in the order in which they were woken. */
static void take_remote(struct worker *worker)
{
	struct shim_fiber *fiber, *next, *reversed = NULL;

	if (!__atomic_load_n(&worker->remote, __ATOMIC_RELAXED))
		return;
	fiber = __atomic_exchange_n(&worker->remote, NULL, __ATOMIC_ACQUIRE);
	for (; fiber; fiber = next) {
		next = fiber->next;
		fiber->next = reversed;
		reversed = fiber;
	}
	for (fiber = reversed; fiber; fiber = next) {
		next = fiber->next;
		append(worker, fiber);
	}
}

/* --- Time ------------------------------------------------------------------- */

static void set_timer(struct shim_fiber *fiber)
{
	struct list_head *at = fiber->worker->timers.prev;

	while (at != &fiber->worker->timers &&
	       container_of(at, struct shim_fiber, timer)->until > fiber->until)
		at = at->prev;
	list_add(&fiber->timer, at);
}

static void fire_timers(struct worker *worker)
{
	struct shim_fiber *fiber;
	u64 now;

	if (list_empty(&worker->timers))
		return;
	now = ktime_get_ns();
	while (!list_empty(&worker->timers)) {
		fiber = list_first_entry(&worker->timers, struct shim_fiber, timer);
		if (fiber->until > now)
			break;
		list_del_init(&fiber->timer);
		fiber_wake(fiber);
	}
}

/* Returns when the first timer fires, or 0 if there is none. */
static u64 next_timer(struct worker *worker)
{
	return list_empty(&worker->timers) ? 0 :
	       list_first_entry(&worker->timers, struct shim_fiber, timer)->until;
}

/* --- Workers ---------------------------------------------------------------- */

static void free_stack(struct worker *worker, void *stack)
{
	if (worker->spares < SPARE_STACKS)
		worker->spare[worker->spares++] = stack;
	else
		munmap(stack, GUARD + STACK_SIZE);
}

static void free_fiber(struct rcu_head *rcu)
{
	free(container_of(rcu, struct shim_fiber, rcu));
}

/* Frees a fiber after a grace period. No thread may queue it any more. */
static void retire(struct worker *worker, struct shim_fiber *fiber)
{
	call_rcu(&fiber->rcu, free_fiber);
	__atomic_sub_fetch(&worker->fibers, 1, __ATOMIC_SEQ_CST);
}

/* Frees the stack of a fiber that has ended, and then the fiber. Marks it as queued, so that no
 * thread queues it from now on. If a thread queued it before, the worker frees it at its turn. */
static void end(struct worker *worker, struct shim_fiber *fiber)
{
	free_stack(worker, fiber->stack);
	__tsan_destroy_fiber(fiber->tsan);
	if (!__atomic_exchange_n(&fiber->queued, true, __ATOMIC_SEQ_CST))
		retire(worker, fiber);
}

static void run(struct worker *worker, struct shim_fiber *fiber)
{
	if (fiber->done) {
		retire(worker, fiber);
		return;
	}
	__atomic_store_n(&fiber->queued, false, __ATOMIC_SEQ_CST);
	shim_task = fiber->task;
	shim_thread.now = 0;
	worker->steps = 0;
	rcu_quiet();
	__sanitizer_start_switch_fiber(&worker->fake_stack, (char *)fiber->stack + GUARD,
				       STACK_SIZE);
	__tsan_switch_to_fiber(fiber->tsan, 0);
	shim_switch(&worker->sp, fiber->sp);
	__sanitizer_finish_switch_fiber(worker->fake_stack, NULL, NULL);
	shim_task = worker->task;
	if (fiber->done)
		end(worker, fiber);
}

static bool is_over(const struct worker *worker)
{
	return __atomic_load_n(&worker->ends, __ATOMIC_SEQ_CST) &&
	       !__atomic_load_n(&worker->fibers, __ATOMIC_SEQ_CST);
}

/* Sleeps until a wake-up or the first timer, unless there is work. Returns false if it slept. Other
 * threads and clients first publish remote fibers, bits, a moved clock or the end, and then read
 * the word. So this function sets the word before it checks them. */
static bool worker_sleep(struct worker *worker)
{
	bool looked = true;
	struct timespec ts, *until = NULL;
	u64 when = next_timer(worker);

	/* An exchange, because the looks must come after it. */
	__atomic_exchange_n(worker->ops.asleep, 1, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&worker->remote, __ATOMIC_SEQ_CST) &&
	    !worker->ops.look(worker->ops.arg) && !is_over(worker) &&
	    !(when && shim_clock_is_stopped() && when <= ktime_get_ns())) {
		if (when && !shim_clock_is_stopped()) {
			ts.tv_sec = when / 1000000000;
			ts.tv_nsec = when % 1000000000;
			until = &ts;
		}
		rcu_sleeps();
		futex(worker->ops.asleep, FUTEX_WAIT_BITSET, 1, until);
		rcu_awakes();
		looked = false;
	} else {
		/* Clients can make the check find bits that make no fiber runnable, for as long as
		 * they like. */
		rcu_quiet();
	}
	__atomic_store_n(worker->ops.asleep, 0, __ATOMIC_RELAXED);
	return looked;
}

/* Unregisters the thread's rseq area, to which the kernel writes at each switch. Workers have no
 * restartable sequences. */
static void rseq_leave(void)
{
	enum { SIZE = 32, UNREGISTER = 1 };

	if (&__rseq_size && __rseq_size)
		syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset, SIZE,
			UNREGISTER, RSEQ_SIGNATURE);
}

/* Frees the worker at the end of its thread. It has no fibers and gets no new fibers. */
static void worker_leave(struct worker *worker)
{
	struct worker **link = &workers;

	pthread_mutex_lock(&workers_lock);
	while (*link != worker)
		link = &(*link)->next;
	*link = worker->next;
	pthread_mutex_unlock(&workers_lock);
	while (worker->spares)
		munmap(worker->spare[--worker->spares], GUARD + STACK_SIZE);
	shim_task_exit();
	rcu_retire();
	/* The thread that woke the last fiber may still read the word. */
	rcu_wait();
	worker->ops.free(worker->ops.arg);
	free(worker);
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct shim_fiber *fiber;
	bool looked = false;

	this_worker = worker;
	worker->task = current;
	BUG_ON(!rcu_announce());
	rseq_leave();
	worker->tsan = __tsan_get_current_fiber();
	for (;;) {
		shim_thread.now = 0;
		take_remote(worker);
		fire_timers(worker);
		if (!worker->first) {
			if (is_over(worker))
				break;
			looked = worker_sleep(worker);
			continue;
		}
		if (!looked)
			worker->ops.look(worker->ops.arg);
		looked = false;
		/* Run only the fibers that are queued now, so that bells and timers get their
		 * turn. */
		for (struct shim_fiber *last = worker->last; (fiber = worker->first); ) {
			worker->first = fiber->next;
			run(worker, fiber);
			if (fiber == last)
				break;
		}
	}
	worker_leave(worker);
	return NULL;
}

struct worker *worker_new(const struct worker_ops *ops)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	pthread_t thread;

	if (!worker)
		return NULL;
	worker->ops = *ops;
	INIT_LIST_HEAD(&worker->timers);
	/* The worker removes itself from the list. */
	pthread_mutex_lock(&workers_lock);
	worker->next = workers;
	if (pthread_create(&thread, NULL, worker_main, worker)) {
		pthread_mutex_unlock(&workers_lock);
		free(worker);
		return NULL;
	}
	workers = worker;
	pthread_mutex_unlock(&workers_lock);
	pthread_detach(thread);
	return worker;
}

void worker_end(struct worker *worker)
{
	/* The worker may end before it is woken. */
	rcu_read_lock();
	__atomic_store_n(&worker->ends, true, __ATOMIC_SEQ_CST);
	worker_wake(worker);
	rcu_read_unlock();
}

void workers_wake(void)
{
	pthread_mutex_lock(&workers_lock);
	for (struct worker *worker = workers; worker; worker = worker->next)
		worker_wake(worker);
	pthread_mutex_unlock(&workers_lock);
}

/* --- Fibers ----------------------------------------------------------------- */

static void *new_stack(struct worker *worker)
{
	void *stack;

	if (worker == this_worker && worker->spares)
		return worker->spare[--worker->spares];
	stack = mmap(NULL, GUARD + STACK_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (stack == MAP_FAILED)
		return NULL;
	if (mprotect(stack, GUARD, PROT_NONE)) {
		munmap(stack, GUARD + STACK_SIZE);
		return NULL;
	}
	return stack;
}

struct shim_fiber *fiber_new(struct worker *worker, struct task_struct *task,
			     struct client *client, void (*fn)(void *arg), void *arg)
{
	struct shim_fiber *fiber = calloc(1, sizeof(*fiber));

	if (!fiber)
		return NULL;
	fiber->stack = new_stack(worker);
	if (!fiber->stack) {
		free(fiber);
		return NULL;
	}
	fiber->tsan = __tsan_create_fiber(0);
	fiber->sp = shim_first_frame((char *)fiber->stack + GUARD + STACK_SIZE, fiber_main);
	fiber->task = task;
	fiber->worker = worker;
	fiber->client = client;
	fiber->fn = fn;
	fiber->arg = arg;
	INIT_LIST_HEAD(&fiber->timer);
	task->fiber = fiber;
	__atomic_add_fetch(&worker->fibers, 1, __ATOMIC_SEQ_CST);
	return fiber;
}

void fiber_free(struct shim_fiber *fiber)
{
	__atomic_sub_fetch(&fiber->worker->fibers, 1, __ATOMIC_SEQ_CST);
	munmap(fiber->stack, GUARD + STACK_SIZE);
	__tsan_destroy_fiber(fiber->tsan);
	free(fiber);
}

void fiber_sleep(void)
{
	leave(current->fiber);
}

/* --- Functions that the driver calls ----------------------------------------- */

/* Sleeps on a thread that is not a worker, with the task's state as the futex. */
static void thread_sleep(struct task_struct *task, u64 until)
{
	struct timespec ts = { .tv_sec = until / 1000000000, .tv_nsec = until % 1000000000 };
	unsigned int state = __atomic_load_n(&task->state, __ATOMIC_SEQ_CST);

	if (state != TASK_RUNNING)
		futex(&task->state, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, state,
		      until && !shim_clock_is_stopped() ? &ts : NULL);
}

static bool must_wake(struct task_struct *task)
{
	return __atomic_load_n(&task->state, __ATOMIC_SEQ_CST) == TASK_RUNNING ||
	       signal_pending(task);
}

/* Sleeps until the current task is woken or has a signal, or until the time in nanoseconds of the
 * clock; 0: no limit. Returns false if the time passed first. */
static bool sleep_until(u64 until)
{
	struct task_struct *task = current;
	struct shim_fiber *fiber = task->fiber;
	bool woken = true;

	while (!must_wake(task) && (woken = !until || ktime_get_ns() < until)) {
		if (!fiber) {
			thread_sleep(task, until);
			continue;
		}
		if (until) {
			fiber->until = until;
			set_timer(fiber);
		}
		leave(fiber);
		list_del_init(&fiber->timer);
	}
	__atomic_store_n(&task->state, TASK_RUNNING, __ATOMIC_SEQ_CST);
	return woken;
}

void set_current_state(unsigned int state)
{
	__atomic_exchange_n(&current->state, state, __ATOMIC_SEQ_CST);
}

void schedule(void)
{
	sleep_until(0);
}

int schedule_hrtimeout_range(ktime_t *expires, u64 delta, enum hrtimer_mode mode)
{
	(void)delta, (void)mode;
	if (*expires == KTIME_MAX) {
		schedule();
		return -EINTR;
	}
	return sleep_until(*expires) ? -EINTR : 0;
}

void shim_wake(struct task_struct *task)
{
	__atomic_store_n(&task->state, TASK_RUNNING, __ATOMIC_SEQ_CST);
	if (task->fiber)
		fiber_wake(task->fiber);
	else
		futex(&task->state, FUTEX_WAKE_PRIVATE, 1, NULL);
}

void shim_signal(struct task_struct *task)
{
	__atomic_store_n(&task->signalled, true, __ATOMIC_SEQ_CST);
	shim_wake(task);
}

/* Yields to runnable fibers after some steps. Never yields while the task holds a mutex: the kernel
 * may do that, but here the waiting fibers of the same worker could not run. */
void cond_resched(void)
{
	struct shim_fiber *fiber = current->fiber;

	if (!fiber || ++fiber->worker->steps < STEPS || shim_thread.held.n)
		return;
	/* Read the clock again, so that a loop that waits for a time can end. */
	fiber->worker->steps = 0;
	shim_thread.now = 0;
	if (!fiber->worker->first)
		return;
	fiber_wake(fiber);
	leave(fiber);
}
