/* SPDX-License-Identifier: MIT */
/* Atomics: in kernel.h. */
#pragma once

#include "../kernel.h"
