/* SPDX-License-Identifier: MIT */
/* Reference counts with a destructor. */
#pragma once

#include "mutex.h"
#include "refcount.h"

struct kref {
	refcount_t refcount;
};

#define KREF_INIT(n) { .refcount = { { n } } }

static inline void kref_init(struct kref *kref)
{
	refcount_set(&kref->refcount, 1);
}

static inline void kref_get(struct kref *kref)
{
	refcount_inc(&kref->refcount);
}

static inline int __must_check kref_get_unless_zero(struct kref *kref)
{
	return refcount_inc_not_zero(&kref->refcount);
}

static inline int kref_put(struct kref *kref, void (*release)(struct kref *kref))
{
	if (!refcount_dec_and_test(&kref->refcount))
		return 0;
	release(kref);
	return 1;
}

/* The last one is put with the lock held, which release() is to drop. */
static inline int kref_put_mutex(struct kref *kref, void (*release)(struct kref *kref),
				 struct mutex *lock)
{
	int old = refcount_read(&kref->refcount);

	while (old > 1)
		if (__atomic_compare_exchange_n(&kref->refcount.refs.counter, &old, old - 1, false,
						__ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return 0;
	mutex_lock(lock);
	if (kref_put(kref, release))
		return 1;
	mutex_unlock(lock);
	return 0;
}
