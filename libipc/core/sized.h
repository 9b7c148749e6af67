/* SPDX-License-Identifier: MIT */
/*
 * Structures of the public API that grow at their end. Their first member is the size that
 * the program was compiled with.
 */
#ifndef IPC_SIZED_H
#define IPC_SIZED_H

#include <errno.h>
#include <stddef.h>
#include <string.h>

/*
 * Checks the program's structure. Ours has size bytes, of which the first `first` were
 * published first. What this library does not know must be 0 there.
 *
 *   -EINVAL  It is shorter than the first one was.
 *   -E2BIG   It asks for something that this library does not know.
 */
static inline int sized_check(size_t size, size_t first, const void *from)
{
	size_t theirs = *(const size_t *)from;

	if (theirs < first)
		return -EINVAL;
	for (size_t i = size; i < theirs; i++)
		if (((const char *)from)[i])
			return -E2BIG;
	return 0;
}

/* Checks the program's structure and copies it into ours. What the program does not know is 0
 * here. */
static inline int sized_copy(void *to, size_t size, size_t first, const void *from)
{
	size_t theirs = *(const size_t *)from;
	int r = sized_check(size, first, from);

	if (r < 0)
		return r;
	memset(to, 0, size);
	memcpy(to, from, theirs < size ? theirs : size);
	return 0;
}

/*
 * Writes our structure into the program's, as far as that goes. What this library does not
 * know is 0 there.
 *
 *   -EINVAL  It is shorter than the first one was.
 */
static inline int sized_return(void *to, size_t size, size_t first, const void *from)
{
	size_t theirs = *(const size_t *)to;

	if (theirs < first)
		return -EINVAL;
	memset(to, 0, theirs);
	memcpy(to, from, theirs < size ? theirs : size);
	*(size_t *)to = theirs;
	return 0;
}

#endif
