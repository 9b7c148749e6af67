/* SPDX-License-Identifier: MIT */
/* Speculation is not among what is tested here. */
#pragma once

#include "../kernel.h"

#define array_index_nospec(index, size) ({ BUG_ON((index) >= (size)); (index); })
