// SPDX-License-Identifier: MIT
/*
 * Messages that are sent: see pack.h. Called by rpc.c and serve.c.
 *
 *   header    of a frame, if there is metadata
 *   message   each large field is a part of its own
 *   metadata
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "conn/frame.h"
#include "core/errors.h"
#include "pack.h"

/* The message is written from its end, and so are its parts. */
struct gatherer {
	struct encoder encoder;
	uint8_t *end;			/* of the bytes in the scratch that have no part yet */
	struct ipcbus_iovec *first;	/* part so far */
};

static void add_part(struct gatherer *gatherer, const void *data, size_t size)
{
	if (size)
		*--gatherer->first = (struct ipcbus_iovec){ (uintptr_t)data, size };
}

static void add_written(struct gatherer *gatherer, uint8_t *at)
{
	add_part(gatherer, at, (size_t)(gatherer->end - at));
	gatherer->end = at;
}

static void add_large(struct encoder *encoder, const ProtobufCBinaryData *bytes)
{
	struct gatherer *gatherer = (struct gatherer *)encoder;

	add_written(gatherer, encoder->data + encoder->left);
	add_part(gatherer, bytes->data, bytes->len);
}

/* Writes padding to a multiple of 8 behind a message of size bytes, and then the metadata. The
 * padding is 0, so that no bytes of older messages are sent. Returns the end. */
static uint8_t *put_metadata(uint8_t *at, size_t size, const char *const *metadata, size_t extra)
{
	size_t fill = FRAME_ALIGN(size) - size;

	memset(at, 0, fill);
	metadata_copy(at + fill, metadata);
	return at + fill + extra;
}

/* Makes the written bytes and the parts the content of *send. */
static void attach(struct gatherer *gatherer, uint8_t *start, struct packed *packed,
		   struct ipcbus_send *send)
{
	const struct ipcbus_iovec *end = packed->parts + GATHER_PARTS;

	if (gatherer->first == end) {
		send->data = (uintptr_t)start;
		send->data_size = (size_t)(gatherer->end - start);
	} else {
		add_written(gatherer, start);
		send->flags |= IPCBUS_SEND_IOV;
		send->data = (uintptr_t)gatherer->first;
		send->iov_count = (uint32_t)(end - gatherer->first);
		send->data_size = 0;
		for (uint32_t i = 0; i < send->iov_count; i++)
			send->data_size += gatherer->first[i].size;
	}
	table_attach(&packed->table, send);
}

static int write_message(struct packed *packed, struct thread *t, const ProtobufCMessage *message,
			 const struct encoder *measure, const char *const *metadata,
			 struct ipcbus_send *send)
{
	size_t extra = metadata_size(metadata), size = encoder_measured(measure);
	/* A part for few of the bytes costs more than copying them. */
	size_t large = measure->large_size >= size / 2 ? measure->large_size : 0;
	size_t written = size - large;
	struct frame_header header = {
		.magic = FRAME_MAGIC,
		.message_size = (uint32_t)size,
		.metadata_size = (uint32_t)extra,
	};
	struct gatherer gatherer = {
		.encoder = {
			.left = written,
			.large = add_large,
			.large_min = large ? measure->large_min : SIZE_MAX,
		},
		.first = packed->parts + GATHER_PARTS,
	};
	size_t front = extra ? sizeof(header) : 0;
	size_t behind = extra ? FRAME_ALIGN(size) - size + extra : 0;
	int r;

	if (extra && (size > UINT32_MAX || extra > METADATA_MAX))
		return -EMSGSIZE;
	/* An empty message needs no memory, so an empty reply cannot fail. */
	r = thread_reserve(t, front + written + behind);
	if (r < 0)
		return r;
	if (front + written) {
		gatherer.encoder.data = t->scratch.data + front;
		gatherer.end = gatherer.encoder.data + written;
	}
	if (extra) {
		memcpy(t->scratch.data, &header, sizeof(header));
		gatherer.end = put_metadata(gatherer.end, size, metadata, extra);
	}
	encode(&gatherer.encoder, message);
	attach(&gatherer, front + written ? t->scratch.data : NULL, packed, send);
	return 0;
}

int message_pack(struct packed *packed, struct thread *t, const ProtobufCMessage *message,
		 uint32_t flags, const char *const *metadata, size_t min,
		 struct ipcbus_send *send)
{
	struct encoder measure = { .large_min = flags & IPC_METHOD_REQUEST_BYTES ? min : SIZE_MAX };
	int r = 0;

	packed->table.n = 0;
	if (flags & IPC_METHOD_REQUEST_OBJECTS)
		r = table_build(&packed->table, t->ipc, message);
	if (r < 0)
		return r;
	r = encode(&measure, message);
	if (r == 0)
		r = write_message(packed, t, message, &measure, metadata, send);
	if (r < 0)
		table_unsent(&packed->table, t->ipc);
	return r;
}

/* Returns a text for free() about the field that is not UTF-8, or NULL. */
static char *describe_wrong(const ProtobufCMessage *message)
{
	struct encoder encoder = { .large_min = SIZE_MAX };
	char *text;

	encode(&encoder, message);
	if (!encoder.wrong || asprintf(&text, "%s: the field %s is not valid UTF-8",
				       message->descriptor->name, encoder.wrong->name) < 0)
		return NULL;
	return text;
}

int request_unsent(struct ipc_error *error, int r, const struct ipc_method *method,
		   const ProtobufCMessage *request)
{
	error_set(error, r);
	/* A request of another type may not even be initialized. */
	if (error && r == -EINVAL && method && request && request->descriptor == method->request)
		error->text = describe_wrong(request);
	return r;
}

int message_unsent(int r, const char *name, const ProtobufCMessage *message)
{
	char *text = r == -EINVAL ? describe_wrong(message) : NULL;

	if (text)
		ipc_log(LOG_WARNING, "ipc: %s: a message was not sent: %s", name, text);
	free(text);
	return r;
}
