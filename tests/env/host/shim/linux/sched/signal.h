/* SPDX-License-Identifier: MIT */
/* Whether a signal waits. */
#pragma once

#include "../sched.h"

/* The limits that a process begins with: no better priority than the usual. */
#define RLIMIT_NICE 13
#define RLIMIT_RTPRIO 14
#define RLIMIT_NOFILE 7
#ifdef SHIM_LEAN
/* In ipcbusd, user_files is the limit. */
#define rlimit(which) ((which) == RLIMIT_NOFILE ? ~0UL : 0UL)
#else
#define rlimit(which) ((which) == RLIMIT_NOFILE ? 1024UL : 0UL)
#endif

/* Nobody kills here. */
#define SIGNAL_GROUP_EXIT 4U

#define signal_pending(task) __atomic_load_n(&(task)->signalled, __ATOMIC_ACQUIRE)
