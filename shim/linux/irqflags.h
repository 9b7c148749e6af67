/* SPDX-License-Identifier: MIT */
/* Some kernels' percpu.h leaves it to others to include; nothing of it is used here. */
#pragma once
