/* SPDX-License-Identifier: GPL-2.0-only */
/* The memory of a region that its receiver maps: see pages.c. */
#pragma once

#include <linux/fs.h>

/* Returns a new open file of the region for its owner, which can only read it, or -errno. */
int region_open(const struct address_space *mapping);
