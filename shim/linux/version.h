/* SPDX-License-Identifier: MIT */
/* The kernel version of the interfaces that these headers provide. */
#pragma once

#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))
#define LINUX_VERSION_CODE KERNEL_VERSION(6, 1, 0)
