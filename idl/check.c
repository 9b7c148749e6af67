// SPDX-License-Identifier: MIT
/*
 * See check.h.
 */
#include <errno.h>

#include "check.h"
#include "wire.h"

struct shape *shape_read(struct arena *arena, const uint8_t *data, size_t size)
{
	ProtobufCAllocator allocator = arena_allocator(arena);
	ProtobufCMessage *set;
	struct shape *shape;
	int r;

	if (!wire_is_sound(shape_descriptor(), data, size, WIRE_DEPTH_MAX))
		return NULL;
	data = wire_without_groups(arena, shape_descriptor(), data, size, &size);
	set = protobuf_c_message_unpack(shape_descriptor(), &allocator, size, data);
	if (!set)
		return NULL;

	r = shape_new(&shape, set);
	if (r == -ENOMEM)
		out_of_memory();
	return r < 0 ? NULL : shape;
}
