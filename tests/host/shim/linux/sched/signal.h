/* SPDX-License-Identifier: MIT */
/* Whether a signal waits. */
#pragma once

#include "../sched.h"

#define signal_pending(task) __atomic_load_n(&(task)->signalled, __ATOMIC_ACQUIRE)
