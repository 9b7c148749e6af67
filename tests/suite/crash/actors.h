/* SPDX-License-Identifier: MIT */
/*
 * The processes of a crash test: a manager that serves, and processes that call it and each other,
 * with two busy threads each. They end when they are killed or the bus stops working. As long as
 * they live, they check every result.
 */
#ifndef TESTS_CRASH_ACTORS_H
#define TESTS_CRASH_ACTORS_H

#include <stdint.h>

#include "../kernel/fixture.h"

enum { ACTORS = 3 }; /* the first actor is the manager */

/* State of all actors, in shared memory. */
struct board {
	uint64_t calls;
	uint64_t replied;
	uint64_t begun; /* calls at the start of the round */
	uint64_t wrong;
	char what[200];
};

extern struct board *board;

/* Records the first failure, with which the test fails. */
void complain(const char *what, long number);

/* Waits until the round's traffic flows: an earlier disturbance would have no effect. */
void wait_for_traffic(void);

/* A thread of an actor damages its process while the other threads work. May not return. */
typedef void (*sabotage_fn)(struct raw *r, uint32_t *seed);

/* The settings of an actor. */
struct life {
	int index;
	uint32_t seed;
	sabotage_fn sabotage; /* or NULL */
	uint32_t after_us;
};

/* For peer_start(); arg is a struct life. */
int actor_main(struct peer *self, void *arg);

/* Returns a random number below n. */
uint32_t below(uint32_t *seed, uint32_t n);

#endif /* TESTS_CRASH_ACTORS_H */
