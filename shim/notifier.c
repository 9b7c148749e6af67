// SPDX-License-Identifier: MIT
/*
 * Notifiers of address spaces. As in the kernel, a notifier is released once, by the last task that
 * leaves the address space. It is freed a grace period after its last put. The release callback may
 * call that put.
 */
#include <pthread.h>

#include <linux/mmu_notifier.h>

#include "shim.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct mmu_notifier *find(const struct mmu_notifier_ops *ops, struct mm_struct *mm)
{
	struct mmu_notifier *notifier, *found = NULL;

	pthread_mutex_lock(&lock);
	list_for_each_entry(notifier, &mm->notifiers, entry)
		if (notifier->ops == ops) {
			notifier->users++;
			found = notifier;
			break;
		}
	pthread_mutex_unlock(&lock);
	return found;
}

static struct mmu_notifier *make(const struct mmu_notifier_ops *ops, struct mm_struct *mm)
{
	struct mmu_notifier *notifier = ops->alloc_notifier(mm);

	if (IS_ERR(notifier))
		return notifier;
	notifier->ops = ops;
	/* The kernel would take all locks of the address space here, and fails if a signal is
	 * pending. */
	if (signal_pending(current)) {
		ops->free_notifier(notifier);
		return ERR_PTR(-EINTR);
	}
	mmgrab(mm);
	notifier->mm = mm;
	notifier->users = 1;
	pthread_mutex_lock(&lock);
	list_add(&notifier->entry, &mm->notifiers);
	pthread_mutex_unlock(&lock);
	return notifier;
}

struct mmu_notifier *mmu_notifier_get(const struct mmu_notifier_ops *ops, struct mm_struct *mm)
{
	struct mmu_notifier *notifier;

	BUG_ON(!atomic_read(&mm->mm_users));
	mutex_lock(&mm->mmap_lock);
	notifier = find(ops, mm) ?: make(ops, mm);
	mutex_unlock(&mm->mmap_lock);
	return notifier;
}

static void free_notifier(struct rcu_head *rcu)
{
	struct mmu_notifier *notifier = container_of(rcu, struct mmu_notifier, rcu);
	struct mm_struct *mm = notifier->mm;

	notifier->ops->free_notifier(notifier);
	mmdrop(mm);
}

void mmu_notifier_put(struct mmu_notifier *notifier)
{
	bool last;

	pthread_mutex_lock(&lock);
	BUG_ON(!notifier->users);
	last = !--notifier->users;
	if (last)
		list_del_init(&notifier->entry);
	pthread_mutex_unlock(&lock);
	if (last)
		call_rcu(&notifier->rcu, free_notifier);
}

void mmu_notifier_synchronize(void)
{
	rcu_barrier();
}

void shim_notify_release(struct mm_struct *mm)
{
	struct mmu_notifier *notifier;

	BUG_ON(atomic_read(&mm->mm_users));
	for (;;) {
		pthread_mutex_lock(&lock);
		notifier = list_first_entry_or_null(&mm->notifiers, struct mmu_notifier, entry);
		if (notifier)
			list_del_init(&notifier->entry);
		pthread_mutex_unlock(&lock);
		if (!notifier)
			return;
		/* If the callback puts the notifier, freeing it drops its reference to mm. */
		mmgrab(mm);
		notifier->ops->release(notifier, mm);
		mmdrop(mm);
	}
}
