/* SPDX-License-Identifier: MIT */
/*
 * Included before each file of the model, channel.c first of all: its atomic accesses, copies and
 * system calls become those of the model (model.h). The code itself is unchanged.
 */
#ifndef CHANNELS_SEAMS_H
#define CHANNELS_SEAMS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* All words are of 32 bits. */
uint32_t seam_load(const volatile void *word, memory_order order);
void seam_store(volatile void *word, uint32_t value, memory_order order);
enum seam_op { SEAM_ADD, SEAM_AND, SEAM_OR };
uint32_t seam_change(volatile void *word, enum seam_op op, uint32_t value, memory_order order);
bool seam_exchange(volatile void *word, uint32_t *expected, uint32_t value, memory_order order);
void seam_fence(memory_order order);
void *seam_copy(void *to, const void *from, size_t size);
long seam_syscall(long number, ...);
int seam_cpu(void);
int seam_clock(clockid_t clock, struct timespec *ret_now);
int seam_ring(int bell);

#undef atomic_thread_fence
#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_fetch_add
#undef atomic_fetch_add_explicit
#undef atomic_fetch_and
#undef atomic_fetch_and_explicit
#undef atomic_fetch_or
#undef atomic_compare_exchange_weak_explicit
#undef memcpy

#define atomic_load_explicit(word, order)                                       \
	((__typeof__(_Generic((word), atomic_int * : 0, const atomic_int * : 0, \
			      default : 0U)))seam_load(word, order))
#define atomic_load(word) \
	atomic_load_explicit(word, memory_order_seq_cst)
#define atomic_store_explicit(word, value, order) \
	seam_store(word, (uint32_t)(value), order)
#define atomic_store(word, value) \
	atomic_store_explicit(word, value, memory_order_seq_cst)
#define atomic_fetch_add_explicit(word, value, order) \
	seam_change(word, SEAM_ADD, value, order)
#define atomic_fetch_add(word, value) \
	seam_change(word, SEAM_ADD, value, memory_order_seq_cst)
#define atomic_fetch_and_explicit(word, value, order) \
	seam_change(word, SEAM_AND, value, order)
#define atomic_fetch_and(word, value) \
	seam_change(word, SEAM_AND, value, memory_order_seq_cst)
#define atomic_fetch_or(word, value) \
	seam_change(word, SEAM_OR, value, memory_order_seq_cst)
#define atomic_compare_exchange_weak_explicit(word, expected, value, order, otherwise) \
	seam_exchange(word, expected, value, order)

#define atomic_thread_fence(order) \
	seam_fence(order)
#define memcpy(to, from, size)	   seam_copy(to, from, size)
#define syscall			   seam_syscall
#define sched_getcpu		   seam_cpu
/* Other threads may run at each access. */
#define sched_yield()		   ((void)0)
#define clock_gettime(clock, time) seam_clock(clock, time)
#define ioctl(bell, request, value) ((void)(value), -1)
#define timerfd_settime(bell, flags, value, before) ((void)(value), seam_ring(bell))

#endif /* CHANNELS_SEAMS_H */
