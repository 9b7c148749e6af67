/* SPDX-License-Identifier: MIT */
/* Copies from and to user memory: see user.c. */
#pragma once

#include "../kernel.h"

#define u64_to_user_ptr(x) ((void __user *)(uintptr_t)(x))

bool access_ok(const void __user *at, size_t size);
void might_fault(void);
/* Copies without checks. Returns the number of bytes that could not be copied. */
unsigned long raw_copy_from_user(void *to, const void __user *from, size_t size);
unsigned long __must_check copy_from_user(void *to, const void __user *from, size_t size);
unsigned long __must_check copy_to_user(void __user *to, const void *from, size_t size);
int __must_check copy_struct_from_user(void *to, size_t size, const void __user *from,
				       size_t user_size);
/* Returns 1 if all bytes are zero, 0 if not, or -EFAULT. */
int check_zeroed_user(const void __user *from, size_t size);
void *memdup_user(const void __user *from, size_t size);

#define get_user(x, from)                                                     \
	({                                                                    \
		__typeof__(x) value_ = 0;                                     \
		int ret_ = copy_from_user(&value_, from, sizeof(*(from))) ? -EFAULT : 0; \
									      \
		static_assert(sizeof(value_) == sizeof(*(from)));             \
		(x) = value_;                                                 \
		ret_;                                                         \
	})
#define put_user(x, to)                                                       \
	({                                                                    \
		__typeof__(*(to)) value_ = (x);                               \
									      \
		copy_to_user(to, &value_, sizeof(value_)) ? -EFAULT : 0;      \
	})
