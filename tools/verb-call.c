// SPDX-License-Identifier: MIT
/*
 * ipcctl call: calls any method of any service, with JSON as request and reply. The service
 * describes its messages.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "deadline.h"
#include "ipcctl.h"
#include "schema/json.h"
#include "output.h"
#include "schema/schema.h"
#include "verbs.h"

/* Timeout without --timeout and without an option of the method. Streams have none. */
#define REPLY_USEC UINT64_C(30000000)

static bool cat;
static struct texts pairs;
static const char *service;	/* its name, for messages */
static struct ipc *connection;

static const struct verb_option options[] = {
	{ "cat", NULL, "print the content of the files in the reply", .flag = &cat },
	{ "metadata", "PAIR", "send NAME=VALUE as metadata; up to 16 times", .texts = &pairs },
	{ 0 },
};

/* --- The request ------------------------------------------------------------------ */

/* Names the first methods only: a service can have thousands. */
static int no_method(const struct schema *schema, const char *name)
{
	size_t n = schema_count(schema), i = 0, used = 0;
	char known[256] = "", more[64] = "", hint[256];

	for (; i < n; i++) {
		const char *method = schema_at(schema, i)->name;

		if (used + strlen(method) + 2 > sizeof(known))
			break;
		used += (size_t)snprintf(known + used, sizeof(known) - used, " %s", method);
	}
	if (i < n)
		snprintf(more, sizeof(more), "%s %zu more", i ? " and" : "", n - i);
	snprintf(hint, sizeof(hint), "ipcctl describe --methods %s lists all", service);
	return fail_with(STATUS_NOT_FOUND, i < n ? hint : NULL, "%s has no method %s; it has:%s%s",
			 schema_interface(schema), name, known, more);
}

/* Name and value of each pair, ending with NULL. */
static const char *metadata[2 * MAX_TEXTS + 1];

static int parse_metadata(void)
{
	for (size_t i = 0; i < pairs.n; i++) {
		const char *pair = pairs.list[i], *equals = strchr(pair, '=');

		if (!equals || equals == pair)
			return fail_with(STATUS_USAGE, "as in --metadata trace=17",
					 "--metadata is NAME=VALUE, not \"%s\"", pair);
		/* The copies are never freed. */
		metadata[2 * i] = strndup(pair, equals - pair);
		metadata[2 * i + 1] = equals + 1;
		if (!metadata[2 * i])
			return fail_memory();
	}
	return STATUS_OK;
}

static int call_bad_json(const json_error_t *error)
{
	return fail_with(STATUS_USAGE, "give JSON objects, as in '{\"text\": \"hello\"}'",
			 "invalid JSON in line %d, column %d: %s", error->line, error->column,
			 error->text);
}

static const char *const remedies[] = {
	[SCHEMA_WRONG_FIELD] = "ipcctl describe NAME prints the fields",
	[SCHEMA_WRONG_NAME] = "ipcctl list shows the registered services",
	[SCHEMA_WRONG_OTHER] = NULL,
};

static int call_encode(const struct schema_method *method, json_t *json,
		       struct schema_message *request)
{
	int r = schema_encode(method->request, json, request);

	json_decref(json);
	if (r == -EINVAL)
		return fail_with(STATUS_USAGE, remedies[request->wrong], "%s: %s",
				 method->name, request->what);
	return r < 0 ? fail_memory() : STATUS_OK;
}

/* text: "-" is standard input. */
static int call_encode_text(const struct schema_method *method, const char *text,
			    struct schema_message *request)
{
	json_error_t error;
	json_t *json;

	if (!text)
		text = "{}";
	if (!strcmp(text, "-"))
		json = value_read(stdin, /* more= */ false, &error);
	else
		json = value_read_text(text, strlen(text), &error);
	return json ? call_encode(method, json, request) : call_bad_json(&error);
}

/* --- The reply ------------------------------------------------------------------- */

static int cat_fd(int fd)
{
	char buffer[4096];
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		out_bytes(buffer, n, /* text= */ false);
	out_bytes_end();
	if (n < 0 || fflush(stdout) < 0)
		return fail_with(STATUS_FAILED, NULL, "cannot copy the file: %s", strerror(errno));
	return STATUS_OK;
}

/* With --cat: prints the content of each file of the reply. */
static int cat_fds(const struct ipc_raw_message *reply)
{
	int status = STATUS_OK;

	for (size_t i = 0; !status && i < reply->n_entries; i++)
		if (reply->entries[i].type == IPC_RAW_FD)
			status = cat_fd(reply->entries[i].fd);
	return status;
}

static int call_put_reply(const struct schema_method *method, const struct ipc_raw_message *reply,
			  bool line)
{
	json_t *json;

	if (cat)
		return cat_fds(reply);
	json = schema_decode_received(method->reply, reply, SCHEMA_ALL_FIELDS);
	if (!json)
		return fail_errno(-EBADMSG, method->name);
	return line || ctl.json ? out_line(json) : out_json(json);
}

static int call_failed(int r, const struct schema_method *method, const struct ipc_error *error)
{
	char text[IPC_ERROR_TEXT_MAX];

	if (r == -ETIMEDOUT)
		return fail_reported(STATUS_TIMEOUT,
				     bus_silent_hint(connection, service), error,
				     "service %s did not reply to %s in time; --timeout S waits longer",
				     service, method->name);
	if (error->name || error->text || r == -EREMOTEIO || error->origin == IPC_ORIGIN_PEER)
		return fail_reported(STATUS_REMOTE, NULL, error, "%s: %s", method->name,
				     ipc_error_text(text, sizeof(text), r, error));
	return fail_call(r, error, service);
}

static int send(struct ipc_proxy *proxy, const struct schema_method *method,
		struct ipc_raw_message *request)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	ipc_auto(ipc_raw_free) struct ipc_raw_message *reply = NULL;
	const struct ipc_options options = {
		.metadata = metadata[0] ? metadata : NULL,
		.timeout_usec = ctl.timeout_ms	   ? bus_request_usec() :
				method->timeout_ms ? method->timeout_ms * UINT64_C(1000) :
						     REPLY_USEC,
	};
	int r;

	request->method = method->number;
	if (method->oneway) {
		r = ipc_raw_oneway(proxy, request, &options);
	} else {
		request->flags = IPC_RAW_ACCEPT_FDS;
		r = ipc_raw_call(proxy, request, &options, &reply, &error);
	}
	if (r < 0)
		return call_failed(r, method, &error);
	return reply ? call_put_reply(method, reply, false) : STATUS_OK;
}

/* --- Streams -------------------------------------------------------------------- */

/**
 * struct stream_call - an open stream
 * @ipc: the connection
 * @method: the called method
 * @stream: ipcctl's end of the stream
 */
struct stream_call {
	struct ipc *ipc;
	const struct schema_method *method;
	struct ipc_stream *stream;
};

/* --- Replies of a stream -------------------------------------------------------------------- */

/* Prints messages until none arrives within the timeout. If the stream has ended, sets
 * *ret_over. */
static int receive(struct stream_call *call, uint64_t timeout_usec, bool *ret_over)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	const struct ipc_raw_message *message;
	int status = STATUS_OK, r;

	for (*ret_over = false; !status && !*ret_over;) {
		r = ipc_raw_stream_receive(call->stream, timeout_usec, &message, &error);
		if (r == -EAGAIN)
			return STATUS_OK;
		if (r < 0)
			return call_failed(r, call->method, &error);
		*ret_over = r == 0;
		if (r > 0)
			status = call_put_reply(call->method, message, true);
	}
	return status;
}

/* Prints the reply to a stream of requests. */
static int receive_reply(struct stream_call *call)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	const struct ipc_raw_message *reply;
	int r;

	r = ipc_raw_stream_receive(call->stream, IPC_NEVER, &reply, &error);
	if (r <= 0)
		return call_failed(r ? r : -ENOMSG, call->method, &error);
	return call_put_reply(call->method, reply, false);
}

/* --- Requests of a stream ------------------------------------------------------------------- */

static int send_one(struct stream_call *call, const struct schema_message *request)
{
	static const struct ipc_error none = IPC_ERROR_INIT;
	int r = ipc_raw_stream_send(call->stream, &request->raw, IPC_NEVER);

	return r < 0 ? call_failed(r, call->method, &none) : STATUS_OK;
}

/* Prints replies that arrive in the meantime, so that the two sides never wait for each other. */
static int send_input(struct stream_call *call)
{
	json_error_t error;
	bool over = false;
	json_t *json;
	int status = STATUS_OK;

	while (!status && !over && (json = value_read(stdin, /* more= */ true, &error))) {
		struct schema_message request = { .ipc = call->ipc };

		status = call_encode(call->method, json, &request);
		if (!status)
			status = send_one(call, &request);
		schema_message_done(&request);
		if (!status && call->method->streams_out)
			status = receive(call, 0, &over);
	}
	if (!status && !over && *error.text)
		status = call_bad_json(&error);
	return status;
}

/* request: the only request. If it is NULL, the requests come from standard input. */
static int run_stream(struct stream_call *call, struct ipc_proxy *proxy,
	       const struct schema_message *request)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	const struct ipc_options options = {
		.metadata = metadata[0] ? metadata : NULL,
		.timeout_usec = ctl.timeout_ms ? deadline_question_usec() :
						 call->method->timeout_ms * UINT64_C(1000),
	};
	bool over;
	int status, r;

	/* The stream itself has no timeout, but the service must open it in time. */
	ipc_set_timeout(call->ipc, bus_request_usec());
	r = ipc_raw_stream_open(proxy, call->method->number, &options, &call->stream, &error);
	ipc_set_timeout(call->ipc, IPC_NEVER);
	if (r < 0)
		return call_failed(r, call->method, &error);
	deadline_message(NULL, "%s: the stream did not end", call->method->name);
	deadline_resume();
	status = request ? send_one(call, request) : send_input(call);
	if (!status) {
		ipc_stream_end(call->stream);
		status = call->method->streams_out ? receive(call, IPC_NEVER, &over) :
						     receive_reply(call);
	}
	ipc_stream_unref(call->stream);
	return status;
}

static int call_stream(struct ipc *ipc, struct ipc_proxy *proxy, const struct schema_method *method,
		       const char *text)
{
	struct stream_call call = { .ipc = ipc, .method = method };
	struct schema_message request = { .ipc = ipc };
	int status;

	if (method->streams_in && (!text || !strcmp(text, "-")))
		return run_stream(&call, proxy, NULL);
	status = call_encode_text(method, text, &request);
	if (!status)
		status = run_stream(&call, proxy, &request);
	schema_message_done(&request);
	return status;
}

/* --- The verb ------------------------------------------------------------------- */

static int call(struct ipc *ipc, struct ipc_proxy *proxy, const struct schema_method *method,
		const char *text)
{
	struct schema_message request = { .ipc = ipc };
	int status;

	if (method->streams_in || method->streams_out)
		return call_stream(ipc, proxy, method, text);
	status = call_encode_text(method, text, &request);
	if (!status)
		status = send(proxy, method, &request.raw);
	schema_message_done(&request);
	return status;
}

static int run(int argc, char **argv)
{
	ipc_auto(ipc_proxy_unref) struct ipc_proxy *proxy = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	const struct schema_method *method;
	struct schema *schema;
	int status;

	status = parse_metadata();
	if (!status)
		status = bus_describe(argv[0], &ipc, &proxy, &schema);
	if (status)
		return status;
	service = argv[0];
	connection = ipc;
	method = schema_find(schema, argv[1]);
	if (method)
		status = call(ipc, proxy, method, argc > 2 ? argv[2] : NULL);
	else
		status = no_method(schema, argv[1]);
	schema_free(schema);
	return status;
}

const struct verb verb_call = {
	.name = "call",
	.arguments = "NAME METHOD [JSON|-]",
	.summary = "call a method, with JSON in and out",
	.description =
		"Calls METHOD of the service NAME and prints the reply as JSON. The request is a JSON\n"
		"object with the fields that ipcctl describe NAME lists. The default is {}, and \"-\"\n"
		"reads it from standard input. A oneway has no reply. The reply must come within\n"
		"--timeout. A stream has no timeout without --timeout and timeout_ms, once the service\n"
		"has opened it. The service learns the timeout. A reply, or a message of a stream, of more\n"
		"than 16 MiB is refused.\n"
		"\n"
		"JSON follows protobuf's JSON mapping: names are lastChange or last_change, bytes are\n"
		"base64, and the reply has integers of 64 bits in strings. Two types have their own:\n"
		"\n"
		"  ipc.Fd       the number of an open fd of ipcctl (0: standard input), the path of a\n"
		"               file to read, or \">PATH\" for a file to write\n"
		"  ipc.Object   the name of a service\n"
		"\n"
		"If the reply is a stream, each message is one line. If the request is a stream, ipcctl\n"
		"reads JSON objects from standard input, unless JSON is given: then it sends that one.\n",
	.example = "  ipcctl call demo.echo Say '{\"text\": \"hello\"}'\n",
	.timeout = "timeout_ms of the method, or 30",
	.statuses =
		ON_BUS | MAY_END(NOT_FOUND) | MAY_END(NO_MANAGER) | MAY_END(REMOTE) | MAY_END(GONE),
	.options = options,
	.min = 2,
	.max = 3,
	.run = run,
};
