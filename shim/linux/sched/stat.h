/* SPDX-License-Identifier: MIT */
/* How many tasks run: here only the kernels that can wake on the waker's CPU ask. */
#pragma once

#include <stdbool.h>

bool single_task_running(void);
