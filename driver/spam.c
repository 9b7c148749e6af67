// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who floods a receiver with oneways: see spam.h.
 */
#include "proc.h"
#include "spam.h"

#define MANY	50

/* One who floods is found soon: it has most of what is there. */
static bool has_many(struct ipcbus_region *region, const struct ipcbus_proc *sender,
		     u32 *ret_held)
{
	u32 limit = region->size / IPCBUS_UNIT / 2, slots, slot, units = 0;
	const struct ipcbus_buffer *buffer;

	lockdep_assert_held(&region->lock);
	slots = region->slabs * IPCBUS_BUFFERS_PER_SLAB;
	*ret_held = 0;
	for (slot = 0; slot < slots; slot++) {
		buffer = ipcbus_region_buffer(region, slot);
		/* Who has it need not hold the lock to go on with it. */
		if (READ_ONCE(buffer->state) == IPCBUS_BUFFER_FREE ||
		    !(READ_ONCE(buffer->flags) & IPCBUS_BUFFER_ONEWAY) ||
		    READ_ONCE(buffer->from) != sender->number)
			continue;
		++*ret_held;
		units += buffer->range.size;
		if (*ret_held > MANY || units > limit / 4)
			return true;
	}
	return false;
}

bool ipcbus_spam_look(struct ipcbus_region *region, const struct ipcbus_proc *sender,
		      u32 *ret_held)
{
	bool found = false;

	spin_lock(&region->lock);
	if (region->oneways >= region->spam_look) {
		found = has_many(region, sender, ret_held);
		/* Looking takes as long as there are many, so not at each of them. */
		WRITE_ONCE(region->spam_look, found ? IPCBUS_SPAM_NOTIFIED :
						      region->oneways + region->oneways / 8 + 1);
	}
	spin_unlock(&region->lock);
	return found;
}
