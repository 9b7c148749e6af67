// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of a region: see pages.h. buffer.c fills them, file.c maps them at a fault, and reclaim.c
 * frees them. Setting a frame takes no lock: it is a cmpxchg, and the loser of a race frees its
 * page.
 *
 * A stale page must never be mapped. A fault holds the page's lock from checking that the page is
 * still in its frame until it is mapped. A thread that removes a page holds the page's lock from
 * before it clears the frame until all mappings are gone.
 */
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>

#include "../stats.h"
#include "pages.h"

/* Large messages use physically contiguous runs of up to 64 KB, if available. */
#define CHUNK_ORDER	4
#define CHUNK_PAGES	(1UL << CHUNK_ORDER)

/* Maximum size of a copy without rescheduling, regardless of the run's length. */
#define COPY_MAX	(2 * CHUNK_PAGES * PAGE_SIZE)

/* Pages that are freed at once, with a single unmap operation. */
#define DROP_BATCH	32
/* Maximum number of frames examined per lock hold. */
#define DROP_SCAN	512

#define PAGES_GFP	(IPCBUS_CHARGE_GFP | __GFP_ZERO)
#define RUN_GFP		((PAGES_GFP & ~__GFP_RETRY_MAYFAIL) | __GFP_NORETRY)

#define PAGE_KIB	(PAGE_SIZE / 1024)

/* Returns the KiB that the table of frames counts in user_memory. */
static u32 index_kib(const struct ipcbus_pages *pages)
{
	return DIV_ROUND_UP(pages->count * sizeof(*pages->frame), 1024);
}

int ipcbus_pages_init(struct ipcbus_pages *pages, struct mem_cgroup *group,
		      struct ipcbus_user *user, struct address_space *mapping, size_t size)
{
	int ret;

	pages->group = group;
	pages->user = user;
	spin_lock_init(&pages->lock);
	pages->mapping = mapping;
	pages->count = size >> PAGE_SHIFT;
	ret = ipcbus_user_charge_n(user, IPCBUS_USE_MEMORY, index_kib(pages));
	if (ret)
		return ret;
	pages->frame = kvcalloc(pages->count, sizeof(*pages->frame), GFP_KERNEL_ACCOUNT);
	if (!pages->frame) {
		ipcbus_user_uncharge_n(user, IPCBUS_USE_MEMORY, index_kib(pages));
		return -ENOMEM;
	}
	ihold(mapping->host);
	return 0;
}

/* Subtracts n freed pages from the resident pages, and uncharges the user for them. */
static void forget(struct ipcbus_pages *pages, unsigned long n)
{
	atomic_long_sub(n, &pages->resident);
	ipcbus_user_uncharge_n(pages->user, IPCBUS_USE_MEMORY, n * PAGE_KIB);
}

/* Sets the frame to a page that is already charged. If another thread was first, frees and
 * uncharges the page. */
static void publish(struct ipcbus_pages *pages, unsigned long index, struct page *page)
{
	if (cmpxchg(&pages->frame[index], NULL, page_address(page))) {
		put_page(page);
		ipcbus_user_uncharge_n(pages->user, IPCBUS_USE_MEMORY, PAGE_KIB);
		return;
	}
	atomic_long_inc(&pages->resident);
	ipcbus_stat_add(IPCBUS_STAT_PAGES);
}

/* Returns the number of consecutive missing pages from index on, at most max. */
static unsigned long count_missing(struct ipcbus_pages *pages, unsigned long index,
				   unsigned long max)
{
	unsigned long n = 0;

	while (n < max && !READ_ONCE(pages->frame[index + n]))
		n++;
	return n;
}

/* Fills up to n missing pages with a contiguous run if available, else a single page. Does not
 * touch later pages: they may belong to no buffer, and may be freed at any time. Returns the number
 * of pages added, or 0 if memory is short. */
static unsigned long populate_run(struct ipcbus_pages *pages, unsigned long index,
				  unsigned long n)
{
	unsigned int order = ilog2(n);
	struct page *page = NULL;
	unsigned long i;

	if (order && !ipcbus_user_charge_n(pages->user, IPCBUS_USE_MEMORY, PAGE_KIB << order)) {
		page = alloc_pages(RUN_GFP, order);
		if (!page)
			ipcbus_user_uncharge_n(pages->user, IPCBUS_USE_MEMORY, PAGE_KIB << order);
	}
	if (!page) {
		order = 0;
		if (ipcbus_user_charge_n(pages->user, IPCBUS_USE_MEMORY, PAGE_KIB))
			return 0;
		page = alloc_page(PAGES_GFP);
	}
	if (!page) {
		ipcbus_user_uncharge_n(pages->user, IPCBUS_USE_MEMORY, PAGE_KIB);
		return 0;
	}
	/* From here on each page has its own reference count, because each is mapped separately. */
	if (order)
		split_page(page, order);
	for (i = 0; i < 1UL << order; i++)
		publish(pages, index + i, page + i);
	return 1UL << order;
}

static int populate_all(struct ipcbus_pages *pages, unsigned long i, unsigned long end)
{
	unsigned long n;

	for (; i < end; i += n) {
		n = count_missing(pages, i, min(end - i, CHUNK_PAGES));
		if (!n) {
			n = 1;
			continue;
		}
		n = populate_run(pages, i, n);
		if (!n)
			return -ENOMEM;
		cond_resched();
	}
	return 0;
}

int ipcbus_pages_populate_slow(struct ipcbus_pages *pages, size_t offset, size_t size)
{
	void **frame = &pages->frame[offset >> PAGE_SHIFT];
	void **end = &pages->frame[(offset + size - 1) >> PAGE_SHIFT] + 1;
	struct mem_cgroup *before;
	int ret;

	while (frame < end && READ_ONCE(*frame))
		frame++;
	if (frame == end)
		return 0;
	before = set_active_memcg(pages->group);
	ret = populate_all(pages, frame - pages->frame, end - pages->frame);
	set_active_memcg(before);
	return ret;
}

/* Returns the address of a page, or NULL if it is missing. A concurrent sender may set an empty
 * frame, but never changes a set frame. */
static void *frame_at(struct ipcbus_pages *pages, unsigned long index)
{
	return READ_ONCE(pages->frame[index]);
}

/* Returns the kernel address of offset. Its page must be populated. Reduces *size to the part
 * that is contiguous there, at most COPY_MAX. */
static void *run_at(struct ipcbus_pages *pages, size_t offset, size_t *size)
{
	void **frame = &pages->frame[offset >> PAGE_SHIFT];
	void *next = READ_ONCE(*frame) + PAGE_SIZE;
	void *start = next - PAGE_SIZE + offset_in_page(offset);
	void *end = start + min_t(size_t, *size, COPY_MAX);

	while (next < end && READ_ONCE(*++frame) == next)
		next += PAGE_SIZE;
	*size = min(next, end) - start;
	return start;
}

int ipcbus_pages_copy_slow(struct ipcbus_pages *pages, size_t offset,
			   const void __user *from, size_t size)
{
	while (size) {
		size_t run = size;
		void *to = run_at(pages, offset, &run);

		if (ipcbus_copy_from_user(to, from, run))
			return -EFAULT;
		offset += run;
		from += run;
		size -= run;
		if (size)
			cond_resched();
	}
	return 0;
}

void ipcbus_pages_copy_from_kernel(struct ipcbus_pages *pages, size_t offset,
				   const void *from, size_t size)
{
	while (size) {
		size_t run = size;
		void *to = run_at(pages, offset, &run);

		memcpy(to, from, run);
		offset += run;
		from += run;
		size -= run;
	}
}

void ipcbus_pages_copy(struct ipcbus_pages *pages, size_t offset, struct ipcbus_pages *from,
		       size_t from_offset, size_t size)
{
	while (size) {
		size_t run = size;
		void *start = run_at(from, from_offset, &run);

		ipcbus_pages_copy_from_kernel(pages, offset, start, run);
		offset += run;
		from_offset += run;
		size -= run;
		if (size)
			cond_resched();
	}
}

void ipcbus_pages_clear(struct ipcbus_pages *pages, size_t offset, size_t size)
{
	while (size) {
		size_t run = min(size, PAGE_SIZE - offset_in_page(offset));
		void *frame = frame_at(pages, offset >> PAGE_SHIFT);

		/* Pages are missing if memory ran out before the message was complete. */
		if (frame)
			memset(frame + offset_in_page(offset), 0, run);
		offset += run;
		size -= run;
		cond_resched();
	}
}

/* Returns the page at index, counted, or NULL. If the receiver is dead, there are no frames. */
static struct page *get_frame(struct ipcbus_pages *pages, unsigned long index)
{
	struct page *page = NULL;

	spin_lock(&pages->lock);
	if (index < pages->count && frame_at(pages, index)) {
		page = virt_to_page(frame_at(pages, index));
		get_page(page);
	}
	spin_unlock(&pages->lock);
	return page;
}

static bool is_frame(struct ipcbus_pages *pages, unsigned long index, struct page *page)
{
	bool same;

	spin_lock(&pages->lock);
	same = index < pages->count && frame_at(pages, index) == page_address(page);
	spin_unlock(&pages->lock);
	return same;
}

struct page *ipcbus_pages_get_locked(struct ipcbus_pages *pages, unsigned long index)
{
	struct page *page;

	while ((page = get_frame(pages, index))) {
		lock_page(page);
		if (is_frame(pages, index, page))
			break;
		unlock_page(page);
		put_page(page);
	}
	return page;
}

/* Clears frames of [*next, end) until the batch is full. Returns the pages locked. Skips a page
 * that is being mapped. */
static unsigned int take_out(struct ipcbus_pages *pages, unsigned long *next, unsigned long end,
			     struct page **batch, unsigned int max)
{
	unsigned int n = 0;
	struct page *page;

	spin_lock(&pages->lock);
	for (; *next < end && n < max; ++*next) {
		if (!frame_at(pages, *next))
			continue;
		page = virt_to_page(frame_at(pages, *next));
		if (!trylock_page(page))
			continue;
		WRITE_ONCE(pages->frame[*next], NULL);
		batch[n++] = page;
	}
	spin_unlock(&pages->lock);
	return n;
}

unsigned long ipcbus_pages_drop(struct ipcbus_pages *pages, unsigned long *next,
				unsigned long end, unsigned long want)
{
	unsigned long dropped = 0, from;
	struct page *batch[DROP_BATCH];
	unsigned int n, i;

	while (*next < end && dropped < want) {
		from = *next;
		n = take_out(pages, next, min(end, from + DROP_SCAN), batch,
			     min_t(unsigned long, want - dropped, DROP_BATCH));
		if (n)
			unmap_mapping_range(pages->mapping, (loff_t)from << PAGE_SHIFT,
					    (loff_t)(*next - from) << PAGE_SHIFT, 0);
		for (i = 0; i < n; i++) {
			unlock_page(batch[i]);
			put_page(batch[i]);
			ipcbus_stat_remove(IPCBUS_STAT_PAGES);
		}
		forget(pages, n);
		dropped += n;
		cond_resched();
	}
	return dropped;
}

void ipcbus_pages_done(struct ipcbus_pages *pages)
{
	unsigned long count = pages->count, next = 0, n = 0, i;
	u32 kib = index_kib(pages);
	void **frame = pages->frame;

	ipcbus_pages_drop(pages, &next, count, ULONG_MAX);
	spin_lock(&pages->lock);
	pages->frame = NULL;
	pages->count = 0;
	spin_unlock(&pages->lock);
	/* Free the pages that take_out() skipped because a fault was mapping them. */
	for (i = 0; i < count; i++) {
		if (!frame[i])
			continue;
		put_page(virt_to_page(frame[i]));
		ipcbus_stat_remove(IPCBUS_STAT_PAGES);
		n++;
	}
	forget(pages, n);
	ipcbus_user_uncharge_n(pages->user, IPCBUS_USE_MEMORY, kib);
	kvfree(frame);
	iput(pages->mapping->host);
}
