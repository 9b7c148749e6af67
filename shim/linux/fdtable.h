/* SPDX-License-Identifier: MIT */
/* Closing by number. */
#pragma once

#include "../kernel.h"

int close_fd(unsigned int fd);
