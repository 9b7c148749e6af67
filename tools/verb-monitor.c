// SPDX-License-Identifier: MIT
/*
 * ipcctl monitor: each message on the bus as it happens, or as a file has it, from
 * which it can be sent again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus.h"
#include "capture.h"
#include "ipcctl.h"
#include "names.h"
#include "out.h"
#include "resend.h"
#include "tap.h"
#include "verbs.h"

/**
 * struct watching - what this run of the verb is about
 * @name: of this service only
 * @pid: of this process only
 * @method: of this method only
 * @write: into this file
 * @read: from this one
 * @again: and send it again, so many times as fast as it was (@speed; 0: without pauses)
 * @max_data: bytes of each payload
 * @count: so many records, then the end; 0: no end
 * @names: what numbers are called
 * @calls: calls that were shown, for their answers: by id
 */
static struct watching {
	const char *name;
	unsigned long pid;
	const char *method;
	const char *write;
	const char *read;
	bool again;
	unsigned long speed;
	unsigned long max_data;
	unsigned long count;
	struct names *names;
	struct shown {
		uint64_t id;
		uint64_t time;
		uint32_t pid;
		uint32_t node;
		uint32_t code;
	} calls[4096];
	struct capture *capture;
	struct resend *resend;
} watching = { .max_data = 4096 };

static const struct option options[] = {
	{ "name", required_argument, NULL, 'n' },   { "pid", required_argument, NULL, 'p' },
	{ "method", required_argument, NULL, 'm' }, { "write", required_argument, NULL, 'w' },
	{ "read", required_argument, NULL, 'r' },   { "max-data", required_argument, NULL, 's' },
	{ "count", required_argument, NULL, 'c' },  { "resend", no_argument, NULL, 'a' },
	{ "speed", required_argument, NULL, 'f' },  { NULL, 0, NULL, 0 },
};

static int option(int key, const char *value)
{
	switch (key) {
	case 'n':
		watching.name = value;
		return 0;
	case 'p':
		return parse_number("--pid", value, 1, 1 << 22, &watching.pid);
	case 'm':
		watching.method = value;
		return 0;
	case 'w':
		watching.write = value;
		return 0;
	case 'r':
		watching.read = value;
		return 0;
	case 'a':
		watching.again = true;
		return 0;
	case 'f':
		return parse_number("--speed", value, 1, 1000, &watching.speed);
	case 's':
		return parse_number("--max-data", value, 0, 1 << 20, &watching.max_data);
	default:
		return parse_number("--count", value, 1, 1UL << 40, &watching.count);
	}
}

/* --- What a record is about ------------------------------------------------------- */

static const char *const kinds[] = { "?",      "call", "oneway", "reply",
				     "error",  "failed", "spam", "starved" };

static const char *kind_of(const struct ipc_record *tap)
{
	return tap->kind < sizeof(kinds) / sizeof(*kinds) ? kinds[tap->kind] : kinds[0];
}

static struct shown *place_of(uint64_t id)
{
	return &watching.calls[id % (sizeof(watching.calls) / sizeof(*watching.calls))];
}

static bool is_answer(const struct ipc_record *tap)
{
	return tap->kind == IPC_RECORD_REPLY || tap->kind == IPC_RECORD_ERROR;
}

/* The object that is called, of an answer as well: an answer goes from it. */
static struct shown subject_of(const struct ipc_record *tap)
{
	struct shown subject = { tap->id, tap->time, tap->to_pid, tap->node, tap->code };
	const struct shown *call = place_of(tap->id);

	if (!is_answer(tap))
		return subject;
	if (tap->id && call->id == tap->id)
		return *call;
	return (struct shown){ tap->id, tap->time, tap->from_pid, tap->node, tap->code };
}

static bool is_wanted(const struct ipc_record *tap, const struct shown *subject)
{
	const char *service = names_service(watching.names, subject->pid, subject->node);
	char method[128];

	if (watching.pid && tap->from_pid != (pid_t)watching.pid &&
	    tap->to_pid != (pid_t)watching.pid)
		return false;
	if (watching.name && !(service && !strcmp(service, watching.name)))
		return false;
	if (!watching.method)
		return true;
	names_method(watching.names, subject->pid, subject->node, subject->code, method,
		     sizeof(method));
	return !strcmp(method, watching.method);
}

/* --- Showing -------------------------------------------------------------------- */

static json_t *row_new(const struct ipc_record *tap, const struct shown *subject)
{
	char from[96], to[96], target[160], method[128];
	json_t *row;

	names_process(watching.names, tap->from_pid, from, sizeof(from));
	names_process(watching.names, tap->to_pid, to, sizeof(to));
	names_target(watching.names, subject->pid, subject->node, target, sizeof(target));
	names_method(watching.names, subject->pid, subject->node, subject->code, method,
		     sizeof(method));
	row = json_pack("{s:I, s:s, s:I, s:I, s:s, s:I, s:I, s:s, s:I, s:s, s:s, s:I, s:i}", "time",
			(json_int_t)tap->time, "kind", kind_of(tap), "id", (json_int_t)tap->id,
			"from_pid", (json_int_t)tap->from_pid, "from", from, "from_uid",
			(json_int_t)tap->from_uid, "to_pid", (json_int_t)tap->to_pid, "to", to,
			"node", (json_int_t)subject->node, "service", target, "method", method,
			"size", (json_int_t)tap->data_size, "objects", (int)tap->n_objects);
	if (row && tap->error)
		json_object_set_new(row, "error", json_integer(tap->error));
	if (row && tap->parent)
		json_object_set_new(row, "parent", json_integer(tap->parent));
	if (row && tap->lost)
		json_object_set_new(row, "lost", json_integer(tap->lost));
	if (row && is_answer(tap) && place_of(tap->id)->id == tap->id)
		json_object_set_new(row, "took_us",
				    json_real((double)(tap->time - subject->time) / 1000));
	return row;
}

static json_t *payload_of(const struct ipc_record *tap, const struct shown *subject)
{
	if (!tap->data_kept || tap->data_kept < tap->data_size)
		return NULL;
	return names_decode(watching.names, subject->pid, subject->node, subject->code,
			    tap->kind, tap->data, tap->data_kept);
}

static const char *text_at(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key));
}

/* What came of a message that was sent again. */
static void put_result(const json_t *row)
{
	static const char *const good[] = { "equal", "sent" };
	const char *result = text_at(row, "result"), *reason = text_at(row, "reason");
	const json_t *answer = json_object_get(row, "answer");
	const json_t *recorded = json_object_get(row, "recorded");
	bool is_good = !strcmp(result, good[0]) || !strcmp(result, good[1]);
	char *now = answer ? out_text(answer) : NULL;
	char *then = recorded ? out_text(recorded) : NULL;

	printf("  %s%s%s", out_colour(is_good ? COLOUR_GREEN : COLOUR_RED), result, out_plain());
	if (reason)
		printf(": %s", reason);
	if (now)
		printf(": %s", now);
	if (then)
		printf(", was %s", then);
	free(now);
	free(then);
}

static void put_tail(const struct ipc_record *tap, const json_t *row)
{
	const json_t *took = json_object_get(row, "took_us");
	const json_t *payload = json_object_get(row, "payload");
	char *text = payload ? out_text(payload) : NULL;

	if (tap->n_objects)
		printf(", %u object%s", tap->n_objects, tap->n_objects == 1 ? "" : "s");
	if (tap->error)
		printf(", %s%s%s", out_colour(COLOUR_RED), ipc_strerror(tap->error), out_plain());
	if (took)
		printf(", %s%.1f us%s", out_colour(COLOUR_DIM), json_real_value(took), out_plain());
	if (tap->kind == IPC_RECORD_SPAM)
		printf(", %u buffers", tap->value);
	if (tap->kind == IPC_RECORD_STARVED)
		printf(", waited %u ms", tap->value);
	if (text)
		printf("  %s", text);
	free(text);
	if (text_at(row, "result"))
		put_result(row);
}

static void put_time(const struct ipc_record *tap)
{
	time_t seconds = (tap->time + capture_offset(watching.capture)) / 1000000000;
	struct tm tm;
	char text[16];

	localtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%H:%M:%S", &tm);
	printf("%s.%06u ", text,
	       (unsigned int)((tap->time + capture_offset(watching.capture)) % 1000000000 / 1000));
}

static int put_row(const struct ipc_record *tap, json_t *row)
{
	if (ctl.json)
		return out_line(row);
	if (!row)
		return fail_memory();
	if (tap->lost)
		printf("%s%" PRIu64 " records were lost%s\n", out_colour(COLOUR_YELLOW), tap->lost,
		       out_plain());
	put_time(tap);
	printf("%-7s #%-6" PRIu64 " %s -> %s  %s%s.%s%s  %zu B", kind_of(tap), tap->id,
	       text_at(row, "from"), text_at(row, "to"), out_colour(COLOUR_BOLD),
	       text_at(row, "service"), text_at(row, "method"), out_plain(),
	       tap->data_size);
	put_tail(tap, row);
	putchar('\n');
	json_decref(row);
	if (fflush(stdout) < 0)
		return complain(STATUS_FAILED, NULL, "cannot write to standard output");
	return STATUS_OK;
}

/* Shows a record or, with --resend, the message in it and what came of it. */
static int show(const struct ipc_record *tap, const struct shown *subject)
{
	json_t *row = row_new(tap, subject);
	json_t *payload = row ? payload_of(tap, subject) : NULL;

	if (payload)
		json_object_set_new(row, "payload", payload);
	if (row && watching.resend &&
	    resend_message(watching.resend, tap, watching.names,
			   names_service(watching.names, subject->pid, subject->node), row) < 0) {
		json_decref(row);
		row = NULL;
	}
	return put_row(tap, row);
}

/* Whether the record is one of those that are sent again. */
static bool is_passed_over(const struct ipc_record *tap, const struct shown *subject)
{
	return watching.resend &&
	       !resend_takes(watching.resend, tap,
			     names_service(watching.names, subject->pid, subject->node));
}

/* A status or, when there was all that --count asked for, TAP_ENOUGH. */
static int see(const struct ipc_record *tap, void *userdata)
{
	struct shown subject = subject_of(tap);
	int status;

	(void)userdata;
	/* Now, and also of what is not wanted, for it may be gone by the time it is. */
	names_note(watching.names, tap->from_pid);
	names_note(watching.names, tap->to_pid);
	if (tap->kind == IPC_RECORD_CALL)
		*place_of(tap->id) = subject;
	if (!is_wanted(tap, &subject) || is_passed_over(tap, &subject))
		return STATUS_OK;
	if (watching.write)
		status = capture_write(watching.capture, tap);
	else
		status = show(tap, &subject);
	if (!status && watching.count && --watching.count == 0)
		return TAP_ENOUGH;
	return status;
}

/* --- Where records come from -------------------------------------------------------- */

static int watch_bus(void)
{
	struct tap *tap;
	int status;

	status = tap_open(&tap, IPC_MONITOR_MESSAGES | IPC_MONITOR_FAILURES | IPC_MONITOR_REPORTS,
			  watching.pid, watching.max_data, see, NULL);
	if (status)
		return status;
	tap_catch_signals();
	if (watching.write)
		fprintf(stderr, "ipcctl: recording; Ctrl-C ends it\n");
	status = tap_run(tap, 0);
	tap_close(tap);
	return status;
}

static int watch_file(void)
{
	struct ipc_record tap;
	int status = STATUS_OK, r = 1;

	while (!status && r > 0 && !tap_stopped()) {
		r = capture_read(watching.capture, &tap);
		if (r > 0)
			status = see(&tap, NULL);
	}
	if (r < 0)
		return complain(STATUS_FAILED, NULL, "%s is damaged", watching.read);
	return status == TAP_ENOUGH ? STATUS_OK : status;
}

static int send_file(void)
{
	bool manager = watching.name && !strcmp(watching.name, "servicemanager");
	int status = resend_open(&watching.resend, watching.read, watching.speed, manager);

	if (status)
		return status;
	tap_catch_signals();
	status = watch_file();
	if (!status)
		status = resend_sum(watching.resend);
	resend_close(watching.resend);
	return status;
}

static int run_file(void)
{
	int status = capture_open(&watching.capture, watching.read, &watching.names);

	if (status)
		return status;
	return watching.again ? send_file() : watch_file();
}

static int run_bus(void)
{
	int status = STATUS_OK;

	watching.names = names_new();
	if (!watching.names)
		return fail_memory();
	if (watching.write)
		status = capture_create(&watching.capture, watching.write, watching.names);
	return status ? status : watch_bus();
}

static int run(int argc, char **argv)
{
	int status, closed;

	(void)argc;
	(void)argv;
	if (watching.read && watching.write)
		return complain(STATUS_USAGE, NULL, "--read and --write do not go together");
	if (watching.again ? !watching.read : watching.speed)
		return complain(STATUS_USAGE, NULL, "%s",
				watching.again ? "--resend goes with --read FILE" :
						 "--speed goes with --resend");
	status = watching.read ? run_file() : run_bus();
	closed = capture_close(watching.capture);
	names_free(watching.names);
	return status ? status : closed;
}

const struct verb verb_monitor = {
	.name = "monitor",
	.arguments = "",
	.summary = "each message as it happens, also into a file and from it",
	.help = "Shows each call, oneway, answer and failure on the bus: who to whom, the service and\n"
		"method, the size, what answers took, and what is in it where the service describes\n"
		"itself. Needs CAP_SYS_ADMIN where the bus was mounted. Nobody waits for a monitor;\n"
		"it says when it lost something.\n"
		"\n"
		"      --name NAME      only what goes to and from this service\n"
		"      --pid PID        this process\n"
		"      --method METHOD  this method\n"
		"      --count N        end after N records\n"
		"      --max-data N     bytes of each payload (4096)\n"
		"      --write FILE     record into FILE (pcap, link type 147), and show nothing\n"
		"      --read FILE      show what was recorded; needs no rights and no bus\n"
		"      --resend         with --read: send the calls and oneways to services once more,\n"
		"                       one after the other, and compare the answers\n"
		"      --speed N        with --resend: with the recording's pauses, N times as fast;\n"
		"                       else without pauses\n"
		"\n"
		"What is sent again goes to who has the service's name now, with the caller's rights.\n"
		"Each line says what came of it: equal, differs, error (it failed, and not as it did),\n"
		"sent (a oneway, or the answer was not recorded), or skipped and why: objects, files,\n"
		"blobs and metadata are not in a recording, nor what is longer than --max-data. An\n"
		"answer is waited for 10 s. Status 10: something differs or failed.\n",
	.options = options,
	.option = option,
	.run = run,
};
