// SPDX-License-Identifier: MIT
/*
 * Streams in records: see streams.h. StreamOpen of ipc.proto describes how a stream is opened. The
 * object table of a StreamOpen has the sender's data object, and then its control object.
 */
#include <stdlib.h>

#include <ipc/raw.h>
#include <ipc/rpc.h>

#include "streams.h"

/* Numbers of the oneways: to the data object, and to the control object. */
enum { PART_FIRST = IPC_NUMBER_BUILTIN + 16, PART_LAST };

/**
 * struct side - an object of a stream
 * @owner: its proc
 * @node: its number in that proc
 * @stream: the stream, as oneways to this object belong to it
 */
struct side {
	uint64_t owner;
	uint64_t node;
	struct stream stream;
};

/* A call that opens a stream. */
struct opening {
	uint64_t id;
	struct stream stream;
};

/* Tables by a hash, whose places are overwritten. */
struct streams {
	struct side sides[4 * STREAMS_MAX];
	struct opening openings[STREAMS_MAX];
};

struct streams *streams_new(void)
{
	return calloc(1, sizeof(struct streams));
}

struct streams *streams_free(struct streams *streams)
{
	free(streams);
	return NULL;
}

static struct side *side_of(struct streams *streams, uint64_t owner, uint64_t node)
{
	return &streams->sides[(owner * 40503 + node) % (4 * STREAMS_MAX)];
}

static struct opening *opening_of(struct streams *streams, uint64_t id)
{
	return &streams->openings[id % STREAMS_MAX];
}

/* Returns the number of the method, or 0 if the record does not have all of the payload. */
static uint32_t method_of(const struct ipc_record *record)
{
	Ipc__StreamOpen *open = NULL;
	const void *message;
	uint32_t method;
	size_t size;

	if (record->data_kept == record->data_size &&
	    ipc_payload_message(record->data, record->data_kept, &message, &size) == 0)
		open = ipc__stream_open__unpack(NULL, size, message);
	method = open ? open->method : 0;
	ipc__stream_open__free_unpacked(open, NULL);
	return method;
}

/* Stores the objects of a side. The other side sends to them. */
static void add_sides(struct streams *streams, const struct ipc_record *record,
		      const struct stream *stream, bool to_client)
{
	for (unsigned int i = 0; i < 2 && i < record->n_objects; i++) {
		const struct ipc_record_object *object = &record->objects[i];
		struct side *side = side_of(streams, object->owner, object->node);

		side->owner = object->owner;
		side->node = object->node;
		side->stream = *stream;
		side->stream.to_client = to_client;
		side->stream.control = i;
	}
}

static const struct stream *find_opening(struct streams *streams, const struct ipc_record *record)
{
	struct opening *opening = opening_of(streams, record->id);

	if (record->kind == IPC_RECORD_CALL) {
		opening->id = record->id;
		opening->stream = (struct stream){
			.owner = record->owner,
			.node = record->node,
			.pid = (uint32_t)record->to_pid,
			.method = method_of(record),
			.uid = record->from_uid,
		};
		add_sides(streams, record, &opening->stream, /* to_client= */ true);
	}
	if (!record->id || opening->id != record->id)
		return NULL;
	if (record->kind == IPC_RECORD_REPLY)
		add_sides(streams, record, &opening->stream, /* to_client= */ false);
	return &opening->stream;
}

const struct stream *streams_find(struct streams *streams, const struct ipc_record *record)
{
	const struct side *side = side_of(streams, record->owner, record->node);

	if (record->method == IPC_NUMBER_STREAM)
		return find_opening(streams, record);
	if (record->method < PART_FIRST || record->method > PART_LAST || !record->owner ||
	    side->owner != record->owner || side->node != record->node)
		return NULL;
	return &side->stream;
}

const char *streams_part(const struct stream *stream, const struct ipc_record *record)
{
	if (record->method == IPC_NUMBER_STREAM)
		return "open";
	if (record->method == PART_FIRST)
		return stream->control ? "credit" : "message";
	return stream->control ? "cancel" : "end";
}
