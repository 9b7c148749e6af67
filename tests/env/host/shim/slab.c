// SPDX-License-Identifier: MIT
/*
 * kmalloc and its kin on malloc: each object an allocation of its own, so that
 * the address sanitizer sees overruns and use after free, and what is new holds
 * rubbish unless zeroes were asked for.
 */
#include <stdlib.h>
#include <string.h>

#include "shim.h"

#define RUBBISH 0xa5

struct kmem_cache {
	size_t size;
	long live;
};

/* --- Failures to order ---------------------------------------------------- */

void shim_fail_twice(enum shim_fail kind, unsigned int n, unsigned int gap)
{
	current->fail[kind] = n;
	current->fail_gap[kind] = gap;
	current->failed[kind] = false;
}

void shim_fail_nth(enum shim_fail kind, unsigned int n)
{
	shim_fail_twice(kind, n, 0);
}

bool shim_failed(enum shim_fail kind)
{
	return current->failed[kind];
}

bool shim_fail_now(enum shim_fail kind)
{
	struct task_struct *task = current;

	_Static_assert(ARRAY_SIZE(task->fail) == SHIM_FAIL_COUNT, "one for each kind");
	if (likely(!task->fail[kind]) || --task->fail[kind])
		return false;
	task->failed[kind] = true;
	task->fail[kind] = task->fail_gap[kind];
	task->fail_gap[kind] = 0;
	return true;
}

/* --- Memory --------------------------------------------------------------- */

static void *allocate(size_t size, gfp_t gfp)
{
	void *object;

	if (gfp & SHIM_GFP_SLEEP)
		shim_might_reclaim();
	shim_point("alloc", "");
	if (!(gfp & __GFP_NOFAIL) && shim_fail_now(SHIM_FAIL_ALLOC))
		return NULL;
	object = malloc(size);
	BUG_ON(!object);
	shim_count(SHIM_ALLOCS, 1);
	return object;
}

void *kmalloc(size_t size, gfp_t gfp)
{
	void *object = allocate(size, gfp);

	if (object)
		memset(object, gfp & __GFP_ZERO ? 0 : RUBBISH, size);
	return object;
}

void kfree(const void *object)
{
	if (!object)
		return;
	shim_count(SHIM_ALLOCS, -1);
	free((void *)object);
}

void kvfree(const void *object)
{
	kfree(object);
}

struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align,
				     unsigned int flags, void (*ctor)(void *))
{
	struct kmem_cache *cache = kmalloc(sizeof(*cache), GFP_KERNEL);

	/* Objects come with rubbish in them, as if they had been used since they were
	 * constructed: nothing of that is to be relied on. */
	(void)name, (void)align, (void)flags, (void)ctor;
	if (cache)
		*cache = (struct kmem_cache){ .size = size };
	return cache;
}

void kmem_cache_destroy(struct kmem_cache *cache)
{
	if (cache->live)
		shim_panic("slab: a cache with %ld objects is destroyed", cache->live);
	kfree(cache);
}

void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	void *object = kmalloc(cache->size, gfp);

	if (object)
		__atomic_fetch_add(&cache->live, 1, __ATOMIC_RELAXED);
	return object;
}

void kmem_cache_free(struct kmem_cache *cache, void *object)
{
	__atomic_fetch_sub(&cache->live, 1, __ATOMIC_RELAXED);
	kfree(object);
}

void *memchr_inv(const void *start, int byte, size_t size)
{
	const unsigned char *p = start;

	while (size && *p == (unsigned char)byte)
		p++, size--;
	return size ? (void *)p : NULL;
}
