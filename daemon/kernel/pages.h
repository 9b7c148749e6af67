/* SPDX-License-Identifier: GPL-2.0-only */
/* The memory of a region that its receiver maps: see pages.c. */
#pragma once

#include <linux/fs.h>

/* Returns the region's memfd, sealed so that its owner can only read it, or -1 if there is no
 * region. */
int region_fd(const struct address_space *mapping);
