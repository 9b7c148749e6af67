/* SPDX-License-Identifier: MIT */
/*
 * Tracks resources that the library receives with messages on its fake device and must release:
 * file descriptors, which must be closed once, and references to handles, which must be put. The
 * fds are only numbers: the linker redirects close() and device_handle_put() (--wrap).
 */
#ifndef FUZZ_ACCOUNT_H
#define FUZZ_ACCOUNT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define must(condition)                                                                    \
	do {                                                                               \
		if (!(condition)) {                                                        \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                           \
		}                                                                          \
	} while (0)

void account_begin(void);
/* Returns a new open fd. */
int account_fd(void);
/* Adds a reference to a handle below 256. */
void account_handle(uint32_t handle);
/* Checks that everything was released. */
void account_end(void);

#endif /* FUZZ_ACCOUNT_H */
