// SPDX-License-Identifier: MIT
/*
 * The walk over a message by its descriptor. See walk.h; called by table.c.
 */
#include <errno.h>
#include <ipc/ipc.pb-c.h>
#include <stddef.h>

#include "walk.h"

static int walk(const ProtobufCMessage *message, struct visitor *visitor, unsigned int depth);

static int walk_one(const ProtobufCMessage *message, struct visitor *visitor, unsigned int depth)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;
	int r;

	if (type == &ipc__object__descriptor)
		return visitor->object ?
			       visitor->object(visitor, &((Ipc__Object *)message)->id) : 0;
	if (type == &ipc__fd__descriptor)
		return visitor->fd ? visitor->fd(visitor, &((Ipc__Fd *)message)->fd) : 0;
	r = visitor->message ? visitor->message(visitor, message) : 0;
	if (r == 0)
		r = walk(message, visitor, depth);
	if (r == 0 && type == &ipc__memory__descriptor && visitor->memory)
		r = visitor->memory(visitor, (Ipc__Memory *)message);
	return r;
}

static int walk_repeated(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
			 struct visitor *visitor, unsigned int depth)
{
	size_t n = *(const size_t *)field_at(message, field->quantifier_offset);
	ProtobufCMessage *const *items =
		*(ProtobufCMessage *const *const *)field_at(message, field->offset);
	int r;

	for (size_t i = 0; i < n; i++) {
		if (!items[i])
			return -EBADMSG;
		r = walk_one(items[i], visitor, depth + 1);
		if (r < 0)
			return r;
	}
	return 0;
}

static int walk_single(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
		       struct visitor *visitor, unsigned int depth)
{
	const ProtobufCMessage *item;

	/* Members of a oneof share their place: is it this one's? */
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF &&
	    *(const uint32_t *)field_at(message, field->quantifier_offset) != field->id)
		return 0;

	item = *(ProtobufCMessage *const *)field_at(message, field->offset);
	return item ? walk_one(item, visitor, depth + 1) : 0;
}

static int walk(const ProtobufCMessage *message, struct visitor *visitor, unsigned int depth)
{
	const ProtobufCMessageDescriptor *descriptor = message->descriptor;
	int r;

	if (depth > MESSAGE_MAX_DEPTH)
		return -EBADMSG;

	for (unsigned int i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];

		if (field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		if (field->label == PROTOBUF_C_LABEL_REPEATED)
			r = walk_repeated(message, field, visitor, depth);
		else
			r = walk_single(message, field, visitor, depth);
		if (r < 0)
			return r;
	}
	return 0;
}

int message_walk(const ProtobufCMessage *message, struct visitor *visitor)
{
	return walk_one(message, visitor, /* depth= */ 0);
}
