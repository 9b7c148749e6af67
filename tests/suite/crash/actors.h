/* SPDX-License-Identifier: MIT */
/*
 * The processes of a crash test: one that serves as the bus's manager and some
 * that call it and each other, each with two threads that never rest. They end
 * when they are killed, or when the bus stops to work for them. What they see
 * must be right for as long as they live.
 */
#ifndef TESTS_CRASH_ACTORS_H
#define TESTS_CRASH_ACTORS_H

#include <stdint.h>

#include "../kernel/fixture.h"

enum { ACTORS = 3 }; /* the first is the manager */

/* What all of them see, in shared memory. */
struct board {
	uint64_t calls;
	uint64_t replied;
	uint64_t begun; /* calls at the start of the round */
	uint64_t wrong;
	char what[200];
};

extern struct board *board;

/* Remember the first thing that is wrong, for the test to fail with. */
void complain(const char *what, long number);

/* Until the round's traffic flows: disturbing what has not begun shows nothing. */
void wait_for_traffic(void);

/*
 * A disturbance from inside: what one thread of an actor does to its process,
 * at a random moment, while the others work. Comes back or not.
 */
typedef void (*sabotage_fn)(struct raw *r, uint32_t *seed);

/* How an actor is to live. */
struct life {
	int index;
	uint32_t seed;
	sabotage_fn sabotage; /* or NULL */
	uint32_t after_us;
};

/* For peer_start(); arg is a struct life. */
int actor_main(struct peer *self, void *arg);

/* A random number below n. */
uint32_t below(uint32_t *seed, uint32_t n);

#endif /* TESTS_CRASH_ACTORS_H */
