/* SPDX-License-Identifier: MIT */
/*
 * Structures of the public API that grow at their end, such as struct ipc_object_limits. Their
 * first member is the size that the program was compiled with. A newer program works with an older
 * library, unless it uses a new member. A library that adds a member must accept the earlier size.
 *
 * In both functions, size is the size that the library was compiled with.
 */
#ifndef IPC_SIZED_H
#define IPC_SIZED_H

#include <errno.h>
#include <stddef.h>
#include <string.h>

/*
 * Checks the program's structure. The library knows the first size bytes of it.
 *
 *   -EINVAL  It is shorter.
 *   -E2BIG   A byte that the library does not know is not 0: the program sets a newer member.
 */
static inline int sized_check(size_t size, const void *from)
{
	size_t theirs = *(const size_t *)from;

	if (theirs < size)
		return -EINVAL;
	for (size_t i = size; i < theirs; i++)
		if (((const char *)from)[i])
			return -E2BIG;
	return 0;
}

/* Writes size bytes into the program's structure, and 0 behind them. Fails with -EINVAL if the
 * structure is shorter. */
static inline int sized_return(void *to, size_t size, const void *from)
{
	size_t theirs = *(const size_t *)to;

	if (theirs < size)
		return -EINVAL;
	memset(to, 0, theirs);
	memcpy(to, from, size);
	*(size_t *)to = theirs;
	return 0;
}

#endif
