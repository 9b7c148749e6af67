/* SPDX-License-Identifier: MIT */
/* Memory, based on malloc() so that the address sanitizer checks it. */
#pragma once

#include "gfp.h"

#define SLAB_HWCACHE_ALIGN	1U
#define SLAB_ACCOUNT		2U

struct kmem_cache;

void *kmalloc(size_t size, gfp_t gfp);
void kfree(const void *object);
void kvfree(const void *object);

struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align,
				     unsigned int flags, void (*ctor)(void *));
void kmem_cache_destroy(struct kmem_cache *cache);
void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp);
void kmem_cache_free(struct kmem_cache *cache, void *object);

static inline void *kcalloc(size_t n, size_t size, gfp_t gfp)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : kmalloc(bytes, gfp | __GFP_ZERO);
}

#define kzalloc(size, gfp) kmalloc(size, (gfp) | __GFP_ZERO)
#define kvzalloc(size, gfp) kzalloc(size, gfp)
#define kvcalloc(n, size, gfp) kcalloc(n, size, gfp)
