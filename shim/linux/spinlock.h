/* SPDX-License-Identifier: MIT */
/* Spinlocks. A thread that holds a spinlock must not sleep. See locks.c. */
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
