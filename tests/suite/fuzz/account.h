/* SPDX-License-Identifier: MIT */
/*
 * Keeps account of what the library is given with messages on its fake device
 * and has to release: file descriptors, which are closed once, and counts of
 * handles, which are put. The fds are mere numbers; close() and
 * device_handle_put() are taken over by the linker (--wrap).
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
/* A new fd, open. */
int account_fd(void);
/* One more count of a handle below 256. */
void account_handle(uint32_t handle);
/* Everything was released. */
void account_end(void);

#endif /* FUZZ_ACCOUNT_H */
