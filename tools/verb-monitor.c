// SPDX-License-Identifier: MIT
/*
 * ipcctl monitor: prints each message on the bus.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus.h"
#include "deadline.h"
#include "ipcctl.h"
#include "schema/json.h"
#include "monitor.h"
#include "names.h"
#include "output.h"
#include "process.h"
#include "streams.h"
#include "schema/text.h"
#include "verbs.h"

/* Options (see below) and state of this run. */
static struct session {
	const char *name;
	unsigned long pid;
	const char *method;
	const char *user;
	uid_t uid; /* of user */
	bool failed;
	unsigned long max_data;
	unsigned long count; /* of rows until the verb ends; 0: no limit */
	struct names *names;
	struct streams *streams;
	struct shown { /* the latest calls by id, to find the call of a reply */
		uint64_t id;
		uint64_t time;
		uint64_t owner;
		uint32_t pid;
		uint32_t node;
		uint32_t number; /* of the method */
		uid_t uid; /* of the caller; of the server for a reply whose call is unknown */
	} calls[4096];
	int64_t real_ns; /* CLOCK_REALTIME minus the clock of records */
} session = { .max_data = 4096 };

static const struct verb_option options[] = {
	{ "name", "NAME", "only messages to and from this object", .text = &session.name },
	{ "pid", "PID", "only messages of this process", .number = &session.pid, .min = 1,
	  .max = 1 << 22 },
	{ "method", "METHOD", "only messages of this method", .text = &session.method },
	{ "uid", "USER",
	  "only messages that this user (name or uid) sends, and replies to\n"
	  "                       them",
	  .text = &session.user },
	{ "failed", NULL,
	  "only error replies, and failures (the bus did not deliver a message, or ended a call)",
	  .flag = &session.failed },
	{ "count", "N", "end after N records", .number = &session.count, .min = 1,
	  .max = MAX_COUNT },
	{ "max-data", "N", "record at most N bytes of each payload (default: 4096)",
	  .number = &session.max_data, .max = 1 << 20 },
	{ 0 },
};

/* --- The subject of a record ------------------------------------------------------ */

static const char *const kinds[] = { "?", "call", "oneway", "reply", "error", "failure" };

static const char *kind_of(const struct ipc_record *record)
{
	return record->kind < sizeof(kinds) / sizeof(*kinds) ? kinds[record->kind] : kinds[0];
}

static struct shown *place_of(uint64_t id)
{
	return &session.calls[id % (sizeof(session.calls) / sizeof(*session.calls))];
}

static bool is_reply(const struct ipc_record *record)
{
	return record->kind == IPC_RECORD_REPLY || record->kind == IPC_RECORD_ERROR;
}

/* Returns the called object, or the object that the stream was opened at. A reply comes from this
 * object. Every other message of a call goes to it. */
static struct shown subject_of(const struct ipc_record *record, const struct stream *stream)
{
	struct shown subject = { record->id,	  record->time, record->owner,	record->to_pid,
				 record->node, record->method, record->from_uid };
	const struct shown *call = place_of(record->id);

	if (is_reply(record) && record->id && call->id == record->id)
		return *call;
	if (stream && stream->method)
		return (struct shown){ record->id, record->time, stream->owner, stream->pid,
				       stream->node, stream->method, stream->uid };
	if (!is_reply(record))
		return subject;
	return (struct shown){ record->id,	record->time, record->owner,  record->from_pid,
			       record->node, record->method, record->from_uid };
}

/* --- Rows ------------------------------------------------------------------------ */

static json_t *row_new(const struct ipc_record *record, const struct shown *subject,
		       const struct stream *stream)
{
	const char *name = names_service(session.names, subject->owner, subject->node);
	char from[96], to[96], target[160], method[128];
	json_t *row;

	names_process(session.names, record->from_pid, from, sizeof(from));
	names_process(session.names, record->to_pid, to, sizeof(to));
	names_target(session.names, subject->owner, subject->pid, subject->node, target,
		     sizeof(target));
	names_method(session.names, subject->owner, subject->node, subject->number, method,
		     sizeof(method));
	row = json_pack("{s:I, s:s, s:I, s:I, s:s, s:I, s:I, s:s, s:I, s:I, s:s*, s:s, s:s, s:I, s:I, "
			"s:i}",
			"time_us", ((json_int_t)record->time + session.real_ns) / 1000, "kind",
			kind_of(record),
			"id", (json_int_t)record->id, "from_pid", (json_int_t)record->from_pid, "from",
			from, "from_uid", (json_int_t)record->from_uid, "to_pid",
			(json_int_t)record->to_pid, "to", to, "caller_uid", (json_int_t)subject->uid,
			"node", (json_int_t)subject->node, "name", name, "target", target,
			"method", method, "method_number", (json_int_t)subject->number, "size",
			(json_int_t)record->data_size, "objects", (int)record->n_objects);
	if (stream)
		row = value_set(row, "stream", json_string(streams_part(stream, record)));
	if (record->error)
		row = value_set(row, "error", json_integer(record->error));
	if (record->parent)
		row = value_set(row, "parent", json_integer(record->parent));
	if (record->lost)
		row = value_set(row, "lost", json_integer(record->lost));
	if (is_reply(record) && place_of(record->id)->id == record->id)
		row = value_set(row, "took_us",
				json_real((double)(record->time - subject->time) / 1000));
	return row;
}

static bool is_wanted(const json_t *row)
{
	const char *kind = value_text(row, "kind"), *name = value_text(row, "name");

	if (session.pid && value_number(row, "from_pid") != (json_int_t)session.pid &&
	    value_number(row, "to_pid") != (json_int_t)session.pid)
		return false;
	if (session.user && value_number(row, "from_uid") != session.uid &&
	    value_number(row, "caller_uid") != session.uid)
		return false;
	if (session.failed && strcmp(kind, "error") && strcmp(kind, "failure"))
		return false;
	if (session.name && !(name && !strcmp(name, session.name)))
		return false;
	return !session.method || !strcmp(value_text(row, "method"), session.method);
}

/* Adds the payload as JSON, if it is complete and not secret. */
static json_t *add_payload(json_t *row, const struct ipc_record *record,
			   const struct shown *subject, const struct stream *stream)
{
	uint32_t kind = stream && stream->to_client ? IPC_RECORD_REPLY : record->kind;
	json_t *payload;

	if (stream && record->kind != IPC_RECORD_ERROR &&
	    strcmp(streams_part(stream, record), "message") != 0)
		return row;
	if (!record->data_size || record->data_kept < record->data_size ||
	    record->flags & IPC_RECORD_CLEAR)
		return row;
	payload = names_decode(session.names, subject->owner, subject->node, subject->number,
			       kind, record->data, record->data_kept);
	return payload ? value_set(row, "payload", payload) : row;
}

/* --- Printing -------------------------------------------------------------------- */

/* chosen: by a server, in its reply. */
static void put_error(int error, bool chosen)
{
	const struct ipc_error reply = { .code = -error, .origin = IPC_ORIGIN_PEER };
	char text[IPC_ERROR_TEXT_MAX];

	printf(", %s%s%s", out_color(COLOR_RED),
	       ipc_error_text(text, sizeof(text), error, chosen ? &reply : NULL), out_plain());
}

static void put_tail(const json_t *row)
{
	const json_t *took = json_object_get(row, "took_us");
	const json_t *payload = json_object_get(row, "payload");
	long long objects = value_number(row, "objects"), error = value_number(row, "error");
	char *text = payload ? out_text(payload) : NULL;

	if (objects)
		printf(", %lld %s", objects, objects == 1 ? "object or file" : "objects and files");
	if (error)
		put_error((int)error, !strcmp(value_text(row, "kind"), "error"));
	if (took)
		printf(", %s%.1f us%s", out_color(COLOR_DIM), json_real_value(took), out_plain());
	if (text)
		printf("  %s", text);
	free(text);
}

static void put_time(const json_t *row)
{
	json_int_t us = value_number(row, "time_us");
	time_t seconds = us / 1000000;
	struct tm tm;
	char text[16];

	localtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%H:%M:%S", &tm);
	printf("%s.%06u ", text, (unsigned int)(us % 1000000));
}

static int put_row(json_t *row)
{
	if (ctl.json)
		return out_line(row);
	if (value_number(row, "lost"))
		printf("%s%lld records were lost%s\n", out_color(COLOR_YELLOW),
		       (long long)value_number(row, "lost"), out_plain());
	put_time(row);
	printf("%-7s #%-6lld %s -> %s  %s%s.%s%s  %lld B", value_text(row, "kind"),
	       (long long)value_number(row, "id"), value_text(row, "from"), value_text(row, "to"),
	       out_color(COLOR_BOLD), value_text(row, "target"), value_text(row, "method"),
	       out_plain(), (long long)value_number(row, "size"));
	if (value_text(row, "stream"))
		printf(", %s", value_text(row, "stream"));
	put_tail(row);
	putchar('\n');
	json_decref(row);
	return out_flush();
}

/* Takes ownership of the row. Returns an enum status, or MONITOR_STOP after --count rows. */
static int show(json_t *row)
{
	int status = put_row(row);

	if (status || !session.count || --session.count)
		return status;
	count_ended();
	return MONITOR_STOP;
}

/* --- The bus ---------------------------------------------------------------------- */

static int on_record(const struct ipc_record *record, void *userdata)
{
	const struct stream *stream = streams_find(session.streams, record);
	struct shown subject = subject_of(record, stream);
	json_t *row;

	(void)userdata;
	/* For every record: the processes may have ended when a later record is printed. */
	names_note(session.names, record->from_pid);
	names_note(session.names, record->to_pid);
	if (record->kind == IPC_RECORD_CALL)
		*place_of(record->id) = subject;
	row = row_new(record, &subject, stream);
	if (row && !is_wanted(row)) {
		json_decref(row);
		return STATUS_OK;
	}
	row = row ? add_payload(row, record, &subject, stream) : NULL;
	return row ? show(row) : fail_memory();
}

/* Warns if no message can match: the monitor would wait without a word. */
static void warn(void)
{
	char text[256] = "";

	if (session.name && names_lack_service(session.names, session.name))
		snprintf(text, sizeof(text), "no service is registered as %s; monitor knows only "
			 "names that are registered when it starts", session.name);
	else if (session.method && names_lack_method(session.names, session.method))
		snprintf(text, sizeof(text), "no service describes a method %s; monitor knows only "
			 "services that are registered when it starts", session.method);
	text_clean(text);
	if (*text)
		fprintf(stderr, "ipcctl: %s; it waits, but no message will match\n", text);
}

static int run_bus(void)
{
	struct monitor *monitor;
	struct timespec real;
	int status;

	clock_gettime(CLOCK_REALTIME, &real);
	session.real_ns = (int64_t)real.tv_sec * 1000000000 + real.tv_nsec - (int64_t)clock_ns();
	session.names = names_new(/* describe= */ true);
	session.streams = streams_new();
	if (!session.names || !session.streams)
		return fail_memory();
	warn();
	status = monitor_open(&monitor,
			      IPC_MONITOR_MESSAGES | IPC_MONITOR_FAILURES,
			      session.pid, session.max_data, on_record, NULL);
	if (status)
		return status;
	signals_catch();
	status = monitor_run(monitor, 0);
	monitor_close(monitor);
	return status;
}

/* --- The verb --------------------------------------------------------------------- */

static int run(int argc, char **argv)
{
	int status;

	(void)argc;
	(void)argv;
	if (session.user && user_find(session.user, &session.uid) < 0)
		return fail_with(STATUS_USAGE, NULL, "no such user: %s", session.user);
	status = run_bus();
	names_free(session.names);
	streams_free(session.streams);
	return status;
}

const struct verb verb_monitor = {
	.name = "monitor",
	.arguments = "",
	.summary = "print each message",
	.description =
		"Prints each call, oneway, reply, error and failure on the bus: sender and receiver, name\n"
		"and method, size, the time from call to reply, and the content if the service describes\n"
		"its interface. Messages of a stream appear as oneways of its method, marked as open,\n"
		"message, end, credit or cancel; if the stream was opened earlier, without method and\n"
		"content. --name, --pid, --method, --uid and --failed select messages that match all of\n"
		"them. Messages never wait for a monitor. If records were lost, a line has their number.\n"
		"Needs CAP_SYS_ADMIN; with the module's parameter userns_control, in the user namespace in\n"
		"which the bus was mounted. On a bus of ipcbusd, needs root or the user of ipcbusd.\n",
	.example = "  sudo ipcctl monitor --name demo.echo --failed\n"
		   "  sudo ipcctl monitor --json --max-data 65536 >calls.json\n",
	.timeout = NO_TIMEOUT,
	.statuses = ON_BUS | MAY_END(NOT_FOUND),
	.options = options,
	.run = run,
};
