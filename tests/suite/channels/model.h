/* SPDX-License-Identifier: MIT */
/*
 * The model's machine: threads that switch at each seam, and memory that may be seen late.
 *
 * Threads are fibers of a single real thread. At each atomic access and each system call a policy
 * of the explorer (../explore/policy.h) chooses the thread that goes on.
 *
 * Memory keeps all values that a word has had in this run. A thread has a view: the oldest value
 * of each word that it may still read. A load chooses among the values that its order permits:
 * a relaxed or acquire load may read an old value, a sequentially consistent load reads at least
 * the last value that was written so. A release store hands on the writer's view to the acquire
 * loads that read it. Read-modify-writes read the last value. Payloads must be ordered: a copy
 * that another thread's copy of the same payload does not precede in the views is a data race.
 *
 * A sleeping thread wakes by a wake-up or, if it has a timeout, whenever the policy chooses.
 * All threads asleep without timeout are a lost wake-up, which ends the program.
 */
#ifndef CHANNELS_MODEL_H
#define CHANNELS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_THREADS 6U

struct shim_policy;

/* A thread of the next run. */
void model_spawn(const char *name, void (*fn)(uintptr_t), uintptr_t arg);
/* Runs all threads to their ends. A thread's CPU is its number modulo @cpus, and if @migrates it
 * changes by chance. */
void model_run(const struct shim_policy *policy, unsigned int cpus, bool migrates);
/* Choices of the last run. */
unsigned long model_steps(void);

/* Says why, how to repeat it, and ends the program. */
_Noreturn void model_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Called by model_fail() after the reason. */
extern void (*model_fail_hook)(void);

#define CHECK(cond)                                                                \
	do {                                                                       \
		if (!(cond))                                                       \
			model_fail("%s:%d: wrong: %s", __FILE__, __LINE__, #cond); \
	} while (0)

/* --- Between fibers.c and memory.c ------------------------------------------------------- */

/* A thread may be switched to here. Fine points are no points of a bounded search. */
void fiber_point(const char *what, const char *name, bool fine);
/* Chooses a number below n; 0 is the usual choice. */
unsigned int fiber_choose(unsigned int n, const char *what);
/* The running thread's number; MODEL_THREADS outside of a run. */
unsigned int fiber_self(void);
/* Sleeps until fiber_wake(), or if @timed until any moment. Returns whether it was woken. */
bool fiber_sleep(bool timed, const char *why);
/* Whether fiber_wake() came since the last sleep, without sleeping. Forgets it. */
bool fiber_take_wake(void);
void fiber_wake(unsigned int thread);
/* Forgets all words. */
void memory_reset(void);

#endif /* CHANNELS_MODEL_H */
