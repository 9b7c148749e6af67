/* SPDX-License-Identifier: MIT */
/* Sparse arrays: see xarray.c. */
#pragma once

#include "gfp.h"
#include "rcupdate.h"
#include "spinlock.h"

#define SHIM_XA_LEAF	128
#define SHIM_XA_ROOT	1024

struct shim_xa_leaf;
struct shim_xa_root;

/* Two levels, for numbers below SHIM_XA_LEAF * SHIM_XA_ROOT. Most arrays need only the first
 * leaf. */
struct xarray {
	spinlock_t xa_lock;
	u32 end;	/* no number from here on was ever used */
	struct shim_xa_leaf *first;
	struct shim_xa_root *root;	/* of the other leaves; NULL until one is needed */
};

struct xa_limit {
	u32 min;
	u32 max;
};

#define XA_FLAGS_ALLOC 1U
#define XA_LIMIT(lo, hi) ((struct xa_limit){ .min = (lo), .max = (hi) })

#define xa_init_flags(xa, flags)                                              \
	do {                                                                  \
		spin_lock_init(&(xa)->xa_lock);                               \
		(xa)->end = 0;                                                \
		(xa)->first = NULL;                                           \
		(xa)->root = NULL;                                            \
	} while (0)

void *xa_load(struct xarray *xa, unsigned long index);
void *xa_erase(struct xarray *xa, unsigned long index);
/* entry must be NULL. */
void *xa_cmpxchg(struct xarray *xa, unsigned long index, void *old, void *entry, gfp_t gfp);
int xa_alloc(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, gfp_t gfp);
int xa_alloc_cyclic(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, u32 *next,
		    gfp_t gfp);
void xa_destroy(struct xarray *xa);
/* Returns the first entry from *index to max and sets *index to its number. */
void *xa_find(struct xarray *xa, unsigned long *index, unsigned long max, int filter);

#define XA_PRESENT 8

#define xa_for_each(xa, index, entry)                                         \
	for ((index) = 0, (entry) = xa_find(xa, &(index), -1UL, XA_PRESENT); (entry); \
	     (index)++, (entry) = xa_find(xa, &(index), -1UL, XA_PRESENT))
