// SPDX-License-Identifier: GPL-2.0-only
/*
 * Openers: see opener.h. file.c gets one for each open, and the kernel calls release()
 * from exit_mmap().
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "opener.h"

#ifndef CONFIG_MMU_NOTIFIER
#error "ipcbus needs a kernel with CONFIG_MMU_NOTIFIER, which KVM for one selects"
#endif

static DEFINE_SPINLOCK(openers_lock);
static struct rb_root openers = RB_ROOT;
static void (*end)(struct ipcbus_opener *opener);

static void opener_free(struct kref *ref)
{
	kfree(container_of(ref, struct ipcbus_opener, ref));
}

void ipcbus_opener_put(struct ipcbus_opener *opener)
{
	kref_put(&opener->ref, opener_free);
}

/* --- What the kernel calls ---------------------------------------------------------- */

/* The kernel holds the mmap lock of the address space. */
static struct mmu_notifier *alloc_notifier(struct mm_struct *mm)
{
	struct ipcbus_opener *opener;

	opener = kzalloc(sizeof(*opener), GFP_KERNEL_ACCOUNT);
	if (!opener)
		return ERR_PTR(-ENOMEM);
	kref_init(&opener->ref);
	opener->mm = mm;
	RB_CLEAR_NODE(&opener->entry);
	spin_lock_init(&opener->lock);
	INIT_LIST_HEAD(&opener->procs);
	return &opener->notifier;
}

static void free_notifier(struct mmu_notifier *notifier)
{
	ipcbus_opener_put(container_of(notifier, struct ipcbus_opener, notifier));
}

static void remove_locked(struct ipcbus_opener *opener)
{
	lockdep_assert_held(&openers_lock);
	rb_erase(&opener->entry, &openers);
	RB_CLEAR_NODE(&opener->entry);
}

/* In an SRCU section of the kernel's: it may sleep, and unloading waits for it. */
static void release(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	struct ipcbus_opener *opener = container_of(notifier, struct ipcbus_opener, notifier);
	bool there;

	end(opener);
	/* Unloading may have removed it before. */
	spin_lock(&openers_lock);
	there = !RB_EMPTY_NODE(&opener->entry);
	if (there)
		remove_locked(opener);
	spin_unlock(&openers_lock);
	if (there)
		mmu_notifier_put(notifier);
}

static const struct mmu_notifier_ops notifier_ops = {
	.release = release,
	.alloc_notifier = alloc_notifier,
	.free_notifier = free_notifier,
};

/* --- What procs call ------------------------------------------------------------------ */

static int compare(const void *mm, const struct rb_node *node)
{
	const struct ipcbus_opener *opener = rb_entry(node, struct ipcbus_opener, entry);

	return mm < (const void *)opener->mm ? -1 : mm > (const void *)opener->mm;
}

/* While one of its threads is here the address space does not end. */
static struct ipcbus_opener *find(const struct mm_struct *mm)
{
	struct ipcbus_opener *opener;

	spin_lock(&openers_lock);
	opener = rb_entry_safe(rb_find(mm, &openers, compare), struct ipcbus_opener, entry);
	if (opener)
		kref_get(&opener->ref);
	spin_unlock(&openers_lock);
	return opener;
}

static bool is_before(struct rb_node *a, const struct rb_node *b)
{
	return compare(rb_entry(a, struct ipcbus_opener, entry)->mm, b) < 0;
}

/* The first time its count by the kernel is kept, until remove(). */
static bool add_once(struct ipcbus_opener *opener)
{
	bool first;

	spin_lock(&openers_lock);
	first = RB_EMPTY_NODE(&opener->entry);
	if (first)
		rb_add(&opener->entry, &openers, is_before);
	spin_unlock(&openers_lock);
	return first;
}

struct ipcbus_opener *ipcbus_opener_get(void)
{
	struct ipcbus_opener *opener;
	struct mmu_notifier *notifier;

	opener = find(current->mm);
	if (opener)
		return opener;
	notifier = mmu_notifier_get(&notifier_ops, current->mm);
	/* A signal ends the wait for all locks of the address space with -EINTR. */
	if (IS_ERR(notifier))
		return PTR_ERR(notifier) == -EINTR ? ERR_PTR(-ERESTARTNOINTR) : ERR_CAST(notifier);
	opener = container_of(notifier, struct ipcbus_opener, notifier);
	kref_get(&opener->ref);
	/* Another thread may have been first. */
	if (!add_once(opener))
		mmu_notifier_put(notifier);
	return opener;
}

/* --- Module -------------------------------------------------------------------------- */

void ipcbus_opener_init(void (*procs_end)(struct ipcbus_opener *opener))
{
	end = procs_end;
}

/* Address spaces may end meanwhile. */
static struct ipcbus_opener *remove_any(void)
{
	struct ipcbus_opener *opener;

	spin_lock(&openers_lock);
	opener = rb_entry_safe(openers.rb_node, struct ipcbus_opener, entry);
	if (opener)
		remove_locked(opener);
	spin_unlock(&openers_lock);
	return opener;
}

void ipcbus_opener_done(void)
{
	struct ipcbus_opener *opener;

	while ((opener = remove_any()))
		mmu_notifier_put(&opener->notifier);
	mmu_notifier_synchronize();
}
