// SPDX-License-Identifier: GPL-2.0-only
/*
 * Openers: see opener.h. file.c gets one for each open, and the kernel calls release()
 * from exit_mmap().
 */
#include <linux/mmap_lock.h>
#include <linux/rtmutex.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "opener.h"

#ifndef CONFIG_MMU_NOTIFIER
#error "ipcbus needs a kernel with CONFIG_MMU_NOTIFIER, which KVM for one selects"
#endif

static DEFINE_SPINLOCK(openers_lock);
/*
 * To register, the kernel takes a mutex of its own that all address spaces share. Whoever
 * has that does not inherit the priority of those who wait. So it is taken by one at a time
 * here, who has this lock, and inherits theirs.
 */
static DEFINE_RT_MUTEX(register_lock);
/* For the address space that is registered now: nothing of its is allocated under the lock. */
static struct ipcbus_opener *spare;
static LIST_HEAD(openers);
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

static struct mmu_notifier *alloc_notifier(struct mm_struct *mm)
{
	struct ipcbus_opener *opener = spare;

	lockdep_assert_held(&register_lock);
	spare = NULL;
	return &opener->notifier;
}

static void free_notifier(struct mmu_notifier *notifier)
{
	ipcbus_opener_put(container_of(notifier, struct ipcbus_opener, notifier));
}

/* Takes it off the list of all; false if somebody else did. */
static bool unlist(struct ipcbus_opener *opener)
{
	bool listed;

	spin_lock(&openers_lock);
	listed = !list_empty(&opener->entry);
	list_del_init(&opener->entry);
	spin_unlock(&openers_lock);
	return listed;
}

/* In an SRCU section of the kernel's: it may sleep, and unloading waits for it. */
static void release(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	struct ipcbus_opener *opener = container_of(notifier, struct ipcbus_opener, notifier);

	end(opener);
	if (unlist(opener))
		mmu_notifier_put(notifier);
}

static const struct mmu_notifier_ops notifier_ops = {
	.release = release,
	.alloc_notifier = alloc_notifier,
	.free_notifier = free_notifier,
};

/* --- What procs call ------------------------------------------------------------------ */

/* The first time its count by the kernel is kept, until unlist(). */
static bool list_once(struct ipcbus_opener *opener)
{
	bool first;

	spin_lock(&openers_lock);
	first = list_empty(&opener->entry);
	if (first)
		list_add(&opener->entry, &openers);
	spin_unlock(&openers_lock);
	return first;
}

static struct ipcbus_opener *opener_new(void)
{
	struct ipcbus_opener *opener;

	opener = kzalloc(sizeof(*opener), GFP_KERNEL_ACCOUNT);
	if (!opener)
		return NULL;
	kref_init(&opener->ref);
	INIT_LIST_HEAD(&opener->entry);
	spin_lock_init(&opener->lock);
	INIT_LIST_HEAD(&opener->procs);
	return opener;
}

/* That of the current address space, which new becomes if there is none. */
static struct mmu_notifier *get_notifier(struct ipcbus_opener *new)
{
	struct mm_struct *mm = current->mm;
	struct mmu_notifier *notifier;

	mmap_write_lock(mm);
	rt_mutex_lock(&register_lock);
	spare = new;
	notifier = mmu_notifier_get_locked(&notifier_ops, mm);
	new = spare;
	spare = NULL;
	rt_mutex_unlock(&register_lock);
	mmap_write_unlock(mm);
	kfree(new);
	return notifier;
}

struct ipcbus_opener *ipcbus_opener_get(void)
{
	struct ipcbus_opener *opener;
	struct mmu_notifier *notifier;

	opener = opener_new();
	if (!opener)
		return ERR_PTR(-ENOMEM);
	notifier = get_notifier(opener);
	/* The kernel takes all locks of the address space. A signal ends that with -EINTR. */
	if (IS_ERR(notifier))
		return PTR_ERR(notifier) == -EINTR ? ERR_PTR(-ERESTARTNOINTR) : ERR_CAST(notifier);
	opener = container_of(notifier, struct ipcbus_opener, notifier);
	kref_get(&opener->ref);
	if (!list_once(opener))
		mmu_notifier_put(notifier);
	return opener;
}

/* --- Module -------------------------------------------------------------------------- */

void ipcbus_opener_init(void (*procs_end)(struct ipcbus_opener *opener))
{
	end = procs_end;
}

void ipcbus_opener_done(void)
{
	struct ipcbus_opener *opener;

	for (;;) {
		spin_lock(&openers_lock);
		opener = list_first_entry_or_null(&openers, struct ipcbus_opener, entry);
		if (opener)
			list_del_init(&opener->entry);
		spin_unlock(&openers_lock);
		if (!opener)
			break;
		mmu_notifier_put(&opener->notifier);
	}
	mmu_notifier_synchronize();
}
