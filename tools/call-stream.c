// SPDX-License-Identifier: MIT
/*
 * Methods with streams, for ipcctl call: requests from standard input, one JSON
 * object after the other, and answers line by line.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "call.h"
#include "ipcctl.h"

/**
 * struct exchange - a stream that is open
 * @ipc: the connection
 * @method: what was called
 * @stream: this end of it
 */
struct exchange {
	struct ipc *ipc;
	const struct schema_method *method;
	struct ipc_stream *stream;
};

/* --- Answers -------------------------------------------------------------------- */

/* Shows what has come within that time: a status; *ret_over: it was the last. */
static int receive(struct exchange *exchange, uint64_t timeout_usec, bool *ret_over)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	const ProtobufCMessage *message;
	int status = STATUS_OK, r;

	for (*ret_over = false; !status && !*ret_over;) {
		r = ipc_rpc_stream_receive(exchange->stream, &exchange->method->method,
					   timeout_usec, &message, &error);
		if (r == -EAGAIN || r == -ETIMEDOUT)
			return STATUS_OK;
		if (r < 0)
			return call_refused(r, exchange->method->method.name, &error);
		*ret_over = r == 0;
		if (r > 0)
			status = call_put_reply(message, true);
	}
	return status;
}

static int finish(struct exchange *exchange)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	const ProtobufCMessage *reply;
	int r;

	r = ipc_rpc_stream_finish(exchange->stream, &exchange->method->method, IPC_NEVER, &reply,
				  &error);
	if (r < 0)
		return call_refused(r, exchange->method->method.name, &error);
	return call_put_reply(reply, false);
}

/* --- Requests ------------------------------------------------------------------- */

static int send_one(struct exchange *exchange, json_t *json)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	struct schema_context context = { .ipc = exchange->ipc };
	ProtobufCMessage *request;
	int status, r;

	status = call_make_request(exchange->method, json, &context, &request);
	if (!status) {
		r = ipc_rpc_stream_send(exchange->stream, &exchange->method->method, IPC_NEVER,
					request);
		protobuf_c_message_free_unpacked(request, NULL);
		if (r < 0)
			status = call_refused(r, exchange->method->method.name, &error);
	}
	schema_context_done(&context);
	return status;
}

static int bad_json(const json_error_t *error)
{
	return fail_with(STATUS_USAGE, "requests are JSON objects, one after the other",
			 "JSON, line %d, column %d: %s", error->line, error->column, error->text);
}

/* Answers that come meanwhile are shown, so that neither side waits for the other. */
static int send_input(struct exchange *exchange)
{
	json_error_t error;
	bool over = false;
	json_t *json;
	int status = STATUS_OK;

	while (!status && !over && (json = json_loadf(stdin, JSON_DISABLE_EOF_CHECK, &error))) {
		status = send_one(exchange, json);
		if (!status && exchange->method->streams_out)
			status = receive(exchange, 0, &over);
	}
	if (!status && !over && !feof(stdin))
		status = bad_json(&error);
	return status;
}

static int send_all(struct exchange *exchange, const char *text)
{
	json_error_t error;
	json_t *json;

	if (!text || !strcmp(text, "-"))
		return send_input(exchange);
	json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	return json ? send_one(exchange, json) : bad_json(&error);
}

static int run_in(struct exchange *exchange, const char *text)
{
	bool over;
	int status = send_all(exchange, text);

	if (status)
		return status;
	if (!exchange->method->streams_out)
		return finish(exchange);
	ipc_stream_end(exchange->stream);
	return receive(exchange, IPC_NEVER, &over);
}

/* --- Both ----------------------------------------------------------------------- */

static int open_stream(struct exchange *exchange, struct ipc_proxy *proxy,
		       const ProtobufCMessage *request)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	int r;

	r = ipc_rpc_stream_open(proxy, &exchange->method->method, /* options= */ NULL, request,
				&exchange->stream, &error);
	return r < 0 ? call_refused(r, exchange->method->method.name, &error) : STATUS_OK;
}

/* One request, and a stream of answers. */
static int run_out(struct exchange *exchange, struct ipc_proxy *proxy, const char *text)
{
	struct schema_context context = { .ipc = exchange->ipc };
	ProtobufCMessage *request;
	json_error_t error;
	json_t *json;
	bool over;
	int status;

	json = text && !strcmp(text, "-") ? json_loadf(stdin, 0, &error) :
					    json_loads(text ? text : "{}", 0, &error);
	if (!json)
		return bad_json(&error);
	status = call_make_request(exchange->method, json, &context, &request);
	if (!status) {
		status = open_stream(exchange, proxy, request);
		protobuf_c_message_free_unpacked(request, NULL);
	}
	schema_context_done(&context);
	return status ? status : receive(exchange, IPC_NEVER, &over);
}

int call_stream(struct ipc *ipc, struct ipc_proxy *proxy, const struct schema_method *method,
		const char *text)
{
	struct exchange exchange = { .ipc = ipc, .method = method };
	int status;

	if (!method->streams_in) {
		status = run_out(&exchange, proxy, text);
	} else {
		status = open_stream(&exchange, proxy, /* request= */ NULL);
		if (!status)
			status = run_in(&exchange, text);
	}
	ipc_stream_unref(exchange.stream);
	return status;
}
