/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages
 *
 * The physical pages of a region. The driver writes a page through the kernel's linear mapping, and
 * the receiver reads the same page through its own mapping. A page is allocated and zeroed when a
 * buffer first needs it, and stays for later buffers. So it only ever contains zeroes and the
 * receiver's own messages. If memory is short, reclaim.c frees pages that hold no buffer.
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
 * Memory that a sender allocates for a region must be charged to the memory cgroup in which the
 * region was mapped, not to the sender's. region.c and pages.c arrange that around their
 * allocations.
 *
 * They allocate with IPCBUS_CHARGE_GFP. If the owner's memory cgroup is full, the kernel reclaims
 * from it and then gives up. The send fails with -ENOMEM. The OOM killer is never invoked for a
 * message of another process.
 */
#define IPCBUS_CHARGE_GFP	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/**
 * struct ipcbus_pages - the pages of a region
 * @count: number of pages of the region; 0 after ipcbus_pages_done() (lock)
 * @resident: number of pages that exist
 * @group: memory cgroup that is charged; owned by the region
 * @user: the user that is charged; constant
 * @mapping: address space of the file, for unmapping the receiver's pages; its inode is counted
 * @lock: serializes removing a page with the receiver's faults; a leaf
 * @frame: kernel address of each page, or NULL. Set from NULL by the first thread that needs the
 *	page. Cleared with @lock and the page's lock held, and only if no buffer overlaps the page.
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

/* Called by the process that maps the region. Returns 0, -EDQUOT or -ENOMEM. */
int ipcbus_pages_init(struct ipcbus_pages *pages, struct mem_cgroup *group,
		      struct ipcbus_user *user, struct address_space *mapping, size_t size);
/* Unmaps and frees all pages. No other thread may use them. Later faults find no page. */
void ipcbus_pages_done(struct ipcbus_pages *pages);

/* Allocates the missing pages of [offset, offset + size). Sleeps. Returns 0, or -ENOMEM, also if
 * the user is at its limit. The inline part handles the common case of a single existing page. */
int ipcbus_pages_populate_slow(struct ipcbus_pages *pages, size_t offset, size_t size);

static inline int ipcbus_pages_populate(struct ipcbus_pages *pages, size_t offset,
					size_t size)
{
	unsigned long first = offset >> PAGE_SHIFT;

	if (first == (offset + size - 1) >> PAGE_SHIFT && READ_ONCE(pages->frame[first]))
		return 0;
	return ipcbus_pages_populate_slow(pages, offset, size);
}

/* Copies into populated pages. Returns -EFAULT if not all of from is readable. */
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

/* Copies from populated pages of another region. */
void ipcbus_pages_copy(struct ipcbus_pages *pages, size_t offset, struct ipcbus_pages *from,
		       size_t from_offset, size_t size);
/* Overwrites existing pages with zeroes. Sleeps. */
void ipcbus_pages_clear(struct ipcbus_pages *pages, size_t offset, size_t size);

/* For a fault at page index. Returns the page locked and counted, so that it stays in its frame
 * until it is mapped. Returns NULL if there is no page. */
struct page *ipcbus_pages_get_locked(struct ipcbus_pages *pages, unsigned long index);

/* Frees up to want pages of [*next, end), which must belong to no buffer. The caller must own the
 * space. Sleeps, but never allocates. Returns the number of freed pages, and in *next where it
 * stopped. */
unsigned long ipcbus_pages_drop(struct ipcbus_pages *pages, unsigned long *next,
				unsigned long end, unsigned long want);

#endif
