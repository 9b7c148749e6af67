// SPDX-License-Identifier: MIT
/*
 * The service of tests/suite/e2e/stream.proto with hostile clients.
 */
#include "service.h"
#include "stream.ipc.h"

static int count(struct ipc_stream *stream, const Stream__CountRequest *request, void *userdata)
{
	Stream__Number number = STREAM__NUMBER__INIT;

	(void)userdata;
	for (uint32_t i = 0; i < request->count % 8; i++)
		streams_send_count(stream, 0, &number);
	return request->code % 200 < 0 ? request->code % 200 : 0;
}

static int sum(struct ipc_stream *stream, void *userdata)
{
	Stream__Number total = STREAM__NUMBER__INIT;
	const Stream__Number *number;

	(void)userdata;
	while (streams_receive_sum(stream, 0, &number, NULL) > 0)
		total.value += number->value;
	return streams_reply_sum(stream, &total);
}

static int look(struct ipc_call *call, void *userdata)
{
	Stream__LookReply reply = STREAM__LOOK_REPLY__INIT;

	(void)userdata;
	return streams_reply_look(call, &reply);
}

static const struct streams_ops ops = { .count = count, .sum = sum, .look = look };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_service service = { &streams_interface, &ops, NULL };

	return fuzz_service(&service, data, size);
}
