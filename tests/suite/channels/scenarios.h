/* SPDX-License-Identifier: MIT */
/* The scenarios of the model: see scenarios.c. */
#ifndef CHANNELS_SCENARIOS_H
#define CHANNELS_SCENARIOS_H

#include <stdbool.h>

struct ring_part;
struct shim_policy;

struct scenario {
	const char *name;
	const char *what;
	unsigned int channels; /* 0: a single channel */
	unsigned int clients;  /* of each channel: threads */
	unsigned int calls;    /* of each client */
	unsigned int servers;
	unsigned int cells; /* of each channel */
	unsigned int cpus;
	unsigned int budget; /* ns to spin */
	unsigned int events; /* of the bus */
	bool migrates;
	bool abandons;	 /* clients wait for a limited time */
	bool comes_late; /* the second channel */
	bool ends;	 /* the server ends the channel meanwhile */
	bool joins;	 /* handlers ask their callers to join */
	bool withdraws;	 /* clients that wait for a limited time withdraw their calls */
	unsigned int oneways; /* of a thread of each channel */
	bool large;	      /* oneways that fill the ring */
	bool huge;	 /* every second call needs the huge cell, of which there is one */
	unsigned int messages; /* of a stream; no calls */
	unsigned int window;   /* credit at first */
	unsigned int senders;
	unsigned int receivers;
	unsigned int by_bus;   /* bits: the threads of either side that wait for the bus */
	bool leaves;	 /* the first sender, after a message */
	bool async;	 /* clients post all calls, and then wait as serving threads do */
	unsigned int polls; /* bits: the serving threads that sleep in an event loop */
};

/* NULL behind the last. */
const struct scenario *scenario_nth(unsigned int i);
/* Runs a scenario, and checks that every call was served exactly once and no object is left. */
void scenario_run(const struct scenario *scenario, const struct shim_policy *policy);
/* streams.c: the same for a stream; parts has two parts. */
void streams_set_up(const struct scenario *scenario, struct ring_part *parts);
void streams_check(void);

#endif /* CHANNELS_SCENARIOS_H */
