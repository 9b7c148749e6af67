/* SPDX-License-Identifier: MIT */
/* Locks that spin: nobody who holds one may sleep. See locks.c. */
#pragma once

#include "../lock.h"

typedef struct {
	struct shim_lock lock;
} spinlock_t;

#define __SPIN_LOCK_UNLOCKED(name) (spinlock_t){ SHIM_LOCK_STATIC(#name, false) }
#define DEFINE_SPINLOCK(name) spinlock_t name = __SPIN_LOCK_UNLOCKED(name)
#define spin_lock_init(s) SHIM_LOCK_INIT(&(s)->lock, #s, false)
#define spin_lock(s) SHIM_LOCK(&(s)->lock)
#define spin_trylock(s) SHIM_TRYLOCK(&(s)->lock)
#define spin_unlock(s) SHIM_UNLOCK(&(s)->lock)
/* There are no interrupts. */
#define spin_lock_irqsave(s, flags) do { (flags) = 0; spin_lock(s); } while (0)
/* It waits: nobody holds one for long. */
#define might_lock(s) ((void)(s))
#define local_irq_save(flags) ((void)((flags) = 0))
#define local_irq_restore(flags) ((void)(flags))
#define cpu_relax() ((void)0)
#define spin_unlock_irqrestore(s, flags) do { (void)(flags); spin_unlock(s); } while (0)
