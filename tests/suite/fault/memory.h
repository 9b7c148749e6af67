/* SPDX-License-Identifier: MIT */
/*
 * What the library can fail to get: memory and threads from the C library, and
 * from the driver what it has none of. The linker puts the functions of
 * memory.c in front of both (--wrap, see module.mk).
 */
#ifndef TESTS_FAIL_MEMORY_H
#define TESTS_FAIL_MEMORY_H

#include <stdbool.h>

enum memory_kind {
	MEMORY_HOST,	/* malloc and its kin, threads, pidfds, what epoll keeps */
	MEMORY_DRIVER,	/* the device, when it is to do something: -ENOMEM */
	MEMORY_KINDS,
};

enum memory_how {
	MEMORY_ONCE,
	MEMORY_TWICE,	/* this one and the next */
	MEMORY_ALWAYS,	/* this one and all that follow */
	MEMORY_HOWS,
};

/* The nth of a kind is to fail in the calling thread, from 1. */
void memory_arm(enum memory_kind kind, enum memory_how how, unsigned int nth);
/* Whether it did. */
bool memory_disarm(void);

/* Pieces of memory that live; handles that arrived and were not put. */
long memory_pieces(void);
long memory_handles(void);
/* A handle that came by no event. */
void memory_handle_arrived(void);
/* How many times the driver was notified a number of threads. */
unsigned int memory_set_threads(void);

#endif /* TESTS_FAIL_MEMORY_H */
