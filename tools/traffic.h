/* SPDX-License-Identifier: MIT */
/*
 * Sums over records: calls and oneways between two processes, and the latency of calls. Uses no bus
 * and prints nothing.
 */
#ifndef IPCCTL_TRAFFIC_H
#define IPCCTL_TRAFFIC_H

#include <stddef.h>
#include <stdint.h>

#include <ipc/monitor.h>

/* Each octave has eight buckets, so a bucket is about 9 % wide. The last bucket ends at 2^40 ns. */
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

/* A sender, a receiver, and a node with its proc. Has no padding: it is compared as bytes. */
struct pair_key {
	uint64_t owner;
	uint64_t node;
	uint32_t from_pid;
	uint32_t to_pid;
};

/**
 * struct pair - messages from a process to an object of another process
 * @key: the processes and the object
 * @calls: number of calls
 * @oneways: number of oneways
 * @failed: number of error replies, and of messages that the driver did not deliver
 * @bytes: of payloads in both directions
 * @latency: from call to reply
 */
struct pair {
	struct pair_key key;
	uint64_t calls;
	uint64_t oneways;
	uint64_t failed;
	uint64_t bytes;
	struct latency latency;
};

/* Maximum number of pairs. The last pair, whose key is all zeroes, counts the messages of all
 * further pairs. */
#define TRAFFIC_PAIRS 16384

/* Maximum number of open calls. A later call may overwrite an earlier call, whose reply is then
 * ignored. */
#define TRAFFIC_OPEN 65536

/**
 * struct traffic - sums of all pairs
 * @pairs: @n pairs, in the order of their first message
 * @by_key: the same pairs as a tree (tsearch)
 * @lost: records that the driver had to drop
 * @open: calls without a reply, by id
 */
struct traffic {
	struct pair *pairs[TRAFFIC_PAIRS];
	size_t n;
	void *by_key;
	uint64_t lost;
	struct open_call {
		uint64_t id;
		uint64_t time;
		struct pair_key key;
	} open[TRAFFIC_OPEN];
};

/* Returns NULL if there is no memory. */
struct traffic *traffic_new(void);
struct traffic *traffic_free(struct traffic *traffic);

/* Counts a record. Returns 0 or -ENOMEM. */
int traffic_add(struct traffic *traffic, const struct ipc_record *record);

/* Removes all pairs. Open calls stay open. */
void traffic_clear(struct traffic *traffic);

void latency_add(struct latency *latency, uint64_t ns);

/* Returns the quantile (0 to 1) in ns, rounded to a bucket, or 0 if there were no calls. */
uint64_t latency_quantile(const struct latency *latency, double quantile);

#endif
