/* SPDX-License-Identifier: MIT */
/* Size arithmetic that does not wrap. */
#pragma once

#include "../kernel.h"

static inline size_t shim_struct_size(size_t size, size_t each, size_t count)
{
	size_t bytes;

	if (__builtin_mul_overflow(each, count, &bytes) ||
	    __builtin_add_overflow(bytes, size, &bytes))
		return SIZE_MAX;
	return bytes;
}

#define struct_size(p, member, count) \
	shim_struct_size(sizeof(*(p)), sizeof((p)->member[0]), count)
