/* SPDX-License-Identifier: MIT */
/*
 * Basic definitions of the kernel, with which the driver's sources run in ipcbusd and in the host
 * tests: types, helper macros, errors as pointers, ordered accesses, and checks that end the
 * program if the driver breaks a rule. All headers under linux/ include this file. A definition
 * with a header of its own in the kernel belongs there.
 *
 * This file includes no header of the C library, so names of the C library are free for the driver,
 * as in the kernel. The shim's own sources may include both.
 */
#pragma once

#include <asm/errno.h>
#include <asm/posix_types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "point.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
/* As in the kernel, because formats use %llu. */
typedef unsigned long long u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef signed long long s64;
typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed int __s32;
typedef signed long long __s64;
typedef unsigned short umode_t;
typedef unsigned int gfp_t;
typedef unsigned int __poll_t;
typedef unsigned int vm_fault_t;
typedef unsigned long vm_flags_t;
typedef long loff_t;
typedef void *fl_owner_t;
typedef long ssize_t;

#define __user
#define __rcu
#define __releases(lock)
#define __init __attribute__((unused))
#define __exit __attribute__((unused))
#define __weak __attribute__((weak))
#define __must_check __attribute__((warn_unused_result))
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define noinline __attribute__((noinline))
#define __printf(a, b) __attribute__((format(printf, a, b)))
/* Otherwise old versions of gcc warn of attributes that they do not know (driver/compat.h). */
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wattributes"
#endif

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define static_assert(expr, ...) _Static_assert(expr, "" __VA_ARGS__)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))
#define min(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ < b_ ? a_ : b_; })
#define max(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ > b_ ? a_ : b_; })
#define clamp(v, low, high) min(max(v, low), high)
#define min_t(type, a, b) min((type)(a), (type)(b))
#define swap(a, b) do { __typeof__(a) t_ = (a); (a) = (b); (b) = t_; } while (0)
#define ALIGN(x, a) (((x) + (__typeof__(x))(a) - 1) & ~((__typeof__(x))(a) - 1))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define BIT(n) (1UL << (n))
#define INT_MAX 0x7fffffff
#define LONG_MAX __LONG_MAX__
#define U32_MAX 0xffffffffU
#define ULONG_MAX (~0UL)

/* Assumed, not checked: the machine has no larger pages. */
#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define offset_in_page(p) ((unsigned long)(p) & (PAGE_SIZE - 1))

#define MAX_ERRNO 4095
/* The system call must be restarted after signals are handled. */
#define ERESTARTNOINTR 513

static inline void *ERR_PTR(long error)
{
	return (void *)error;
}

static inline long PTR_ERR(const void *ptr)
{
	return (long)ptr;
}

static inline bool IS_ERR(const void *ptr)
{
	return (unsigned long)ptr >= (unsigned long)-MAX_ERRNO;
}

static inline void *ERR_CAST(const void *ptr)
{
	return (void *)ptr;
}

/*
 * Each access to shared data is a switch point. READ_ONCE() acquires: the kernel orders accesses
 * through the value by the address dependency, which the thread sanitizer does not know.
 */
#define READ_ONCE(x)                                                          \
	({                                                                    \
		shim_point_fine("read", #x);                                  \
		__atomic_load_n(&(x), __ATOMIC_ACQUIRE);                      \
	})
#define WRITE_ONCE(x, v)                                                      \
	do {                                                                  \
		shim_point_fine("write", #x);                                 \
		__atomic_store_n(&(x), v, __ATOMIC_RELAXED);                  \
	} while (0)
#define smp_load_acquire(p)                                                   \
	({                                                                    \
		shim_point_fine("acquire", #p);                               \
		__atomic_load_n(p, __ATOMIC_ACQUIRE);                         \
	})
#define smp_store_release(p, v)                                               \
	do {                                                                  \
		shim_point_fine("release", #p);                               \
		__atomic_store_n(p, v, __ATOMIC_RELEASE);                     \
	} while (0)
/* Asserts at least four bytes: Linux 6.1 has no smaller exchange on riscv, and on s390 a smaller
 * exchange also returns the neighboring bytes. */
#define SHIM_ASSERT_WORD(p) _Static_assert(sizeof(*(p)) >= 4, "no atomic exchange")
#define cmpxchg(p, old, new)                                                  \
	({                                                                    \
		SHIM_ASSERT_WORD(p);                                          \
		__typeof__(*(p)) old_ = (old);                                \
									      \
		shim_point("cmpxchg", #p);                                    \
		__atomic_compare_exchange_n(p, &old_, new, false,             \
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
		old_;                                                         \
	})

/* The thread sanitizer supports no fences. Not everywhere is a locked operation a full fence. */
static inline void smp_mb(void)
{
#ifdef __SANITIZE_THREAD__
	static _Thread_local int word;
#endif

	shim_point_fine("barrier", "");
#ifdef __SANITIZE_THREAD__
	__atomic_fetch_add(&word, 1, __ATOMIC_SEQ_CST);
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* Ends the program: the driver or the shim broke a rule. */
void shim_panic(const char *format, ...) __printf(1, 2) __attribute__((noreturn));

#define BUG_ON(cond) \
	do { if (cond) shim_panic("BUG: %s at %s:%d", #cond, __FILE__, __LINE__); } while (0)
#define WARN_ON(cond) \
	({ if (cond) shim_panic("WARN_ON: %s at %s:%d", #cond, __FILE__, __LINE__); false; })
#define WARN_ON_ONCE(cond) WARN_ON(cond)

/* In host tests, ends the program if the current context forbids the operation, which what names:
 * see tests/env/host/shim/locks.c. */
void shim_might_sleep(const char *what);
/* For an allocation that may sleep, only in tests/env/host/shim: also ends the program if the
 * thread holds a lock that other procs take. */
void shim_might_reclaim(void);

/* String functions. No header declares them as the kernel does. */
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *at, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
void *memchr_inv(const void *start, int byte, size_t size);

/*
 * Atomics. Each operation is a single step. Reads and changes are switch points.
 */
typedef struct {
	int counter;
} atomic_t;

typedef struct {
	s64 counter;
} atomic64_t;

typedef struct {
	long counter;
} atomic_long_t;

#define SHIM_ATOMIC(expr)                                                     \
	({                                                                    \
		shim_point_fine("atomic", "");                                \
		expr;                                                         \
	})

#define atomic_read(v) SHIM_ATOMIC(__atomic_load_n(&(v)->counter, __ATOMIC_RELAXED))
#define atomic_set(v, i) SHIM_ATOMIC(__atomic_store_n(&(v)->counter, i, __ATOMIC_RELAXED))
#define atomic_inc(v) ((void)atomic_inc_return(v))
#define atomic_dec(v) ((void)atomic_dec_return(v))
#define atomic_inc_return(v) SHIM_ATOMIC(__atomic_add_fetch(&(v)->counter, 1, __ATOMIC_SEQ_CST))
#define atomic_dec_return(v) SHIM_ATOMIC(__atomic_sub_fetch(&(v)->counter, 1, __ATOMIC_SEQ_CST))
#define atomic_dec_and_test(v) (!atomic_dec_return(v))
#define atomic_long_read(v) atomic_read(v)
#define atomic_long_inc(v) atomic_inc(v)
#define atomic_add_return(i, v)                                               \
	SHIM_ATOMIC(__atomic_add_fetch(&(v)->counter, i, __ATOMIC_SEQ_CST))
#define atomic_sub(i, v)                                                      \
	((void)SHIM_ATOMIC(__atomic_sub_fetch(&(v)->counter, i, __ATOMIC_SEQ_CST)))
#define atomic_long_sub(i, v)                                                 \
	((void)SHIM_ATOMIC(__atomic_sub_fetch(&(v)->counter, i, __ATOMIC_SEQ_CST)))
#define atomic_fetch_or(i, v) \
	SHIM_ATOMIC(__atomic_fetch_or(&(v)->counter, i, __ATOMIC_SEQ_CST))
#define atomic64_add(i, v) \
	SHIM_ATOMIC((void)__atomic_fetch_add(&(v)->counter, i, __ATOMIC_RELAXED))
#define atomic64_add_return(i, v) atomic_add_return(i, v)
#define atomic64_xchg(v, i) \
	SHIM_ATOMIC(__atomic_exchange_n(&(v)->counter, i, __ATOMIC_SEQ_CST))
