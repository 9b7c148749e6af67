/* SPDX-License-Identifier: MIT */
/* Fixed-width types; what the UAPI and the driver build on. */
#pragma once

#include "../kernel.h"
