/* SPDX-License-Identifier: MIT */
/*
 * Locks without checks, for SHIM_LEAN (ipcbusd): a word on which real threads wait, with all their
 * tasks. Only lock.h includes this file. The slow path is in daemon/kernel/locks.c.
 *
 * A task must not switch while it holds a spinlock or mutex or is in a read-side section, or
 * daemon/kernel/fiber.c panics. So @held is state of the real thread. A thread that announces
 * quiescent states (@announces) need not announce read-side sections: see daemon/kernel/rcu.c. For
 * other threads a spinlock is a read-side section.
 */
#pragma once

/* The word is 0 if the lock is free, TAKEN, or WAITED_FOR. A thread that drops a lock that is
 * WAITED_FOR must wake a waiter. */
enum { SHIM_LOCK_TAKEN = 1, SHIM_LOCK_WAITED_FOR = 2 };

struct shim_lock {
	u32 word;
	bool sleeps;	/* a mutex, not a spinlock */
};

struct shim_held {
	int n;		/* locks */
	int rcu;	/* nested read-side sections */
};

/**
 * struct shim_thread - state of a real thread
 * @held: locks and read-side sections
 * @announces: the thread announces quiescent states by rcu_quiet()
 * @now: last reading of CLOCK_MONOTONIC in nanoseconds, or 0 if it must be read again
 */
struct shim_thread {
	struct shim_held held;
	bool announces;
	u64 now;
};

extern _Thread_local struct shim_thread shim_thread;

#define shim_held_by(task) ((void)(task), &shim_thread.held)

/* Slow path: waits for the lock and takes it; wakes a waiter. */
void shim_lock_wait(struct shim_lock *lock);
void shim_lock_wake(struct shim_lock *lock);
/* Announce the beginning and the end of a read-side section. */
void shim_rcu_enter(void);
void shim_rcu_leave(void);

/* If the thread announces, the clock is read once between two switches. In a long loop,
 * cond_resched() makes it be read again. */
static inline u64 shim_clock_kept(void)
{
	return shim_thread.now;
}

static inline void shim_clock_keep(u64 now)
{
	if (shim_thread.announces)
		shim_thread.now = now;
}

static inline bool shim_lock_reads(const struct shim_lock *lock)
{
	return unlikely(!shim_thread.announces && !lock->sleeps);
}

static inline bool shim_lock_grab(struct shim_lock *lock)
{
	u32 none = 0;

	return __atomic_compare_exchange_n(&lock->word, &none, SHIM_LOCK_TAKEN, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void shim_lock_taken(const struct shim_lock *lock)
{
	shim_thread.held.n++;
	if (shim_lock_reads(lock))
		shim_rcu_enter();
}

static inline bool shim_lock_try(struct shim_lock *lock)
{
	if (!shim_lock_grab(lock))
		return false;
	shim_lock_taken(lock);
	return true;
}

static inline void shim_lock_take(struct shim_lock *lock)
{
	if (unlikely(!shim_lock_grab(lock)))
		shim_lock_wait(lock);
	shim_lock_taken(lock);
}

static inline void shim_lock_drop(struct shim_lock *lock)
{
	bool reads = shim_lock_reads(lock);

	shim_thread.held.n--;
	/* The next owner may free the lock, so only its address may be used from here on. */
	if (unlikely(__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) ==
		     SHIM_LOCK_WAITED_FOR))
		shim_lock_wake(lock);
	if (unlikely(reads))
		shim_rcu_leave();
}

#define SHIM_LOCK_INIT(l, lock_name, lock_sleeps) \
	((void)(*(l) = (struct shim_lock){ .sleeps = (lock_sleeps) }))
#define SHIM_LOCK_STATIC(lock_name, lock_sleeps) { .sleeps = (lock_sleeps) }
