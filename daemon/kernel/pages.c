// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pages of a region, instead of driver/mem/pages.c: a memfd that the daemon maps as a whole for
 * writing, and that its owner maps for reading. The daemon allocates a page before a message first
 * uses it, so writing to it never faults. Pages stay until the region ends: there is no reclaim.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../driver/mem/pages.h"
#include "../../driver/stats.h"
#include "../account.h"
#include "../client.h"
#include "../closer.h"
#include "fiber.h"
#include "pages.h"
#include "rcu.h"
#include "shim.h"

/* <fcntl.h> conflicts with the kernel's asm/fcntl.h. */
int fallocate(int fd, int mode, long offset, long size);

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define PAGE_KIB	(PAGE_SIZE / 1024)

/**
 * struct memory - the pages of a region
 * @fd: memfd
 * @at: address
 * @size: constant
 * @account: of the receiver's payer; holds a reference
 * @payer: holds a reference
 * @kib: charged to @payer when @fd is closed
 */
struct memory {
	int fd;
	void *at;
	size_t size;
	struct account *account;
	struct ipcbus_user *payer;
	u32 kib;
};

int region_open(const struct address_space *mapping)
{
	const struct memory *memory = mapping->host->i_private;

	return memory ? memory_open(memory->fd, /* writes= */ false) : -EINVAL;
}

/* --- The memfd ----------------------------------------------------------------- */

/* Creates the memory of a region on the receiver's control fiber. Returns it or ERR_PTR. */
static struct memory *pages_new(struct ipcbus_user *payer, size_t size)
{
	struct memory *memory = kzalloc(sizeof(*memory), GFP_KERNEL);
	const struct shim_fiber *fiber = current->fiber;

	if (!memory)
		return ERR_PTR(-ENOMEM);
	memory->size = size;
	memory->fd = memory_new_read_only("ipcbus region", size, __kuid_val(current_euid()),
					  &memory->at);
	if (memory->fd < 0) {
		int ret = memory->fd;

		kfree(memory);
		return ERR_PTR(ret);
	}
	memory->payer = ipcbus_user_get(payer);
	memory->account = client_account(fiber->client);
	account_hold(memory->account);
	return memory;
}

/* Frees the memory of a region and returns true. The payer pays until the pages are free. Any
 * thread. */
static bool pages_free(int fd, void *arg)
{
	struct memory *memory = arg;

	memory_end(fd, memory->at, memory->size);
	ipcbus_user_uncharge_n(memory->payer, IPCBUS_USE_MEMORY, memory->kib);
	ipcbus_user_put(memory->payer);
	account_put(memory->account);
	kfree(memory);
	return true;
}

/* --- Functions that the driver calls ------------------------------------------- */

static u32 index_kib(const struct ipcbus_pages *pages)
{
	return DIV_ROUND_UP(pages->count * sizeof(*pages->frame), 1024);
}

static struct memory *memory_of(const struct ipcbus_pages *pages)
{
	return pages->mapping->host->i_private;
}

/* Returns a table of frames, or NULL. Only its used pages take memory: most regions use a few of
 * thousands of frames. */
static void **table_new(const struct ipcbus_pages *pages)
{
	void *at = mmap(NULL, pages->count * sizeof(*pages->frame), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

static void table_free(const struct ipcbus_pages *pages)
{
	munmap(pages->frame, pages->count * sizeof(*pages->frame));
}

int ipcbus_pages_init(struct ipcbus_pages *pages, struct mem_cgroup *group,
		      struct ipcbus_user *user, struct address_space *mapping, size_t size)
{
	struct memory *memory;
	int ret;

	pages->group = group;
	pages->user = user;
	spin_lock_init(&pages->lock);
	pages->mapping = mapping;
	pages->count = size >> PAGE_SHIFT;
	ret = ipcbus_user_charge_n(user, IPCBUS_USE_MEMORY, index_kib(pages));
	if (ret)
		return ret;
	memory = pages_new(user, size);
	if (IS_ERR(memory)) {
		ipcbus_user_uncharge_n(user, IPCBUS_USE_MEMORY, index_kib(pages));
		return PTR_ERR(memory);
	}
	memory->kib = index_kib(pages);
	pages->frame = table_new(pages);
	if (!pages->frame) {
		pages_free(memory->fd, memory);
		return -ENOMEM;
	}
	mapping->host->i_private = memory;
	ihold(mapping->host);
	return 0;
}

static unsigned long resident(const struct ipcbus_pages *pages)
{
	unsigned long n = 0;

	for (unsigned long i = 0; i < pages->count; i++)
		n += !!pages->frame[i];
	return n;
}

void ipcbus_pages_done(struct ipcbus_pages *pages)
{
	const struct shim_fiber *fiber = current->fiber;
	struct memory *memory = memory_of(pages);
	unsigned long n = resident(pages), i;

	for (i = 0; i < n; i++)
		ipcbus_stat_remove(IPCBUS_STAT_PAGES);
	memory->kib += n * PAGE_KIB;
	table_free(pages);
	pages->frame = NULL;
	pages->count = 0;
	/* A message of another user may have kept the region. Then this is the worker of that user,
	 * which must not wait for processes of the receiver's user. */
	if (fiber && client_account(fiber->client) == memory->account) {
		rcu_sleeps();
		pages_free(memory->fd, memory);
		rcu_awakes();
	} else {
		memory_end_later(memory->fd, pages_free, memory, memory->account);
	}
	pages->mapping->host->i_private = NULL;
	iput(pages->mapping->host);
}

/*
 * Never use fallocate() where MADV_POPULATE_WRITE exists (Linux 5.14): it waits for the lock
 * of the inode. The owner of the region can hold that lock for long, by many fallocate() at once.
 */
static bool allocate(const struct memory *memory, size_t offset, size_t size)
{
	if (!madvise(memory->at + offset, size, MADV_POPULATE_WRITE))
		return true;
	return errno == EINVAL && !fallocate(memory->fd, 0, offset, size);
}

/* Allocates missing pages and charges them. Another thread may populate a page that two buffers
 * share. The first thread to set its frame counts the page. Returns 0 or -errno. */
static int populate_run(struct ipcbus_pages *pages, unsigned long first, unsigned long end)
{
	struct memory *memory = memory_of(pages);
	unsigned long i;
	int ret;

	ret = ipcbus_user_charge_n(pages->user, IPCBUS_USE_MEMORY, (end - first) * PAGE_KIB);
	if (ret)
		return ret;
	if (!allocate(memory, first << PAGE_SHIFT, (end - first) << PAGE_SHIFT)) {
		ipcbus_user_uncharge_n(pages->user, IPCBUS_USE_MEMORY, (end - first) * PAGE_KIB);
		return -ENOMEM;
	}
	for (i = first; i < end; i++) {
		if (cmpxchg(&pages->frame[i], NULL, memory->at + (i << PAGE_SHIFT))) {
			ipcbus_user_uncharge_n(pages->user, IPCBUS_USE_MEMORY, PAGE_KIB);
			continue;
		}
		atomic_long_inc(&pages->resident);
		ipcbus_stat_add(IPCBUS_STAT_PAGES);
	}
	return 0;
}

int ipcbus_pages_populate_slow(struct ipcbus_pages *pages, size_t offset, size_t size)
{
	unsigned long i = offset >> PAGE_SHIFT, next;
	unsigned long end = ((offset + size - 1) >> PAGE_SHIFT) + 1;
	int ret;

	for (; i < end; i = next) {
		next = i + 1;
		if (READ_ONCE(pages->frame[i]))
			continue;
		while (next < end && !READ_ONCE(pages->frame[next]))
			next++;
		ret = populate_run(pages, i, next);
		if (ret)
			return -ENOMEM;
	}
	return 0;
}

int ipcbus_pages_copy_slow(struct ipcbus_pages *pages, size_t offset,
			   const void __user *from, size_t size)
{
	return ipcbus_copy_from_user(memory_of(pages)->at + offset, from, size) ? -EFAULT : 0;
}

void ipcbus_pages_copy_from_kernel(struct ipcbus_pages *pages, size_t offset,
				   const void *from, size_t size)
{
	if (size)
		memcpy(memory_of(pages)->at + offset, from, size);
}

void ipcbus_pages_copy(struct ipcbus_pages *pages, size_t offset, struct ipcbus_pages *from,
		       size_t from_offset, size_t size)
{
	ipcbus_pages_copy_from_kernel(pages, offset, memory_of(from)->at + from_offset, size);
}

/* Zeroes a part of the region. If a message failed, some of its pages may not be allocated. */
void ipcbus_pages_clear(struct ipcbus_pages *pages, size_t offset, size_t size)
{
	while (size) {
		size_t run = min(size, PAGE_SIZE - offset_in_page(offset));

		if (READ_ONCE(pages->frame[offset >> PAGE_SHIFT]))
			memset(memory_of(pages)->at + offset, 0, run);
		offset += run;
		size -= run;
	}
}

/* The real kernel handles faults, so the driver never asks for a page. */
struct page *ipcbus_pages_get_locked(struct ipcbus_pages *pages, unsigned long index)
{
	(void)pages, (void)index;
	return NULL;
}

/* There is no reclaim. */
unsigned long ipcbus_pages_drop(struct ipcbus_pages *pages, unsigned long *next,
				unsigned long end, unsigned long want)
{
	(void)pages, (void)want;
	*next = end;
	return 0;
}

/* The driver never asks for the page of a frame here. */
struct page *shim_pages;
char *shim_frames;

void get_page(struct page *page)
{
	(void)page;
}

void put_page(struct page *page)
{
	(void)page;
}

void unlock_page(struct page *page)
{
	(void)page;
}

/* --- Functions that the shim calls ---------------------------------------------- */

/* The real kernel removes mappings. */
void shim_mm_exit(struct shim_process *process)
{
	(void)process;
}

void shim_maps_free(struct shim_process *process)
{
	(void)process;
}
