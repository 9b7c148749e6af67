// SPDX-License-Identifier: MIT
/*
 * User copies. User pointers are plain pointers of this process. As in the kernel, a fault shows
 * that memory cannot be accessed. The signal handler (posix.c) calls shim_copy_fixup() to learn
 * where to continue.
 */
#include <string.h>

#include <linux/instrumented.h>

#include "asan.h"
#include "shim.h"

#define USER_END (1UL << 47)

#ifndef __x86_64__
#error "write copy_bytes() for this processor"
#endif

extern const char shim_copy_at[], shim_copy_end[];

/* A single instruction. If it faults, the number of bytes that were not copied is left in a
 * register. */
__asm__(".text\n"
	".type copy_bytes, @function\n"
	"copy_bytes:\n"
	"	movq %rdx, %rcx\n"
	".globl shim_copy_at\n"
	"shim_copy_at:\n"
	"	rep movsb\n"
	".globl shim_copy_end\n"
	"shim_copy_end:\n"
	"	movq %rcx, %rax\n"
	"	ret\n"
	".size copy_bytes, . - copy_bytes\n");

unsigned long copy_bytes(void *to, const void *from, size_t size);

unsigned long shim_copy_fixup(unsigned long pc)
{
	return pc == (unsigned long)shim_copy_at ? (unsigned long)shim_copy_end : 0;
}

void shim_check_write(const volatile void *to, size_t size)
{
	if (size)
		__asan_storeN((void *)to, size);
}

bool access_ok(const void __user *at, size_t size)
{
	return size <= USER_END && (unsigned long)at <= USER_END - size;
}

unsigned long raw_copy_from_user(void *to, const void __user *from, size_t size)
{
	shim_point("copy", "from user");
	return copy_bytes(to, from, size);
}

unsigned long copy_from_user(void *to, const void __user *from, size_t size)
{
	unsigned long left = size;

	might_fault();
	shim_check_write(to, size);
	if (!shim_fail_now(SHIM_FAIL_COPY) && access_ok(from, size))
		left = raw_copy_from_user(to, from, size);
	if (left)
		memset((char *)to + size - left, 0, left);
	return left;
}

unsigned long copy_to_user(void __user *to, const void *from, size_t size)
{
	might_fault();
	shim_point("copy", "to user");
	if (size)
		__asan_loadN((void *)from, size);
	if (shim_fail_now(SHIM_FAIL_COPY) || !access_ok(to, size))
		return size;
	return copy_bytes(to, from, size);
}

size_t fault_in_writeable(char __user *to, size_t size)
{
	size_t done, part;

	for (done = 0; done < size; done += part) {
		if (copy_to_user(to + done, "", 1))
			break;
		part = min(size - done, PAGE_SIZE - offset_in_page(to + done));
	}
	return size - done;
}

int check_zeroed_user(const void __user *from, size_t size)
{
	const char *at = from;
	char buffer[256];

	while (size) {
		size_t n = min(size, sizeof(buffer));

		if (copy_from_user(buffer, at, n))
			return -EFAULT;
		if (memchr_inv(buffer, 0, n))
			return 0;
		at += n;
		size -= n;
	}
	return 1;
}
