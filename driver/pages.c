// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of a region: see pages.h. Called by buffer.c to fill messages and by
 * proc.c for faults. Takes no lock: a frame is set once by cmpxchg, and the
 * loser of a race frees its page.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "pages.h"
#include "stats.h"

/* Large messages are copied in runs as long as physical memory is: 64 KB. */
#define CHUNK_ORDER	4
#define CHUNK_PAGES	(1UL << CHUNK_ORDER)

#define PAGES_GFP	(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN)

int ipcbus_pages_init(struct ipcbus_pages *pages, size_t size)
{
	pages->count = size >> PAGE_SHIFT;
	pages->frame = kvcalloc(pages->count, sizeof(*pages->frame), GFP_KERNEL_ACCOUNT);
	return pages->frame ? 0 : -ENOMEM;
}

void ipcbus_pages_done(struct ipcbus_pages *pages)
{
	unsigned long i;

	for (i = 0; pages->frame && i < pages->count; i++) {
		if (!pages->frame[i])
			continue;
		put_page(virt_to_page(pages->frame[i]));
		ipcbus_stat_remove(IPCBUS_STAT_PAGES);
	}
	kvfree(pages->frame);
	pages->frame = NULL;
}

static void publish(struct ipcbus_pages *pages, unsigned long index, struct page *page)
{
	if (cmpxchg(&pages->frame[index], NULL, page_address(page)))
		put_page(page);
	else
		ipcbus_stat_add(IPCBUS_STAT_PAGES);
}

/* Fills a whole chunk with one physical run, if it is empty and memory has one. */
static bool populate_chunk(struct ipcbus_pages *pages, unsigned long index)
{
	unsigned long first = index & ~(CHUNK_PAGES - 1), i;
	struct page *page;

	if (first + CHUNK_PAGES > pages->count)
		return false;
	for (i = 0; i < CHUNK_PAGES; i++)
		if (READ_ONCE(pages->frame[first + i]))
			return false;
	page = alloc_pages(PAGES_GFP | __GFP_NORETRY, CHUNK_ORDER);
	if (!page)
		return false;
	/* From here on each page has a count of its own: it is mapped alone. */
	split_page(page, CHUNK_ORDER);
	for (i = 0; i < CHUNK_PAGES; i++)
		publish(pages, first + i, page + i);
	return true;
}

int ipcbus_pages_populate_slow(struct ipcbus_pages *pages, size_t offset, size_t size)
{
	unsigned long first = offset >> PAGE_SHIFT;
	unsigned long last = (offset + size - 1) >> PAGE_SHIFT, i;
	bool large = last - first >= CHUNK_PAGES / 4;
	struct page *page;

	for (i = first; i <= last; i++) {
		if (READ_ONCE(pages->frame[i]))
			continue;
		if (large && populate_chunk(pages, i))
			continue;
		page = alloc_page(PAGES_GFP);
		if (!page)
			return -ENOMEM;
		publish(pages, i, page);
	}
	return 0;
}

/* Of a populated page. Others may just fail to publish one of their own. */
static void *frame_at(struct ipcbus_pages *pages, unsigned long index)
{
	return READ_ONCE(pages->frame[index]);
}

/* How much of size lies in one piece of kernel memory from offset on. */
static size_t run_length(struct ipcbus_pages *pages, size_t offset, size_t size)
{
	unsigned long index = offset >> PAGE_SHIFT;
	size_t run = PAGE_SIZE - offset_in_page(offset);
	void *frame = frame_at(pages, index);

	while (run < size && frame_at(pages, ++index) == frame + PAGE_SIZE) {
		run += PAGE_SIZE;
		frame += PAGE_SIZE;
	}
	return min(run, size);
}

int ipcbus_pages_copy_slow(struct ipcbus_pages *pages, size_t offset,
			   const void __user *from, size_t size)
{
	while (size) {
		size_t run = run_length(pages, offset, size);
		void *to = frame_at(pages, offset >> PAGE_SHIFT) + offset_in_page(offset);

		if (ipcbus_copy_from_user(to, from, run))
			return -EFAULT;
		offset += run;
		from += run;
		size -= run;
	}
	return 0;
}

void ipcbus_pages_copy_from_kernel(struct ipcbus_pages *pages, size_t offset,
				   const void *from, size_t size)
{
	while (size) {
		size_t run = run_length(pages, offset, size);

		memcpy(frame_at(pages, offset >> PAGE_SHIFT) + offset_in_page(offset), from, run);
		offset += run;
		from += run;
		size -= run;
	}
}

struct page *ipcbus_pages_get(struct ipcbus_pages *pages, unsigned long index)
{
	void *frame;

	if (index >= pages->count)
		return NULL;
	frame = READ_ONCE(pages->frame[index]);
	if (!frame)
		return NULL;
	get_page(virt_to_page(frame));
	return virt_to_page(frame);
}
