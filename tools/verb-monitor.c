// SPDX-License-Identifier: MIT
/*
 * ipcctl monitor: prints each message on the bus, records them into a file, prints such a
 * file, and resends what is in it.
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
#include "deadline.h"
#include "ipcctl.h"
#include "json.h"
#include "monitor.h"
#include "names.h"
#include "output.h"
#include "process.h"
#include "resend.h"
#include "verbs.h"

/**
 * struct session - options and state of this run
 * @name: only messages of this service
 * @pid: only messages of this process
 * @method: only messages of this method
 * @user: only messages of this user, or NULL
 * @uid: the same as a number
 * @failed: only errors and messages that failed
 * @write: file to write to, or NULL
 * @read: file to read from, or NULL
 * @resends: resend the messages of @read
 * @max_data: bytes of each payload
 * @count: end after so many records; 0: no limit
 * @names: names for the numbers in records
 * @calls: the latest calls by id, to find the call of a reply
 * @capture: the open file
 * @resend: its messages are resent
 */
static struct session {
	const char *name;
	unsigned long pid;
	const char *method;
	const char *user;
	uid_t uid;
	bool failed;
	const char *write;
	const char *read;
	bool resends;
	unsigned long max_data;
	unsigned long count;
	struct names *names;
	struct shown {
		uint64_t id;
		uint64_t time;
		uint32_t pid;
		uint32_t node;
		uint32_t code;
		uid_t uid; /* of the sender of a call */
	} calls[4096];
	struct capture *capture;
	struct resend *resend;
} session = { .max_data = 4096 };

static const struct verb_option options[] = {
	{ "name", "NAME", "only messages to and from this service", .text = &session.name },
	{ "pid", "PID", "only messages of this process", .number = &session.pid, .min = 1,
	  .max = 1 << 22 },
	{ "method", "METHOD", "only messages of this method", .text = &session.method },
	{ "uid", "USER",
	  "only messages that this user (name or number) sends, and replies to\n"
	  "                       them",
	  .text = &session.user },
	{ "failed", NULL, "only errors and messages that were not delivered",
	  .flag = &session.failed },
	{ "count", "N", "end after N records", .number = &session.count, .min = 1,
	  .max = MAX_COUNT },
	{ "max-data", "N", "record at most N bytes of each payload (default: 4096)",
	  .number = &session.max_data, .max = 1 << 20 },
	{ "write", "FILE", "record into FILE (pcap, link type 147), and print nothing",
	  .text = &session.write },
	{ "read", "FILE", "print a recording", .text = &session.read },
	{ "resend", NULL,
	  "with --read: resend its calls and oneways, compare the replies\n"
	  "                       (each call may take 10 s)",
	  .flag = &session.resends },
	{ 0 },
};

/* --- The subject of a record ------------------------------------------------------ */

static const char *const kinds[] = { "?",     "call",   "oneway", "reply",
				     "error", "failed", "starved" };

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

/* The called object. A reply comes from it, every other message goes to it. */
static struct shown subject_of(const struct ipc_record *record)
{
	struct shown subject = { record->id,   record->time, record->to_pid,
				 record->node, record->code, record->from_uid };
	const struct shown *call = place_of(record->id);

	if (!is_reply(record))
		return subject;
	if (record->id && call->id == record->id)
		return *call;
	return (struct shown){ record->id,   record->time, record->from_pid,
			       record->node, record->code, record->from_uid };
}

static bool is_wanted(const struct ipc_record *record, const struct shown *subject)
{
	const char *service = names_service(session.names, subject->pid, subject->node);
	char method[128];

	if (session.pid && record->from_pid != (pid_t)session.pid &&
	    record->to_pid != (pid_t)session.pid)
		return false;
	if (session.user && record->from_uid != session.uid && subject->uid != session.uid)
		return false;
	if (session.failed && record->kind != IPC_RECORD_ERROR && record->kind != IPC_RECORD_FAILED)
		return false;
	if (session.name && !(service && !strcmp(service, session.name)))
		return false;
	if (!session.method)
		return true;
	names_method(session.names, subject->pid, subject->node, subject->code, method,
		     sizeof(method));
	return !strcmp(method, session.method);
}

/* --- Showing -------------------------------------------------------------------- */

static json_t *row_new(const struct ipc_record *record, const struct shown *subject)
{
	char from[96], to[96], target[160], method[128];
	json_t *row;

	names_process(session.names, record->from_pid, from, sizeof(from));
	names_process(session.names, record->to_pid, to, sizeof(to));
	names_target(session.names, subject->pid, subject->node, target, sizeof(target));
	names_method(session.names, subject->pid, subject->node, subject->code, method,
		     sizeof(method));
	row = json_pack("{s:I, s:s, s:I, s:I, s:s, s:I, s:I, s:s, s:I, s:s, s:s, s:I, s:i}", "time",
			(json_int_t)record->time, "kind", kind_of(record), "id",
			(json_int_t)record->id, "from_pid", (json_int_t)record->from_pid, "from",
			from, "from_uid", (json_int_t)record->from_uid, "to_pid",
			(json_int_t)record->to_pid, "to", to, "node", (json_int_t)subject->node,
			"service", target, "method", method, "size", (json_int_t)record->data_size,
			"objects", (int)record->n_objects);
	if (record->error)
		row = value_set(row, "error", json_integer(record->error));
	if (record->parent)
		row = value_set(row, "parent", json_integer(record->parent));
	if (record->lost)
		row = value_set(row, "lost", json_integer(record->lost));
	if (record->kind == IPC_RECORD_STARVED)
		row = value_set(row, "waited_ms", json_integer(record->value));
	if (is_reply(record) && place_of(record->id)->id == record->id)
		row = value_set(row, "took_us",
				json_real((double)(record->time - subject->time) / 1000));
	return row;
}

static json_t *payload_of(const struct ipc_record *record, const struct shown *subject)
{
	if (!record->data_kept || record->data_kept < record->data_size)
		return NULL;
	return names_decode(session.names, subject->pid, subject->node, subject->code, record->kind,
			    record->data, record->data_kept);
}

/* The outcome of a message that was resent. */
static void put_result(const json_t *row)
{
	const char *result = value_text(row, "result"), *reason = value_text(row, "reason");
	const json_t *recorded = json_object_get(row, "recorded");
	char *now = recorded ? out_text(json_object_get(row, "reply")) : NULL;
	char *then = recorded ? out_text(recorded) : NULL;

	printf("  %s%s%s", out_color(*result == 'd' ? COLOR_RED : COLOR_GREEN), result, out_plain());
	if (reason)
		printf(": %s", reason);
	if (now && then)
		printf(": %s, was %s", now, then);
	free(now);
	free(then);
}

static void put_tail(const json_t *row)
{
	const json_t *took = json_object_get(row, "took_us");
	const json_t *payload = json_object_get(row, "payload");
	long long objects = value_number(row, "objects"), error = value_number(row, "error");
	char *text = payload ? out_text(payload) : NULL;

	if (objects)
		printf(", %lld object%s", objects, objects == 1 ? "" : "s");
	if (error)
		printf(", %s%s%s", out_color(COLOR_RED), ipc_strerror((int)error), out_plain());
	if (took)
		printf(", %s%.1f us%s", out_color(COLOR_DIM), json_real_value(took), out_plain());
	if (json_object_get(row, "waited_ms"))
		printf(", waited %lld ms", (long long)value_number(row, "waited_ms"));
	if (text)
		printf("  %s", text);
	free(text);
	if (value_text(row, "result"))
		put_result(row);
}

static void put_time(const json_t *row)
{
	int64_t time = value_number(row, "time") + capture_offset(session.capture);
	time_t seconds = time / 1000000000;
	struct tm tm;
	char text[16];

	localtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%H:%M:%S", &tm);
	printf("%s.%06u ", text, (unsigned int)(time % 1000000000 / 1000));
}

/* Takes the row. */
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
	       out_color(COLOR_BOLD), value_text(row, "service"), value_text(row, "method"),
	       out_plain(), (long long)value_number(row, "size"));
	put_tail(row);
	putchar('\n');
	json_decref(row);
	return out_flush();
}

/* Prints a record or, with --resend, the message that ends with it. *ret_printed: it printed. */
static int show(const struct ipc_record *record, const struct shown *subject, bool *ret_printed)
{
	json_t *row = row_new(record, subject);
	json_t *payload = row ? payload_of(record, subject) : NULL;
	int status = STATUS_OK;

	if (payload)
		row = value_set(row, "payload", payload);
	if (!row)
		return fail_memory();
	if (session.resend)
		status = resend_record(session.resend, record, session.names,
				       names_service(session.names, subject->pid, subject->node),
				       row, &row);
	*ret_printed = row;
	return row ? put_row(row) : status;
}

/* Returns an enum status, or MONITOR_STOP after --count records. */
static int on_record(const struct ipc_record *record, void *userdata)
{
	struct shown subject = subject_of(record);
	bool counts = true;
	int status;

	(void)userdata;
	/* Now, and for every record, because the processes may end before they are printed. */
	names_note(session.names, record->from_pid);
	names_note(session.names, record->to_pid);
	if (record->kind == IPC_RECORD_CALL)
		*place_of(record->id) = subject;
	if (!is_wanted(record, &subject))
		return STATUS_OK;
	if (session.write)
		status = capture_write(session.capture, record);
	else
		status = show(record, &subject, &counts);
	if (!status && counts && session.count && --session.count == 0)
		return MONITOR_STOP;
	return status;
}

/* --- The source of records ---------------------------------------------------------- */

static int monitor_bus(void)
{
	struct monitor *monitor;
	int status;

	status = monitor_open(&monitor,
			      IPC_MONITOR_MESSAGES | IPC_MONITOR_FAILURES | IPC_MONITOR_DELAYS,
			      session.pid, session.max_data, on_record, NULL);
	if (status)
		return status;
	signals_catch();
	if (session.write)
		fprintf(stderr, "ipcctl: recording into %s; Ctrl-C ends it\n", session.write);
	status = monitor_run(monitor, 0);
	monitor_close(monitor);
	return status;
}

static int read_file(void)
{
	struct ipc_record record;
	int status = STATUS_OK, r = 1;

	while (!status && r > 0 && !signal_arrived()) {
		r = capture_read(session.capture, &record);
		if (r > 0)
			status = on_record(&record, NULL);
	}
	if (r < 0)
		return fail_with(STATUS_FAILED, NULL, "%s is damaged", session.read);
	return status == MONITOR_STOP ? STATUS_OK : status;
}

static int resend_file(void)
{
	bool manager = session.name && !strcmp(session.name, "servicemanager");
	int status = resend_open(&session.resend, manager);
	json_t *row;

	if (status)
		return status;
	signals_catch();
	status = read_file();
	while (!status && (row = resend_rest(session.resend)))
		status = put_row(row);
	if (!status)
		status = resend_sum(session.resend);
	resend_close(session.resend);
	return status;
}

static int run_file(void)
{
	int status = capture_open(&session.capture, session.read, &session.names);

	if (status)
		return status;
	return session.resends ? resend_file() : read_file();
}

static int run_bus(void)
{
	int status = STATUS_OK;

	session.names = names_new(/* describe= */ true);
	if (!session.names)
		return fail_memory();
	if (session.write)
		status = capture_create(&session.capture, session.write, session.names);
	return status ? status : monitor_bus();
}

static int run(int argc, char **argv)
{
	int status, closed;

	(void)argc;
	(void)argv;
	if (session.read && session.write)
		return fail_with(STATUS_USAGE, NULL, "--read and --write exclude each other");
	if (session.user && user_find(session.user, &session.uid) < 0)
		return fail_with(STATUS_USAGE, NULL, "no such user: %s", session.user);
	if (session.resends && !session.read)
		return fail_with(STATUS_USAGE, NULL, "--resend needs --read FILE");
	if (session.resends && session.failed)
		return fail_with(STATUS_USAGE, NULL, "--resend and --failed exclude each other");
	status = session.read ? run_file() : run_bus();
	closed = capture_close(session.capture);
	names_free(session.names);
	return status ? status : closed;
}

const struct verb verb_monitor = {
	.name = "monitor",
	.arguments = "",
	.summary = "print each message; record messages and resend them",
	.description =
		"Prints each call, oneway, reply and failure on the bus: sender and receiver, service and\n"
		"method, size, the time from call to reply, and the content if the service describes its\n"
		"interface. --name, --pid, --method, --uid and --failed select; all that are given must\n"
		"match. Messages never wait for a monitor; a line says how many records were lost.\n"
		"Needs CAP_SYS_ADMIN; with the module's parameter userns_control, in the user namespace in\n"
		"which the bus was mounted. On a bus of ipcbusd, root and the user who runs it may. With\n"
		"--read it needs neither a bus nor a permission.\n"
		"\n"
		"With --resend, calls and oneways of the file go to the services that have the names now,\n"
		"one after the other, with the permissions of the user of ipcctl. Each line ends with the\n"
		"outcome:\n"
		"\n"
		"  equal        the reply or error is as recorded\n"
		"  differs      it is not; both are printed\n"
		"  sent         there is no reply to compare: a oneway, or the reply is not in the file\n"
		"  skipped      it cannot be resent; the line says why\n",
	.example = "  sudo ipcctl monitor --name demo.echo --failed\n"
		   "  sudo ipcctl monitor --write calls.pcap --max-data 65536\n"
		   "  ipcctl monitor --read calls.pcap --resend\n",
	.statuses = ON_BUS | MAY_END(NOT_FOUND) | MAY_END(DIFFERS),
	.options = options,
	.run = run,
};
