/* SPDX-License-Identifier: MIT */
/*
 * Between posix.c and poll.c, which knows nothing of the kernel.
 */
#pragma once

#include <stdbool.h>

bool posix_is_device(int fd);
/* Its revents, after waiting so long, or -errno. */
int posix_poll_device(int fd, short events, int timeout_ms);
/* What is to be done when any file is closed. */
void posix_close_polled(int fd);
