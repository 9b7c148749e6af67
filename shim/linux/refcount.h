/* SPDX-License-Identifier: MIT */
/* Reference counts: decrementing or incrementing 0 is an error. */
#pragma once

#include "../kernel.h"

typedef struct {
	atomic_t refs;
} refcount_t;

static inline void refcount_set(refcount_t *r, int n)
{
	__atomic_store_n(&r->refs.counter, n, __ATOMIC_RELAXED);
}

static inline unsigned int refcount_read(const refcount_t *r)
{
	return __atomic_load_n(&r->refs.counter, __ATOMIC_RELAXED);
}

static inline void refcount_inc(refcount_t *r)
{
	shim_point_fine("get", "");
	if (__atomic_fetch_add(&r->refs.counter, 1, __ATOMIC_SEQ_CST) <= 0)
		shim_panic("refcount: got something that was freed");
}

static inline bool __must_check refcount_inc_not_zero(refcount_t *r)
{
	int old = refcount_read(r);

	shim_point_fine("get", "");
	do
		if (!old)
			return false;
	while (!__atomic_compare_exchange_n(&r->refs.counter, &old, old + 1, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	return true;
}

static inline bool __must_check refcount_dec_and_test(refcount_t *r)
{
	int left;

	shim_point_fine("put", "");
	left = __atomic_sub_fetch(&r->refs.counter, 1, __ATOMIC_SEQ_CST);
	if (left < 0)
		shim_panic("refcount: put once too often");
	return !left;
}

/* Decrements unless the count is 1. */
static inline bool __must_check refcount_dec_not_one(refcount_t *r)
{
	int old = refcount_read(r);

	shim_point_fine("put", "");
	do
		if (old == 1)
			return false;
	while (!__atomic_compare_exchange_n(&r->refs.counter, &old, old - 1, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	if (!old)
		shim_panic("refcount: put once too often");
	return true;
}
