/* SPDX-License-Identifier: MIT */
/*
 * The streams in records. A stream is opened by a call to an object, and each of its messages is a
 * oneway to an object that the call or its reply carried. streams_find() finds the call of a
 * oneway.
 */
#ifndef IPCCTL_STREAMS_H
#define IPCCTL_STREAMS_H

#include <stdbool.h>
#include <stdint.h>

#include <ipc/monitor.h>

/* The latest streams: a later stream may overwrite an earlier one. */
#define STREAMS_MAX 8192

/**
 * struct stream - a stream, or its side, in a record
 * @owner: proc of the object that the stream was opened at
 * @node: that object
 * @pid: its process
 * @method: number of the stream's method, or 0 if it is not known
 * @uid: the client's user
 * @to_client: the message goes to the client
 * @control: the message is credit or a cancellation
 */
struct stream {
	uint64_t owner;
	uint32_t node;
	uint32_t pid;
	uint32_t method;
	uint32_t uid;
	bool to_client;
	bool control;
};

struct streams;

/* Returns NULL if memory is short. */
struct streams *streams_new(void);
struct streams *streams_free(struct streams *streams);

/* Must be called for each record, in the order of arrival. Returns the stream to which it belongs,
 * valid until the next call, or NULL. */
const struct stream *streams_find(struct streams *streams, const struct ipc_record *record);

/* Returns the part that the record is of its stream: "open", "message", "end", "credit" or
 * "cancel". */
const char *streams_part(const struct stream *stream, const struct ipc_record *record);

#endif
