/* SPDX-License-Identifier: MIT */
/* Only checks the index: speculation is not tested here. */
#pragma once

#include "../kernel.h"

#define array_index_nospec(index, size) ({ BUG_ON((index) >= (size)); (index); })
