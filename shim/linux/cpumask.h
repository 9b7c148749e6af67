/* SPDX-License-Identifier: MIT */
/* One CPU; counters are atomic instead (percpu.h). */
#pragma once

#include "../kernel.h"

#define for_each_possible_cpu(cpu) for ((cpu) = 0; (cpu) < 1; (cpu)++)
