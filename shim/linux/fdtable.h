/* SPDX-License-Identifier: MIT */
/* Closing a file by number. */
#pragma once

#include "../kernel.h"

int close_fd(unsigned int fd);
