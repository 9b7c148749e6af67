// SPDX-License-Identifier: MIT
/*
 * Messages that are sent from several places: see gather.h. Called by rpc.c, serve.c and
 * blob.c.
 *
 * A walk over the message finds the large fields. Then protobuf-c packs the message into a
 * buffer that copies all but these. That costs more for each field than packing into memory,
 * so it is worthwhile only if most of the message is in few fields.
 */
#include <errno.h>
#include <string.h>

#include "gather.h"
#include "walk.h"

/* --- Finding the large fields --------------------------------------------------------- */

struct finder {
	size_t min;
	size_t budget;			/* values that may still be looked at */
	size_t bytes;			/* of the fields found */
	unsigned int n;
	const ProtobufCBinaryData *found[GATHER_FIELDS];
};

/* Whether it may go on: of many small values, looking is a waste. */
static bool spend(struct finder *finder)
{
	if (!finder->budget)
		return false;
	finder->budget--;
	return true;
}

static bool find(struct finder *finder, const ProtobufCMessage *message, unsigned int depth);

static bool find_in(struct finder *finder, const ProtobufCFieldDescriptor *field,
		    const void *value, unsigned int depth)
{
	const ProtobufCBinaryData *bytes = value;
	const ProtobufCMessage *message;

	if (!spend(finder))
		return false;
	if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
		message = *(const ProtobufCMessage *const *)value;
		return !message || find(finder, message, depth + 1);
	}
	if (bytes->len < finder->min || !bytes->data)
		return true;
	if (finder->n == GATHER_FIELDS)
		return false;
	finder->found[finder->n++] = bytes;
	finder->bytes += bytes->len;
	return true;
}

/* Whether an optional field is there: protobuf-c packs it. */
static bool is_present(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	const void *quantifier = field_at(message, field->quantifier_offset);

	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)quantifier == field->id;
	if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->type == PROTOBUF_C_TYPE_BYTES)
		return *(const protobuf_c_boolean *)quantifier;
	return true;
}

static bool find_in_array(struct finder *finder, const ProtobufCMessage *message,
			  const ProtobufCFieldDescriptor *field, unsigned int depth)
{
	size_t size = field->type == PROTOBUF_C_TYPE_BYTES ? sizeof(ProtobufCBinaryData) :
							     sizeof(ProtobufCMessage *);
	size_t n = *(const size_t *)field_at(message, field->quantifier_offset);
	const char *items = *(const char *const *)field_at(message, field->offset);

	for (size_t i = 0; i < n; i++)
		if (!find_in(finder, field, items + i * size, depth))
			return false;
	return true;
}

static bool find(struct finder *finder, const ProtobufCMessage *message, unsigned int depth)
{
	const ProtobufCMessageDescriptor *descriptor = message->descriptor;
	bool go_on = depth <= MESSAGE_MAX_DEPTH;

	for (unsigned int i = 0; go_on && i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];

		if (field->type != PROTOBUF_C_TYPE_MESSAGE && field->type != PROTOBUF_C_TYPE_BYTES)
			go_on = spend(finder);
		else if (field->label == PROTOBUF_C_LABEL_REPEATED)
			go_on = find_in_array(finder, message, field, depth);
		else if (is_present(message, field))
			go_on = find_in(finder, field, field_at(message, field->offset), depth);
	}
	return go_on;
}

/* --- Packing -------------------------------------------------------------------------- */

/* What protobuf-c packs into. */
struct gatherer {
	ProtobufCBuffer buffer;
	const struct finder *finder;
	unsigned int next;		/* of finder->found, to come */
	uint8_t *at;			/* in the scratch */
	uint8_t *end;
	bool overflow;
	unsigned int n;
	struct ipcbus_iovec *parts;
	struct ipcbus_iovec *last;	/* of them; NULL: there is none yet */
};

static void add_part(struct gatherer *gatherer, const void *data, size_t size)
{
	gatherer->last = &gatherer->parts[gatherer->n++];
	*gatherer->last = (struct ipcbus_iovec){ (uintptr_t)data, size };
}

/* Bytes in the scratch belong to one part until a large field comes. */
static void copy(struct gatherer *gatherer, const uint8_t *data, size_t size)
{
	struct ipcbus_iovec *last = gatherer->last;

	if (size > (size_t)(gatherer->end - gatherer->at)) {
		gatherer->overflow = true;
		return;
	}
	if (!size)
		return;
	memcpy(gatherer->at, data, size);
	if (last && last->base + last->size == (uintptr_t)gatherer->at)
		last->size += size;
	else
		add_part(gatherer, gatherer->at, size);
	gatherer->at += size;
}

static void append(ProtobufCBuffer *buffer, size_t size, const uint8_t *data)
{
	struct gatherer *gatherer = (struct gatherer *)buffer;
	const struct finder *finder = gatherer->finder;
	const ProtobufCBinaryData *next =
		gatherer->next < finder->n ? finder->found[gatherer->next] : NULL;

	if (next && data == next->data && size == next->len) {
		add_part(gatherer, data, size);
		gatherer->next++;
	} else {
		copy(gatherer, data, size);
	}
}

int message_gather(struct thread *t, const ProtobufCMessage *message, size_t size, size_t min,
		   struct ipcbus_iovec *parts, struct ipcbus_send *send)
{
	struct finder finder = { .min = min, .budget = 32 + size / 1024 };
	struct gatherer gatherer;
	int r;

	find(&finder, message, /* depth= */ 0);
	if (finder.bytes < size / 2 || finder.bytes > size || !finder.n)
		return 0;
	r = thread_reserve(t, size - finder.bytes);
	if (r < 0)
		return r;

	gatherer = (struct gatherer){
		.buffer = { append },
		.finder = &finder,
		.at = t->scratch.data,
		.end = t->scratch.data + (size - finder.bytes),
		.parts = parts,
	};
	protobuf_c_message_pack_to_buffer(message, &gatherer.buffer);
	/* protobuf-c packed the fields in another order than they were found in. */
	if (gatherer.overflow || gatherer.at != gatherer.end || gatherer.next < finder.n)
		return 0;
	send->flags |= IPCBUS_SEND_IOV;
	send->data = (uintptr_t)parts;
	send->iov_count = gatherer.n;
	send->data_size = size;
	return 1;
}
