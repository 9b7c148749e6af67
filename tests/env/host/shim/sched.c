// SPDX-License-Identifier: MIT
/*
 * Sleeping and waking; and the deterministic scheduler, which runs tasks on fibers, one at a time,
 * and asks a policy at each point for the next fiber.
 *
 * With real threads a sleeping task waits for its own state by futex. This file does not depend on
 * the exploration, which is in tests/suite/explore/.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <linux/hrtimer.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "asan.h"
#include "shim.h"
#include "switch.h"

#ifdef SHIM_ASAN
#define STACK_SIZE (256UL << 10)
#else
#define STACK_SIZE (64UL << 10)
#endif

enum fiber_state {
	FIBER_READY,
	FIBER_WAITS,
	FIBER_DONE,
};

struct shim_fiber {
	void *sp;
	char *stack;
	void *fake_stack;	/* of the address sanitizer */
	struct task_struct *task;
	const char *name;
	void (*fn)(void *);
	void *arg;
	enum fiber_state state;
	const void *waits_for;
	const char *why;
	u64 until;		/* the fiber may also run after this time */
};

bool shim_scheduled;
bool shim_is_deterministic;

static struct shim_fiber fibers[SHIM_MAX_FIBERS];
static int n_fibers;
static int running = -1;
static struct shim_fiber outside;
static const struct shim_policy *policy;
static unsigned long steps;
static u64 random_state = 1;

static const struct shim_point no_point = { .what = "end", .name = "" };

/* --- Choosing ------------------------------------------------------------- */

static void fiber_main(void);

/* If to is NULL, switches back to the caller of shim_run(). */
static void switch_to(struct shim_fiber *from, struct shim_fiber *to)
{
	struct shim_fiber *next = to ? to : &outside;

	running = to ? (int)(to - fibers) : -1;
	shim_task = next->task;
	__sanitizer_start_switch_fiber(from->state == FIBER_DONE ? NULL : &from->fake_stack,
				       next->stack, STACK_SIZE);
	shim_switch(&from->sp, next->sp);
	__sanitizer_finish_switch_fiber(from->fake_stack, (const void **)&outside.stack, NULL);
}

static void deadlock(void)
{
	for (int i = 0; i < n_fibers; i++)
		if (fibers[i].state == FIBER_WAITS)
			shim_say("  %s waits: %s\n", fibers[i].name, fibers[i].why);
	shim_panic("scheduler: deadlock: nobody can run");
}

/* Asks the policy for the next fiber. can: the current fiber could continue. */
static void choose(const struct shim_point *point, bool can)
{
	struct shim_choice choice = { .running = can ? running : -1, .point = point };
	int id;

	for (int i = 0; i < n_fibers; i++)
		if (fibers[i].state == FIBER_READY ||
		    (fibers[i].state == FIBER_WAITS && fibers[i].until))
			choice.ids[choice.n++] = i;
	if (!choice.n) {
		for (int i = 0; i < n_fibers; i++)
			if (fibers[i].state != FIBER_DONE)
				deadlock();
		switch_to(&fibers[running], NULL);
		return;
	}
	choice.step = steps++;
	id = policy->choose(policy->data, &choice);
	if (fibers[id].state == FIBER_WAITS)
		shim_time_reaches(fibers[id].until);
	fibers[id].state = FIBER_READY;
	fibers[id].until = 0;
	if (id != running)
		switch_to(running < 0 ? &outside : &fibers[running], &fibers[id]);
}

void shim_point_reached(const struct shim_point *point)
{
	if (running < 0 || (point->fine && !policy->fine))
		return;
	if (policy->stays && policy->stays(policy->data, running))
		steps++;
	else
		choose(point, true);
}

void shim_fiber_wait(const void *what, const char *why)
{
	static const struct shim_point wait = { .what = "wait", .name = "" };
	struct shim_fiber *fiber = &fibers[running];

	fiber->state = FIBER_WAITS;
	fiber->waits_for = what;
	fiber->why = why;
	choose(&wait, false);
}

void shim_fibers_ready(const void *what)
{
	for (int i = 0; i < n_fibers; i++)
		if (fibers[i].state == FIBER_WAITS && fibers[i].waits_for == what)
			fibers[i].state = FIBER_READY, fibers[i].until = 0;
}

static void fiber_main(void)
{
	struct shim_fiber *fiber = &fibers[running];

	__sanitizer_finish_switch_fiber(fiber->fake_stack, (const void **)&outside.stack, NULL);
	fiber->fn(fiber->arg);
	shim_task_exit();
	fiber->state = FIBER_DONE;
	choose(&no_point, false);
}

static char *stack_new(void)
{
	char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	BUG_ON(stack == MAP_FAILED);
	return stack;
}

void shim_spawn(struct task_struct *task, const char *name, void (*fn)(void *), void *arg)
{
	struct shim_fiber *fiber = &fibers[n_fibers++];

	BUG_ON(n_fibers > SHIM_MAX_FIBERS);
	*fiber = (struct shim_fiber){
		.stack = fiber->stack ?: stack_new(),
		.task = task, .name = name, .fn = fn, .arg = arg,
	};
	task->fiber = fiber;
	task->rcu_bit = n_fibers;
	/* The stack may have frames of an earlier fiber that never returned. */
	ASAN_UNPOISON_MEMORY_REGION(fiber->stack, STACK_SIZE);
	fiber->sp = shim_first_frame(fiber->stack + STACK_SIZE, fiber_main);
}

void shim_run(const struct shim_policy *how)
{
	policy = how;
	steps = 0;
	outside.task = current;
	shim_scheduled = true;
	choose(&no_point, false);
	shim_scheduled = false;
	n_fibers = 0;
}

const char *shim_fiber_name(int id)
{
	return fibers[id].name;
}

unsigned long shim_steps(void)
{
	return steps;
}

void shim_seed(u64 seed)
{
	random_state = seed * 0x9e3779b97f4a7c15ULL + 0x2545f4914f6cdd1dULL;
}

/* splitmix64 */
u32 shim_random(void)
{
	u64 z = random_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z >> 32;
}

/* --- Sleeping ------------------------------------------------------------- */

void set_current_state(unsigned int state)
{
	__atomic_exchange_n(&current->state, state, __ATOMIC_SEQ_CST);
	shim_point("state", "");
}

static bool must_wake(struct task_struct *task)
{
	return __atomic_load_n(&task->state, __ATOMIC_SEQ_CST) == TASK_RUNNING ||
	       signal_pending(task);
}

/* until: nanoseconds of the clock, or 0 for no limit. Returns false if the time passed first. */
static bool sleep_until(u64 until)
{
	struct task_struct *task = current;
	struct timespec ts = { .tv_sec = until / 1000000000, .tv_nsec = until % 1000000000 };
	bool woken = true;
	unsigned int state;

	shim_might_sleep("schedule");
	shim_point("schedule", "");
	while (!must_wake(task) && (woken = !until || ktime_get_ns() < until)) {
		if (shim_scheduled) {
			fibers[running].until = until;
			shim_fiber_wait(task, "asleep");
		} else if (shim_is_deterministic && !until) {
			shim_panic("scheduler: the only thread sleeps");
		} else if (shim_is_deterministic) {
			shim_time_reaches(until);
		} else {
			state = __atomic_load_n(&task->state, __ATOMIC_SEQ_CST);
			if (state != TASK_RUNNING)
				syscall(SYS_futex, &task->state, FUTEX_WAIT_BITSET_PRIVATE, state,
					until ? &ts : NULL, NULL, FUTEX_BITSET_MATCH_ANY);
		}
	}
	__atomic_store_n(&task->state, TASK_RUNNING, __ATOMIC_SEQ_CST);
	return woken;
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
	shim_point("wake", "");
	__atomic_store_n(&task->state, TASK_RUNNING, __ATOMIC_SEQ_CST);
	if (shim_scheduled)
		shim_fibers_ready(task);
	else
		syscall(SYS_futex, &task->state, FUTEX_WAKE_PRIVATE, 1);
}

void shim_signal(struct task_struct *task)
{
	__atomic_store_n(&task->signalled, true, __ATOMIC_SEQ_CST);
	shim_wake(task);
}

void cond_resched(void)
{
	shim_might_sleep("cond_resched");
	shim_point("resched", "");
}
