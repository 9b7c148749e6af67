// SPDX-License-Identifier: MIT
/*
 * Sums over records: see traffic.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipcctl.h"
#include "names.h"
#include "traffic.h"

struct traffic *traffic_new(struct names *names)
{
	struct traffic *traffic = calloc(1, sizeof(*traffic));

	if (traffic)
		traffic->names = names;
	return traffic;
}

struct traffic *traffic_free(struct traffic *traffic)
{
	if (traffic)
		free(traffic->pairs);
	free(traffic);
	return NULL;
}

/* --- Latency -------------------------------------------------------------------- */

/* The octave, and the three bits after its first. */
static unsigned int bucket_of(uint64_t ns)
{
	unsigned int octave, index;

	if (ns < 8)
		return ns;
	octave = 63 - __builtin_clzll(ns);
	index = (octave - 2) * 8 + (ns >> (octave - 3) & 7);
	return index < TRAFFIC_BUCKETS ? index : TRAFFIC_BUCKETS - 1;
}

/* The largest value in a bucket. */
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

void latency_join(struct latency *latency, const struct latency *other)
{
	latency->count += other->count;
	for (unsigned int i = 0; i < TRAFFIC_BUCKETS; i++)
		latency->buckets[i] += other->buckets[i];
	if (other->max > latency->max)
		latency->max = other->max;
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

/* The place of a pair in the index. There are as many again that are empty. */
static uint32_t *find_place(struct traffic *traffic, uint32_t from, uint32_t to, uint32_t node)
{
	const size_t size = sizeof(traffic->index) / sizeof(traffic->index[0]);
	uint64_t hash = from * UINT64_C(0x9e3779b97f4a7c15);
	size_t i;

	hash = (hash ^ to) * UINT64_C(0x9e3779b97f4a7c15);
	hash = (hash ^ node) * UINT64_C(0x9e3779b97f4a7c15);
	for (i = (hash >> 32) % size; traffic->index[i]; i = (i + 1) % size) {
		const struct pair *pair = &traffic->pairs[traffic->index[i] - 1];

		if (pair->from == from && pair->to == to && pair->node == node)
			break;
	}
	return &traffic->index[i];
}

static struct pair *find_pair(struct traffic *traffic, uint32_t from, uint32_t to, uint32_t node)
{
	uint32_t *place = find_place(traffic, from, to, node);
	struct pair *pairs;

	if (!*place && traffic->n >= TRAFFIC_PAIRS - 1) {
		from = to = node = 0;
		place = find_place(traffic, from, to, node);
	}
	if (*place)
		return &traffic->pairs[*place - 1];

	/* There is space for the next power of two. */
	if (!(traffic->n & (traffic->n - 1))) {
		pairs = reallocarray(traffic->pairs, 2 * traffic->n + 1, sizeof(*pairs));
		if (!pairs)
			return NULL;
		traffic->pairs = pairs;
	}
	pairs = traffic->pairs;
	memset(&pairs[traffic->n], 0, sizeof(*pairs));
	pairs[traffic->n] = (struct pair){ .from = from, .to = to, .node = node };
	*place = ++traffic->n;
	return &pairs[traffic->n - 1];
}

static struct open_call *place_of(struct traffic *traffic, uint64_t id)
{
	return &traffic->open[id % TRAFFIC_OPEN];
}

static void count_reply(struct traffic *traffic, const struct ipc_record *record)
{
	struct open_call *open = place_of(traffic, record->id);
	struct pair *pair;

	if (!record->id || open->id != record->id)
		return;
	open->id = 0;
	pair = &traffic->pairs[open->pair];
	pair->bytes += record->data_size;
	pair->errors += record->kind == IPC_RECORD_ERROR;
	if (record->kind == IPC_RECORD_FAILED)
		pair->failures++;
	else if (record->time >= open->time)
		latency_add(&pair->latency, record->time - open->time);
}

static int count_message(struct traffic *traffic, const struct ipc_record *record)
{
	struct pair *pair = find_pair(traffic, record->from_pid, record->to_pid, record->node);

	if (!pair)
		return -ENOMEM;
	pair->bytes += record->data_size;
	if (record->kind == IPC_RECORD_ONEWAY) {
		pair->oneways++;
		return 0;
	}
	pair->calls++;
	*place_of(traffic, record->id) = (struct open_call){
		.id = record->id,
		.time = record->time,
		.pair = pair - traffic->pairs,
	};
	return 0;
}

/* Ends a call that failed after it was sent. Other messages were not counted before. */
static int count_failure(struct traffic *traffic, const struct ipc_record *record)
{
	struct pair *pair;

	if (record->id && place_of(traffic, record->id)->id == record->id) {
		count_reply(traffic, record);
		return 0;
	}
	pair = find_pair(traffic, record->from_pid, record->to_pid, record->node);
	if (!pair)
		return -ENOMEM;
	pair->failures++;
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
		count_reply(traffic, record);
		return 0;
	case IPC_RECORD_FAILED:
		return count_failure(traffic, record);
	default:
		return 0;
	}
}

int traffic_on_record(const struct ipc_record *record, void *userdata)
{
	struct traffic *traffic = userdata;

	/* Now, because the processes may end before their names are printed. */
	names_note(traffic->names, record->from_pid);
	names_note(traffic->names, record->to_pid);
	return traffic_add(traffic, record) < 0 ? fail_memory() : STATUS_OK;
}

void traffic_begin(struct traffic *traffic)
{
	traffic->lost = 0;
	for (size_t i = 0; i < traffic->n; i++) {
		struct pair *pair = &traffic->pairs[i];

		*pair = (struct pair){ .from = pair->from, .to = pair->to, .node = pair->node };
	}
}
