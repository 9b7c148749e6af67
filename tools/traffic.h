/* SPDX-License-Identifier: MIT */
/*
 * Who calls whom, how often and how long it takes: sums over a monitor's records.
 * No bus and no output here.
 */
#ifndef IPCCTL_TRAFFIC_H
#define IPCCTL_TRAFFIC_H

#include <stddef.h>
#include <stdint.h>

#include <ipc/monitor.h>

/* Eighths of an octave of nanoseconds: 9 % wide, up to 2^40 ns. */
#define TRAFFIC_BUCKETS (40 * 8)

/**
 * struct latency - how long calls took
 * @count: answers
 * @max: the longest, in ns
 * @buckets: how many fell into each
 */
struct latency {
	uint64_t count;
	uint64_t max;
	uint32_t buckets[TRAFFIC_BUCKETS];
};

/**
 * struct pair - what went from one process to one object of another
 * @from: the sender's process
 * @to: the receiver's
 * @node: the object there
 * @calls: calls made
 * @oneways: oneways sent
 * @errors: error replies
 * @failures: messages that the driver did not deliver
 * @bytes: of payloads there and back
 * @latency: from each call to its answer
 */
struct pair {
	uint32_t from;
	uint32_t to;
	uint32_t node;
	uint64_t calls;
	uint64_t oneways;
	uint64_t errors;
	uint64_t failures;
	uint64_t bytes;
	struct latency latency;
};

#define TRAFFIC_OPEN 65536

struct names;

/**
 * struct traffic - all of it
 * @pairs: @n of them, in the order in which they were seen first
 * @lost: records that there was no room for
 * @names: where traffic_on_record() notes who is seen
 * @open: calls without an answer, by id; one that finds its place taken is not timed
 */
struct traffic {
	struct pair *pairs;
	size_t n;
	uint64_t lost;
	struct names *names;
	struct open_call {
		uint64_t id;
		uint64_t time;
		size_t pair;
	} open[TRAFFIC_OPEN];
};

struct traffic *traffic_new(struct names *names);
struct traffic *traffic_free(struct traffic *traffic);

/* Counts a record: 0 or -ENOMEM. */
int traffic_add(struct traffic *traffic, const struct ipc_record *record);

/* The same for monitor_open(). */
int traffic_on_record(const struct ipc_record *record, void *traffic);

/* All sums to zero; calls that are open stay open. */
void traffic_begin(struct traffic *traffic);

void latency_add(struct latency *latency, uint64_t ns);
void latency_join(struct latency *latency, const struct latency *other);

/* How many ns that share of the calls (0 to 1) took at most, to 9 %; 0 if there were none. */
uint64_t latency_share(const struct latency *latency, double share);

#endif
