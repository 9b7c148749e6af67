// SPDX-License-Identifier: MIT
/*
 * Frames of a link: see link-frame.h. Members that are 0 are not written, as in proto3. The bytes
 * that are read come from the other gateway and are untrusted: wire.h checks their bounds.
 */
#include <errno.h>
#include <string.h>

#include "../libipc/conn/frame.h"
#include "link-frame.h"

/* Numbers of the fields in link.proto. */
enum { FRAME_METHOD = 4, FRAME_TEXT = 8, FRAME_OBJECTS = 9, FRAME_DATA = 15 };
enum { OBJECT_TAG = 1, OBJECT_NUMBER, OBJECT_YOURS };

/* The fields that are varints. */
static const struct {
	uint32_t number;
	size_t at; /* of a uint64_t in struct link_frame */
} numbers[] = {
	{ 1, offsetof(struct link_frame, kind) },    { 2, offsetof(struct link_frame, id) },
	{ 3, offsetof(struct link_frame, target) },  { 5, offsetof(struct link_frame, chain) },
	{ 6, offsetof(struct link_frame, timeout) }, { 7, offsetof(struct link_frame, error) },
	{ 10, offsetof(struct link_frame, count) },  { 11, offsetof(struct link_frame, size) },
	{ 12, offsetof(struct link_frame, low) },    { 13, offsetof(struct link_frame, high) },
	{ 14, offsetof(struct link_frame, flags) },
};
#define N_NUMBERS (sizeof(numbers) / sizeof(*numbers))

/* --- Writing ---------------------------------------------------------------------------- */

static void put_number(struct wire_buffer *to, uint32_t number, uint64_t value)
{
	if (!value)
		return;
	wire_put_tag(to, number, WIRE_VARINT);
	wire_put_value(to, WIRE_VARINT, value);
}

static void put_bytes(struct wire_buffer *to, uint32_t number, const void *data, size_t size)
{
	if (size)
		wire_put_field(to, number, data, size);
}

static void put_object(struct wire_buffer *to, const struct link_object *object)
{
	size_t begin = to->size;

	wire_put_tag(to, OBJECT_TAG, WIRE_64BIT);
	wire_put_value(to, WIRE_64BIT, object->tag);
	put_number(to, OBJECT_NUMBER, object->number);
	put_number(to, OBJECT_YOURS, object->yours);
	wire_wrap(to, begin, FRAME_OBJECTS, WIRE_BYTES);
}

void link_frame_write(struct wire_buffer *to, const struct link_frame *frame)
{
	for (size_t i = 0; i < N_NUMBERS; i++)
		put_number(to, numbers[i].number,
			   *(const uint64_t *)((const char *)frame + numbers[i].at));
	if (frame->method) {
		wire_put_tag(to, FRAME_METHOD, WIRE_32BIT);
		wire_put_value(to, WIRE_32BIT, frame->method);
	}
	put_bytes(to, FRAME_TEXT, frame->text, frame->text_size);
	for (size_t i = 0; i < frame->n_objects; i++)
		put_object(to, &frame->objects[i]);
	put_bytes(to, FRAME_DATA, frame->data, frame->data_size);
}

/* --- Reading ----------------------------------------------------------------------------- */

static int read_object(struct wire wire, struct link_object *object)
{
	struct wire_field field;
	int r;

	*object = (struct link_object){ 0 };
	while ((r = wire_next(&wire, &field)) > 0) {
		if (field.number == OBJECT_TAG && field.type == WIRE_64BIT)
			object->tag = field.value;
		else if (field.number == OBJECT_NUMBER && field.type == WIRE_VARINT)
			object->number = field.value;
		else if (field.number == OBJECT_YOURS && field.type == WIRE_VARINT)
			object->yours = field.value;
	}
	return r;
}

static int read_bytes(struct link_frame *frame, const struct wire_field *field)
{
	size_t size = (size_t)(field->bytes.end - field->bytes.at);

	if (field->number == FRAME_TEXT) {
		frame->text = (const char *)field->bytes.at;
		frame->text_size = size;
	} else if (field->number == FRAME_DATA) {
		frame->data = field->bytes.at;
		frame->data_size = size;
	} else if (field->number == FRAME_OBJECTS) {
		if (frame->n_objects == LINK_OBJECTS_MAX)
			return -EBADMSG;
		return read_object(field->bytes, &frame->objects[frame->n_objects++]);
	}
	return 0;
}

static void read_number(struct link_frame *frame, const struct wire_field *field)
{
	for (size_t i = 0; i < N_NUMBERS; i++)
		if (numbers[i].number == field->number)
			*(uint64_t *)((char *)frame + numbers[i].at) = field->value;
}

int link_frame_read(const void *data, size_t size, struct link_frame *ret_frame)
{
	struct wire wire = wire_of(data, size);
	struct wire_field field;
	int r;

	memset(ret_frame, 0, offsetof(struct link_frame, objects));
	while ((r = wire_next(&wire, &field)) > 0) {
		if (field.type == WIRE_BYTES)
			r = read_bytes(ret_frame, &field);
		else if (field.type == WIRE_VARINT)
			read_number(ret_frame, &field);
		else if (field.number == FRAME_METHOD && field.type == WIRE_32BIT)
			ret_frame->method = (uint32_t)field.value;
		if (r < 0)
			return r;
	}
	/* So that the error can be negated as an errno. */
	ret_frame->error &= INT32_MAX;
	return r;
}

/* --- Metadata in payloads ------------------------------------------------------------------ */

#define OWN    "ipc-"
#define OTHER  "far-"
#define PREFIX (sizeof(OWN) - 1)

_Static_assert(sizeof(OWN) == sizeof(OTHER), "a name keeps its length");

/* Finds the metadata in a payload. Returns their size, or 0 if there are none or the receiver
 * refuses the frame. */
static size_t find(uint8_t *payload, size_t size, uint8_t **ret_metadata)
{
	struct frame_header header;
	size_t left;

	if (!unlikely_frame(payload, size) || size < sizeof(header))
		return 0;
	memcpy(&header, payload, sizeof(header));
	left = size - sizeof(header);
	if (header.message_size > left || FRAME_ALIGN((size_t)header.message_size) > left)
		return 0;
	left -= FRAME_ALIGN((size_t)header.message_size);
	*ret_metadata = payload + size - left;
	return header.metadata_size > left ? 0 : header.metadata_size;
}

void link_rename_metadata(uint8_t *payload, size_t size)
{
	uint8_t *at, *end;

	size = find(payload, size, &at);
	if (!size || at[size - 1])
		return;
	/* Name, 0, value, 0, and so on. */
	for (end = at + size; at < end; at += strlen((char *)at) + 1) {
		if (!strncmp((char *)at, OWN, PREFIX))
			memcpy(at, OTHER, PREFIX);
		at += strlen((char *)at) + 1;
		if (at == end)
			break;
	}
}
