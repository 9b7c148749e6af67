/* SPDX-License-Identifier: MIT */
/*
 * Frames: blobs and metadata around a message in a payload.
 *
 * Most payloads are the protobuf bytes of a message. No protobuf message begins with
 * FRAME_MAGIC, because that would be a field 0. A payload that does is a frame:
 *
 *   header      16 bytes, struct frame_header, in the machine's byte order
 *   message     header.message_size bytes
 *   metadata    header.metadata_size bytes, at most METADATA_MAX: name, 0, value, 0, ...
 *   blobs       one behind the other, in the order of a walk over the message
 *
 * Each part begins at a multiple of 8. The message contains the number of blobs and the size
 * of each.
 *
 * raw.c and typed/pack.c put frames together; frame.c and typed/blob.c take them apart.
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

/* A received frame: pointers into the payload. */
struct frame {
	const char *metadata;		/* ends with a 0 */
	size_t metadata_size;		/* 0: none */
	const uint8_t *blobs;
	const uint8_t *end;
};

static inline bool unlikely_frame(const uint8_t *data, size_t size)
{
	return __builtin_expect(size && data[0] == FRAME_MAGIC, 0);
}

/* Takes a frame apart: data and size become the message's. -EBADMSG; -EMSGSIZE: its metadata is
 * larger than METADATA_MAX. */
int frame_parse(struct frame *frame, const uint8_t **data, size_t *size);

/* How large the message in a payload is; nothing has checked that payload. */
static inline size_t frame_message_size(const uint8_t *data, size_t size)
{
	uint32_t message_size;

	if (!unlikely_frame(data, size) || size < sizeof(struct frame_header))
		return size;
	message_size = ((const struct frame_header *)data)->message_size;
	return message_size < size ? message_size : size;
}

/* How long metadata (NULL: none) is in a frame, and its bytes. */
size_t metadata_size(const char *const *metadata);
void metadata_copy(uint8_t *to, const char *const *metadata);

/* The value that goes with a name, or NULL. */
const char *frame_metadata(const struct frame *frame, const char *name);
/* The name behind that one, or the first for NULL; NULL: there is no more. */
const char *frame_next_metadata(const struct frame *frame, const char *name,
				const char **ret_value);

#endif /* IPC_FRAME_H */
