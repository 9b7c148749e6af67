/* SPDX-License-Identifier: MIT */
/*
 * Frames of a link. link.proto describes the fields.
 */
#ifndef GATEWAY_LINK_FRAME_H
#define GATEWAY_LINK_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/wire.h"

#define LINK_PATH	"/ipc.link.Link/Connect"
#define LINK_VERSION	1
#define LINK_LITTLE_ENDIAN (1U << 0)

/* Maximum bytes of a frame in addition to its payload. */
#define LINK_FRAME_EXTRA	4096
#define LINK_OBJECTS_MAX	64

enum link_kind {
	LINK_HELLO = 1,
	LINK_FIND,
	LINK_NAME,
	LINK_CALL,
	LINK_REPLY,
	LINK_CANCEL,
	LINK_ONEWAY,
	LINK_TAKEN,
	LINK_RELEASE,
	LINK_DEAD,
};

struct link_object {
	uint64_t tag;
	uint64_t number;
	bool yours;
};

/* A frame. It does not own the memory of text and data. */
struct link_frame {
	uint64_t kind; /* enum link_kind, or an unknown kind */
	uint64_t id;
	uint64_t target;
	uint32_t method;
	uint64_t chain;
	uint64_t timeout;
	uint64_t error;
	uint64_t count;
	uint64_t size;
	uint64_t low;
	uint64_t high;
	uint64_t flags;
	const char *text;
	size_t text_size;
	const uint8_t *data;
	size_t data_size;
	size_t n_objects;
	struct link_object objects[LINK_OBJECTS_MAX];
};

/* Append the bytes of a frame. If that fails, the buffer has the failure. */
void link_frame_write(struct wire_buffer *to, const struct link_frame *frame);

/*
 * Read a frame, which then points into data. The bytes are untrusted. Unknown fields are skipped.
 *
 *   -EBADMSG  The bytes are malformed, or there are too many objects.
 */
int link_frame_read(const void *data, size_t size, struct link_frame *ret_frame);

/* In the metadata of a payload of the other side, rename "ipc-*" to "far-*". On this bus, metadata
 * whose names begin with "ipc-" come from this gateway itself, such as the name in a client's
 * certificate. */
void link_rename_metadata(uint8_t *payload, size_t size);

#endif /* GATEWAY_LINK_FRAME_H */
