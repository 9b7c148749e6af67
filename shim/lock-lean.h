/* SPDX-License-Identifier: MIT */
/*
 * Locks without checks, for SHIM_LEAN: a word that real threads wait for. Included by lock.h only;
 * who waits is in daemon/kernel/locks.c.
 *
 * Tasks switch only where they sleep, and none sleeps with a lock or in a read-side section. So
 * what is held belongs to the real thread. One that says when it switches (@announces) need not
 * say when it reads: see daemon/kernel/rcu.c. For others a spinlock is a read-side section.
 */
#pragma once

/* The word is 0: free; TAKEN; or WAITED_FOR: whoever drops it wakes one. */
enum { SHIM_LOCK_TAKEN = 1, SHIM_LOCK_WAITED_FOR = 2 };

struct shim_lock {
	u32 word;
	bool sleeps;
};

struct shim_held {
	int n;
	int rcu;
};

/**
 * struct shim_thread - of a real thread
 * @held: locks, and read-side sections
 * @announces: it says when it is in no read-side section, by shim_rcu_quiet()
 * @now: what the clock said since it switched last, or 0
 */
struct shim_thread {
	struct shim_held held;
	bool announces;
	u64 now;
};

extern _Thread_local struct shim_thread shim_thread;

#define shim_held_by(task) ((void)(task), &shim_thread.held)

/* Takes it once it is free; wakes who waits. */
void shim_lock_wait(struct shim_lock *lock);
void shim_lock_wake(struct shim_lock *lock);
void shim_rcu_enter(void);
void shim_rcu_leave(void);

/* Between two switches the clock is read once. */
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
	/* Whoever gets it now may free it: only the address is used. */
	if (unlikely(__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) ==
		     SHIM_LOCK_WAITED_FOR))
		shim_lock_wake(lock);
	if (unlikely(reads))
		shim_rcu_leave();
}

#define SHIM_LOCK_INIT(l, lock_name, lock_sleeps) \
	((void)(*(l) = (struct shim_lock){ .sleeps = (lock_sleeps) }))
#define SHIM_LOCK_STATIC(lock_name, lock_sleeps) { .sleeps = (lock_sleeps) }
