/* SPDX-License-Identifier: MIT */
/*
 * Rounds: how serving threads divide their time between channels and the bus.
 *
 * A round has two parts. Serving threads take events of the bus, until there is none, or until a
 * sender's second event comes. The thread that finds this then looks at each channel once, and
 * takes at most one message from it. Meanwhile, other threads take events of the next round. So a
 * sender whose messages come through the bus has at most one message in a round, as has each
 * channel, regardless of how many senders use either way, and how many threads serve.
 *
 * No threads, memory or bus: the caller must hold a lock.
 */
#ifndef IPC_CHANNEL_ROUND_H
#define IPC_CHANNEL_ROUND_H

#include <stdbool.h>
#include <stdint.h>

#include "ipcbus.h"

/* Maximum of senders in a round. */
#define ROUND_SENDERS 256U

struct round {
	unsigned int n;			/* senders of this round */
	uint64_t number;		/* of this round; 0: before the first one */
	struct {
		uint64_t sender;
		uint64_t number;	/* of the round in which it was seen last */
	} seen[2 * ROUND_SENDERS];	/* open addressing: entries of older rounds are free */
};

/* Begins the next round when the part of the bus is over, and also the first round. */
static inline void round_end(struct round *round)
{
	round->number++;
	round->n = 0;
}

/* Returns the number of an event's sender. This process cannot see the pids of another pid
 * namespace: all senders of a user there have channels + 1 numbers, which alternate. */
static inline uint64_t round_sender(const struct round *round, const struct ipcbus_event *event,
				    unsigned int channels)
{
	return event->pid ? (uint64_t)event->pid << 32 | event->tid :
			    (uint64_t)event->uid << 32 | round->n % (channels + 1);
}

/* Counts an event of the bus from that sender. If the part of the bus is over, returns true, and
 * the event is the first of the next round. */
static inline bool round_note(struct round *round, uint64_t sender)
{
	unsigned int first = (unsigned int)(sender * 0x9e3779b97f4a7c15U >> 55), at = first;
	bool over = round->n == ROUND_SENDERS;

	while (!over && round->seen[at].number == round->number) {
		over = round->seen[at].sender == sender;
		at = (at + 1) % (2 * ROUND_SENDERS);
	}
	if (over) {
		round_end(round);
		at = first;
	}
	round->seen[at].sender = sender;
	round->seen[at].number = round->number;
	round->n++;
	return over;
}

#endif /* IPC_CHANNEL_ROUND_H */
