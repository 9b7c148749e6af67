/* SPDX-License-Identifier: MIT */
/* Mutexes: see locks.c. */
#pragma once

#include "../lock.h"

struct mutex {
	struct shim_lock lock;
};

#define __MUTEX_INITIALIZER(name) { SHIM_LOCK_STATIC(#name, true) }
#define DEFINE_MUTEX(name) struct mutex name = __MUTEX_INITIALIZER(name)
#define mutex_init(m) SHIM_LOCK_INIT(&(m)->lock, #m, true)
#define mutex_lock(m) SHIM_LOCK(&(m)->lock)
#define mutex_trylock(m) SHIM_TRYLOCK(&(m)->lock)
#define mutex_unlock(m) SHIM_UNLOCK(&(m)->lock)
