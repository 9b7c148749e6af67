/* SPDX-License-Identifier: MIT */
/* Page allocation: see pages.c. */
#pragma once

#include "../kernel.h"

/* May sleep: set in all flags except GFP_ATOMIC. */
#define SHIM_GFP_SLEEP		(1U << 0)
#define __GFP_ZERO		(1U << 1)
#define __GFP_NOWARN		(1U << 2)
#define __GFP_NORETRY		(1U << 3)
#define __GFP_RETRY_MAYFAIL	(1U << 4)
#define __GFP_NOFAIL		(1U << 5)
#define GFP_KERNEL		SHIM_GFP_SLEEP
#define GFP_KERNEL_ACCOUNT	SHIM_GFP_SLEEP

struct page;

struct page *alloc_pages(gfp_t gfp, unsigned int order);
#define alloc_page(gfp) alloc_pages(gfp, 0)
