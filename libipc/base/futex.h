/* SPDX-License-Identifier: MIT */
/*
 * Waiting in a futex. The kernel's structure of a time has 64-bit fields. In 32-bit programs that
 * is another structure than struct timespec, and the system call has another number.
 */
#ifndef IPC_FUTEX_H
#define IPC_FUTEX_H

#include <linux/futex.h>
#include <linux/time_types.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef SYS_futex_time64
#define FUTEX_NUMBER SYS_futex_time64
#else
#define FUTEX_NUMBER SYS_futex
#endif

/* ns: a time of CLOCK_MONOTONIC */
static inline struct __kernel_timespec futex_time(uint64_t ns)
{
	return (struct __kernel_timespec){
		.tv_sec = (int64_t)(ns / 1000000000),
		.tv_nsec = (int64_t)(ns % 1000000000),
	};
}

/* Sleeps while *word is value, at most until that time (NULL: no timeout). Returns 0, or -1 with
 * errno. */
static inline long futex_wait_until(const void *word, uint32_t value,
				    const struct __kernel_timespec *until)
{
	return syscall(FUTEX_NUMBER, word, FUTEX_WAIT_BITSET, value, until, NULL,
		       FUTEX_BITSET_MATCH_ANY);
}

#endif /* IPC_FUTEX_H */
