/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Spam
 *
 * Who floods a receiver with oneways? request.c asks for each oneway that it has queued.
 * The closer look comes only when little space for oneways is left.
 */
#ifndef IPCBUS_SPAM_H
#define IPCBUS_SPAM_H

#include "main.h"
#include "mem/region.h"

/* Sent, and too many: what sending a oneway returns instead of 0. */
#define IPCBUS_SENT_SPAM	1

/* In region->spam_look: somebody was notified already. */
#define IPCBUS_SPAM_NOTIFIED U32_MAX

bool ipcbus_spam_look(struct ipcbus_region *region, const struct ipcbus_proc *sender,
		      u32 *ret_held);

/*
 * Is the oneway that sender has just put into the region one of too many? Less
 * than a fifth of the space for oneways is left, and sender has more than a quarter
 * of it or 50 buffers, *ret_held. Once, until there is space again.
 */
static inline bool ipcbus_is_spam(struct ipcbus_region *region, const struct ipcbus_proc *sender,
				  u32 *ret_held)
{
	if (unlikely(READ_ONCE(region->oneway_units) > region->spam_units ||
		     READ_ONCE(region->oneways) > IPCBUS_LIMIT_BUFFERS / 2 / 5 * 4))
		return ipcbus_spam_look(region, sender, ret_held);
	if (unlikely(READ_ONCE(region->spam_look)))
		WRITE_ONCE(region->spam_look, 0);
	return false;
}

#endif
