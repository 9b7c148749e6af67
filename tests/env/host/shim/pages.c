// SPDX-License-Identifier: MIT
/*
 * Page frames: a file in memory. It is mapped as a whole for the driver, as the kernel maps all
 * memory for itself, and page by page for processes that may access a page (mm.c, posix.c). Pages
 * are allocated in runs of up to 16. Free pages are poisoned.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "asan.h"
#include "shim.h"

#define RUN_ORDER 4
#define RUN (1UL << RUN_ORDER)
#define RUN_MASK(n) ((1UL << (n)) - 1)
#define COUNT (1UL << 17)	/* 512 MiB; only used pages take memory */

struct page *shim_pages;
char *shim_frames;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static u16 taken[COUNT / RUN];
static unsigned long first_free;	/* runs before it have no free page */
static int fd = -1;

static void set_up(void)
{
	fd = memfd_create("page frames", MFD_CLOEXEC);
	BUG_ON(fd < 0 || ftruncate(fd, COUNT << PAGE_SHIFT));
	shim_frames = mmap(NULL, COUNT << PAGE_SHIFT, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_NORESERVE, fd, 0);
	BUG_ON(shim_frames == MAP_FAILED);
	shim_pages = calloc(COUNT, sizeof(*shim_pages));
	BUG_ON(!shim_pages);
}

/* A child of fork() must not write to its parent's pages. */
static void forked(void)
{
	char *old = shim_frames;

	if (fd < 0)
		return;
	close(fd);
	fd = memfd_create("page frames", MFD_CLOEXEC);
	BUG_ON(fd < 0 || ftruncate(fd, COUNT << PAGE_SHIFT));
	for (unsigned long i = 0; i < COUNT; i++)
		if (refcount_read(&shim_pages[i].ref))
			BUG_ON(pwrite(fd, old + (i << PAGE_SHIFT), PAGE_SIZE, i << PAGE_SHIFT) !=
			       (ssize_t)PAGE_SIZE);
	BUG_ON(mmap(old, COUNT << PAGE_SHIFT, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0) != old);
}

static void set_up_once(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	set_up();
	pthread_atfork(NULL, NULL, forked);
}

int shim_frames_fd(void)
{
	set_up_once();
	return fd;
}

/* Takes 2^order free pages. Returns the number of the first page, or COUNT if there are none. */
static unsigned long take_locked(unsigned int order)
{
	unsigned long i = first_free;

	BUG_ON(order > RUN_ORDER);
	if (!order) {
		while (i < COUNT / RUN && taken[i] == 0xffff)
			i++;
		first_free = i;
		if (i == COUNT / RUN)
			return COUNT;
		order = __builtin_ctz(~taken[i]);
		taken[i] |= 1U << order;
		return i * RUN + order;
	}
	while (i < COUNT / RUN && taken[i])
		i++;
	if (i == COUNT / RUN)
		return COUNT;
	/* The rest of the run is used for single pages. */
	taken[i] = RUN_MASK(1UL << order);
	return i * RUN;
}

struct page *alloc_pages(gfp_t gfp, unsigned int order)
{
	unsigned long first;
	void *at;

	if (gfp & SHIM_GFP_SLEEP)
		shim_might_reclaim();
	shim_point("alloc_pages", "");
	if (shim_fail_now(SHIM_FAIL_PAGE))
		return NULL;
	pthread_mutex_lock(&lock);
	set_up_once();
	first = take_locked(order);
	pthread_mutex_unlock(&lock);
	if (first == COUNT)
		return NULL;
	refcount_set(&shim_pages[first].ref, 1);
	shim_count(SHIM_PAGES, 1L << order);
	at = page_address(&shim_pages[first]);
	ASAN_UNPOISON_MEMORY_REGION(at, PAGE_SIZE << order);
	memset(at, gfp & __GFP_ZERO ? 0 : 0xa5, PAGE_SIZE << order);
	return &shim_pages[first];
}

void split_page(struct page *page, unsigned int order)
{
	for (unsigned long i = 1; i < 1UL << order; i++)
		refcount_set(&page[i].ref, 1);
}

bool trylock_page(struct page *page)
{
	shim_point("trylock", "page");
	return !__atomic_exchange_n(&page->locked, true, __ATOMIC_ACQ_REL);
}

/* Real threads wait in short sleeps, because contention is rare. */
void lock_page(struct page *page)
{
	shim_might_sleep("lock_page");
	while (!trylock_page(page)) {
		if (shim_scheduled)
			shim_fiber_wait(page, "page lock");
		else
			usleep(20);
	}
}

void unlock_page(struct page *page)
{
	BUG_ON(!__atomic_exchange_n(&page->locked, false, __ATOMIC_ACQ_REL));
	if (shim_scheduled)
		shim_fibers_ready(page);
	shim_point("unlock", "page");
}

void get_page(struct page *page)
{
	refcount_inc(&page->ref);
}

void put_page(struct page *page)
{
	unsigned long i = page_to_pfn(page);

	if (!refcount_dec_and_test(&page->ref))
		return;
	BUG_ON(page->locked);
	memset(page_address(page), 0xa5, PAGE_SIZE);
	ASAN_POISON_MEMORY_REGION(page_address(page), PAGE_SIZE);
	shim_count(SHIM_PAGES, -1);
	pthread_mutex_lock(&lock);
	taken[i / RUN] &= ~(1U << i % RUN);
	first_free = min(first_free, i / RUN);
	pthread_mutex_unlock(&lock);
}
