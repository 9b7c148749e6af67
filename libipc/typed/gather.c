// SPDX-License-Identifier: MIT
/*
 * Messages that are sent: see gather.h. Called by rpc.c, serve.c and blob.c.
 */
#include "gather.h"

/* The message is written from its end, and so are the parts. */
struct gatherer {
	struct encoder encoder;
	uint8_t *end;			/* of the bytes in the scratch that have no part yet */
	struct ipcbus_iovec *part;	/* the first one so far */
};

static void add_part(struct gatherer *gatherer, const void *data, size_t size)
{
	*--gatherer->part = (struct ipcbus_iovec){ (uintptr_t)data, size };
}

static void add_written(struct gatherer *gatherer)
{
	uint8_t *at = gatherer->encoder.at;

	if (at != gatherer->end)
		add_part(gatherer, at, (size_t)(gatherer->end - at));
	gatherer->end = at;
}

static void add_large(struct encoder *encoder, const ProtobufCBinaryData *bytes)
{
	struct gatherer *gatherer = (struct gatherer *)encoder;

	add_written(gatherer);
	add_part(gatherer, bytes->data, bytes->len);
}

static void gather(struct thread *t, const ProtobufCMessage *message,
		   const struct measure *measure, struct ipcbus_iovec *parts,
		   struct ipcbus_send *send)
{
	uint8_t *end = t->scratch.data + (measure->size - measure->large);
	struct gatherer gatherer = {
		.encoder = {
			.at = end,
			.large = add_large,
			.large_min = measure->large_min,
			.n_large = measure->n_large,
		},
		.end = end,
		.part = parts + GATHER_PARTS,
	};

	encode(&gatherer.encoder, message);
	add_written(&gatherer);
	send->flags |= IPCBUS_SEND_IOV;
	send->data = (uintptr_t)gatherer.part;
	send->iov_count = (uint32_t)(parts + GATHER_PARTS - gatherer.part);
	send->data_size = measure->size;
}

int message_pack(struct thread *t, const ProtobufCMessage *message, size_t min,
		 struct ipcbus_iovec *parts, struct ipcbus_send *send)
{
	struct measure measure = { .large_min = min };
	struct encoder encoder;
	int r;

	r = encode_measure(message, &measure);
	if (r < 0)
		return r;
	if (likely(measure.large < measure.size / 2 || !measure.large))
		measure.large = 0;
	r = thread_reserve(t, measure.size - measure.large);
	if (r < 0)
		return r;
	if (unlikely(measure.large)) {
		gather(t, message, &measure, parts, send);
		return 0;
	}
	send->data = (uintptr_t)t->scratch.data;
	send->data_size = measure.size;
	/* Without any message so far there is no scratch. */
	if (!measure.size)
		return 0;
	encoder = (struct encoder){ .at = t->scratch.data + measure.size, .large_min = SIZE_MAX };
	encode(&encoder, message);
	return 0;
}
