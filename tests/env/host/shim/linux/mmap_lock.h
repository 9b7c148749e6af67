/* SPDX-License-Identifier: MIT */
/* The lock of an address space. */
#pragma once

#include "mm.h"

static inline void mmap_write_lock(struct mm_struct *mm)
{
	mutex_lock(&mm->mmap_lock);
}

static inline void mmap_write_unlock(struct mm_struct *mm)
{
	mutex_unlock(&mm->mmap_lock);
}
