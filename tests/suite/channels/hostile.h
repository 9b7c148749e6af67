/* SPDX-License-Identifier: MIT */
/* Shared by the files of the fuzzer: see hostile.c. */
#ifndef CHANNELS_HOSTILE_H
#define CHANNELS_HOSTILE_H

#include <stdbool.h>
#include <stdint.h>

#define PAGE	 4096UL
/* A wait may take longer than its limit on a busy machine, but not by this. */
#define SLACK_NS 5000000000ULL
#define WAIT_NS	 200000U

/* How hostile the peer is. */
enum habit {
	WILD,	     /* any value anywhere */
	NEVER_RIGHT, /* wrong numbers: never the number of the call; of a client: too far */
	POSSIBLE,    /* wrong payloads, codes, CPUs and wake-ups; numbers and sizes are possible */
	HABITS,
};

extern enum habit habit;

_Noreturn void fail(const char *format, ...);

#define CHECK(cond)                                                          \
	do {                                                                 \
		if (!(cond))                                                 \
			fail("%s:%d: wrong: %s", __FILE__, __LINE__, #cond); \
	} while (0)

uint32_t chance(uint64_t *state, uint32_t n);
uint32_t any_value(uint64_t *dice);
/* A number beside the honest side's, at a limit, or any. */
uint32_t beside(uint64_t *dice, uint32_t number);
void put(void *word, uint32_t value);

/* A round with the rings of a stream. */
void run_ring_round(uint64_t seed);
/* Prints what happened in all of them, and returns whether everything did. */
bool show_ring_rounds(void);

#endif /* CHANNELS_HOSTILE_H */
