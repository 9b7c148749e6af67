// SPDX-License-Identifier: MIT
/*
 * Mappings of the device. The driver's own fault handler maps a page when it is first touched. A
 * mapped page has a reference until it is unmapped.
 *
 * Mapping, unmapping and faulting hold the address space's mmap_lock, so that the lock checker sees
 * the locks that the driver takes under it.
 */
#include <pthread.h>
#include <stdlib.h>

#include <linux/file.h>
#include <linux/pagemap.h>

#include "shim.h"

void (*shim_map_hook)(struct shim_map *map, size_t index, struct page *page);

/* Protects the page tables. */
static pthread_mutex_t tables = PTHREAD_MUTEX_INITIALIZER;

static void lock_tables(void)
{
	if (!shim_scheduled)
		pthread_mutex_lock(&tables);
}

static void unlock_tables(void)
{
	if (!shim_scheduled)
		pthread_mutex_unlock(&tables);
}

static unsigned long flags_of(unsigned int prot, bool shared, const struct file *file)
{
	unsigned long flags = prot & (VM_READ | VM_WRITE | VM_EXEC);

	flags |= VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
	if (shared) {
		flags |= VM_SHARED | VM_MAYSHARE;
		if ((file->f_flags & O_ACCMODE) == O_RDONLY)
			flags &= ~(VM_MAYWRITE | VM_SHARED);
	}
	return flags;
}

static struct shim_map *map_new(void *at, size_t size)
{
	struct shim_map *map = calloc(1, sizeof(*map));
	size_t count = size >> PAGE_SHIFT;

	BUG_ON(!map);
	map->at = at;
	map->pages = calloc(count, sizeof(*map->pages));
	map->gone = calloc(count, sizeof(*map->gone));
	BUG_ON(!map->pages || !map->gone);
	INIT_LIST_HEAD(&map->link);
	shim_count(SHIM_MAPS, 1);
	return map;
}

static void map_free(struct shim_map *map)
{
	free(map->pages);
	free(map->gone);
	free(map);
	shim_count(SHIM_MAPS, -1);
}

static void set_shared(struct shim_map *map, bool shared)
{
	struct address_space *mapping = map->vma.vm_file->f_mapping;

	mutex_lock(&mapping->i_mmap_lock);
	if (shared)
		list_add(&map->shared, &mapping->maps);
	else
		list_del(&map->shared);
	mutex_unlock(&mapping->i_mmap_lock);
}

/* Takes a reference to the file. On success the map keeps it. */
static int map_file(struct file *file, struct shim_map *map)
{
	struct mm_struct *mm = current->mm;
	int ret;

	mutex_lock(&mm->mmap_lock);
	ret = file->f_op->mmap(file, &map->vma);
	if (!ret) {
		list_add(&map->link, &current->process->maps);
		set_shared(map, true);
	}
	mutex_unlock(&mm->mmap_lock);
	return ret;
}

int shim_mmap(int fd, void *at, size_t size, unsigned int prot, bool shared, u64 offset,
	      struct shim_map **ret_map)
{
	struct file *file = shim_file_of(fd);
	struct shim_map *map;
	int ret;

	if (!file)
		return -EBADF;
	if (shared && prot & VM_WRITE && (file->f_flags & O_ACCMODE) == O_RDONLY) {
		fput(file);
		return -EACCES;
	}
	size = ALIGN(size, PAGE_SIZE);
	map = map_new(at, size);
	map->vma = (struct vm_area_struct){
		.vm_start = (unsigned long)at,
		.vm_end = (unsigned long)at + size,
		.vm_pgoff = offset >> PAGE_SHIFT,
		.vm_flags = flags_of(prot, shared, file),
		.vm_mm = current->mm,
		.vm_file = file,
	};
	ret = map_file(file, map);
	if (ret) {
		map_free(map);
		fput(file);
		return ret;
	}
	*ret_map = map;
	return 0;
}

static bool all_gone(const struct shim_map *map, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!map->gone[i])
			return false;
	return true;
}

static struct page *page_at(struct shim_map *map, size_t index)
{
	struct page *page;

	lock_tables();
	page = map->pages[index];
	unlock_tables();
	return page;
}

/* Sets an entry of the page table. Takes ownership of the reference to page, which may be NULL. */
static void set_page(struct shim_map *map, size_t index, struct page *page)
{
	struct page *old;

	lock_tables();
	old = map->pages[index];
	map->pages[index] = page;
	if (shim_map_hook && old != page && map->at && !map->gone[index])
		shim_map_hook(map, index, page);
	unlock_tables();
	if (old)
		put_page(old);
}

char *shim_map_leave(struct shim_map *map)
{
	char *at;

	lock_tables();
	at = map->at;
	map->at = NULL;
	unlock_tables();
	return at;
}

static void unmap_pages(struct shim_map *map, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++) {
		map->gone[i] = true;
		set_page(map, i, NULL);
	}
}

void unmap_mapping_range(struct address_space *mapping, loff_t start, loff_t size, int even_cows)
{
	size_t first = start >> PAGE_SHIFT, end = (start + size) >> PAGE_SHIFT;
	struct shim_map *map;

	BUG_ON(even_cows || !size);
	mutex_lock(&mapping->i_mmap_lock);
	list_for_each_entry(map, &mapping->maps, shared)
		for (size_t i = first; i < end; i++)
			set_page(map, i, NULL);
	mutex_unlock(&mapping->i_mmap_lock);
}

void shim_munmap(struct shim_map *map, size_t first, size_t n)
{
	struct shim_process *process = current->process;
	size_t count = (map->vma.vm_end - map->vma.vm_start) >> PAGE_SHIFT;
	struct mm_struct *mm = map->vma.vm_mm;
	bool last;

	shim_point("munmap", "");
	mutex_lock(&mm->mmap_lock);
	unmap_pages(map, first, min(first + n, count));
	last = all_gone(map, count);
	if (last) {
		set_shared(map, false);
		list_move_tail(&map->link, &process->unmapped);
	}
	mutex_unlock(&mm->mmap_lock);
	if (!last)
		return;
	if (map->vma.vm_ops->close)
		map->vma.vm_ops->close(&map->vma);
	fput(map->vma.vm_file);
}

void shim_maps_free(struct shim_process *process)
{
	struct shim_map *map;

	while (!list_empty(&process->unmapped)) {
		map = list_first_entry(&process->unmapped, struct shim_map, link);
		list_del(&map->link);
		map_free(map);
	}
}

void shim_mm_exit(struct shim_process *process)
{
	while (!list_empty(&process->maps))
		shim_munmap(list_first_entry(&process->maps, struct shim_map, link), 0, ~0UL >> 1);
}

struct page *shim_fault(struct shim_map *map, size_t index)
{
	struct mm_struct *mm = map->vma.vm_mm;
	struct page *page;

	mutex_lock(&mm->mmap_lock);
	page = page_at(map, index);
	if (!page && !map->gone[index]) {
		struct vm_fault vmf = { .vma = &map->vma, .pgoff = map->vma.vm_pgoff + index };

		if (map->vma.vm_ops->fault(&vmf) == VM_FAULT_LOCKED) {
			page = vmf.page;
			set_page(map, index, page);
			unlock_page(page);
		}
	}
	mutex_unlock(&mm->mmap_lock);
	return page;
}

const void *shim_touch(struct shim_map *map, size_t offset)
{
	size_t index = offset >> PAGE_SHIFT;
	struct page *page;

	shim_point("touch", "");
	page = shim_fault(map, index);
	/* In the meantime the page may have been unmapped and reused: then the touch came too
	 * late. */
	if (page && page_at(map, index) != page)
		page = NULL;
	return page ? (const char *)page_address(page) + offset_in_page(offset) : NULL;
}
