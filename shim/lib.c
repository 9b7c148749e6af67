// SPDX-License-Identifier: MIT
/*
 * Functions that the kernel builds from other functions: object caches based on kmalloc(), and
 * copies of whole objects from user memory.
 */
#include <string.h>

#include <linux/slab.h>
#include <linux/uaccess.h>

#include "shim.h"

struct kmem_cache {
	size_t size;
};

void kvfree(const void *object)
{
	kfree(object);
}

/* Never calls the constructor: the cache hands out objects as if they had been used before. */
struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align,
				     unsigned int flags, void (*ctor)(void *))
{
	struct kmem_cache *cache = kmalloc(sizeof(*cache), GFP_KERNEL);

	(void)name, (void)align, (void)flags, (void)ctor;
	if (cache)
		cache->size = size;
	return cache;
}

void kmem_cache_destroy(struct kmem_cache *cache)
{
	kfree(cache);
}

void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	return kmalloc(cache->size, gfp);
}

void kmem_cache_free(struct kmem_cache *cache, void *object)
{
	(void)cache;
	kfree(object);
}

void *memchr_inv(const void *start, int byte, size_t size)
{
	const unsigned char *p = start;

	while (size && *p == (unsigned char)byte)
		p++, size--;
	return size ? (void *)p : NULL;
}

int copy_struct_from_user(void *to, size_t size, const void __user *from, size_t user_size)
{
	size_t known = min(size, user_size);
	int ret;

	if (user_size > size) {
		ret = check_zeroed_user((const char *)from + size, user_size - size);
		if (ret <= 0)
			return ret ?: -E2BIG;
	}
	memset((char *)to + known, 0, size - known);
	return copy_from_user(to, from, known) ? -EFAULT : 0;
}

void *memdup_user(const void __user *from, size_t size)
{
	void *copy = kmalloc(size, GFP_KERNEL);

	if (!copy)
		return ERR_PTR(-ENOMEM);
	if (copy_from_user(copy, from, size)) {
		kfree(copy);
		return ERR_PTR(-EFAULT);
	}
	return copy;
}
