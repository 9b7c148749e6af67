/* SPDX-License-Identifier: MIT */
/*
 * Sums over records: calls and oneways between two processes, and the latency of calls.
 * Needs no bus and prints nothing.
 */
#ifndef IPCCTL_TRAFFIC_H
#define IPCCTL_TRAFFIC_H

#include <stddef.h>
#include <stdint.h>

#include <ipc/monitor.h>

/* Each octave has eight buckets, so a bucket is about 9 % wide; the last ends at 2^40 ns. */
#define TRAFFIC_BUCKETS (40 * 8)

/**
 * struct latency - distribution of the time from call to reply
 * @count: number of replies
 * @max: the longest, in ns
 * @buckets: number of replies in each bucket
 */
struct latency {
	uint64_t count;
	uint64_t max;
	uint32_t buckets[TRAFFIC_BUCKETS];
};

/**
 * struct pair - messages from one process to one object of another
 * @from: pid of the sender
 * @to: pid of the receiver
 * @node: the object there
 * @calls: number of calls
 * @oneways: number of oneways
 * @errors: error replies
 * @failures: messages that the driver did not deliver
 * @bytes: of payloads in both directions
 * @latency: from call to reply
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

/* So many pairs; what belongs to others is counted in the last one, which is from and to 0. */
#define TRAFFIC_PAIRS 16384

struct names;

/**
 * struct traffic - sums of all pairs
 * @pairs: @n of them, in the order of their first message
 * @index: a hash table of numbers of @pairs plus 1; 0: none
 * @lost: records that the driver had to drop
 * @names: traffic_on_record() looks up processes here
 * @open: calls without a reply, by id; a later call may overwrite one, which is then not timed
 */
struct traffic {
	struct pair *pairs;
	size_t n;
	uint32_t index[2 * TRAFFIC_PAIRS];
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

/* Counts a record. 0 or -ENOMEM. */
int traffic_add(struct traffic *traffic, const struct ipc_record *record);

/* The same as a callback for monitor_open(). */
int traffic_on_record(const struct ipc_record *record, void *traffic);

/* Sets all sums to zero. Open calls stay open. */
void traffic_begin(struct traffic *traffic);

void latency_add(struct latency *latency, uint64_t ns);
void latency_join(struct latency *latency, const struct latency *other);

/* The quantile (0 to 1) in ns, to 9 %; 0 if there were no calls. */
uint64_t latency_quantile(const struct latency *latency, double quantile);

#endif
