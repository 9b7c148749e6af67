/* SPDX-License-Identifier: MIT */
/* Locks that pass priority on, which nothing here does. */
#pragma once

#include "mutex.h"

struct rt_mutex {
	struct shim_lock lock;
};

#define rt_mutex_init(m) SHIM_LOCK_INIT(&(m)->lock, #m, true)
#define rt_mutex_lock(m) SHIM_LOCK(&(m)->lock)
#define rt_mutex_trylock(m) SHIM_TRYLOCK(&(m)->lock)
#define rt_mutex_unlock(m) SHIM_UNLOCK(&(m)->lock)
