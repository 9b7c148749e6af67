/* SPDX-License-Identifier: MIT */
/* Compile-time assertions. */
#pragma once

#define BUILD_BUG_ON_ZERO(wrong) ((int)sizeof(struct { int : -!!(wrong); }))
