/* SPDX-License-Identifier: MIT */
/* min, max and clamp. */
#pragma once

#include "../kernel.h"
