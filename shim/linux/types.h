/* SPDX-License-Identifier: MIT */
/* Fixed-width types for the UAPI and the driver. */
#pragma once

#include "../kernel.h"
