/* SPDX-License-Identifier: MIT */
/* Page locks: see pages.c. */
#pragma once

#include "mm.h"

void lock_page(struct page *page);
bool trylock_page(struct page *page);
void unlock_page(struct page *page);

/* Writes a zero to each page. Returns the number of bytes that are not writable. See user.c. */
size_t fault_in_writeable(char __user *to, size_t size);
