/* SPDX-License-Identifier: MIT */
/* BUG_ON and WARN_ON: both end the program here. */
#pragma once

#include "../kernel.h"
