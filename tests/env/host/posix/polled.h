/* SPDX-License-Identifier: MIT */
/*
 * Interface between posix.c and poll.c, which does not depend on the kernel.
 */
#pragma once

#include <stdbool.h>

bool posix_is_device(int fd);
/* Waits for events up to the timeout. Returns revents or -errno. */
int posix_poll_device(int fd, short events, int timeout_ms);
/* Must be called when any file is closed. */
void posix_close_polled(int fd);
