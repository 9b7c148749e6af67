/* SPDX-License-Identifier: MIT */
/* Number of runnable tasks. Only kernels that can wake on the waker's CPU use it. */
#pragma once

#include <stdbool.h>

bool single_task_running(void);
