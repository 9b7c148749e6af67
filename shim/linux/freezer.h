/* SPDX-License-Identifier: MIT */
/* Tasks that may be frozen while they sleep; none is. */
#pragma once

#include "sched.h"
