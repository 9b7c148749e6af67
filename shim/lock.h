/* SPDX-License-Identifier: MIT */
/*
 * Mutexes and spinlocks, and the rules that each use is checked against: see locks.c. The class of
 * a lock is the place where it is initialized.
 */
#pragma once

#include "kernel.h"

struct task_struct;

/**
 * struct shim_lock_class - all locks that are initialized at one place
 * @name: as in the source
 * @sleeps: true for mutexes, false for spinlocks
 * @id: from 1, assigned at the first use; 0 before
 */
struct shim_lock_class {
	const char *name;
	bool sleeps;
	int id;
};

#ifdef SHIM_LEAN
#include "lock-lean.h"
#else
/**
 * struct shim_lock - a lock
 * @class: the place of initialization; NULL if not initialized
 * @owner: the task that holds it
 * @real: for real threads: a pthread_mutex_t, zeroed
 */
struct shim_lock {
	struct shim_lock_class *class;
	struct task_struct *owner;
	long real[5];
};

#define SHIM_MAX_HELD 8

/* Locks and read-side sections of a task. A spinlock is also a read-side section (reading), but the
 * driver must not rely on that without rcu_read_lock() (rcu). Under the scheduler the clock stands
 * still for a task that holds spinlocks, from its first reading (since). */
struct shim_held {
	struct shim_lock *lock[SHIM_MAX_HELD];
	int n;
	int spinning;
	int rcu;
	int reading;
	u64 since;
};

void shim_lock_take(struct shim_lock *lock);
void shim_lock_drop(struct shim_lock *lock);
bool shim_lock_try(struct shim_lock *lock);
bool shim_lock_is_held(const struct shim_lock *lock);

#define SHIM_LOCK_INIT(l, lock_name, lock_sleeps)                                 \
	do {                                                                      \
		static struct shim_lock_class class_ = { lock_name, lock_sleeps, 0 }; \
		*(l) = (struct shim_lock){ .class = &class_ };                    \
	} while (0)
#define shim_held_by(task) (&(task)->locks)
#define shim_clock_kept() 0
#define shim_clock_keep(now) do { } while (0)
#define SHIM_LOCK_STATIC(lock_name, lock_sleeps) \
	{ .class = &(struct shim_lock_class){ lock_name, lock_sleeps, 0 } }
#endif

#define SHIM_LOCK(l)                                                              \
	do {                                                                      \
		shim_point("lock", #l);                                           \
		shim_lock_take(l);                                                \
	} while (0)
#define SHIM_TRYLOCK(l)                                                           \
	({                                                                        \
		shim_point("trylock", #l);                                        \
		shim_lock_try(l);                                                 \
	})
#define SHIM_UNLOCK(l)                                                            \
	do {                                                                      \
		shim_lock_drop(l);                                                \
		shim_point("unlock", #l);                                         \
	} while (0)

#ifdef SHIM_LEAN
/* As in a kernel without lockdep. */
#define lockdep_is_held(l) ((void)(l), true)
#define lockdep_assert_held(l) ((void)(l))
#else
#define lockdep_is_held(l) shim_lock_is_held(&(l)->lock)
#define lockdep_assert_held(l)                                                    \
	do {                                                                      \
		if (!lockdep_is_held(l))                                          \
			shim_panic("%s is not held at %s:%d", #l, __FILE__, __LINE__); \
	} while (0)
#endif
