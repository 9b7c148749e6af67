/* SPDX-License-Identifier: MIT */
/*
 * The driver's tracepoints as a timeline: lines of trace_pipe become messages with
 * their stages, and those the events of the Chrome trace format, which Perfetto and
 * chrome://tracing open. No bus and no file here.
 */
#ifndef IPCCTL_TRACE_H
#define IPCCTL_TRACE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "names.h"

/**
 * struct stage - one of a message's stages
 * @ns: when; 0: it was not seen
 * @pid: whose process
 * @tid: and thread
 */
struct stage {
	uint64_t ns;
	uint32_t pid;
	uint32_t tid;
};

/**
 * struct message - a call or oneway as far as it was seen
 * @id: the driver's
 * @oneway: it has no answer
 * @failed: it was not sent, or failed afterwards
 * @send: by the client
 * @deliver: to the server
 * @reply: by the server; of a oneway: when it gave the buffer back
 * @receive: to the client
 * @to: the process that it goes to
 * @node: the object there
 * @code: the method
 * @size: bytes of the request
 * @reply_size: bytes of the answer
 * @error: of the answer, or of the failure
 * @parent: the call in which it was made, or 0
 * @buffer: the receiver's, until it is given back
 */
struct message {
	uint64_t id;
	int oneway;
	int failed;
	struct stage send;
	struct stage deliver;
	struct stage reply;
	struct stage receive;
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
 * @messages: @n of them by the order of their sending
 * @processes: names of threads' processes, by pid as text
 * @lost: lines that the kernel had no room for
 */
struct trace {
	struct message *messages;
	size_t n;
	size_t room;
	json_t *processes;
	uint64_t lost;
};

/* Takes a line of trace_pipe, which is changed; what is none of ours is passed over.
 * 0 or -ENOMEM. */
int trace_line(struct trace *trace, char *line);
void trace_done(struct trace *trace);

/* The whole as one JSON object; NULL: no memory. */
json_t *trace_to_json(const struct trace *trace, struct names *names);

#endif
