/* SPDX-License-Identifier: MIT */
/* Atomics: see kernel.h. */
#pragma once

#include "../kernel.h"
