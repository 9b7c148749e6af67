// SPDX-License-Identifier: MIT
/*
 * A service for test-limits. Under the name "test.limits", its streams report the milliseconds that
 * each call and stream has left. Under "test.large" it replies with more than a region can contain.
 * Under "test.stuck" it never opens a stream.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ipc/raw.h>
#include <ipc/rpc.h>

#include "stream.ipc.h"

static uint64_t ms(uint64_t usec)
{
	return usec == IPC_NEVER ? 0 : usec / 1000 + 1;
}

static int look(struct ipc_call *call, void *userdata)
{
	Stream__LookReply reply = STREAM__LOOK_REPLY__INIT;

	(void)userdata;
	reply.sent = ms(ipc_call_remaining(call));
	return streams_reply_look(call, &reply);
}

/* Replies with a large field that the type of the reply does not have. */
static int look_at_much(struct ipc_call *call, void *userdata)
{
	static const uint8_t field[] = { 15 << 3 | 2, 0x80, 0x80, 0x80, 9 };
	size_t size = sizeof(field) + (9 << 21);
	uint8_t *data = calloc(1, size);
	int r = -ENOMEM;

	(void)userdata;
	if (data) {
		memcpy(data, field, sizeof(field));
		r = ipc_raw_reply(call, &(struct ipc_raw_message){ .data = data, .size = size });
	}
	free(data);
	return r;
}

static int count(struct ipc_stream *stream, const Stream__CountRequest *request, void *userdata)
{
	Stream__Number number = STREAM__NUMBER__INIT;
	int r;

	(void)request, (void)userdata;
	number.value = ms(ipc_stream_remaining(stream));
	r = streams_send_count(stream, 0, &number);
	return r < 0 ? r : ipc_stream_end(stream);
}

static int describe(struct ipc_call *call)
{
	Ipc__Description reply = IPC__DESCRIPTION__INIT;
	uint8_t *data;
	int r;

	reply.interface = (char *)streams_interface.name;
	reply.has_descriptor_set = true;
	reply.descriptor_set.data = (uint8_t *)streams_interface.descriptor;
	reply.descriptor_set.len = streams_interface.descriptor_size;
	data = malloc(ipc__description__get_packed_size(&reply));
	if (!data)
		return -ENOMEM;
	r = ipc_raw_reply(call, &(struct ipc_raw_message){
					.data = data,
					.size = ipc__description__pack(&reply, data),
				});
	free(data);
	return r;
}

/* Does not reply to a request to open a stream. */
static int hang(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	(void)userdata;
	return request->method == IPC_NUMBER_DESCRIBE ? describe(call) : pause();
}

int main(void)
{
	static const struct streams_ops ops = { .look = look, .count = count };
	static const struct streams_ops large = { .look = look_at_much, .count = count };
	static const struct ipc_raw_ops stuck = { .interface = "stream.Streams", .serve = hang };
	struct ipc_object *object;
	struct ipc *ipc;
	int r;

	r = ipc_open(&ipc, /* bus= */ NULL);
	if (r < 0)
		return ipc_print_open_error(/* bus= */ NULL, r);
	r = ipc_raw_object_new(ipc, &stuck, /* userdata= */ NULL, &object);
	if (r == 0)
		r = ipc_register_name(ipc, "test.stuck", object, /* ret_slot= */ NULL);
	if (r == 0)
		r = streams_register(ipc, "test.limits", &ops, /* userdata= */ NULL);
	if (r == 0)
		r = streams_register(ipc, "test.large", &large, /* userdata= */ NULL);
	if (r == 0)
		r = ipc_run(ipc);
	return ipc_print_error("serve test.limits", r, NULL);
}
