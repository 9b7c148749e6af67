// SPDX-License-Identifier: GPL-2.0-only
/*
 * Locks of both kinds: a mutex of real threads, and how many the task holds. A fiber never
 * switches while it holds one. A spinlock is a read-side section of RCU, as in the kernel.
 */
#include <pthread.h>

#include "shim.h"

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(((struct shim_lock *)0)->real), "space");

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
	pthread_mutex_lock((pthread_mutex_t *)lock->real);
	taken(lock);
}

bool shim_lock_try(struct shim_lock *lock)
{
	if (pthread_mutex_trylock((pthread_mutex_t *)lock->real))
		return false;
	taken(lock);
	return true;
}

void shim_lock_drop(struct shim_lock *lock)
{
	bool sleeps = lock->class->sleeps;

	current->locks.n--;
	__atomic_store_n(&lock->owner, NULL, __ATOMIC_RELAXED);
	pthread_mutex_unlock((pthread_mutex_t *)lock->real);
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
