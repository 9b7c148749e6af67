// SPDX-License-Identifier: MIT
/*
 * The model's threads: see model.h. They are fibers, as in tests/env/host/shim/sched.c, but without
 * a kernel around them. policy.c calls the functions shim_*().
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model.h"
#include "shim.h"
#include "switch.h"

#define STACK_SIZE (128UL << 10)
/* A run that takes longer does not end. */
#define MAX_STEPS  19000UL

enum state { READY, SLEEPS, SLEEPS_TIMED, DONE };

static struct fiber {
	void *sp;
	char *stack;
	const char *name;
	void (*fn)(uintptr_t);
	uintptr_t arg;
	enum state state;
	bool woken;
	const char *why;
	unsigned int cpu;
} fibers[MODEL_THREADS];

static unsigned int n_fibers, running = MODEL_THREADS, cpus = 1;
static bool migrates;
static void *outside;
static const struct shim_policy *policy;
static unsigned long steps;
static uint64_t random_state = 1, now_ns = 1;

bool shim_rcu_late;
void (*model_fail_hook)(void);

void model_fail(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "model: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	for (unsigned int i = 0; i < n_fibers; i++)
		if (fibers[i].state == SLEEPS || fibers[i].state == SLEEPS_TIMED)
			fprintf(stderr, "  %s sleeps: %s\n", fibers[i].name, fibers[i].why);
	if (model_fail_hook)
		model_fail_hook();
	_exit(1);
}

/* --- For policy.c ------------------------------------------------------------------------- */

void shim_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
}

void shim_panic(const char *format, ...)
{
	model_fail("%s", format);
}

const char *shim_fiber_name(int id)
{
	return (unsigned int)id < n_fibers ? fibers[id].name : "?";
}

void shim_seed(u64 seed)
{
	random_state = seed * 0x9e3779b97f4a7c15ULL + 0x2545f4914f6cdd1dULL;
}

/* splitmix64 */
u32 shim_random(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return (u32)(z >> 32);
}

/* --- Choosing ----------------------------------------------------------------------------- */

unsigned int fiber_self(void)
{
	return running;
}

unsigned long model_steps(void)
{
	return steps;
}

static void switch_to(unsigned int next)
{
	void **from = running < MODEL_THREADS ? &fibers[running].sp : &outside;

	running = next;
	shim_switch(from, next < MODEL_THREADS ? fibers[next].sp : outside);
}

static void choose(const struct shim_point *point, bool can)
{
	struct shim_choice choice = { .running = can ? (int)running : -1, .point = point };
	unsigned int next;

	for (unsigned int i = 0; i < n_fibers; i++)
		if (fibers[i].state == READY || fibers[i].state == SLEEPS_TIMED)
			choice.ids[choice.n++] = (int)i;
	if (!choice.n) {
		for (unsigned int i = 0; i < n_fibers; i++)
			if (fibers[i].state != DONE)
				model_fail("lost wake-up: all threads sleep");
		switch_to(MODEL_THREADS);
		return;
	}
	if (steps >= MAX_STEPS)
		model_fail("the run does not end");
	choice.step = steps++;
	next = (unsigned int)policy->choose(policy->data, &choice);
	fibers[next].state = READY;
	if (next != running)
		switch_to(next);
}

void fiber_point(const char *what, const char *name, bool fine)
{
	const struct shim_point point = { .what = what, .name = name, .fine = fine };

	if (running < MODEL_THREADS && (!fine || policy->fine))
		choose(&point, true);
}

unsigned int fiber_choose(unsigned int n, const char *what)
{
	const struct shim_point point = { .what = "choose", .name = what };
	struct shim_choice choice = { .point = &point };

	if (n < 2 || running == MODEL_THREADS)
		return 0;
	/* A search takes each value in turn, as it does threads; 0 is free. */
	if (policy->fine)
		return shim_random() % 4 ? 0 : shim_random() % n;
	if (steps >= MAX_STEPS)
		model_fail("the run does not end");
	if (n > SHIM_MAX_FIBERS)
		n = SHIM_MAX_FIBERS;
	for (unsigned int i = 0; i < n; i++)
		choice.ids[choice.n++] = (int)i;
	choice.step = steps++;
	return (unsigned int)policy->choose(policy->data, &choice);
}

bool fiber_sleep(bool timed, const char *why)
{
	static const struct shim_point point = { .what = "sleep", .name = "" };
	struct fiber *fiber = &fibers[running];

	if (!fiber->woken) {
		fiber->state = timed ? SLEEPS_TIMED : SLEEPS;
		fiber->why = why;
		choose(&point, false);
	}
	return fiber_take_wake();
}

bool fiber_take_wake(void)
{
	bool woken = fibers[running].woken;

	fibers[running].woken = false;
	return woken;
}

void fiber_wake(unsigned int thread)
{
	struct fiber *fiber = &fibers[thread];

	fiber->woken = true;
	if (fiber->state != DONE)
		fiber->state = READY;
}

/* --- The run ------------------------------------------------------------------------------ */

static void fiber_main(void)
{
	static const struct shim_point end = { .what = "end", .name = "" };

	fibers[running].fn(fibers[running].arg);
	fibers[running].state = DONE;
	choose(&end, false);
}

void model_spawn(const char *name, void (*fn)(uintptr_t), uintptr_t arg)
{
	struct fiber *fiber = &fibers[n_fibers++];

	if (n_fibers > MODEL_THREADS)
		model_fail("too many threads");
	if (!fiber->stack) {
		fiber->stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (fiber->stack == MAP_FAILED)
			model_fail("no memory for a stack");
	}
	*fiber = (struct fiber){
		.stack = fiber->stack,
		.name = name,
		.fn = fn,
		.arg = arg,
		.cpu = n_fibers - 1,
	};
	fiber->sp = shim_first_frame(fiber->stack + STACK_SIZE, fiber_main);
}

void model_run(const struct shim_policy *how, unsigned int how_many_cpus, bool may_migrate)
{
	static const struct shim_point begin = { .what = "begin", .name = "" };

	policy = how;
	steps = 0;
	now_ns = 1;
	cpus = how_many_cpus;
	migrates = may_migrate;
	choose(&begin, false);
	n_fibers = 0;
}

/* --- The machine's services for threads ----------------------------------------------------- */

int seam_cpu(void);
int seam_cpu(void)
{
	if (running == MODEL_THREADS)
		return 0;
	if (migrates && policy->fine && !(shim_random() % 8))
		fibers[running].cpu = shim_random();
	return (int)(fibers[running].cpu % cpus);
}

/* Each look at the clock takes a microsecond. */
int seam_clock(int clock, struct timespec *ret_now);
int seam_clock(int clock, struct timespec *ret_now)
{
	(void)clock;
	now_ns += 1000;
	ret_now->tv_sec = (long)(now_ns / 1000000000);
	ret_now->tv_nsec = (long)(now_ns % 1000000000);
	return 0;
}
