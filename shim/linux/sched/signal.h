/* SPDX-License-Identifier: MIT */
/* Pending signals and resource limits. */
#pragma once

#include "../sched.h"

/* The initial limits permit no priority above the default. */
#ifndef RLIMIT_NICE
#define RLIMIT_NICE 13
#define RLIMIT_RTPRIO 14
#define RLIMIT_NOFILE 7
#endif
#ifdef SHIM_LEAN
/* In ipcbusd, user_files is the limit. */
#define rlimit(which) ((which) == RLIMIT_NOFILE ? ~0UL : 0UL)
#else
#define rlimit(which)                                      \
	((which) == RLIMIT_NOFILE ? 1024UL :               \
	 (which) == RLIMIT_NICE ? current->rlimit_nice :   \
				  current->rlimit_rtprio)
#endif

#define signal_pending(task) __atomic_load_n(&(task)->signalled, __ATOMIC_ACQUIRE)
