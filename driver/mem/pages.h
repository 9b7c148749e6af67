/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages
 *
 * The physical pages behind a region. There is one set: the driver writes it through the
 * kernel's own mapping, and the receiver reads it through its mapping. A page comes when
 * a buffer first needs it, zeroed, and stays for the next buffers. So there is never
 * anything on it but zeroes and the receiver's own messages. When memory is short, pages
 * on which no buffer lies go again (reclaim.c).
 */
#ifndef IPCBUS_PAGES_H
#define IPCBUS_PAGES_H

#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "../compat.h"
#include "../user.h"

/*
 * What a sender allocates for a region is charged to the memory cgroup in which the region's
 * owner mapped it, not to the sender's own. region.c and pages.c do so around their
 * allocations.
 *
 * They allocate with IPCBUS_CHARGE_GFP. If the owner's group is full, the kernel
 * reclaims from it, and then gives up. The send fails with -ENOMEM, and nobody is killed
 * for what somebody else sends.
 */
#define IPCBUS_CHARGE_GFP	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/**
 * struct ipcbus_pages - the pages of one region
 * @count: pages of the region; 0 once they are done (lock)
 * @resident: how many are there
 * @group: the memory cgroup that pays for them; the region's
 * @user: charged for them; constant
 * @mapping: of the file: where the receiver's mappings of the pages are found; its inode is
 *	counted
 * @lock: protects taking a page out against the receiver's faults; a leaf
 * @frame: kernel address of each page, NULL while there is none. Set from NULL
 *	by whoever needs the page first; cleared with @lock and the page's own
 *	lock held, and only where no buffer lies on any part of the page.
 */
struct ipcbus_pages {
	unsigned long count;
	atomic_long_t resident;
	struct mem_cgroup *group;
	struct ipcbus_user *user;
	struct address_space *mapping;
	spinlock_t lock;
	void **frame;
};

/* Of the current address space. -EDQUOT, -ENOMEM. */
int ipcbus_pages_init(struct ipcbus_pages *pages, struct mem_cgroup *group,
		      struct ipcbus_user *user, struct address_space *mapping, size_t size);
/* Frees all, and what the receiver has mapped is unmapped. Nobody else needs them; faults
 * find none. */
void ipcbus_pages_done(struct ipcbus_pages *pages);

/* Makes all pages of [offset, offset + size) be there; sleeps. Enough of the
 * way is checked inline for the common case: one page that is there. */
int ipcbus_pages_populate_slow(struct ipcbus_pages *pages, size_t offset, size_t size);

static inline int ipcbus_pages_populate(struct ipcbus_pages *pages, size_t offset,
					size_t size)
{
	unsigned long first = offset >> PAGE_SHIFT;

	if (first == (offset + size - 1) >> PAGE_SHIFT && READ_ONCE(pages->frame[first]))
		return 0;
	return ipcbus_pages_populate_slow(pages, offset, size);
}

/* Copies into populated pages. -EFAULT when from is not all readable. */
int ipcbus_pages_copy_slow(struct ipcbus_pages *pages, size_t offset,
			   const void __user *from, size_t size);

static inline int ipcbus_pages_copy_from_user(struct ipcbus_pages *pages, size_t offset,
					      const void __user *from, size_t size)
{
	void *frame;

	if (size > PAGE_SIZE - offset_in_page(offset))
		return ipcbus_pages_copy_slow(pages, offset, from, size);
	frame = READ_ONCE(pages->frame[offset >> PAGE_SHIFT]);
	return ipcbus_copy_from_user(frame + offset_in_page(offset), from, size) ? -EFAULT : 0;
}

void ipcbus_pages_copy_from_kernel(struct ipcbus_pages *pages, size_t offset,
				   const void *from, size_t size);

/* Likewise, from pages of another region, of which that much is populated. */
void ipcbus_pages_copy(struct ipcbus_pages *pages, size_t offset, struct ipcbus_pages *from,
		       size_t from_offset, size_t size);
/* Zeroes in place of whatever is there; sleeps. */
void ipcbus_pages_clear(struct ipcbus_pages *pages, size_t offset, size_t size);

/* The receiver touched page index: locked and counted, so that it stays behind
 * the index until it is mapped. NULL if no message is there. */
struct page *ipcbus_pages_get_locked(struct ipcbus_pages *pages, unsigned long index);

/*
 * Frees up to want pages of [*next, end). Nobody else may need them: the caller owns
 * the space. Sleeps, but not for memory. Returns how many; *next: how far it came.
 */
unsigned long ipcbus_pages_drop(struct ipcbus_pages *pages, unsigned long *next,
				unsigned long end, unsigned long want);

#endif
