/* SPDX-License-Identifier: MIT */
/* Basic definitions: see ../kernel.h. */
#pragma once

#include "../kernel.h"
