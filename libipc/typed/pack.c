// SPDX-License-Identifier: MIT
/*
 * Messages that are sent: see pack.h. Called by rpc.c and serve.c.
 *
 *   header    of a frame, if there are metadata or blobs
 *   message   large fields are parts of their own
 *   metadata
 *   blobs     small ones are copied, the others are parts of their own
 *
 * A blob has two fields, size and data. In a message that is sent, only size is marked as present,
 * so the encoder writes nothing else. data has the place of the bytes.
 */
#include <errno.h>
#include <string.h>

#include "core/frame.h"
#include "pack.h"
#include "walk.h"

/* Copying a blob of up to so many bytes costs less than a part of its own. */
#define BLOB_SMALL	512

/* --- Blobs ---------------------------------------------------------------------- */

struct collector {
	struct visitor visitor;
	unsigned int n;			/* blobs that are not empty */
	const Ipc__Blob *blobs[IPC_BLOBS_MAX];
};

static int collect(struct visitor *visitor, Ipc__Blob *blob)
{
	struct collector *collector = (struct collector *)visitor;
	uint64_t size = blob->has_size ? blob->size : 0;

	/* The encoder writes bytes that are in the message itself. */
	if (blob->has_data || !size)
		return size && size != blob->data.len ? -EINVAL : 0;
	if (size != blob->data.len || !blob->data.data)
		return -EINVAL;
	if (collector->n == IPC_BLOBS_MAX)
		return -E2BIG;
	collector->blobs[collector->n++] = blob;
	return 0;
}

/* --- Parts ---------------------------------------------------------------------- */

/* The message is written from its end, and so are its parts. Those of blobs follow. */
struct gatherer {
	struct encoder encoder;
	uint8_t *end;			/* of the bytes in the scratch that have no part yet */
	struct ipcbus_iovec *first;	/* part so far */
	struct ipcbus_iovec *behind;	/* the last part */
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

	add_written(gatherer, encoder->at);
	add_part(gatherer, bytes->data, bytes->len);
}

/* Adds the blobs from number i on. */
static void add_blobs(struct gatherer *gatherer, const struct collector *found, unsigned int i)
{
	static const uint64_t zero;

	for (; i < found->n; i++) {
		const ProtobufCBinaryData *bytes = &found->blobs[i]->data;
		size_t fill = FRAME_ALIGN(bytes->len) - bytes->len;

		*gatherer->behind++ = (struct ipcbus_iovec){ (uintptr_t)bytes->data, bytes->len };
		if (fill)
			*gatherer->behind++ = (struct ipcbus_iovec){ (uintptr_t)&zero, fill };
	}
}

/* Copies the small blobs that come first. Returns how many they are. */
static unsigned int copy_blobs(uint8_t **at, const struct collector *found)
{
	unsigned int i;

	for (i = 0; i < found->n && found->blobs[i]->data.len <= BLOB_SMALL; i++) {
		const ProtobufCBinaryData *bytes = &found->blobs[i]->data;

		memset(*at + FRAME_ALIGN(bytes->len) - 8, 0, 8);
		memcpy(*at, bytes->data, bytes->len);
		*at += FRAME_ALIGN(bytes->len);
	}
	return i;
}

/* Writes the metadata behind the message, with zeros that fill up to 8 bytes: no bytes of older
 * messages are sent. Returns the end. */
static uint8_t *put_metadata(uint8_t *at, size_t size, const char *const *metadata, size_t extra)
{
	size_t fill = FRAME_ALIGN(size) - size;

	memset(at, 0, fill);
	at += fill;
	if (!extra)
		return at;
	memset(at + FRAME_ALIGN(extra) - 8, 0, 8);
	metadata_copy(at, metadata);
	return at + FRAME_ALIGN(extra);
}

/* --- Messages --------------------------------------------------------------------- */

/* Makes what was written, and the parts, the content of *send. */
static void attach(struct gatherer *gatherer, uint8_t *start, struct packed *packed,
		   struct ipcbus_send *send)
{
	if (gatherer->first == gatherer->behind) {
		send->data = (uintptr_t)start;
		send->data_size = (size_t)(gatherer->end - start);
	} else {
		add_written(gatherer, start);
		send->flags |= IPCBUS_SEND_IOV;
		send->data = (uintptr_t)gatherer->first;
		send->iov_count = (uint32_t)(gatherer->behind - gatherer->first);
		send->data_size = 0;
		for (uint32_t i = 0; i < send->iov_count; i++)
			send->data_size += gatherer->first[i].size;
	}
	table_attach(&packed->table, send);
}

/* The message was measured. */
static int write_message(struct packed *packed, struct thread *t, const ProtobufCMessage *message,
			 const struct measure *measure, const char *const *metadata,
			 const struct collector *found, struct ipcbus_send *send)
{
	size_t extra = metadata_size(metadata), written = measure->size - measure->large;
	bool framed = extra || found->n;
	struct frame_header header = {
		.magic = FRAME_MAGIC,
		.message_size = (uint32_t)measure->size,
		.metadata_size = (uint32_t)extra,
	};
	struct gatherer gatherer = {
		.encoder = {
			.large = measure->large ? add_large : NULL,
			.large_min = measure->large ? measure->large_min : SIZE_MAX,
			.n_large = measure->n_large,
		},
		.first = packed->parts + GATHER_PARTS,
		.behind = packed->parts + GATHER_PARTS,
	};
	size_t front = framed ? sizeof(header) : 0;
	size_t behind = framed ? 8 + FRAME_ALIGN(extra) + found->n * FRAME_ALIGN(BLOB_SMALL) : 0;
	unsigned int copied = 0;
	int r;

	if (framed && (measure->size > UINT32_MAX || extra > METADATA_MAX))
		return -EMSGSIZE;
	/* An empty message needs no memory, so an empty reply cannot fail. */
	r = thread_reserve(t, front + written + behind);
	if (r < 0)
		return r;
	if (front + written)
		gatherer.encoder.at = gatherer.end = t->scratch.data + front + written;
	if (framed) {
		memcpy(t->scratch.data, &header, sizeof(header));
		gatherer.end = put_metadata(gatherer.end, measure->size, metadata, extra);
		copied = copy_blobs(&gatherer.end, found);
	}
	encode(&gatherer.encoder, message);
	add_blobs(&gatherer, found, copied);
	attach(&gatherer, front + written ? t->scratch.data : NULL, packed, send);
	return 0;
}

int message_pack(struct packed *packed, struct thread *t, const ProtobufCMessage *message,
		 uint32_t flags, const char *const *metadata, size_t min,
		 struct ipcbus_send *send)
{
	struct measure measure = { .large_min = flags & IPC_METHOD_REQUEST_BYTES ? min : SIZE_MAX };
	struct collector found;
	int r = 0;

	packed->table.n = 0;
	found.visitor = (struct visitor){ .blob = collect };
	found.n = 0;
	if (flags & IPC_METHOD_REQUEST_OBJECTS)
		r = table_build(&packed->table, t->ipc, message);
	if (r < 0)
		return r;
	if (flags & IPC_METHOD_REQUEST_BLOBS)
		r = message_walk(message, &found.visitor);
	if (r == 0)
		r = encode_measure(message, &measure);
	if (measure.large < measure.size / 2)
		measure.large = 0;
	if (r == 0)
		r = write_message(packed, t, message, &measure, metadata, &found, send);
	if (r < 0)
		table_unsent(&packed->table, t->ipc);
	return r;
}
