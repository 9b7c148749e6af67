/* SPDX-License-Identifier: MIT */
/* The smaller, the larger, the one between. */
#pragma once

#include "../kernel.h"
