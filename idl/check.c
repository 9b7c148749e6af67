// SPDX-License-Identifier: MIT
/*
 * See check.h.
 */
#include <errno.h>

#include "check.h"
#include "wire.h"

struct shape *shape_read(struct arena *arena, const uint8_t *data, size_t size)
{
	ProtobufCMessage *set = wire_unpack(arena, shape_descriptor(), data, size);
	struct shape *shape;
	int r;

	if (!set)
		return NULL;

	r = shape_new(&shape, set);
	if (r == -ENOMEM)
		out_of_memory();
	return r < 0 ? NULL : shape;
}
