/* SPDX-License-Identifier: MIT */
/*
 * The driver's tracepoints as a timeline: lines of trace_pipe become messages with stages
 * (trace-lines.c), and these become events of the Chrome trace format (trace-json.c), which
 * Perfetto and chrome://tracing open. Needs no bus and no file.
 */
#ifndef IPCCTL_TRACE_H
#define IPCCTL_TRACE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "names.h"

/**
 * struct stage - one stage of a message
 * @ns: time; 0: it was not recorded
 * @pid: process of the stage
 * @tid: thread of the stage
 */
struct stage {
	uint64_t ns;
	uint32_t pid;
	uint32_t tid;
};

/**
 * struct message - a call or oneway, as far as it was recorded
 * @id: from the driver
 * @oneway: it has no reply
 * @failed: it was not sent, or failed afterwards
 * @send: the client sends it
 * @deliver: the server receives it
 * @reply: the server replies; of a oneway: the server releases its buffer
 * @result: the client receives the reply
 * @to: process of the receiver
 * @node: the object there
 * @code: the method
 * @size: bytes of the request
 * @reply_size: bytes of the reply
 * @error: of the reply, or of the failure
 * @parent: the call during which it was sent, or 0
 * @buffer: of the receiver, until it is released
 */
struct message {
	uint64_t id;
	int oneway;
	int failed;
	struct stage send;
	struct stage deliver;
	struct stage reply;
	struct stage result;
	uint32_t to;
	uint32_t node;
	uint32_t code;
	int64_t size;
	int64_t reply_size;
	int64_t error;
	uint64_t parent;
	uint64_t buffer;
};

/**
 * struct trace - all messages
 * @messages: @n of them in the order in which they were sent; space for @capacity
 * @processes: names of threads' processes, by pid as text
 * @lost: events that the kernel had to drop
 */
struct trace {
	struct message *messages;
	size_t n;
	size_t capacity;
	json_t *processes;
	uint64_t lost;
};

/* Reads a line of trace_pipe, and changes it. Ignores lines of other drivers. 0 or -ENOMEM. */
int trace_line(struct trace *trace, char *line);
void trace_done(struct trace *trace);

/* The trace as one JSON object. NULL: no memory. */
json_t *trace_to_json(const struct trace *trace, struct names *names);

#endif
