// SPDX-License-Identifier: MIT
/*
 * Lines of the kernel's trace to messages: see trace.h.
 *
 *    server-287   [001] d..1.  1234.567890: ipcbus_deliver: id=41 kind=call ...
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"
#include "text.h"
#include "trace.h"
#include "value.h"

/* A message is looked for among so many of the latest. */
#define MEMORY 4096

static struct message *find(struct trace *trace, uint64_t id)
{
	size_t end = trace->n > MEMORY ? trace->n - MEMORY : 0;

	for (size_t i = trace->n; id && i > end; i--)
		if (trace->messages[i - 1].id == id)
			return &trace->messages[i - 1];
	return NULL;
}

static struct message *find_buffer(struct trace *trace, uint32_t pid, uint64_t buffer)
{
	size_t end = trace->n > MEMORY ? trace->n - MEMORY : 0;

	for (size_t i = trace->n; buffer && i > end; i--) {
		struct message *message = &trace->messages[i - 1];

		if (message->buffer == buffer && message->deliver.pid == pid)
			return message;
	}
	return NULL;
}

static struct message *add(struct trace *trace)
{
	struct message *messages;
	size_t capacity = trace->capacity ? trace->capacity * 2 : 1024;

	if (trace->n == trace->capacity) {
		messages = reallocarray(trace->messages, capacity, sizeof(*messages));
		if (!messages)
			return NULL;
		trace->messages = messages;
		trace->capacity = capacity;
	}
	memset(&trace->messages[trace->n], 0, sizeof(*trace->messages));
	return &trace->messages[trace->n++];
}

void trace_done(struct trace *trace)
{
	free(trace->messages);
	json_decref(trace->processes);
	*trace = (struct trace){ 0 };
}

/* --- Fields --------------------------------------------------------------------- */

static const char *text_of(const json_t *fields, const char *key)
{
	return value_text(fields, key) ?: "";
}

/* "287:288", or 287 alone. */
static struct stage stage_of(const json_t *fields, const char *key, uint64_t ns)
{
	struct stage stage = { .ns = ns, .pid = value_number(fields, key) };
	unsigned int pid, tid;

	if (sscanf(text_of(fields, key), "%u:%u", &pid, &tid) == 2) {
		stage.pid = pid;
		stage.tid = tid;
	}
	return stage;
}

static uint64_t buffer_of(const json_t *fields)
{
	return strtoull(text_of(fields, "buffer"), NULL, 16);
}

/* --- Events --------------------------------------------------------------------- */

static int on_send(struct trace *trace, const json_t *fields, uint64_t ns)
{
	struct message *message = add(trace);

	if (!message)
		return -ENOMEM;
	message->id = value_number(fields, "id");
	message->oneway = !strcmp(text_of(fields, "kind"), "oneway");
	message->send = stage_of(fields, "from", ns);
	message->to = value_number(fields, "to");
	message->node = value_number(fields, "node");
	message->code = value_number(fields, "code");
	message->size = value_number(fields, "size");
	message->parent = value_number(fields, "parent");
	return 0;
}

static int on_deliver(struct trace *trace, const json_t *fields, uint64_t ns)
{
	struct message *message = find(trace, value_number(fields, "id"));

	if (message) {
		message->deliver = stage_of(fields, "to", ns);
		message->buffer = buffer_of(fields);
	}
	return 0;
}

static int on_reply(struct trace *trace, const json_t *fields, uint64_t ns)
{
	struct message *message = find(trace, value_number(fields, "id"));

	if (message) {
		message->reply = stage_of(fields, "from", ns);
		message->reply_size = value_number(fields, "size");
		message->error = value_number(fields, "error");
	}
	return 0;
}

static int on_result(struct trace *trace, const json_t *fields, uint64_t ns)
{
	struct message *message = find(trace, value_number(fields, "id"));

	if (message) {
		message->result = stage_of(fields, "to", ns);
		message->error = value_number(fields, "error");
	}
	return 0;
}

/* A receiver that releases the buffer of a oneway has handled it. */
static int on_release(struct trace *trace, const json_t *fields, uint64_t ns)
{
	struct stage by = stage_of(fields, "by", ns);
	struct message *message = find_buffer(trace, by.pid, buffer_of(fields));

	if (message) {
		message->buffer = 0;
		if (message->oneway)
			message->reply = by;
	}
	return 0;
}

static int on_fail(struct trace *trace, const json_t *fields, uint64_t ns)
{
	struct message *message = find(trace, value_number(fields, "id"));

	if (!message) {
		int r = on_send(trace, fields, ns);

		if (r < 0)
			return r;
		message = &trace->messages[trace->n - 1];
	}
	message->failed = 1;
	message->error = value_number(fields, "error");
	return 0;
}

/* Seconds with at most nine decimals. */
static uint64_t time_of(const char *text)
{
	uint64_t ns = strtoull(text, NULL, 10) * 1000000000, unit = 100000000;
	const char *dot = strchr(text, '.');

	for (dot = dot ? dot + 1 : ""; *dot >= '0' && *dot <= '9' && unit; dot++, unit /= 10)
		ns += (*dot - '0') * unit;
	return ns;
}

/* state_parse_line() takes negative numbers for texts. */
static void read_error(json_t *fields)
{
	const char *text = text_of(fields, "error");

	if (*text == '-')
		json_object_set_new(fields, "error", json_integer(strtoll(text, NULL, 10)));
}

/* The process of a thread, from the fields of an event; 0: unknown. */
static uint32_t process_of(const json_t *fields, uint32_t tid)
{
	static const char *const keys[] = { "from", "to", "by" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		struct stage stage = stage_of(fields, keys[i], 0);

		if (stage.tid == tid)
			return stage.pid;
	}
	return 0;
}

/* The name of the first thread is that of the process. Another one serves until then. */
static void set_name(struct trace *trace, const char *name, uint32_t tid, uint32_t pid)
{
	char key[16];

	snprintf(key, sizeof(key), "%u", pid ? pid : tid);
	/* Without memory the process stays a number. */
	if (pid == tid || !json_object_get(trace->processes, key))
		json_object_set_new(trace->processes, key, json_string(name));
}

/* "   server-287   [001] ...": also names processes that end before the trace does. */
static int note_process(struct trace *trace, char *line, const json_t *fields)
{
	char *end = strstr(line, " ["), *dash;
	uint32_t tid;

	if (!trace->processes)
		trace->processes = json_object();
	if (!trace->processes)
		return -ENOMEM;
	if (!end)
		return 0;
	*end = '\0';
	dash = strrchr(line, '-');
	if (!dash)
		return 0;
	*dash = '\0';
	line += strspn(line, " ");
	tid = strtoul(dash + 1, NULL, 10);
	text_clean(line);
	/* The kernel has dropped the name. */
	if (strcmp(line, "<...>"))
		set_name(trace, line, tid, process_of(fields, tid));
	return 0;
}

int trace_line(struct trace *trace, char *line)
{
	static const struct {
		const char *name;
		int (*on)(struct trace *trace, const json_t *fields, uint64_t ns);
	} events[] = {
		{ "ipcbus_send:", on_send },	{ "ipcbus_deliver:", on_deliver },
		{ "ipcbus_reply:", on_reply },	    { "ipcbus_result:", on_result },
		{ "ipcbus_release:", on_release },  { "ipcbus_fail:", on_fail },
	};
	char *event = strstr(line, ": ipcbus_"), *time = event;
	const char *kind;
	json_t *fields;
	int r = 0;

	if (!event) {
		/* "CPU:1 [LOST 25 EVENTS]" */
		if (!strncmp(line, "CPU:", 4) && strstr(line, "[LOST "))
			trace->lost += strtoull(strstr(line, "[LOST ") + 6, NULL, 10);
		return 0;
	}
	*event = '\0';
	while (time > line && time[-1] != ' ')
		time--;
	fields = state_parse_line(event + 2, &kind);
	if (!fields)
		return -ENOMEM;
	read_error(fields);
	r = note_process(trace, line, fields);
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++)
		if (r == 0 && !strcmp(kind, events[i].name))
			r = events[i].on(trace, fields, time_of(time));
	json_decref(fields);
	return r;
}
