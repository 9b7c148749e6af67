/* SPDX-License-Identifier: MIT */
/*
 * Frames: a message and its metadata in one payload.
 *
 * Most payloads are the protobuf bytes of a message. No protobuf message begins with
 * FRAME_MAGIC, because that would be a field 0. A payload that does is a frame:
 *
 *   header      16 bytes, struct frame_header, in the machine's byte order
 *   message     header.message_size bytes
 *   metadata    header.metadata_size bytes, at most METADATA_MAX: name, 0, value, 0, ...
 *
 * The metadata begins at a multiple of 8. It ends the payload, except for up to 7 bytes of padding.
 *
 * raw.c and typed/pack.c write frames; frame.c parses them.
 */
#ifndef IPC_FRAME_H
#define IPC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAGIC	7
#define FRAME_ALIGN(n)	(((n) + 7) & ~(size_t)7)
#define METADATA_MAX	((size_t)64 << 10)

struct frame_header {
	uint8_t magic;
	uint8_t zero[3];
	uint32_t message_size;
	uint32_t metadata_size;
	uint32_t in_file;		/* 1: the payload is a file (payload.h); else 0 */
};

/* A received frame. It points into the payload and is valid as long as the payload. */
struct frame {
	const char *metadata;		/* ends with a 0 */
	size_t metadata_size;		/* 0: none */
};

static inline bool unlikely_frame(const uint8_t *data, size_t size)
{
	return __builtin_expect(size && data[0] == FRAME_MAGIC, 0);
}

/* Takes a frame apart: data and size become the message's. The payload is untrusted and must not
 * change in the meantime. -EBADMSG: the sizes do not fit; -EMSGSIZE: the metadata is larger than
 * METADATA_MAX. */
int frame_parse(struct frame *frame, const uint8_t **data, size_t *size);

/* Returns whether each name of metadata has a character and a value. */
bool metadata_is_valid(const char *const *metadata);
/* The size of metadata (NULL: none) in a frame in bytes, and a copy of it. */
size_t metadata_size(const char *const *metadata);
void metadata_copy(uint8_t *to, const char *const *metadata);

/* Returns the value of a name, or NULL. */
const char *frame_metadata(const struct frame *frame, const char *name);
/* Returns the name behind the given name, or the first name for NULL; NULL at the end. */
const char *frame_next_metadata(const struct frame *frame, const char *name,
				const char **ret_value);

#endif /* IPC_FRAME_H */
