/* SPDX-License-Identifier: MIT */
/* Locks that pass priority on, which nothing here does. */
#pragma once

#include "mutex.h"

struct rt_mutex {
	struct shim_lock lock;
};

#define __RT_MUTEX_INITIALIZER(name) { SHIM_LOCK_STATIC(#name, true) }
#define DEFINE_RT_MUTEX(name) struct rt_mutex name = __RT_MUTEX_INITIALIZER(name)
#define rt_mutex_init(m) SHIM_LOCK_INIT(&(m)->lock, #m, true)
#define rt_mutex_lock(m) SHIM_LOCK(&(m)->lock)
#define rt_mutex_lock_killable(m) ({ rt_mutex_lock(m); 0; })
#define rt_mutex_trylock(m) SHIM_TRYLOCK(&(m)->lock)
#define rt_mutex_unlock(m) SHIM_UNLOCK(&(m)->lock)
