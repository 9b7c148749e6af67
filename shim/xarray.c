// SPDX-License-Identifier: MIT
/*
 * Arrays with two levels, changed under the array's lock and read without locks. As in the kernel,
 * an empty leaf is freed after a grace period.
 */
#include <linux/xarray.h>

#include "shim.h"

struct shim_xa_leaf {
	struct rcu_head rcu;
	int count;
	void *entry[SHIM_XA_LEAF];
};

/* leaf[0] is not used: see xa->first. */
struct shim_xa_root {
	struct rcu_head rcu;
	struct shim_xa_leaf *leaf[SHIM_XA_ROOT];
};

/* Returns where the leaf of the number is linked, or NULL without a root. */
static struct shim_xa_leaf **link_of(struct xarray *xa, unsigned long index)
{
	struct shim_xa_root *root;

	if (index < SHIM_XA_LEAF)
		return &xa->first;
	root = __atomic_load_n(&xa->root, __ATOMIC_ACQUIRE);
	return root ? &root->leaf[index / SHIM_XA_LEAF] : NULL;
}

static void **slot_of(struct xarray *xa, unsigned long index)
{
	struct shim_xa_leaf **link, *leaf;

	if (index >= SHIM_XA_LEAF * SHIM_XA_ROOT)
		return NULL;
	link = link_of(xa, index);
	leaf = link ? __atomic_load_n(link, __ATOMIC_ACQUIRE) : NULL;
	return leaf ? &leaf->entry[index % SHIM_XA_LEAF] : NULL;
}

void *xa_load(struct xarray *xa, unsigned long index)
{
	void **slot = slot_of(xa, index);

	shim_point("xa_load", "");
	return slot ? __atomic_load_n(slot, __ATOMIC_ACQUIRE) : NULL;
}

void *xa_find(struct xarray *xa, unsigned long *index, unsigned long max, int filter)
{
	void **slot, *entry;

	BUG_ON(filter != XA_PRESENT);
	shim_point("xa_find", "");
	rcu_read_lock();
	while (*index <= max && *index < __atomic_load_n(&xa->end, __ATOMIC_ACQUIRE)) {
		slot = slot_of(xa, *index);
		entry = slot ? __atomic_load_n(slot, __ATOMIC_ACQUIRE) : NULL;
		if (entry) {
			rcu_read_unlock();
			return entry;
		}
		*index = slot ? *index + 1 : (*index / SHIM_XA_LEAF + 1) * SHIM_XA_LEAF;
	}
	rcu_read_unlock();
	return NULL;
}

static void leaf_free(struct rcu_head *head)
{
	kfree(container_of(head, struct shim_xa_leaf, rcu));
}

static void root_free(struct rcu_head *head)
{
	kfree(container_of(head, struct shim_xa_root, rcu));
}

static void *erase_locked(struct xarray *xa, unsigned long index)
{
	void **slot = slot_of(xa, index), *entry = slot ? *slot : NULL;
	struct shim_xa_leaf **link, *leaf;

	lockdep_assert_held(&xa->xa_lock);
	if (!entry)
		return NULL;
	link = link_of(xa, index);
	leaf = *link;
	__atomic_store_n(slot, NULL, __ATOMIC_RELEASE);
	if (!--leaf->count) {
		__atomic_store_n(link, NULL, __ATOMIC_RELEASE);
		call_rcu(&leaf->rcu, leaf_free);
	}
	return entry;
}

void *xa_erase(struct xarray *xa, unsigned long index)
{
	void *entry;

	spin_lock(&xa->xa_lock);
	entry = erase_locked(xa, index);
	spin_unlock(&xa->xa_lock);
	return entry;
}

void *xa_cmpxchg(struct xarray *xa, unsigned long index, void *old, void *entry, gfp_t gfp)
{
	void **slot, *found;

	BUG_ON(!old || entry || gfp);
	spin_lock(&xa->xa_lock);
	slot = slot_of(xa, index);
	found = slot ? *slot : NULL;
	if (found == old)
		erase_locked(xa, index);
	spin_unlock(&xa->xa_lock);
	return found;
}

/* Finds the first free number from *id. Returns false if there is none up to max. */
static bool find_free_locked(struct xarray *xa, u32 *id, u32 max)
{
	void **slot;

	for (; *id <= max; ++*id) {
		slot = slot_of(xa, *id);
		if (!slot || !*slot)
			return true;
	}
	return false;
}

/* Memory for a number that has no leaf yet. */
struct spare {
	struct shim_xa_leaf *leaf;
	struct shim_xa_root *root;
};

/* If the number needs a leaf or the root, uses that of spare and sets it to NULL. */
static int store_locked(struct xarray *xa, u32 id, void *entry, struct spare *spare)
{
	struct shim_xa_leaf **link = link_of(xa, id);

	lockdep_assert_held(&xa->xa_lock);
	if (!link) {
		if (!spare->root)
			return -ENOMEM;
		__atomic_store_n(&xa->root, spare->root, __ATOMIC_RELEASE);
		spare->root = NULL;
		link = link_of(xa, id);
	}
	if (!*link) {
		if (!spare->leaf)
			return -ENOMEM;
		__atomic_store_n(link, spare->leaf, __ATOMIC_RELEASE);
		spare->leaf = NULL;
	}
	(*link)->count++;
	if (xa->end <= id)
		__atomic_store_n(&xa->end, id + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&(*link)->entry[id % SHIM_XA_LEAF], entry, __ATOMIC_RELEASE);
	return 0;
}

/*
 * Returns 0 if a number at or after *next was found, or 1 if it was found from the start; then
 * *next is the following number. If there is none, returns -EBUSY. If spare lacks the leaf or root
 * that is needed, returns -ENOMEM.
 */
static int insert(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, u32 *next,
		  struct spare *spare)
{
	u32 first, number;
	int ret = 0;

	spin_lock(&xa->xa_lock);
	first = number = *next < limit.min || *next > limit.max ? limit.min : *next;
	if (!find_free_locked(xa, &number, limit.max)) {
		number = limit.min;
		ret = find_free_locked(xa, &number, first - 1) ? 1 : -EBUSY;
	}
	if (ret >= 0) {
		*id = number;
		ret = store_locked(xa, number, entry, spare) ?: ret;
		if (ret >= 0)
			*next = number + 1;
	}
	spin_unlock(&xa->xa_lock);
	return ret;
}

int xa_alloc_cyclic(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, u32 *next,
		    gfp_t gfp)
{
	struct spare spare = {};
	void *added = NULL;
	int ret;

	BUG_ON(limit.min < 1 || limit.max >= SHIM_XA_LEAF * SHIM_XA_ROOT);
	if (gfp & SHIM_GFP_SLEEP)
		shim_might_sleep("xa_alloc");
	do {
		ret = insert(xa, id, entry, limit, next, &spare);
		if (ret != -ENOMEM)
			break;
		/* Most numbers need a leaf only. */
		if (!spare.leaf)
			added = spare.leaf = kzalloc(sizeof(*spare.leaf), gfp);
		else
			added = spare.root = kzalloc(sizeof(*spare.root), gfp);
	} while (added);
	kfree(spare.leaf);
	kfree(spare.root);
	return ret;
}

int xa_alloc(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, gfp_t gfp)
{
	u32 next = limit.min;

	return xa_alloc_cyclic(xa, id, entry, limit, &next, gfp);
}

void xa_destroy(struct xarray *xa)
{
	unsigned long index = 0;

	spin_lock(&xa->xa_lock);
	for (index = 0; index < xa->end; index++) {
		if (slot_of(xa, index))
			erase_locked(xa, index);
		else
			index |= SHIM_XA_LEAF - 1;
	}
	if (xa->root)
		call_rcu(&xa->root->rcu, root_free);
	xa->root = NULL;
	spin_unlock(&xa->xa_lock);
}
