/* SPDX-License-Identifier: MIT */
/* Realtime priorities. */
#pragma once

#include "prio.h"

#define rt_prio(prio) ((prio) < MAX_RT_PRIO)
