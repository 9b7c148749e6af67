/* SPDX-License-Identifier: MIT */
/* Address spaces, mappings and pages: see mm.c and pages.c. */
#pragma once

#include "gfp.h"
#include "list.h"
#include "mutex.h"
#include "refcount.h"
#include "slab.h"

#define VM_READ		0x00000001UL
#define VM_WRITE	0x00000002UL
#define VM_EXEC		0x00000004UL
#define VM_SHARED	0x00000008UL
#define VM_MAYREAD	0x00000010UL
#define VM_MAYWRITE	0x00000020UL
#define VM_MAYEXEC	0x00000040UL
#define VM_MAYSHARE	0x00000080UL
#define VM_DONTCOPY	0x00020000UL
#define VM_DONTEXPAND	0x00040000UL
#define VM_DONTDUMP	0x04000000UL

#define VM_FAULT_SIGBUS	0x0002U
#define VM_FAULT_LOCKED	0x0200U

/**
 * struct mm_struct - an address space
 * @mm_users: tasks that run in it
 * @mm_count: references to the structure; all users together hold one
 * @mmap_lock: held while mapping, unmapping or faulting
 * @notifiers: notified of its end (notifier.c)
 */
struct mm_struct {
	atomic_t mm_users;
	refcount_t mm_count;
	struct mutex mmap_lock;
	struct list_head notifiers;
};

#ifdef SHIM_LEAN
/* daemon/admin-requests.c */
unsigned long totalram_pages(void);
#else
static inline unsigned long totalram_pages(void)
{
	return 1UL << 20;
}
#endif

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	unsigned long vm_pgoff;
	vm_flags_t vm_flags;
	struct mm_struct *vm_mm;
	struct file *vm_file;
	const struct vm_operations_struct *vm_ops;
	void *vm_private_data;
};

struct vm_fault {
	struct vm_area_struct *vma;
	unsigned long pgoff;
	struct page *page;
};

struct vm_operations_struct {
	vm_fault_t (*fault)(struct vm_fault *vmf);
	void (*close)(struct vm_area_struct *vma);
};

/* A page frame, identified by its index in shim_pages. */
struct page {
	refcount_t ref;
	bool locked;
};

extern struct page *shim_pages;
extern char *shim_frames;

static inline struct page *virt_to_page(const void *frame)
{
	return &shim_pages[((const char *)frame - shim_frames) >> PAGE_SHIFT];
}

static inline unsigned long page_to_pfn(const struct page *page)
{
	return page - shim_pages;
}

static inline void *page_address(const struct page *page)
{
	return shim_frames + (page_to_pfn(page) << PAGE_SHIFT);
}

struct address_space;

void unmap_mapping_range(struct address_space *mapping, loff_t start, loff_t size, int even_cows);
void get_page(struct page *page);
void put_page(struct page *page);
void split_page(struct page *page, unsigned int order);
