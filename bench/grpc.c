// SPDX-License-Identifier: MIT
/*
 * gRPC's C core over a Unix socket, without TLS, with messages of protobuf-c. This is the minimum
 * cost of a gRPC program in any language. The method is registered on both sides, the server gets
 * the request with the call, and each side waits in its own completion queue.
 */
#include "grpc.h"

#include "bench.pb-c.h"

#include <errno.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc_security.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define METHOD "/bench.Sink/Put"

static int create(struct bench_case *c)
{
	struct grpc_state *s = c->state;

	snprintf(s->address, sizeof(s->address), "unix-abstract:ipcbus-bench-%d", getpid());
	return 0;
}

/* --- Messages ----------------------------------------------------------------------------- */

static grpc_byte_buffer *pack(const ProtobufCMessage *message)
{
	grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(message));
	grpc_byte_buffer *buffer;

	protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
	buffer = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	return buffer;
}

/* Takes ownership of the buffer. Returns NULL if it is not a message of this type. */
static void *unpack(const ProtobufCMessageDescriptor *descriptor, grpc_byte_buffer *buffer)
{
	grpc_byte_buffer_reader reader;
	void *message = NULL;
	grpc_slice slice;

	if (!buffer)
		return NULL;
	if (grpc_byte_buffer_reader_init(&reader, buffer)) {
		slice = grpc_byte_buffer_reader_readall(&reader);
		message = protobuf_c_message_unpack(descriptor, NULL, GRPC_SLICE_LENGTH(slice),
						    GRPC_SLICE_START_PTR(slice));
		grpc_slice_unref(slice);
		grpc_byte_buffer_reader_destroy(&reader);
	}
	grpc_byte_buffer_destroy(buffer);
	return message;
}

/* --- The server --------------------------------------------------------------------------- */

/* Waits for the only pending operation. */
static int await(struct grpc_state *s)
{
	grpc_event event;

	event = grpc_completion_queue_next(s->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
	return event.type == GRPC_OP_COMPLETE && event.success ? 0 : -EIO;
}

static int reply(struct grpc_state *s, grpc_call *call, grpc_byte_buffer *payload)
{
	Bench__PutReply reply = BENCH__PUT_REPLY__INIT;
	Bench__PutRequest *request;
	int canceled, r;

	request = unpack(&bench__put_request__descriptor, payload);
	if (!request)
		return -EBADMSG;
	reply.number = request->payload.len;
	bench__put_request__free_unpacked(request, NULL);
	grpc_op ops[] = {
		{ .op = GRPC_OP_SEND_INITIAL_METADATA },
		{ .op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = pack(&reply.base) },
		{ .op = GRPC_OP_SEND_STATUS_FROM_SERVER,
		  .data.send_status_from_server.status = GRPC_STATUS_OK },
		{ .op = GRPC_OP_RECV_CLOSE_ON_SERVER,
		  .data.recv_close_on_server.cancelled = &canceled },
	};
	r = grpc_call_start_batch(call, ops, ARRAY_SIZE(ops), s, NULL) == GRPC_CALL_OK ? 0 : -EIO;
	/* The operation also completes if the client is gone. */
	if (r == 0)
		grpc_completion_queue_next(s->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
	grpc_byte_buffer_destroy(ops[1].data.send_message.send_message);
	return r;
}

static int serve_calls(struct grpc_state *s, grpc_server *server, void *method)
{
	grpc_metadata_array metadata;
	grpc_byte_buffer *payload;
	gpr_timespec deadline;
	grpc_call *call;
	int r = 0;

	grpc_metadata_array_init(&metadata);
	while (r == 0) {
		payload = NULL;
		if (grpc_server_request_registered_call(server, method, &call, &deadline, &metadata,
							&payload, s->queue, s->queue,
							s) != GRPC_CALL_OK)
			return -EIO;
		r = await(s);
		if (r < 0)
			break;
		/* If there is no request, the client is gone. */
		r = payload ? reply(s, call, payload) : 0;
		grpc_call_unref(call);
		/* The call owned the elements of the metadata. */
		metadata.count = 0;
	}
	return r;
}

static int serve(struct bench_case *c)
{
	struct grpc_state *s = c->state;
	grpc_server_credentials *credentials;
	grpc_server *server;
	void *method;
	int r;

	grpc_init();
	s->queue = grpc_completion_queue_create_for_next(NULL);
	server = grpc_server_create(NULL, NULL);
	grpc_server_register_completion_queue(server, s->queue, NULL);
	method = grpc_server_register_method(server, METHOD, NULL,
					     GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
	credentials = grpc_insecure_server_credentials_create();
	r = grpc_server_add_http2_port(server, s->address, credentials) ? 0 : -EADDRINUSE;
	grpc_server_credentials_release(credentials);
	if (r < 0)
		return bench_fail("listen", r);
	grpc_server_start(server);
	r = bench_ready(c);
	return r < 0 ? r : serve_calls(s, server, method);
}

/* --- The client ----------------------------------------------------------------------------- */

int bench_grpc_connect(struct bench_case *c)
{
	struct grpc_state *s = c->state;
	grpc_channel_credentials *credentials;

	grpc_init();
	s->queue = grpc_completion_queue_create_for_pluck(NULL);
	credentials = grpc_insecure_credentials_create();
	s->channel = grpc_channel_create(s->address, credentials, NULL);
	grpc_channel_credentials_release(credentials);
	s->method = grpc_channel_register_call(s->channel, METHOD, NULL, NULL);
	return s->method ? 0 : -ENOMEM;
}

static int check(size_t size, grpc_status_code status, grpc_byte_buffer *payload)
{
	Bench__PutReply *reply = unpack(&bench__put_reply__descriptor, payload);
	int r;

	if (status != GRPC_STATUS_OK || !reply)
		return -EBADMSG;
	r = reply->number == size ? 0 : -EPROTO;
	bench__put_reply__free_unpacked(reply, NULL);
	return r;
}

int bench_grpc_round(struct bench_case *c)
{
	struct grpc_state *s = c->state;
	Bench__PutRequest request = BENCH__PUT_REQUEST__INIT;
	grpc_status_code status = GRPC_STATUS_UNKNOWN;
	grpc_metadata_array initial, trailing;
	grpc_slice details = grpc_empty_slice();
	grpc_byte_buffer *payload = NULL;
	grpc_call *call;
	int r = -EIO;

	request.payload.data = (uint8_t *)c->request;
	request.payload.len = c->size;
	grpc_metadata_array_init(&initial);
	grpc_metadata_array_init(&trailing);
	grpc_op ops[] = {
		{ .op = GRPC_OP_SEND_INITIAL_METADATA },
		{ .op = GRPC_OP_SEND_MESSAGE,
		  .data.send_message.send_message = pack(&request.base) },
		{ .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT },
		{ .op = GRPC_OP_RECV_INITIAL_METADATA,
		  .data.recv_initial_metadata.recv_initial_metadata = &initial },
		{ .op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &payload },
		{ .op = GRPC_OP_RECV_STATUS_ON_CLIENT,
		  .data.recv_status_on_client = { .trailing_metadata = &trailing,
						  .status = &status,
						  .status_details = &details } },
	};
	call = grpc_channel_create_registered_call(s->channel, NULL, GRPC_PROPAGATE_DEFAULTS,
						   s->queue, s->method,
						   gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
	if (grpc_call_start_batch(call, ops, ARRAY_SIZE(ops), s, NULL) == GRPC_CALL_OK) {
		grpc_completion_queue_pluck(s->queue, s, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
		r = check(c->size, status, payload);
	}
	grpc_byte_buffer_destroy(ops[1].data.send_message.send_message);
	grpc_metadata_array_destroy(&initial);
	grpc_metadata_array_destroy(&trailing);
	grpc_slice_unref(details);
	grpc_call_unref(call);
	return r;
}

const struct bench_transport bench_grpc = {
	.name = "grpc",
	.call = "typed",
	.state_size = sizeof(struct grpc_state),
	.many = true,
	.create = create,
	.serve = serve,
	.connect = bench_grpc_connect,
	.round = bench_grpc_round,
};
