// SPDX-License-Identifier: GPL-2.0-only
/*
 * User copies. A user address means what it means to the client whose fiber runs: a byte of
 * the area that it maps there. What is not in the area cannot be reached. Nobody can resize
 * an area, so no copy faults.
 */
#include <string.h>

#include <linux/instrumented.h>

#include "../client.h"
#include "fiber.h"
#include "shim.h"

void shim_check_write(const volatile void *to, size_t size)
{
	(void)to, (void)size;
}

/* Where size bytes at a user address are, or NULL. */
static __always_inline void *user_at(const void __user *at, size_t size)
{
	const struct shim_fiber *fiber = current->fiber;
	const struct client_memory *memory;
	u64 offset;

	if (unlikely(!fiber))
		return NULL;
	memory = client_memory(fiber->client);
	offset = (u64)(uintptr_t)at - memory->base;
	if (offset > memory->size || size > memory->size - offset)
		return NULL;
	return memory->at + offset;
}

/* The copy itself looks. */
bool access_ok(const void __user *at, size_t size)
{
	(void)at, (void)size;
	return true;
}

unsigned long raw_copy_from_user(void *to, const void __user *from, size_t size)
{
	const void *at = user_at(from, size);

	if (!at)
		return size;
	memcpy(to, at, size);
	return 0;
}

unsigned long copy_from_user(void *to, const void __user *from, size_t size)
{
	unsigned long left = raw_copy_from_user(to, from, size);

	if (left)
		memset(to, 0, size);
	return left;
}

unsigned long copy_to_user(void __user *to, const void *from, size_t size)
{
	void *at = user_at(to, size);

	if (!at)
		return size;
	memcpy(at, from, size);
	return 0;
}

int check_zeroed_user(const void __user *from, size_t size)
{
	const void *at = size ? user_at(from, size) : "";

	if (!at)
		return -EFAULT;
	return !memchr_inv(at, 0, size);
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
	void *copy;

	/* Before the allocation: the size is the user's. */
	if (size && !user_at(from, size))
		return ERR_PTR(-EFAULT);
	copy = kmalloc(size, GFP_KERNEL);
	if (!copy)
		return ERR_PTR(-ENOMEM);
	if (copy_from_user(copy, from, size)) {
		kfree(copy);
		return ERR_PTR(-EFAULT);
	}
	return copy;
}
