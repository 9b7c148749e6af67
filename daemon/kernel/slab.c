// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory: malloc. Nobody makes allocations fail here but the system.
 */
#include <stdlib.h>
#include <string.h>

#include "shim.h"

struct kmem_cache {
	size_t size;
};

bool shim_fail_now(enum shim_fail kind)
{
	(void)kind;
	return false;
}

void *kmalloc(size_t size, gfp_t gfp)
{
	return gfp & __GFP_ZERO ? calloc(1, size) : malloc(size);
}

void kfree(const void *object)
{
	free((void *)object);
}

void kvfree(const void *object)
{
	free((void *)object);
}

struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align,
				     unsigned int flags, void (*ctor)(void *))
{
	struct kmem_cache *cache = malloc(sizeof(*cache));

	(void)name, (void)align, (void)flags, (void)ctor;
	if (cache)
		cache->size = size;
	return cache;
}

void kmem_cache_destroy(struct kmem_cache *cache)
{
	free(cache);
}

void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	return kmalloc(cache->size, gfp);
}

void kmem_cache_free(struct kmem_cache *cache, void *object)
{
	(void)cache;
	free(object);
}

void *memchr_inv(const void *start, int byte, size_t size)
{
	const unsigned char *p = start;

	while (size && *p == (unsigned char)byte)
		p++, size--;
	return size ? (void *)p : NULL;
}
