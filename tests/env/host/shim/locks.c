// SPDX-License-Identifier: MIT
/*
 * Spinlocks and mutexes, and the rules for their use:
 *
 * - locks must be taken in the order of the lock tree of driver/main.h, below
 * - the order of all locks, over the whole run, must have no cycle
 * - two locks of the same class must never be held together
 * - a task must not sleep while it holds a spinlock or is in an RCU read-side section
 * - a task must not allocate while it holds a lock that other procs take
 * - a task must not copy from or to user memory while it holds any lock
 *
 * A broken rule ends the program by shim_panic(), which names the locks.
 *
 * With real threads a lock is a pthread mutex, so that the thread sanitizer knows it. Under the
 * scheduler only its owner is recorded.
 */
#include <pthread.h>
#include <string.h>

#include "shim.h"

#define MAX_CLASSES 64

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(((struct shim_lock *)0)->real), "space");

/* Driver locks that may be taken while another lock is held. */
static const struct {
	const char *outer;
	const char *inner;
} tree[] = {
	{ "&proc->handle_lock", "ipcbus_default_bus.lock" },
	{ "&proc->handle_lock", "users_lock" },
	{ "&proc->handle_lock", "&bus->lock" },
	{ "&proc->handle_lock", "&proc->lock" },
	{ "ipcbus_default_bus.lock", "&proc->lock" },
	{ "&bus->lock", "&proc->lock" },
	{ "&mm->mmap_lock", "&region->lock" },
	{ "&mm->mmap_lock", "&proc->lock" },
	{ "&mm->mmap_lock", "&pages->lock" },
	{ "&mm->mmap_lock", "&region->claim" },
	{ "&mm->mmap_lock", "regions_lock" },
	{ "&proc->handle_lock", "&region->claim" },
	{ "&proc->handle_lock", "regions_lock" },
	{ "&proc->handle_lock", "&region->lock" },
	{ "&proc->handle_lock", "&mapping->i_mmap_lock" },
	{ "&proc->handle_lock", "&pages->lock" },
	{ "&region->claim", "regions_lock" },
	{ "&region->claim", "&region->lock" },
	{ "&region->claim", "&pages->lock" },
	{ "&region->claim", "&mapping->i_mmap_lock" },
	{ "regions_lock", "&region->lock" },
	/* The kernel's own locks, in the order of the kernel. */
	{ "&mm->mmap_lock", "&mapping->i_mmap_lock" },
};

static pthread_mutex_t graph_lock = PTHREAD_MUTEX_INITIALIZER;
static const struct shim_lock_class *classes[MAX_CLASSES];
static int n_classes = 1;
/* Bit i of after[j]: a lock of class i was taken while a lock of class j was held. */
static u64 after[MAX_CLASSES];

/* The kernel's own locks, inside wait queues and arrays. They are below all locks of the tree. A
 * callback of a queue may wake another queue. */
static bool is_leaf(const struct shim_lock_class *class)
{
	return !strncmp(class->name, "&(", 2);
}

static bool is_in_tree(const struct shim_lock_class *outer, const struct shim_lock_class *inner)
{
	if (is_leaf(inner))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(tree); i++)
		if (!strcmp(tree[i].outer, outer->name) && !strcmp(tree[i].inner, inner->name))
			return true;
	return false;
}

static u64 reachable(int from)
{
	u64 seen = 0, next = after[from];

	while (next & ~seen) {
		int i = __builtin_ctzll(next & ~seen);

		seen |= 1ULL << i;
		next |= after[i];
	}
	return seen;
}

static void add_class_locked(struct shim_lock_class *class)
{
	if (class->id)
		return;
	if (n_classes == MAX_CLASSES)
		shim_panic("locks: more than %d places make locks", MAX_CLASSES);
	classes[n_classes] = class;
	__atomic_store_n(&class->id, n_classes++, __ATOMIC_RELEASE);
}

static void add_order(struct shim_lock_class *outer, struct shim_lock_class *inner)
{
	pthread_mutex_lock(&graph_lock);
	add_class_locked(outer);
	add_class_locked(inner);
	if (reachable(inner->id) & 1ULL << outer->id)
		shim_panic("locks: %s is taken under %s, and somewhere the other way round",
			   inner->name, outer->name);
	if (!is_in_tree(outer, inner))
		shim_panic("locks: %s under %s is not in the lock tree", inner->name, outer->name);
	__atomic_fetch_or(&after[outer->id], 1ULL << inner->id, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&graph_lock);
}

static void check_order(struct shim_lock_class *outer, struct shim_lock_class *inner)
{
	int i = __atomic_load_n(&outer->id, __ATOMIC_ACQUIRE);
	int j = __atomic_load_n(&inner->id, __ATOMIC_ACQUIRE);

	if (outer == inner)
		shim_panic("locks: two of class %s at once", inner->name);
	if (!i || !j || !(__atomic_load_n(&after[i], __ATOMIC_RELAXED) & 1ULL << j))
		add_order(outer, inner);
}

static void check_take(const struct shim_lock *lock, const struct shim_held *held)
{
	if (!lock->class)
		shim_panic("locks: one was never initialised");
	if (lock->class->sleeps)
		shim_might_sleep(lock->class->name);
	for (int i = 0; i < held->n; i++)
		check_order(held->lock[i]->class, lock->class);
	if (held->n == SHIM_MAX_HELD)
		shim_panic("locks: %d held at once", held->n);
}

void shim_lock_take(struct shim_lock *lock)
{
	struct shim_held *held = &current->locks;

	check_take(lock, held);
	if (shim_scheduled)
		while (lock->owner)
			shim_fiber_wait(lock, lock->class->name);
	else
		pthread_mutex_lock((pthread_mutex_t *)lock->real);
	__atomic_store_n(&lock->owner, current, __ATOMIC_RELAXED);
	held->lock[held->n++] = lock;
	held->spinning += !lock->class->sleeps;
	if (!lock->class->sleeps)
		shim_rcu_enter();
}

/* Cannot close a cycle, because it never waits. So the order is not checked. */
bool shim_lock_try(struct shim_lock *lock)
{
	struct shim_held *held = &current->locks;

	BUG_ON(!lock->class || held->n == SHIM_MAX_HELD);
	if (shim_scheduled ? !!lock->owner :
			     pthread_mutex_trylock((pthread_mutex_t *)lock->real))
		return false;
	__atomic_store_n(&lock->owner, current, __ATOMIC_RELAXED);
	held->lock[held->n++] = lock;
	held->spinning += !lock->class->sleeps;
	if (!lock->class->sleeps)
		shim_rcu_enter();
	return true;
}

static void forget(struct shim_held *held, const struct shim_lock *lock)
{
	int i = held->n;

	while (i && held->lock[i - 1] != lock)
		i--;
	if (!i)
		shim_panic("locks: %s is dropped by who does not hold it", lock->class->name);
	for (; i < held->n; i++)
		held->lock[i - 1] = held->lock[i];
	held->n--;
	held->spinning -= !lock->class->sleeps;
	if (!held->spinning)
		held->since = 0;
}

void shim_lock_drop(struct shim_lock *lock)
{
	bool sleeps = lock->class->sleeps;

	forget(&current->locks, lock);
	__atomic_store_n(&lock->owner, NULL, __ATOMIC_RELAXED);
	if (shim_scheduled)
		shim_fibers_ready(lock);
	else
		pthread_mutex_unlock((pthread_mutex_t *)lock->real);
	if (!sleeps)
		shim_rcu_leave();
}

bool shim_lock_is_held(const struct shim_lock *lock)
{
	return __atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == current;
}

void shim_might_sleep(const char *what)
{
	const struct shim_held *held = &current->locks;

	if (held->spinning)
		shim_panic("locks: %s may sleep, under %s", what,
			   held->lock[held->n - 1]->class->name);
	if (held->rcu)
		shim_panic("locks: %s may sleep, in an RCU read-side section", what);
}

/* Returns true for locks that other procs take. */
static bool is_shared(const struct shim_lock_class *class)
{
	return !strcmp(class->name, "&bus->lock") || !strcmp(class->name, "users_lock") ||
	       !strcmp(class->name, "ipcbus_default_bus.lock");
}

void shim_might_reclaim(void)
{
	const struct shim_held *held = &current->locks;

	shim_might_sleep("an allocation");
	for (int i = 0; i < held->n; i++)
		if (is_shared(held->lock[i]->class))
			shim_panic("locks: an allocation under %s, which others need",
				   held->lock[i]->class->name);
}

void might_fault(void)
{
	const struct shim_held *held = &current->locks;

	shim_might_sleep("a user copy");
	if (held->n)
		shim_panic("locks: a user copy under %s", held->lock[held->n - 1]->class->name);
}
