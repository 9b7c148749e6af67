/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An allocator of intervals of a number line, in O(1): two-level segregated fit
 * (Masmano, Ripoll, Crespo, Real: "TLSF: a new dynamic memory allocator for
 * real-time systems", ECRTS 2004). It knows nothing of memory, locks or the
 * driver; the caller brings the descriptors and serialises the calls.
 *
 * All ranges of a pool, free and used, form a chain by address without gaps;
 * two free neighbours do not exist. Free ones also stand in the list of their
 * size class: the first level is the power of two, the second divides that
 * into eight.
 *
 * A unit is *backed* by memory from when it was handed out until the caller says that
 * it has reclaimed that (reclaim.c). A free range knows the hull of its backed units.
 * Backed ranges come first in their lists, so they are handed out first.
 */
#ifndef IPCBUS_RANGE_H
#define IPCBUS_RANGE_H

#include <linux/list.h>
#include <linux/types.h>

#define IPCBUS_RANGE_SL_BITS	3
#define IPCBUS_RANGE_SL_COUNT	(1 << IPCBUS_RANGE_SL_BITS)
/* Sizes below 2^25 units: 1 GiB in units of 64 bytes has 2^24. */
#define IPCBUS_RANGE_FL_COUNT	(25 - IPCBUS_RANGE_SL_BITS + 1)

/**
 * struct ipcbus_range - one interval; the caller embeds it
 * @before: the neighbour at lower addresses, NULL for the first
 * @after: the neighbour at higher addresses, NULL for the last
 * @link: in the list of its size class while free
 * @start: first unit
 * @size: units, never 0
 * @backed_start: of a free one: all its backed units are between this one
 * @backed_end: and before this one; nothing is backed if they are equal
 * @used: whether it is handed out
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
 * struct ipcbus_range_pool - all ranges of one number line
 * @left: units that are free
 * @backed: units in the hulls of all free ranges
 * @fl_bitmap: which first levels have a free range
 * @sl_bitmap: which lists of each
 * @free: the first range of each list, which is a ring; NULL if it is empty
 */
struct ipcbus_range_pool {
	u32 left;
	u32 backed;
	u32 fl_bitmap;
	u8 sl_bitmap[IPCBUS_RANGE_FL_COUNT];
	struct list_head *free[IPCBUS_RANGE_FL_COUNT][IPCBUS_RANGE_SL_COUNT];
};

/* Begins a pool that is all free: whole covers units 0 to size - 1. */
void ipcbus_range_init(struct ipcbus_range_pool *pool, struct ipcbus_range *whole, u32 size);

/*
 * Hands out size units, or NULL if none was found: any free range 1/8 larger is
 * found surely, a tighter one only among the first of its class. If a rest
 * remains free, *spare describes one half and is NULL then. at_end: take the
 * upper end of the free range, to keep the large apart from the small.
 */
struct ipcbus_range *ipcbus_range_alloc(struct ipcbus_range_pool *pool, u32 size, bool at_end,
					struct ipcbus_range **spare);

/*
 * Takes a used range back and joins it with free neighbours. Descriptors that
 * are needed no more are returned in unused[0..1]; how many is the result.
 */
int ipcbus_range_free(struct ipcbus_range_pool *pool, struct ipcbus_range *range,
		      struct ipcbus_range *unused[2]);

/*
 * Hands out a free range as it is, of at least that size (a power of two) and with
 * backed units, or NULL. The caller reclaims what it can, says so in backed_start and
 * backed_end, and puts it back. That is like ipcbus_range_free(), but what is not backed
 * stays so.
 */
struct ipcbus_range *ipcbus_range_take_backed(struct ipcbus_range_pool *pool, u32 min_size);
int ipcbus_range_put_reclaimed(struct ipcbus_range_pool *pool, struct ipcbus_range *range,
			       struct ipcbus_range *unused[2]);

#endif
