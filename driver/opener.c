// SPDX-License-Identifier: GPL-2.0-only
/*
 * Openers: see opener.h. proc.c gets an opener for each open. exit_mmap() calls release().
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "opener.h"

#ifndef CONFIG_MMU_NOTIFIER
#error "ipcbus requires a kernel with CONFIG_MMU_NOTIFIER (selected by KVM, for example)"
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

/* --- Called by the kernel ----------------------------------------------------------- */

/* Creates the opener of an address space and returns its notifier, or ERR_PTR. mmu_notifier_get()
 * calls it with the mmap lock of the address space held. */
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

/* Shuts down the procs of an address space that ends, and removes its opener. exit_mmap() calls it
 * in an SRCU read side, for which unloading the module waits. May sleep. */
static void release(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	struct ipcbus_opener *opener = container_of(notifier, struct ipcbus_opener, notifier);
	bool listed;

	end(opener);
	/* If the module is being unloaded, remove_any() may have removed the opener already. */
	spin_lock(&openers_lock);
	listed = !RB_EMPTY_NODE(&opener->entry);
	if (listed)
		remove_locked(opener);
	spin_unlock(&openers_lock);
	if (listed)
		mmu_notifier_put(notifier);
}

static const struct mmu_notifier_ops notifier_ops = {
	.release = release,
	.alloc_notifier = alloc_notifier,
	.free_notifier = free_notifier,
};

/* --- Called by procs ------------------------------------------------------------------ */

static int compare(const void *mm, const struct rb_node *node)
{
	const struct ipcbus_opener *opener = rb_entry(node, struct ipcbus_opener, entry);

	return mm < (const void *)opener->mm ? -1 : mm > (const void *)opener->mm;
}

/* Returns the opener of the current address space, counted, or NULL. The address space cannot end
 * while a thread of it runs this. */
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

/* Adds the opener to the tree. Returns false if it is already listed. The tree keeps the first
 * reference from mmu_notifier_get() until release() or remove_any(). */
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
	/* If a signal interrupts taking all locks of the address space, the error is -EINTR. */
	if (IS_ERR(notifier))
		return PTR_ERR(notifier) == -EINTR ? ERR_PTR(-ERESTARTNOINTR) : ERR_CAST(notifier);
	opener = container_of(notifier, struct ipcbus_opener, notifier);
	kref_get(&opener->ref);
	/* Another thread has added the opener in the meantime. */
	if (!add_once(opener))
		mmu_notifier_put(notifier);
	return opener;
}

/* --- Module -------------------------------------------------------------------------- */

void ipcbus_opener_init(void (*procs_end)(struct ipcbus_opener *opener))
{
	end = procs_end;
}

/* Removes an opener from the tree and returns it, or NULL. Address spaces may end concurrently. */
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
