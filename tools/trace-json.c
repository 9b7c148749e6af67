// SPDX-License-Identifier: MIT
/*
 * Messages to the Chrome trace format. A call is two slices: on the client's thread from the
 * send to the receipt of the reply, and on the server's thread from delivery to reply. Flow
 * arrows connect them in both directions. Slices of one thread must be nested. Those that are
 * not (async calls, replies from another thread) become asynchronous slices, each on a row of
 * its own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"

/**
 * struct slice - an interval on a thread
 * @message: its message
 * @begin: in ns
 * @end: in ns
 * @pid: its process
 * @tid: its thread
 * @server: it is the server's slice of the message
 * @async: it is not nested within the others of its thread
 */
struct slice {
	const struct message *message;
	uint64_t begin;
	uint64_t end;
	uint32_t pid;
	uint32_t tid;
	int server;
	int async;
};

/**
 * struct writer - state of the conversion
 * @events: the result
 * @slices: @n of them
 * @names: names for the numbers
 * @failed: no memory for an event
 */
struct writer {
	json_t *events;
	struct slice *slices;
	size_t n;
	struct names *names;
	int failed;
};

static void put(struct writer *writer, json_t *event)
{
	if (json_array_append_new(writer->events, event) < 0)
		writer->failed = 1;
}

static json_t *us(uint64_t ns)
{
	return json_real((double)ns / 1000);
}

/* --- Slices --------------------------------------------------------------------- */

/* A call that is still open when the recording ends lasts until then. */
static uint64_t last_of(const struct trace *trace)
{
	uint64_t last = 0;

	for (size_t i = 0; i < trace->n; i++) {
		const struct message *m = &trace->messages[i];
		const uint64_t times[] = { m->send.ns, m->deliver.ns, m->reply.ns, m->result.ns };

		for (int j = 0; j < 4; j++)
			last = times[j] > last ? times[j] : last;
	}
	return last;
}

static void add_slice(struct writer *writer, const struct message *message,
		      const struct stage *from, const struct stage *to, uint64_t end, int server)
{
	struct slice *slice = &writer->slices[writer->n++];

	*slice = (struct slice){ .message = message, .begin = from->ns, .end = end,
				 .pid = from->pid, .tid = from->tid, .server = server };
	/* An arrow needs a slice with a duration. */
	if (slice->end <= slice->begin)
		slice->end = slice->begin + 1;
	slice->async = to && to->ns && to->tid != from->tid;
}

static void make_slices(struct writer *writer, const struct trace *trace)
{
	uint64_t last = last_of(trace);

	for (size_t i = 0; i < trace->n; i++) {
		const struct message *m = &trace->messages[i];
		uint64_t sent = m->oneway || m->failed ? m->send.ns + 1000 : last;

		add_slice(writer, m, &m->send, &m->result, m->result.ns ? m->result.ns : sent,
			  0);
		if (m->deliver.ns)
			add_slice(writer, m, &m->deliver, &m->reply,
				  m->reply.ns ? m->reply.ns : last, 1);
	}
}

static int by_thread(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;

	if (x->tid != y->tid)
		return x->tid < y->tid ? -1 : 1;
	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return x->end > y->end ? -1 : x->end < y->end;
}

/* Sorts slices by thread and beginning. A slice that ends after the one in which it begins is
 * not nested. The stack has the ends of the slices that are open. */
static void mark_overlaps(struct writer *writer)
{
	uint64_t ends[64];
	size_t depth = 0;

	qsort(writer->slices, writer->n, sizeof(*writer->slices), by_thread);
	for (size_t i = 0; i < writer->n; i++) {
		struct slice *slice = &writer->slices[i];

		if (i && writer->slices[i - 1].tid != slice->tid)
			depth = 0;
		if (slice->async)
			continue;
		while (depth && ends[depth - 1] <= slice->begin)
			depth--;
		if (depth == 64 || (depth && ends[depth - 1] < slice->end))
			slice->async = 1;
		else
			ends[depth++] = slice->end;
	}
}

/* --- Events --------------------------------------------------------------------- */

static json_t *arguments_of(const struct slice *slice, struct names *names)
{
	const struct message *m = slice->message;
	double waited_us = (double)(m->deliver.ns - m->send.ns) / 1000;
	char target[160];

	names_target(names, m->to, m->node, target, sizeof(target));
	return json_pack("{s:I, s:s, s:I, s:I, s:o*, s:o*, s:o*}", "id", (json_int_t)m->id,
			 "service", target, "size", (json_int_t)m->size, "reply_size",
			 (json_int_t)m->reply_size, "parent",
			 m->parent ? json_integer(m->parent) : NULL, "error",
			 m->error ? json_integer(m->error) : NULL, "waited_us",
			 m->deliver.ns ? json_real(waited_us) : NULL);
}

static const char *category_of(const struct message *message)
{
	return message->failed ? "failed" : message->oneway ? "oneway" : "call";
}

/* An event on the thread of a slice. id, duration and arguments may be NULL. */
static void put_event(struct writer *writer, const char *phase, const char *name,
		      const char *category, const char *id, uint64_t ns, json_t *duration,
		      const struct slice *slice, json_t *arguments)
{
	put(writer, json_pack("{s:s, s:s, s:s, s:s*, s:o, s:o*, s:I, s:I, s:o*}", "ph", phase,
			      "name", name, "cat", category, "id", id, "ts", us(ns), "dur",
			      duration, "pid", (json_int_t)slice->pid, "tid",
			      (json_int_t)slice->tid, "args", arguments));
}

static void put_slice(struct writer *writer, const struct slice *slice)
{
	const struct message *m = slice->message;
	json_t *arguments = arguments_of(slice, writer->names);
	const char *category = category_of(m);
	char name[128], id[32];

	names_method(writer->names, m->to, m->node, m->code, name, sizeof(name));
	if (!slice->async) {
		put_event(writer, "X", name, category, NULL, slice->begin,
			  us(slice->end - slice->begin), slice, arguments);
		return;
	}
	snprintf(id, sizeof(id), "%s%" PRIu64, slice->server ? "s" : "c", m->id);
	put_event(writer, "b", name, category, id, slice->begin, NULL, slice, arguments);
	put_event(writer, "e", name, category, id, slice->end, NULL, slice, NULL);
}

/* One end of an arrow: "s" where it begins, "f" in the slice where it ends. */
static void put_end(struct writer *writer, const char *phase, const char *id, uint64_t ns,
		    const struct slice *slice)
{
	put_event(writer, phase, "message", "ipcbus", id, ns, NULL, slice, NULL);
	if (*phase == 'f')
		json_object_set_new(json_array_get(writer->events,
						   json_array_size(writer->events) - 1),
				    "bp", json_string("e"));
}

/* Arrows connect synchronous slices only: there, and back with the reply. */
static void put_arrows(struct writer *writer, const struct slice *client,
		       const struct slice *server)
{
	const struct message *m = client->message;
	char id[32];

	if (client->async || server->async)
		return;
	snprintf(id, sizeof(id), "m%" PRIu64, m->id);
	put_end(writer, "s", id, client->begin, client);
	put_end(writer, "f", id, server->begin, server);
	if (m->oneway || !m->reply.ns || !m->result.ns || m->result.ns < m->reply.ns)
		return;
	snprintf(id, sizeof(id), "r%" PRIu64, m->id);
	put_end(writer, "s", id, server->end, server);
	put_end(writer, "f", id, client->end, client);
}

static int by_message(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;

	if (x->message != y->message)
		return x->message < y->message ? -1 : 1;
	return x->server - y->server;
}

static void put_all_arrows(struct writer *writer)
{
	qsort(writer->slices, writer->n, sizeof(*writer->slices), by_message);
	for (size_t i = 1; i < writer->n; i++)
		if (writer->slices[i].message == writer->slices[i - 1].message)
			put_arrows(writer, &writer->slices[i - 1], &writer->slices[i]);
}

/* Once for each thread: slices are sorted by thread. */
static void put_names(struct writer *writer)
{
	char name[96], thread[128];

	for (size_t i = 0; i < writer->n; i++) {
		const struct slice *slice = &writer->slices[i];

		if (i && writer->slices[i - 1].tid == slice->tid)
			continue;
		names_process(writer->names, slice->pid, name, sizeof(name));
		snprintf(thread, sizeof(thread), "thread %" PRIu32, slice->tid);
		put(writer, json_pack("{s:s, s:s, s:I, s:I, s:{s:s}}", "ph", "M", "name",
				      "process_name", "pid", (json_int_t)slice->pid, "tid",
				      (json_int_t)slice->tid, "args", "name", name));
		put(writer, json_pack("{s:s, s:s, s:I, s:I, s:{s:s}}", "ph", "M", "name",
				      "thread_name", "pid", (json_int_t)slice->pid, "tid",
				      (json_int_t)slice->tid, "args", "name", thread));
	}
}

json_t *trace_to_json(const struct trace *trace, struct names *names)
{
	struct writer writer = { .events = json_array(), .names = names };

	names_learn(names, trace->processes);
	writer.slices = calloc(2 * trace->n + 1, sizeof(*writer.slices));
	if (!writer.events || !writer.slices) {
		json_decref(writer.events);
		free(writer.slices);
		return NULL;
	}
	make_slices(&writer, trace);
	mark_overlaps(&writer);
	put_names(&writer);
	for (size_t i = 0; i < writer.n; i++)
		put_slice(&writer, &writer.slices[i]);
	put_all_arrows(&writer);
	free(writer.slices);
	if (writer.failed) {
		json_decref(writer.events);
		return NULL;
	}
	return json_pack("{s:s, s:o, s:{s:I}}", "displayTimeUnit", "ns", "traceEvents",
			 writer.events, "otherData", "lost", (json_int_t)trace->lost);
}
