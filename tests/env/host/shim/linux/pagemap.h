/* SPDX-License-Identifier: MIT */
/* The lock of a page: see pages.c. */
#pragma once

#include "mm.h"

void lock_page(struct page *page);
bool trylock_page(struct page *page);
void unlock_page(struct page *page);
