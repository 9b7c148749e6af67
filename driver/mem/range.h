/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An allocator of intervals of a number line, in O(1): two-level segregated fit (Masmano, Ripoll,
 * Crespo, Real: "TLSF: a new dynamic memory allocator for real-time systems", ECRTS 2004). It is
 * independent of memory, locks and the driver. The caller provides the descriptors and serializes
 * the calls.
 *
 * All ranges of a pool, free and used, form a chain by address without gaps. Two adjacent ranges
 * are never both free. Free ranges are also in the list of their size class: the first level is the
 * power of two, and the second level divides that into eight.
 *
 * A unit is *backed* by memory from the time it is first allocated until the caller reports that it
 * has reclaimed the memory (reclaim.c). A free range records the *hull* of its backed units, the
 * smallest interval that contains them. Backed ranges come first in their lists, so they are
 * allocated first.
 */
#ifndef IPCBUS_RANGE_H
#define IPCBUS_RANGE_H

#include <linux/list.h>
#include <linux/types.h>

#define IPCBUS_RANGE_SL_BITS	3
#define IPCBUS_RANGE_SL_COUNT	(1 << IPCBUS_RANGE_SL_BITS)
/* For sizes below 2^25 units. 1 GiB in units of 64 bytes has 2^24. */
#define IPCBUS_RANGE_FL_COUNT	(25 - IPCBUS_RANGE_SL_BITS + 1)

/**
 * struct ipcbus_range - an interval, embedded in the caller's structure
 * @before: the range at lower addresses, or NULL for the first
 * @after: the range at higher addresses, or NULL for the last
 * @link: in the list of its size class while free
 * @start: first unit
 * @size: number of units, never 0
 * @backed_start: of a free range: first unit of the hull
 * @backed_end: its end (exclusive); equal to @backed_start if no unit is backed
 * @used: allocated
 */
struct ipcbus_range {
	struct ipcbus_range *before;
	struct ipcbus_range *after;
	struct list_head link;
	u32 start;
	u32 size;
	u32 backed_start;
	u32 backed_end;
	bool used;
};

/**
 * struct ipcbus_range_pool - all ranges of a number line
 * @left: number of free units
 * @backed: number of units in the hulls of all free ranges
 * @fl_bitmap: first levels that contain a free range
 * @sl_bitmap: lists of each first level that contain a free range
 * @free: the first range of each list, which is a ring, or NULL if the list is empty
 */
struct ipcbus_range_pool {
	u32 left;
	u32 backed;
	u32 fl_bitmap;
	u8 sl_bitmap[IPCBUS_RANGE_FL_COUNT];
	struct list_head *free[IPCBUS_RANGE_FL_COUNT][IPCBUS_RANGE_SL_COUNT];
};

/* Initializes a pool with a single free range, whole, of units 0 to size - 1. */
void ipcbus_range_init(struct ipcbus_range_pool *pool, struct ipcbus_range *whole, u32 size);

/*
 * Allocates size units. Returns NULL if no range was found. A free range that is 1/8 larger is
 * always found. A smaller fitting range is only found among the first of its class. *spare must be
 * an unused descriptor. If the free range is split, uses it and sets *spare to NULL. at_end:
 * allocate from the upper end of the free range, to keep large buffers apart from small buffers.
 */
struct ipcbus_range *ipcbus_range_alloc(struct ipcbus_range_pool *pool, u32 size, bool at_end,
					struct ipcbus_range **spare);

/* Frees a used range and joins it with free neighbors. Stores descriptors that are no longer used
 * in unused, and returns their number. */
int ipcbus_range_free(struct ipcbus_range_pool *pool, struct ipcbus_range *range,
		      struct ipcbus_range *unused[2]);

/* Allocates a whole free range that has at least this size (a power of two) and backed units, or
 * returns NULL. The caller reclaims memory, updates backed_start and backed_end, and puts the range
 * back. In contrast to ipcbus_range_free(), putting back keeps these two. */
struct ipcbus_range *ipcbus_range_take_backed(struct ipcbus_range_pool *pool, u32 min_size);
int ipcbus_range_put_reclaimed(struct ipcbus_range_pool *pool, struct ipcbus_range *range,
			       struct ipcbus_range *unused[2]);

#endif
