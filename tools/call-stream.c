// SPDX-License-Identifier: MIT
/*
 * Methods with streams, for ipcctl call: requests from standard input, one JSON object
 * after the other, and replies line by line.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "call.h"
#include "ipcctl.h"

/**
 * struct stream_call - a stream that is open
 * @ipc: the connection
 * @method: the called method
 * @stream: our end of the stream
 */
struct stream_call {
	struct ipc *ipc;
	const struct schema_method *method;
	struct ipc_stream *stream;
};

/* --- Replies -------------------------------------------------------------------- */

/* Prints messages until none arrives within that time. *ret_over: the stream has ended. */
static int receive(struct stream_call *call, uint64_t timeout_usec, bool *ret_over)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	const ProtobufCMessage *message;
	int status = STATUS_OK, r;

	for (*ret_over = false; !status && !*ret_over;) {
		r = ipc_rpc_stream_receive(call->stream, &call->method->method, timeout_usec,
					   &message, &error);
		if (r == -EAGAIN || r == -ETIMEDOUT)
			return STATUS_OK;
		if (r < 0)
			return call_failed(r, call->method->method.name, &error);
		*ret_over = r == 0;
		if (r > 0)
			status = call_put_reply(message, true);
	}
	return status;
}

static int finish(struct stream_call *call)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	const ProtobufCMessage *reply;
	int r;

	r = ipc_rpc_stream_finish(call->stream, &call->method->method, IPC_NEVER, &reply, &error);
	if (r < 0)
		return call_failed(r, call->method->method.name, &error);
	return call_put_reply(reply, false);
}

/* --- Requests ------------------------------------------------------------------- */

static int send_one(struct stream_call *call, json_t *json)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	struct schema_context context = { .ipc = call->ipc };
	ProtobufCMessage *request;
	int status, r;

	status = call_make_request(call->method, json, &context, &request);
	if (!status) {
		r = ipc_rpc_stream_send(call->stream, &call->method->method, IPC_NEVER, request);
		protobuf_c_message_free_unpacked(request, NULL);
		if (r < 0)
			status = call_failed(r, call->method->method.name, &error);
	}
	schema_context_done(&context);
	return status;
}

/* Prints replies that arrive meanwhile, so that neither side waits for the other. */
static int send_input(struct stream_call *call)
{
	json_error_t error;
	bool over = false;
	json_t *json;
	int status = STATUS_OK;

	while (!status && !over && (json = json_loadf(stdin, JSON_DISABLE_EOF_CHECK, &error))) {
		status = send_one(call, json);
		if (!status && call->method->streams_out)
			status = receive(call, 0, &over);
	}
	if (!status && !over && !feof(stdin))
		status = call_bad_json(&error);
	return status;
}

static int run_in(struct stream_call *call, const char *text)
{
	json_t *json;
	bool over;
	int status;

	if (!text || !strcmp(text, "-")) {
		status = send_input(call);
	} else {
		status = call_read_json(text, &json);
		if (!status)
			status = send_one(call, json);
	}
	if (status)
		return status;
	if (!call->method->streams_out)
		return finish(call);
	ipc_stream_end(call->stream);
	return receive(call, IPC_NEVER, &over);
}

/* --- Both ----------------------------------------------------------------------- */

static int open_stream(struct stream_call *call, struct ipc_proxy *proxy,
		       const ProtobufCMessage *request)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	int r;

	r = ipc_rpc_stream_open(proxy, &call->method->method, /* options= */ NULL, request,
				&call->stream, &error);
	return r < 0 ? call_failed(r, call->method->method.name, &error) : STATUS_OK;
}

/* One request, and a stream of replies. */
static int run_out(struct stream_call *call, struct ipc_proxy *proxy, const char *text)
{
	struct schema_context context = { .ipc = call->ipc };
	ProtobufCMessage *request;
	json_t *json;
	bool over;
	int status;

	status = call_read_json(text ? text : "{}", &json);
	if (status)
		return status;
	status = call_make_request(call->method, json, &context, &request);
	if (!status) {
		status = open_stream(call, proxy, request);
		protobuf_c_message_free_unpacked(request, NULL);
	}
	schema_context_done(&context);
	return status ? status : receive(call, IPC_NEVER, &over);
}

int call_stream(struct ipc *ipc, struct ipc_proxy *proxy, const struct schema_method *method,
		const char *text)
{
	struct stream_call call = { .ipc = ipc, .method = method };
	int status;

	if (!method->streams_in) {
		status = run_out(&call, proxy, text);
	} else {
		status = open_stream(&call, proxy, /* request= */ NULL);
		if (!status)
			status = run_in(&call, text);
	}
	ipc_stream_unref(call.stream);
	return status;
}
