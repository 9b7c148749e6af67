/* SPDX-License-Identifier: MIT */
/*
 * Resources that the library may fail to get: memory and threads from the C library, and -ENOMEM
 * from the driver. The linker puts the functions of memory.c in front of both (--wrap, see
 * module.mk).
 */
#ifndef TESTS_FAIL_MEMORY_H
#define TESTS_FAIL_MEMORY_H

#include <stdbool.h>

enum memory_kind {
	MEMORY_HOST,	/* malloc and similar, threads, pidfds, epoll */
	MEMORY_DRIVER,	/* the device's operations: -ENOMEM */
	MEMORY_KINDS,
};

enum memory_how {
	MEMORY_ONCE,
	MEMORY_TWICE,	/* this step and the next */
	MEMORY_ALWAYS,	/* this step and all that follow */
	MEMORY_HOWS,
};

/* The @nth step of a kind, from 1, will fail in the calling thread. */
void memory_arm(enum memory_kind kind, enum memory_how how, unsigned int nth);
/* Stops injection. Returns whether the step failed. */
bool memory_disarm(void);

/* Return the number of live allocations, and of received handles that were not put. */
long memory_pieces(void);
long memory_handles(void);
/* Counts a handle that did not come in an event. */
void memory_handle_arrived(void);

#endif /* TESTS_FAIL_MEMORY_H */
