/* SPDX-License-Identifier: MIT */
/* Set the calling thread's priority; read that of any thread. */
#ifndef SCHEDULING_H
#define SCHEDULING_H

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>

#include "fixture.h"

static inline int nice_of(pid_t tid)
{
	errno = 0;
	return getpriority(PRIO_PROCESS, tid);
}

static inline void set_nice(int nice)
{
	ck_assert_int_eq(setpriority(PRIO_PROCESS, 0, nice), 0);
}

static inline void set_policy(int policy, int priority)
{
	struct sched_param param = { .sched_priority = priority };

	ck_assert_int_eq(sched_setscheduler(0, policy, &param), 0);
}

static inline void expect_policy_of(pid_t tid, int policy, int priority)
{
	struct sched_param param;

	ck_assert_int_eq(sched_getscheduler(tid) & ~SCHED_RESET_ON_FORK, policy);
	ck_assert_int_eq(sched_getparam(tid, &param), 0);
	ck_assert_int_eq(param.sched_priority, priority);
}

#endif
