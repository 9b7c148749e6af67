// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slow path of a mutex or spinlock (lock-lean.h). Contention is rare: all fibers of a user run on
 * one worker, so only other threads of the daemon compete, which are mostly workers of other users.
 */
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rcu.h"
#include "shim.h"

_Thread_local struct shim_thread shim_thread;

static void wait_for(u32 *word)
{
	while (__atomic_exchange_n(word, SHIM_LOCK_WAITED_FOR, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, SHIM_LOCK_WAITED_FOR, NULL, NULL, 0);
}

/* Leave the RCU read side before blocking: the holder of a mutex may be waiting for a grace period.
 * The holder of a spinlock never waits for one. */
void shim_lock_wait(struct shim_lock *lock)
{
	bool announces = shim_thread.announces && lock->sleeps;

	if (announces)
		rcu_sleeps();
	wait_for(&lock->word);
	if (announces)
		rcu_awakes();
}

void shim_lock_wake(struct shim_lock *lock)
{
	syscall(SYS_futex, &lock->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Only the host tests check this. */
void shim_might_sleep(const char *what)
{
	(void)what;
}

void might_fault(void)
{
}
