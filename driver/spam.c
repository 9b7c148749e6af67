// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who floods a receiver with oneways: see spam.h.
 */
#include <linux/minmax.h>
#include <linux/sched.h>

#include "proc.h"
#include "spam.h"

#define MANY	50

/* So many descriptors are looked at under the lock. */
#define PIECE	256

/**
 * struct held - what a sender has of a region
 * @from: the sender's number
 * @slot: where the look goes on
 * @buffers: that it has of those before
 * @units: likewise
 */
struct held {
	u64 from;
	u32 slot;
	u32 buffers;
	u32 units;
};

static bool are_many(const struct ipcbus_region *region, const struct held *held)
{
	return held->buffers > MANY || held->units > region->size / IPCBUS_UNIT / 2 / 4;
}

/* Returns false once nothing is left to look at. */
static bool look_at_some_locked(struct ipcbus_region *region, struct held *held)
{
	u32 slots = region->slabs * IPCBUS_BUFFERS_PER_SLAB;
	u32 end = min(held->slot + PIECE, slots);
	const struct ipcbus_buffer *buffer;

	lockdep_assert_held(&region->lock);
	for (; held->slot < end; held->slot++) {
		buffer = ipcbus_region_buffer(region, held->slot);
		/* Who has it need not hold the lock to go on with it. */
		if (READ_ONCE(buffer->state) == IPCBUS_BUFFER_FREE ||
		    !(READ_ONCE(buffer->flags) & IPCBUS_BUFFER_ONEWAY) ||
		    READ_ONCE(buffer->from) != held->from)
			continue;
		held->buffers++;
		held->units += buffer->range.size;
		if (are_many(region, held))
			return false;
	}
	return end < slots;
}

/* One who floods is found soon: it has most of what is there. Others have made descriptors, too,
 * and nobody is to wait for a look at all of these. */
static bool has_many(struct ipcbus_region *region, struct held *held)
{
	bool more;

	do {
		spin_lock(&region->lock);
		more = look_at_some_locked(region, held);
		spin_unlock(&region->lock);
		cond_resched();
	} while (more);
	return are_many(region, held);
}

/* Looking takes as long as there are many, so not at each of them, and one looks at a time. */
static bool is_due(struct ipcbus_region *region)
{
	bool due;

	spin_lock(&region->lock);
	due = region->oneways >= READ_ONCE(region->spam_look);
	if (due)
		WRITE_ONCE(region->spam_look, region->oneways + region->oneways / 8 + 1);
	spin_unlock(&region->lock);
	return due;
}

bool ipcbus_spam_look(struct ipcbus_region *region, const struct ipcbus_proc *sender,
		      u32 *ret_held)
{
	struct held held = { .from = sender->number };

	if (!is_due(region) || !has_many(region, &held))
		return false;
	*ret_held = held.buffers;
	WRITE_ONCE(region->spam_look, IPCBUS_SPAM_NOTIFIED);
	return true;
}
