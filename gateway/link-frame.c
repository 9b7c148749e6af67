// SPDX-License-Identifier: MIT
/*
 * Frames of a link: see link-frame.h.
 */
#include <errno.h>
#include <string.h>

#include "link-frame.h"

enum { KIND = 1, ID, TARGET, CODE, CHAIN, TIMEOUT, ERROR, TEXT, OBJECTS, COUNT, SIZE, LOW, HIGH,
       FLAGS, DATA };
enum { OBJECT_TAG = 1, OBJECT_NUMBER, OBJECT_YOURS };

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
	if (!size)
		return;
	wire_put_tag(to, number, WIRE_BYTES);
	wire_put_value(to, WIRE_VARINT, size);
	wire_put(to, data, size);
}

static void put_object(struct wire_buffer *to, const struct link_object *object)
{
	size_t begin = to->size;

	wire_put_tag(to, OBJECT_TAG, WIRE_64BIT);
	wire_put_value(to, WIRE_64BIT, object->tag);
	put_number(to, OBJECT_NUMBER, object->number);
	put_number(to, OBJECT_YOURS, object->yours);
	wire_wrap(to, begin, OBJECTS);
}

void link_frame_write(struct wire_buffer *to, const struct link_frame *frame)
{
	put_number(to, KIND, frame->kind);
	put_number(to, ID, frame->id);
	put_number(to, TARGET, frame->target);
	if (frame->code) {
		wire_put_tag(to, CODE, WIRE_32BIT);
		wire_put_value(to, WIRE_32BIT, frame->code);
	}
	put_number(to, CHAIN, frame->chain);
	put_number(to, TIMEOUT, frame->timeout);
	put_number(to, ERROR, frame->error);
	put_bytes(to, TEXT, frame->text, frame->text_size);
	for (size_t i = 0; i < frame->n_objects; i++)
		put_object(to, &frame->objects[i]);
	put_number(to, COUNT, frame->count);
	put_number(to, SIZE, frame->size);
	put_number(to, LOW, frame->low);
	put_number(to, HIGH, frame->high);
	put_number(to, FLAGS, frame->flags);
	put_bytes(to, DATA, frame->data, frame->data_size);
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

	if (field->number == TEXT) {
		frame->text = (const char *)field->bytes.at;
		frame->text_size = size;
	} else if (field->number == DATA) {
		frame->data = field->bytes.at;
		frame->data_size = size;
	} else if (field->number == OBJECTS) {
		if (frame->n_objects == LINK_OBJECTS_MAX)
			return -EBADMSG;
		return read_object(field->bytes, &frame->objects[frame->n_objects++]);
	}
	return 0;
}

static void read_number(struct link_frame *frame, const struct wire_field *field)
{
	switch (field->number) {
	case KIND:
		frame->kind = field->value < LINK_KINDS ? (enum link_kind)field->value :
							   LINK_UNKNOWN;
		break;
	case ID:
		frame->id = field->value;
		break;
	case TARGET:
		frame->target = field->value;
		break;
	case CHAIN:
		frame->chain = field->value;
		break;
	case TIMEOUT:
		frame->timeout = field->value;
		break;
	case ERROR:
		frame->error = (uint32_t)field->value & INT32_MAX;
		break;
	case COUNT:
		frame->count = field->value;
		break;
	case SIZE:
		frame->size = field->value;
		break;
	case LOW:
		frame->low = (uint32_t)field->value;
		break;
	case HIGH:
		frame->high = (uint32_t)field->value;
		break;
	case FLAGS:
		frame->flags = field->value;
		break;
	default:
		break;
	}
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
		else if (field.number == CODE && field.type == WIRE_32BIT)
			ret_frame->code = (uint32_t)field.value;
		if (r < 0)
			return r;
	}
	return r;
}
