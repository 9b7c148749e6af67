/* SPDX-License-Identifier: MIT */
/* Static branches: plain counters here. */
#pragma once

#include "../kernel.h"

struct static_key_false {
	atomic_t users;
};

#define static_branch_unlikely(key) unlikely(atomic_read(&(key)->users) > 0)
#define static_branch_inc(key) atomic_inc(&(key)->users)
#define static_branch_dec(key) atomic_dec(&(key)->users)
