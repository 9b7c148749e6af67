// SPDX-License-Identifier: MIT
/*
 * Frames as they arrive: see frame.h. The bytes are a stranger's.
 */
#include <errno.h>
#include <string.h>

#include "frame.h"
#include "private.h"

/* Cuts off the next part, which may be followed by bytes that fill up to 8. */
static int cut(const uint8_t **at, const uint8_t *end, size_t size, const uint8_t **ret_part)
{
	size_t left = (size_t)(end - *at);

	if (size > left)
		return -EBADMSG;

	*ret_part = *at;
	*at += FRAME_ALIGN(size) < left ? FRAME_ALIGN(size) : left;
	return 0;
}

int frame_parse(struct frame *frame, const uint8_t **data, size_t *size)
{
	const uint8_t *at = *data, *end = *data + *size;
	const uint8_t *metadata;
	struct frame_header header;
	int r;

	if (*size < sizeof(header))
		return -EBADMSG;
	memcpy(&header, at, sizeof(header));
	if (header.zero[0] || header.zero[1] || header.zero[2] || header.in_file)
		return -EBADMSG;

	at += sizeof(header);
	r = cut(&at, end, header.message_size, data);
	if (r < 0)
		return r;
	r = cut(&at, end, header.metadata_size, &metadata);
	if (r < 0)
		return r;
	if (header.metadata_size > METADATA_MAX)
		return -EMSGSIZE;
	if (header.metadata_size && metadata[header.metadata_size - 1])
		return -EBADMSG;

	*size = header.message_size;
	*frame = (struct frame){
		.metadata = (const char *)metadata,
		.metadata_size = header.metadata_size,
		.blobs = at,
		.end = end,
	};
	return 0;
}

size_t metadata_size(const char *const *metadata)
{
	size_t size = 0;

	for (; metadata && *metadata; metadata++)
		size += strlen(*metadata) + 1;
	return size;
}

void metadata_copy(uint8_t *to, const char *const *metadata)
{
	for (; *metadata; metadata++)
		to = (uint8_t *)stpcpy((char *)to, *metadata) + 1;
}

const char *frame_next_metadata(const struct frame *frame, const char *name,
				const char **ret_value)
{
	const char *end = frame->metadata + frame->metadata_size;
	const char *at = frame->metadata;

	if (name) {
		at = name + strlen(name) + 1;
		at += strlen(at) + 1;
	}
	*ret_value = at < end ? at + strlen(at) + 1 : end;
	/* The last name may have no value. */
	return *ret_value < end ? at : NULL;
}

const char *frame_metadata(const struct frame *frame, const char *name)
{
	const char *at = NULL, *value;

	while ((at = frame_next_metadata(frame, at, &value)))
		if (!strcmp(at, name))
			return value;
	return NULL;
}

/* The message, and in a frame the blobs. */
static int payload_parse(const void *payload, size_t size, struct frame *ret_frame,
			 const uint8_t **ret_message, size_t *ret_size)
{
	*ret_frame = (struct frame){ 0 };
	*ret_message = payload;
	*ret_size = size;
	if (size && !payload)
		return -EINVAL;
	if (!unlikely_frame(*ret_message, size))
		return 0;
	return frame_parse(ret_frame, ret_message, ret_size);
}

int ipc_payload_message(const void *payload, size_t size, const void **ret_message,
			size_t *ret_size)
{
	const uint8_t *message;
	struct frame frame;
	int r;

	if (!ret_message || !ret_size)
		return -EINVAL;
	r = payload_parse(payload, size, &frame, &message, &size);
	if (r < 0)
		return r;
	*ret_message = message;
	*ret_size = size;
	return 0;
}

int ipc_payload_blobs(const void *payload, size_t size, const void **ret_blobs, size_t *ret_size)
{
	const uint8_t *message;
	struct frame frame;
	int r;

	if (!ret_blobs || !ret_size)
		return -EINVAL;
	r = payload_parse(payload, size, &frame, &message, &size);
	if (r < 0)
		return r;
	*ret_blobs = frame.blobs;
	*ret_size = (size_t)(frame.end - frame.blobs);
	return 0;
}
