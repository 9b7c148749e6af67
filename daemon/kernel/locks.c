// SPDX-License-Identifier: GPL-2.0-only
/*
 * Locks of both kinds: a word that real threads wait for, and how many the task holds. A fiber
 * never switches while it holds one. A spinlock is a read-side section of RCU, as in the kernel.
 *
 * The word is 0: free; TAKEN; or WAITED_FOR: whoever drops it wakes one. Nearly all are free:
 * others than the user's own worker come only from other users.
 */
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim.h"

enum { TAKEN = 1, WAITED_FOR = 2 };

static u32 *word_of(struct shim_lock *lock)
{
	return (u32 *)lock->real;
}

static noinline void wait_for(u32 *word)
{
	while (__atomic_exchange_n(word, WAITED_FOR, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, WAITED_FOR, NULL, NULL, 0);
}

static bool try(u32 *word)
{
	u32 none = 0;

	return __atomic_compare_exchange_n(word, &none, TAKEN, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

static void taken(struct shim_lock *lock)
{
	struct task_struct *task = current;

	__atomic_store_n(&lock->owner, task, __ATOMIC_RELAXED);
	task->locks.n++;
	if (!lock->class->sleeps)
		shim_rcu_enter();
}

void shim_lock_take(struct shim_lock *lock)
{
	u32 *word = word_of(lock);

	if (!try(word))
		wait_for(word);
	taken(lock);
}

bool shim_lock_try(struct shim_lock *lock)
{
	if (!try(word_of(lock)))
		return false;
	taken(lock);
	return true;
}

void shim_lock_drop(struct shim_lock *lock)
{
	bool sleeps = lock->class->sleeps;
	u32 *word = word_of(lock);

	current->locks.n--;
	__atomic_store_n(&lock->owner, NULL, __ATOMIC_RELAXED);
	/* Whoever gets it now may free it: only the address is used. */
	if (__atomic_exchange_n(word, 0, __ATOMIC_RELEASE) == WAITED_FOR)
		syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	if (!sleeps)
		shim_rcu_leave();
}

bool shim_lock_is_held(const struct shim_lock *lock)
{
	return __atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == current;
}

void shim_might_sleep(const char *what)
{
	(void)what;
}

void might_fault(void)
{
}
