/* SPDX-License-Identifier: MIT */
/* What all kernel code has. */
#pragma once

#include "../kernel.h"
