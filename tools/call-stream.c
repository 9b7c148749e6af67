// SPDX-License-Identifier: MIT
/*
 * Methods with streams, for ipcctl call: requests from standard input, as a sequence of JSON
 * objects, and replies line by line.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bus.h"
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

/* Receives the only reply to a stream of requests. */
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

/* --- Requests ------------------------------------------------------------------- */

static int send_one(struct stream_call *call, const struct schema_message *request)
{
	static const struct ipc_error none = IPC_ERROR_INIT;
	int r = ipc_raw_stream_send(call->stream, &request->raw, IPC_NEVER);

	return r < 0 ? call_failed(r, call->method, &none) : STATUS_OK;
}

/* Prints replies that arrive meanwhile, so that neither side waits for the other. */
static int send_input(struct stream_call *call)
{
	json_error_t error;
	bool over = false;
	json_t *json;
	int status = STATUS_OK;

	while (!status && !over && (json = json_loadf(stdin, JSON_DISABLE_EOF_CHECK, &error))) {
		struct schema_message request = { .ipc = call->ipc };

		status = call_encode(call->method, json, &request);
		if (!status)
			status = send_one(call, &request);
		schema_message_done(&request);
		if (!status && call->method->streams_out)
			status = receive(call, 0, &over);
	}
	if (!status && !over && !feof(stdin))
		status = call_bad_json(&error);
	return status;
}

/* request: the only request; NULL: reads requests from standard input. */
static int run(struct stream_call *call, struct ipc_proxy *proxy,
	       const struct schema_message *request)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	const struct ipc_options options = {
		.metadata = call_metadata(),
		.timeout_usec = ctl.timeout_ms ? bus_limit_usec() : 0,
	};
	bool over;
	int status, r;

	/* The stream may last, but the service has to open it. */
	ipc_set_timeout(call->ipc, bus_limit_usec());
	r = ipc_raw_stream_open(proxy, call->method->code, &options, &call->stream, &error);
	ipc_set_timeout(call->ipc, IPC_NEVER);
	if (r < 0)
		return call_failed(r, call->method, &error);
	status = request ? send_one(call, request) : send_input(call);
	if (!status) {
		ipc_stream_end(call->stream);
		status = call->method->streams_out ? receive(call, IPC_NEVER, &over) :
						     receive_reply(call);
	}
	ipc_stream_unref(call->stream);
	return status;
}

int call_stream(struct ipc *ipc, struct ipc_proxy *proxy, const struct schema_method *method,
		const char *text)
{
	struct stream_call call = { .ipc = ipc, .method = method };
	struct schema_message request = { .ipc = ipc };
	int status;

	if (method->streams_in && (!text || !strcmp(text, "-")))
		return run(&call, proxy, NULL);
	status = call_encode_text(method, text, &request);
	if (!status)
		status = run(&call, proxy, &request);
	schema_message_done(&request);
	return status;
}
