/* SPDX-License-Identifier: MIT */
/* Shrinkers: see shrinker.c. */
#pragma once

#include "../kernel.h"

#define SHRINK_STOP	(~0UL)
#define SHRINK_EMPTY	(~0UL - 1)
#define DEFAULT_SEEKS	2

struct shrink_control {
	gfp_t gfp_mask;
	unsigned long nr_to_scan;
};

struct shrinker {
	unsigned long (*count_objects)(struct shrinker *, struct shrink_control *);
	unsigned long (*scan_objects)(struct shrinker *, struct shrink_control *);
	int seeks;
};

int register_shrinker(struct shrinker *shrinker, const char *format, ...) __printf(2, 3);
void unregister_shrinker(struct shrinker *shrinker);
