// SPDX-License-Identifier: MIT
/* Streams of bytes: <ipc/raw.h>. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "errors.h"
#include "object.h"
#include "raw.h"
#include "stream.h"

/* Copies the bytes, unless they came as a file or through the ring, so that the next message need
 * not wait until this message is received. */
static int raw_stream_unpack(struct ipc_stream *stream, struct ipc_call *call,
			     const struct ipcbus_event *event, const void **ret_message)
{
	const struct ipc_raw_message *message;
	int r;

	(void)stream;
	call->code = 0;
	r = raw_receive(call, event, /* copy= */ call->object, &message);
	if (r < 0)
		return r;
	call->detached = true;
	*ret_message = message;
	return 0;
}

static size_t raw_stream_memory(const struct ipc_call *call)
{
	return call->file.data ? 0 : call->size;
}

static int raw_stream_send(struct ipc_stream *stream, const void *data)
{
	struct ipc_raw_message message = *(const struct ipc_raw_message *)data;

	message.method = STREAM_MESSAGE;
	return ipc_raw_oneway(stream->peer_data, &message, /* options= */ NULL);
}

static ssize_t raw_stream_pack(const struct ipc_stream *stream, const void *data, uint8_t *to,
			       size_t max)
{
	const struct ipc_raw_message *message = data;
	size_t size = message->size;

	(void)stream;
	for (size_t i = 0; i < message->n_parts && size <= max; i++)
		size += message->parts[i].iov_len;
	if (size > max || message->n_entries)
		return -1;
	if (message->size)
		memcpy(to, message->data, message->size);
	for (size_t i = 0; i < message->n_parts; i++)
		to = mempcpy(to, message->parts[i].iov_base, message->parts[i].iov_len);
	return (ssize_t)size;
}

static int raw_stream_handle(struct ipc_stream *stream, const void *request)
{
	const struct ipc_raw_ops *ops = raw_object_ops(stream->service);
	void *userdata = stream->service->userdata;

	if (request)
		return ops->stream_request(stream, stream->of.number, request, userdata);
	return ops->stream(stream, stream->of.number, userdata);
}

static const struct stream_type raw_stream = {
	.unpack = raw_stream_unpack,
	.memory = raw_stream_memory,
	.send = raw_stream_send,
	.pack = raw_stream_pack,
	.handle = raw_stream_handle,
};

int raw_stream_new(struct ipc_call *call, uint32_t method, struct ipc_stream **ret_stream)
{
	const struct ipc_raw_ops *ops = raw_object_ops(call->object);
	const struct stream_of of = {
		.type = &raw_stream,
		.size = sizeof(struct ipc_stream),
		.number = method,
		.accept_fds = ops->flags & IPC_RAW_ACCEPT_FDS,
		.server = true,
		.defer = ops->flags & IPC_RAW_STREAM_REQUESTS &&
			 ops->has_request(method, call->object->userdata),
	};

	return stream_new(call->ipc, &of, ret_stream);
}

static int new_client(struct ipc_proxy *proxy, uint32_t method, const struct ipc_options *options,
		      struct ipc_stream **ret_stream)
{
	struct ipc *ipc = proxy ? ipc_proxy_ipc(proxy) : NULL;
	const struct stream_of of = {
		.type = &raw_stream,
		.size = sizeof(struct ipc_stream),
		.number = method,
		.accept_fds = !options || !(options->flags & IPC_RAW_REFUSE_FDS),
		.own_flags = IPC_RAW_REFUSE_FDS,
	};

	if (!ipc || !method)
		return -EINVAL;
	return stream_new(ipc, &of, ret_stream);
}

int ipc_raw_stream_open(struct ipc_proxy *proxy, uint32_t method,
			const struct ipc_options *options, struct ipc_stream **ret_stream,
			struct ipc_error *error)
{
	struct ipc_stream *stream;
	int r;

	r = ret_stream ? new_client(proxy, method, options, &stream) : -EINVAL;
	if (r < 0)
		return error_set(error, r);
	r = stream_open(stream, proxy, options, error);
	if (r < 0) {
		ipc_stream_unref(stream);
		return r;
	}
	*ret_stream = stream;
	return 0;
}

int ipc_raw_stream_open_async(struct ipc_proxy *proxy, uint32_t method,
			      const struct ipc_options *options, ipc_stream_cb cb,
			      void *userdata)
{
	struct ipc_stream *stream;
	int r;

	r = cb ? new_client(proxy, method, options, &stream) : -EINVAL;
	if (r < 0)
		return r;
	r = stream_open_async(stream, proxy, options, cb, userdata, /* ret_slot= */ NULL);
	if (r < 0)
		ipc_stream_unref(stream);
	return r;
}

int ipc_raw_stream_send(struct ipc_stream *stream, const struct ipc_raw_message *message,
			uint64_t timeout_usec)
{
	int r = raw_check(message, /* flags= */ 0);

	if (!stream || stream->of.type != &raw_stream || r == -EINVAL || message->method)
		return -EINVAL;
	return r < 0 ? r : stream_send(stream, timeout_usec, message);
}

int ipc_raw_stream_receive(struct ipc_stream *stream, uint64_t timeout_usec,
			   const struct ipc_raw_message **ret_message, struct ipc_error *error)
{
	const void *message;
	int r;

	if (!stream || stream->of.type != &raw_stream || !ret_message)
		return -EINVAL;
	r = stream_receive(stream, timeout_usec, &message, error);
	if (r > 0)
		*ret_message = message;
	return r;
}
