// SPDX-License-Identifier: MIT
/*
 * Sums over records: see traffic.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <search.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "traffic.h"

struct traffic *traffic_new(void)
{
	return calloc(1, sizeof(struct traffic));
}

static void keep_pair(void *pair)
{
	(void)pair;
}

void traffic_clear(struct traffic *traffic)
{
	tdestroy(traffic->by_key, keep_pair);
	traffic->by_key = NULL;
	while (traffic->n)
		free(traffic->pairs[--traffic->n]);
	traffic->lost = 0;
}

struct traffic *traffic_free(struct traffic *traffic)
{
	if (traffic)
		traffic_clear(traffic);
	free(traffic);
	return NULL;
}

/* --- Latency -------------------------------------------------------------------- */

/* The bucket is the octave, and the three bits after the leading bit. */
static unsigned int bucket_of(uint64_t ns)
{
	unsigned int octave, index;

	if (ns < 8)
		return ns;
	octave = 63 - __builtin_clzll(ns);
	index = (octave - 2) * 8 + (ns >> (octave - 3) & 7);
	return index < TRAFFIC_BUCKETS ? index : TRAFFIC_BUCKETS - 1;
}

/* Returns the largest value in a bucket. */
static uint64_t end_of(unsigned int bucket)
{
	unsigned int octave = bucket / 8 + 2;

	if (bucket < 8)
		return bucket;
	return ((uint64_t)(8 + bucket % 8 + 1) << (octave - 3)) - 1;
}

void latency_add(struct latency *latency, uint64_t ns)
{
	latency->count++;
	latency->buckets[bucket_of(ns)]++;
	if (ns > latency->max)
		latency->max = ns;
}

uint64_t latency_quantile(const struct latency *latency, double quantile)
{
	uint64_t seen = 0;

	for (unsigned int i = 0; i < TRAFFIC_BUCKETS; i++) {
		seen += latency->buckets[i];
		if (seen && (double)seen >= quantile * (double)latency->count)
			return end_of(i) < latency->max ? end_of(i) : latency->max;
	}
	return 0;
}

/* --- Records -------------------------------------------------------------------- */

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct pair_key));
}

static struct pair *find_pair(const struct traffic *traffic, const struct pair_key *key)
{
	/* struct pair begins with its key. */
	struct pair *const *found = tfind(key, &traffic->by_key, compare_keys);

	return found ? *found : NULL;
}

/* Returns the pair and creates it if necessary. If memory is short, returns NULL. */
static struct pair *get_pair(struct traffic *traffic, struct pair_key key)
{
	struct pair *pair = find_pair(traffic, &key);

	if (!pair && traffic->n >= TRAFFIC_PAIRS - 1) {
		key = (struct pair_key){ 0 };
		pair = find_pair(traffic, &key);
	}
	if (pair)
		return pair;
	pair = calloc(1, sizeof(*pair));
	if (!pair)
		return NULL;
	pair->key = key;
	if (!tsearch(pair, &traffic->by_key, compare_keys)) {
		free(pair);
		return NULL;
	}
	traffic->pairs[traffic->n++] = pair;
	return pair;
}

static struct pair_key key_of(const struct ipc_record *record)
{
	return (struct pair_key){ record->owner, record->node, record->from_pid,
				  record->to_pid };
}

static struct open_call *open_call_of(struct traffic *traffic, const struct ipc_record *record)
{
	return &traffic->open[record->id % TRAFFIC_OPEN];
}

static int count_message(struct traffic *traffic, const struct ipc_record *record)
{
	struct pair *pair = get_pair(traffic, key_of(record));

	if (!pair)
		return -ENOMEM;
	pair->bytes += record->data_size;
	if (record->kind == IPC_RECORD_ONEWAY) {
		pair->oneways++;
		return 0;
	}
	pair->calls++;
	*open_call_of(traffic, record) = (struct open_call){ record->id, record->time, pair->key };
	return 0;
}

/* Counts the end of a call: a reply, or a failure. */
static int count_reply(struct traffic *traffic, const struct ipc_record *record)
{
	struct open_call *open = open_call_of(traffic, record);
	bool is_open = record->id && open->id == record->id;
	struct pair *pair;

	/* A message that failed at once was not counted as open. */
	if (!is_open && record->kind != IPC_RECORD_FAILED)
		return 0;
	pair = get_pair(traffic, is_open ? open->key : key_of(record));
	if (!pair)
		return -ENOMEM;
	pair->failed += record->kind != IPC_RECORD_REPLY;
	if (!is_open)
		return 0;
	open->id = 0;
	pair->bytes += record->data_size;
	if (record->kind != IPC_RECORD_FAILED && record->time >= open->time)
		latency_add(&pair->latency, record->time - open->time);
	return 0;
}

int traffic_add(struct traffic *traffic, const struct ipc_record *record)
{
	traffic->lost += record->lost;
	switch (record->kind) {
	case IPC_RECORD_CALL:
	case IPC_RECORD_ONEWAY:
		return count_message(traffic, record);
	case IPC_RECORD_REPLY:
	case IPC_RECORD_ERROR:
	case IPC_RECORD_FAILED:
		return count_reply(traffic, record);
	default:
		return 0;
	}
}
