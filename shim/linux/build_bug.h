/* SPDX-License-Identifier: MIT */
/* What must hold when the driver is compiled. */
#pragma once

#define BUILD_BUG_ON_ZERO(wrong) ((int)sizeof(struct { int : -!!(wrong); }))
