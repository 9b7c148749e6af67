/* SPDX-License-Identifier: GPL-2.0-only */
/* The memory of a region as its receiver gets it: see pages.c. */
#pragma once

#include <linux/fs.h>

/* The region's memfd, sealed; its owner may only read it. -1: there is no region. */
int region_fd(const struct address_space *mapping);
