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
#include "pages.h"
#include "shim.h"

/* <fcntl.h> conflicts with the kernel's asm/fcntl.h. */
int fcntl(int fd, int cmd, ...);
int fallocate(int fd, int mode, long offset, long size);

#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#define F_SEAL_SEAL 1
#define F_SEAL_SHRINK 2
#define F_SEAL_GROW 4
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 16
#endif

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define PAGE_KIB	(PAGE_SIZE / 1024)

struct memory {
	int fd;
	char *at;
	size_t size;
};

int region_fd(const struct address_space *mapping)
{
	const struct memory *memory = mapping->host->i_private;

	return memory ? memory->fd : -1;
}

/* --- The memfd ----------------------------------------------------------------- */

static int make_sealed(struct memory *memory)
{
	if (ftruncate(memory->fd, memory->size))
		return -errno;
	memory->at = mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
			  memory->fd, 0);
	if (memory->at == MAP_FAILED)
		return -ENOMEM;
	if (!fcntl(memory->fd, F_ADD_SEALS,
		   F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE))
		return 0;
	munmap(memory->at, memory->size);
	return -EOPNOTSUPP;
}

static struct memory *memory_new(size_t size)
{
	struct memory *memory = kzalloc(sizeof(*memory), GFP_KERNEL);
	int ret;

	if (!memory)
		return ERR_PTR(-ENOMEM);
	memory->size = size;
	memory->fd = memfd_create("ipcbus region", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ret = memory->fd < 0 ? -errno : make_sealed(memory);
	if (!ret)
		return memory;
	if (memory->fd >= 0)
		close(memory->fd);
	kfree(memory);
	return ERR_PTR(ret);
}

static void memory_free(struct memory *memory)
{
	munmap(memory->at, memory->size);
	close(memory->fd);
	kfree(memory);
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
	memory = memory_new(size);
	ret = IS_ERR(memory) ? PTR_ERR(memory) : 0;
	pages->frame = ret ? NULL : kvcalloc(pages->count, sizeof(*pages->frame), GFP_KERNEL);
	if (!ret && !pages->frame) {
		memory_free(memory);
		ret = -ENOMEM;
	}
	if (ret) {
		ipcbus_user_uncharge_n(user, IPCBUS_USE_MEMORY, index_kib(pages));
		return ret;
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
	unsigned long n = resident(pages), i;

	for (i = 0; i < n; i++)
		ipcbus_stat_remove(IPCBUS_STAT_PAGES);
	ipcbus_user_uncharge_n(pages->user, IPCBUS_USE_MEMORY, n * PAGE_KIB + index_kib(pages));
	kvfree(pages->frame);
	pages->frame = NULL;
	pages->count = 0;
	memory_free(memory_of(pages));
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

/* Another thread may populate a page that two buffers share. The first thread to set its bit counts
 * the page. */
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

/* If a message failed, some of its pages may not be allocated. */
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
